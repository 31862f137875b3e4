/** No shared cache ever holds a Set-Cookie of ours, or one user's page for the next. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { breaking, SESSION, serve } from './support.ts'
import { ADAPTERS, ours, type WireResponse } from './wire.ts'

const CACHEABLE: readonly (readonly [string, string])[] = [
  ['Cache-Control', 'public, max-age=31536000, immutable'],
  ['Expires', 'Wed, 01 Jan 2098 00:00:00 GMT'],
  ['CDN-Cache-Control', 'max-age=600'],
  ['Cloudflare-CDN-Cache-Control', 'max-age=600'],
  ['Vercel-CDN-Cache-Control', 'max-age=600'],
  ['Netlify-CDN-Cache-Control', 'max-age=600'],
  ['Surrogate-Control', 'max-age=600'],
  ['Edge-Control', 'max-age=600'],
  ['X-Accel-Expires', '600'],
]

/** A cache as careless as one may meet: it keeps what some header allows, whoever asked for it. */
function wouldStore(response: WireResponse): boolean {
  const control = response.all('cache-control').join(',')
  if (CACHEABLE.slice(1).some(([name]) => response.one(name) !== undefined)) return true
  return !/no-store|private/.test(control)
}

for (const [adapter, start] of ADAPTERS) {
  describe(`through ${adapter}`, () => {
    test('P11 R-37 R-38 whatever sets a cookie is not to be stored, over everything that the application said', async (t) => {
      const { sessions } = serve()
      const wire = await start(t, sessions, (session, path, setHeader) => {
        for (const [name, value] of CACHEABLE) setHeader(name, value)
        setHeader('Vary', 'Accept-Encoding')
        if (path === '/login') session.authenticate('ada')
        if (path === '/form') session.csrfToken()
        if (path === '/cart') session.set('cart', 1)
        if (path === '/renew') session.renew()
        if (path === '/step-up') session.reauthenticate()
        if (path === '/logout') session.terminate()
        return 'page'
      })
      let token: string | null | undefined
      for (const path of ['/form', '/cart', '/login', '/renew', '/step-up', '/logout']) {
        const headers = ours({ [SESSION]: token })
        const answer = await wire.send({ method: path === '/form' ? 'GET' : 'POST', path, headers })
        assert.equal(answer.status, 200, path)
        assert.ok(answer.all('set-cookie').length > 0, path)
        assert.equal(wouldStore(answer), false, path)
        assert.equal(answer.one('cache-control'), 'no-store, private', path)
        assert.match(answer.one('vary') ?? '', /Cookie/, path)
        assert.match(answer.one('vary') ?? '', /Accept-Encoding/, path)
        token = answer.cookie(SESSION) ?? token
      }
    })

    test('P11 R-37 a page that read a session varies by its cookie, and is not stored unless the application says so', async (t) => {
      const { sessions } = serve()
      const wire = await start(t, sessions, (session, path) => {
        if (path === '/login') session.authenticate('ada')
        return path === '/public' ? 'page' : `Hello ${session.userId}`
      })
      const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
      const headers = ours({ [SESSION]: login.cookie(SESSION) })
      const page = await wire.send({ path: '/page', headers })
      assert.equal(wouldStore(page), false)
      assert.match(page.one('vary') ?? '', /Cookie/)
      const other = await wire.send({ path: '/public', headers })
      assert.deepEqual([other.one('vary'), other.one('cache-control')], [undefined, undefined])
    })

    test('P11 refusals and failures are not stored either, and set nothing', async (t) => {
      const store = breaking(memory())
      const { sessions } = serve({ engine: store.engine })
      const wire = await start(t, sessions, (session, path, setHeader) => {
        setHeader('Cache-Control', 'public, max-age=600')
        if (path === '/login') session.authenticate('ada')
        if (path === '/write') session.set('a', 1)
        return 'page'
      })
      const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
      const headers = ours({ [SESSION]: login.cookie(SESSION) })
      const forged = await wire.send({
        method: 'POST',
        headers: { ...headers, 'sec-fetch-site': 'cross-site' },
      })
      store.broken.add('replace')
      const failed = await wire.send({ method: 'POST', path: '/write', headers })
      store.breakAll()
      const down = await wire.send({ headers })
      assert.deepEqual([forged.status, failed.status, down.status], [403, 503, 503])
      for (const answer of [forged, failed, down]) {
        assert.match(answer.one('cache-control') ?? '', /no-store/)
        assert.equal(answer.all('set-cookie').length, 0)
        assert.notEqual(answer.body, 'page')
      }
    })
  })
}
