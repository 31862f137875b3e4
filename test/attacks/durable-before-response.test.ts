/** A response leaves only after its commit is durable; a commit that fails replaces it as a whole. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { around, breaking, SESSION, serve } from './support.ts'
import { ADAPTERS, ours } from './wire.ts'

for (const [adapter, start] of ADAPTERS) {
  describe(`through ${adapter}`, () => {
    test('P9 a redirect after login finds the session, on a store that takes its time', async (t) => {
      const slow = around(memory(), async (_verb, run) => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        return run()
      })
      const { sessions } = serve({ engine: slow })
      const wire = await start(t, sessions, (session, path) => {
        if (path === '/login') session.authenticate('ada')
        return String(session.userId)
      })
      for (let round = 0; round < 5; round++) {
        const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
        const next = await wire.send({ headers: ours({ [SESSION]: login.cookie(SESSION) }) })
        assert.equal(next.body, 'ada')
      }
    })

    test('P9 when the response is there, every write has returned', async (t) => {
      let under = 0
      const watched = around(memory(), async (_verb, run) => {
        under++
        await new Promise((resolve) => setTimeout(resolve, 10))
        const result = await run()
        under--
        return result
      })
      const { sessions } = serve({ engine: watched })
      const wire = await start(t, sessions, (session, path) => {
        if (path === '/login') session.authenticate('ada')
        if (path === '/write') session.set('a', 1)
        if (path === '/logout') session.terminate()
        return 'done'
      })
      let token: string | null | undefined
      for (const path of ['/login', '/write', '/logout']) {
        const answer = await wire.send({ method: 'POST', path, headers: ours({ [SESSION]: token }) })
        assert.equal(under, 0, path)
        token = answer.cookie(SESSION) ?? token
      }
    })

    test('P9 P7 a commit that fails leaves nothing of the response: no status, header, cookie or body', async (t) => {
      const store = breaking(memory())
      const { sessions } = serve({ engine: store.engine })
      const wire = await start(t, sessions, (session, path, setHeader) => {
        setHeader('X-Balance', '1000')
        setHeader('Set-Cookie', 'app=1')
        setHeader('Content-Type', 'text/html')
        setHeader('ETag', '"1"')
        if (path === '/login') session.authenticate('ada')
        if (path === '/write') session.set('a', 1)
        return 'transferred'
      })
      const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
      store.broken.add('replace').add('create')
      for (const path of ['/write', '/login']) {
        const headers = ours({ [SESSION]: login.cookie(SESSION) })
        const answer = await wire.send({ method: 'POST', path, headers })
        assert.equal(answer.status, 503, path)
        for (const name of ['x-balance', 'set-cookie', 'etag'])
          assert.equal(answer.one(name), undefined, name)
        assert.doesNotMatch(answer.body, /transferred/)
      }
    })

    test('P9 P1 a write to a session that ended meanwhile is answered with 409, whatever the handler answered', async (t) => {
      const { sessions } = serve()
      const wire = await start(t, sessions, async (session, path) => {
        if (path === '/login') session.authenticate('ada')
        if (path === '/write') {
          session.set('a', 1)
          await sessions.revoke({ userId: 'ada' })
        }
        return 'stored'
      })
      const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
      const headers = ours({ [SESSION]: login.cookie(SESSION) })
      const answer = await wire.send({ method: 'POST', path: '/write', headers })
      assert.deepEqual([answer.status, answer.all('set-cookie').length], [409, 0])
      assert.match(answer.body, /ERR_SESSION_ENDED/)
    })
  })
}
