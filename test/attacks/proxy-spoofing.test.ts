/** Who the client is, and whether it spoke HTTPS, is not for a stranger's header to say. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { protect } from '../../src/adapters/node.ts'
import { protect as protectWeb } from '../../src/adapters/web.ts'
import { ip } from '../../src/bindings/ip.ts'
import type { SessionError } from '../../src/index.ts'
import { Client, contextOf, SESSION, serve } from './support.ts'
import { ADAPTERS, listen, ours } from './wire.ts'

const FORWARDED: readonly Record<string, string>[] = [
  { 'x-forwarded-proto': 'https' },
  { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https' },
  { forwarded: 'for=127.0.0.1;proto=https;host=app.example' },
  { 'x-forwarded-host': 'evil.example' },
  { 'x-real-ip': '127.0.0.1' },
  { 'x-forwarded-ssl': 'on', 'x-url-scheme': 'https', 'front-end-https': 'on', via: '1.1 proxy' },
]

for (const [adapter, start] of ADAPTERS.filter(([name]) => name !== 'web')) {
  describe(`through ${adapter}`, () => {
    for (const headers of FORWARDED) {
      test(`F-1 F-7 over plain HTTP, behind nobody we know: no cookie, ${JSON.stringify(headers)}`, async (t) => {
        const { sessions } = serve()
        const wire = await start(t, sessions, (session) => {
          session.authenticate('ada')
          return 'in'
        })
        const answer = await wire.send({ method: 'POST', headers: { ...ours(), ...headers } })
        assert.equal(answer.status, 403)
        assert.equal(answer.all('set-cookie').length, 0)
        assert.equal(answer.all('strict-transport-security').length, 0)
        assert.match(answer.body, /ERR_INSECURE_TRANSPORT/)
        assert.match(answer.body, /proxy/, 'it says which setting is missing')
      })
    }

    test('F-7 a Host from elsewhere is not loopback: a page that was rebound gets nothing', async (t) => {
      const { sessions } = serve()
      const wire = await start(t, sessions, (session) => {
        session.set('a', 1)
        return 'in'
      })
      for (const headers of [
        { host: 'app.example' },
        { host: 'localhost.evil.example' },
        { host: '127.0.0.1.evil.example' },
        { host: 'evil-localhost' },
        { referer: 'http://evil.example/' },
        { origin: 'http://evil.example' },
      ]) {
        for (const method of ['GET', 'POST']) {
          const answer = await wire.send({ method, headers: { ...ours(), ...headers } })
          assert.ok(
            [308, 403].includes(answer.status),
            `${method} ${JSON.stringify(headers)}: ${answer.status}`,
          )
          assert.equal(answer.all('set-cookie').length, 0)
        }
      }
    })

    test('T-1 a redirect to HTTPS keeps path and query, and leads to no other host', async (t) => {
      const { sessions } = serve()
      const wire = await start(t, sessions, () => 'in')
      for (const [path, expected] of [
        ['/a?b=c', 'https://app.example/a?b=c'],
        ['//evil.example/a', 'https://app.example/evil.example/a'],
        ['///evil.example', 'https://app.example/evil.example'],
        ['/\\evil.example', 'https://app.example/\\evil.example'],
        ['/@evil.example', 'https://app.example/@evil.example'],
      ] as const) {
        const answer = await wire.send({ path, headers: { ...ours(), host: 'app.example' } })
        assert.equal(answer.status, 308)
        assert.equal(new URL(answer.one('location')!).host, 'app.example')
        assert.equal(answer.one('location'), expected)
        assert.equal(answer.all('set-cookie').length, 0)
      }
    })
  })
}

test('F-2 F-3 F-4 behind a proxy that is named, its word counts and a client’s in front of it does not', async (t) => {
  const { sessions } = serve({ proxy: ['127.0.0.1'] })
  const wire = await listen(
    t,
    protect(sessions, (_req, res, session) => {
      session.authenticate('ada')
      res.end('in')
    }),
  )
  const proxied = { ...ours(), host: 'app.example', 'x-forwarded-proto': 'https' }
  const from = async (forwardedFor: string, more: Record<string, string> = {}) => {
    await sessions.revoke({ userId: 'ada' })
    await new Promise((resolve) => setTimeout(resolve, 2))
    const headers = { ...proxied, 'x-forwarded-for': forwardedFor, ...more }
    const answer = await wire.send({ method: 'POST', headers })
    return [answer.status, (await sessions.list('ada'))[0]?.ip]
  }
  assert.deepEqual(await from('198.51.100.7'), [200, '198.51.100.7'])
  assert.deepEqual(await from('203.0.113.1, 198.51.100.7'), [200, '198.51.100.7'])
  assert.deepEqual(await from('127.0.0.1, 198.51.100.7'), [200, '198.51.100.7'])
  assert.deepEqual(await from('198.51.100.7', { forwarded: 'for=203.0.113.1' }), [200, '198.51.100.7'])
  assert.deepEqual(await from('198.51.100.7', { 'x-real-ip': '203.0.113.1' }), [200, '198.51.100.7'])
  assert.deepEqual(await from('198.51.100.7, unknown'), [200, null])
  assert.deepEqual(await from('198.51.100.7', { 'x-forwarded-proto': 'https, http' }), [400, undefined])
  assert.deepEqual(await from('198.51.100.7', { 'x-forwarded-proto': 'gopher' }), [400, undefined])
  assert.deepEqual(await from('198.51.100.7', { 'x-forwarded-host': 'a.example, b.example' }), [
    400,
    undefined,
  ])
})

test('CS-9 a forwarded host makes no Origin ours, unless a named proxy says so', async (t) => {
  for (const proxy of [[], ['127.0.0.1']]) {
    const { sessions } = serve({ proxy, insecureHttp: true })
    const wire = await listen(
      t,
      protect(sessions, (_req, res, session) => {
        session.set('a', 1)
        res.end()
      }),
    )
    const answer = await wire.send({
      method: 'POST',
      headers: { origin: 'http://evil.example', 'x-forwarded-host': 'evil.example' },
    })
    assert.equal(answer.status, proxy.length ? 200 : 403)
  }
})

test('F-7 the web adapter believes the URL’s scheme, and no header', async () => {
  const { sessions } = serve()
  const handler = protectWeb(sessions, (_request, session) => {
    session.set('a', 1)
    return new Response('in')
  })
  for (const headers of FORWARDED) {
    const answer = await handler(new Request('http://app.example/', { method: 'POST', headers }))
    assert.equal(answer.status, 403)
    assert.equal(answer.headers.getSetCookie().length, 0)
  }
})

describe('R-43 one network, many spellings; another network, however spelled', () => {
  const rows: readonly (readonly [bound: string, shown: string, same: boolean])[] = [
    ['192.0.2.1', '::ffff:192.0.2.1', true],
    ['192.0.2.1', '::FFFF:C000:0201', true],
    ['192.0.2.1', '192.0.2.254', true],
    ['192.0.2.1', '192.0.3.1', false],
    ['2001:db8::1', '2001:0DB8:0:0:ffff:ffff:ffff:ffff', true],
    ['2001:db8::1', '2001:db8:0:1::1', false],
    ['2001:db8::1', '2001:db8::1%eth0', true],
    ['192.0.2.1', '::192.0.2.1', false],
    ['192.0.2.1', '192.0.2.256', false],
    ['192.0.2.1', '192.0.2.01', false],
    ['192.0.2.1', '0xc0.0.2.1', false],
    ['192.0.2.1', '3221225985', false],
    ['192.0.2.1', '2002:c000:201::1', false],
  ]
  for (const [bound, shown, same] of rows) {
    test(`${bound} and ${shown}: ${same ? 'one' : 'two'}`, async () => {
      const server = serve({ bindings: [ip({ onMismatch: 'revoke' })] })
      const ada = new Client(server)
      await ada.send((session) => session.authenticate('ada'), { ip: bound })
      assert.equal(await ada.whoami({ ip: shown }), same ? 'ada' : null)
    })
  }

  test('an address that cannot be known is a mismatch for a session that was bound', async () => {
    const server = serve({ bindings: [ip({ onMismatch: 'revoke' })] })
    const ada = new Client(server)
    await ada.login('ada')
    assert.equal(await ada.whoami({ ip: null }), null)
  })
})

test('F-7 loopback is the peer, the Host and no forwarding header, all three', async () => {
  const { sessions } = serve()
  const rows: readonly [ask: Parameters<typeof contextOf>[0], ok: boolean][] = [
    [{ origin: 'http://localhost:3000', ip: '127.0.0.1' }, true],
    [{ origin: 'http://[::1]:3000', ip: '::1' }, true],
    [{ origin: 'http://app.localhost', ip: '127.0.0.1' }, true],
    [{ origin: 'http://localhost', ip: '192.0.2.1' }, false],
    [{ origin: 'http://localhost', ip: null }, false],
    [{ origin: 'http://app.example', ip: '127.0.0.1' }, false],
    [{ origin: 'http://localhost.', ip: '127.0.0.1' }, false],
    [{ origin: 'http://128.0.0.1', ip: '127.0.0.1' }, false],
    ...['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'via'].map(
      (name) =>
        [{ origin: 'http://localhost', ip: '127.0.0.1', headers: { [name]: 'x' } }, false] as [
          object,
          boolean,
        ],
    ),
  ]
  for (const [ask, ok] of rows) {
    const session = await sessions.open(contextOf({ method: 'GET', ...ask }))
    assert.equal(
      (session.refusal as SessionError | null)?.code,
      ok ? undefined : 'ERR_INSECURE_TRANSPORT',
      JSON.stringify(ask),
    )
  }
})

test('WSTG-SESS-09 a cookie that is replayed over plain HTTP opens nothing', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { session, end } = await ada.begin({ method: 'GET', origin: 'http://app.example' })
  assert.deepEqual([session.userId, session.refusal?.location], [null, 'https://app.example/'])
  assert.equal((await end()).cookies.has(SESSION), false)
})
