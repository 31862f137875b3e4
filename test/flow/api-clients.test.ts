/** `docs/api-clients.md`, run: a native client, and CORS by each framework's own means. */

import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import type { Engine, MaybePromise } from 'holdfast'
import { memory } from 'holdfast/memory'
import { both, Client, csrf, origins, withExpress, withFastify, withHono, withKoa } from './api-clients.ts'
import { type AnySessions, KEY, listen, PROXY, send, start, wrapEngine } from './harness.ts'

test('a native client logs in, is known, loses a token that has ended; its session is a device like any other', async () => {
  const { port, close } = await listen(both(memory(), KEY), false)
  const client = new Client(`http://localhost:${port}`)
  assert.equal((await client.fetch('/api/me')).status, 401)
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"user":"ada"}' }
  const login = await client.fetch('/api/login', json)
  assert.deepEqual([login.status, login.headers.getSetCookie()], [204, []])
  assert.equal(client.loggedIn, true)
  assert.deepEqual(await (await client.fetch('/api/me')).json(), { user: 'ada' })
  const devices = await (await fetch(`http://localhost:${port}/devices/ada`)).json()
  assert.equal((devices as unknown[]).length, 1)
  assert.equal((await client.fetch('/api/logout', { method: 'POST' })).status, 204)
  assert.equal((await client.fetch('/api/me')).status, 401)
  assert.equal(client.loggedIn, false)
  await close()
})

const frameworks: Record<string, (sessions: AnySessions) => MaybePromise<RequestListener>> = {
  Express: (sessions) => withExpress(sessions),
  Fastify: async (sessions) => {
    const app = await withFastify(sessions)
    return (req, res) => app.routing(req, res)
  },
  Hono: (sessions) => getRequestListener(withHono(sessions).fetch),
  Koa: (sessions) => withKoa(sessions).callback(),
}

for (const [name, serve] of Object.entries(frameworks)) {
  describe(`CORS with credentials, ${name}`, { concurrency: true }, () => {
    const [trusted] = origins as [string]
    const base = { host: 'api.example.com', 'x-forwarded-proto': 'https', accept: 'application/json' }
    const begin = (engine: Engine = memory()) => start(serve, { engine, csrf, proxy: PROXY })
    const post = (port: number, headers: Record<string, string>) =>
      send(port, { method: 'POST', path: '/count', headers: { ...base, ...headers } })

    test('a preflight is answered, and costs nothing', async () => {
      let calls = 0
      const engine = wrapEngine(memory(), (_verb, call) => {
        calls++
        return call()
      })
      await using site = await begin(engine)
      const response = await send(site.port, {
        method: 'OPTIONS',
        path: '/count',
        headers: {
          ...base,
          origin: trusted,
          'sec-fetch-site': 'same-site',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'x-csrf-token',
        },
      })
      assert.equal(response.status, 204)
      assert.equal(response.headers['access-control-allow-origin'], trusted)
      assert.equal(response.headers['access-control-allow-credentials'], 'true')
      assert.match(String(response.headers['access-control-allow-headers']), /x-csrf-token/i)
      assert.deepEqual([response.headers['set-cookie'], calls], [undefined, 0])
    })

    test("a trusted origin's page may change something, and read the answer; others may not", async () => {
      await using site = await begin()
      const answer = await post(site.port, { origin: trusted, 'sec-fetch-site': 'same-site' })
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['access-control-allow-origin'], trusted)
      assert.deepEqual(String(answer.headers.vary).split(', ').sort(), ['Cookie', 'Origin'])
      assert.equal(answer.headers['set-cookie']?.length, 1)
      const foreign = await post(site.port, {
        origin: 'https://evil.example',
        'sec-fetch-site': 'cross-site',
      })
      assert.equal(foreign.status, 403)
      assert.notEqual(foreign.headers['access-control-allow-origin'], 'https://evil.example')
      assert.equal(foreign.headers['set-cookie'], undefined)
    })

    test('it may read why it was refused, and that the store is down', async () => {
      await using site = await begin(
        wrapEngine(memory(), (verb, call) => {
          if (verb === 'create') throw new Error('down')
          return call()
        }),
      )
      const from = { origin: trusted, 'sec-fetch-site': 'same-site' }
      const refused = await post(site.port, { ...from, 'x-csrf-token': 'x'.repeat(86) })
      const failed = await post(site.port, from)
      for (const [response, status, code] of [
        [refused, 403, 'ERR_CSRF_TOKEN_INVALID'],
        [failed, 503, 'ERR_ENGINE'],
      ] as const) {
        assert.equal(response.status, status)
        assert.match(response.body, new RegExp(code))
        assert.equal(response.headers['access-control-allow-origin'], trusted)
        assert.match(String(response.headers.vary), /Origin/)
      }
    })
  })
}
