/** Forged requests: the whole matrix of origins, methods, content types and tokens. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CHROME, Client, contextOf, partsOf, SESSION, serve, VISITOR } from './support.ts'
import { ADAPTERS, ours } from './wire.ts'

const US = 'https://app.example'

interface Row {
  readonly row: string
  readonly method?: string
  readonly site?: string
  readonly origin?: string
  readonly headers?: Record<string, string>
  readonly path?: string
  /** Without our cookie. */
  readonly bare?: boolean
  readonly code: string | null
}

const CROSS = 'ERR_CROSS_ORIGIN'
const MISSING = 'ERR_CSRF_TOKEN_MISSING'

const ROWS: readonly Row[] = [
  { row: 'same-origin', site: 'same-origin', code: null },
  { row: 'none, the user himself', site: 'none', code: null },
  { row: 'cross-site', site: 'cross-site', code: CROSS },
  { row: 'same-site, a sibling host', site: 'same-site', code: CROSS },
  { row: 'R-18 Origin null', origin: 'null', code: CROSS },
  { row: 'R-18 Origin null beside cross-site', site: 'cross-site', origin: 'null', code: CROSS },
  { row: 'no header, no Origin, with our cookie', code: MISSING },
  { row: 'no header, no Origin, without a cookie: no browser', bare: true, code: null },
  { row: 'no header, own Origin', origin: US, code: null },
  { row: 'no header, other Origin', origin: 'https://evil.example', code: CROSS },
  { row: 'CS-8 our name as its beginning', origin: 'https://app.example.evil.example', code: CROSS },
  { row: 'CS-8 our name as its end', origin: 'https://evilapp.example', code: CROSS },
  { row: 'our host by http: the scheme counts', origin: 'http://app.example', code: CROSS },
  { row: 'our host on another port', origin: 'https://app.example:8443', code: CROSS },
  { row: 'our Origin with a slash', origin: 'https://app.example/', code: CROSS },
  { row: 'our Origin in upper case', origin: 'HTTPS://APP.EXAMPLE', code: CROSS },
  { row: 'two Origins', origin: 'https://app.example, https://evil.example', code: CROSS },
  { row: 'empty Origin', origin: '', code: CROSS },
  { row: 'empty Sec-Fetch-Site', site: '', code: CROSS },
  { row: 'Sec-Fetch-Site in upper case', site: 'Same-Origin', code: CROSS },
  { row: 'Sec-Fetch-Site twice', site: 'same-origin, cross-site', code: CROSS },
  { row: 'Sec-Fetch-Site twice the same', site: 'same-origin, same-origin', code: CROSS },
  { row: 'Sec-Fetch-Site with a space', site: ' same-origin', code: CROSS },
  { row: 'a value of the future', site: 'same-planet', code: CROSS },
  { row: 'GET cross-site', method: 'GET', site: 'cross-site', code: null },
  { row: 'HEAD cross-site', method: 'HEAD', site: 'cross-site', code: null },
  { row: 'OPTIONS cross-site', method: 'OPTIONS', site: 'cross-site', code: null },
  ...['PUT', 'PATCH', 'DELETE', 'TRACE', 'CONNECT', 'PROPFIND', 'get', 'QUERY'].map((method) => ({
    row: `${method} cross-site`,
    method,
    site: 'cross-site',
    code: CROSS,
  })),
  {
    row: 'ASVS 4.4.2 a WebSocket from another site',
    method: 'GET',
    site: 'cross-site',
    headers: { upgrade: 'websocket' },
    code: CROSS,
  },
  {
    row: 'a WebSocket with another Origin, in odd case',
    method: 'GET',
    origin: 'https://evil.example',
    headers: { upgrade: 'WebSocket' },
    code: CROSS,
  },
  {
    row: 'a WebSocket without Origin, with our cookie',
    method: 'GET',
    headers: { upgrade: 'websocket' },
    code: MISSING,
  },
  { row: 'trusted Origin, cross-site', site: 'cross-site', origin: 'https://trusted.example', code: null },
  { row: 'trusted Origin, no header', origin: 'https://trusted.example', code: null },
  {
    row: 'trusted Origin, another port',
    origin: 'https://trusted.example:444',
    site: 'cross-site',
    code: CROSS,
  },
  { row: 'trusted Origin, by http', origin: 'http://trusted.example', code: CROSS },
  { row: 'an exempt path', site: 'cross-site', path: '/hook', code: null },
  ...['/hook/', '/hook/x', '/Hook', '//hook', '/hook;x', '/%68ook', '/hook%2f', '/x/../hook', '/hook.'].map(
    (path) => ({
      row: `R-42 near an exempt path: ${path}`,
      site: 'cross-site',
      path,
      code: CROSS,
    }),
  ),
  {
    row: 'R-22 a method override by header',
    site: 'cross-site',
    headers: { 'x-http-method-override': 'GET' },
    code: CROSS,
  },
]

describe('P6 requirements §8: who may send what, decided by headers that no page can forge', () => {
  for (const { row, method = 'POST', site, origin, headers, path, bare, code } of ROWS) {
    test(row, async () => {
      const server = serve({
        csrf: { trustedOrigins: ['https://trusted.example'], insecureExempt: ['/hook'] },
      })
      const ada = new Client(server)
      if (!bare) await ada.login('ada')
      const { session, end } = await ada.begin({
        method,
        ...(path && { path }),
        headers: { 'sec-fetch-site': site ?? null, origin: origin ?? null, ...headers },
      })
      assert.equal(session.refusal?.code ?? null, code)
      if (!code) return
      assert.throws(() => session.set('a', 1), { code })
      assert.throws(() => session.terminate(), { code })
      assert.equal((await end()).cookies.size, 0)
      assert.equal(await ada.whoami(), bare ? null : 'ada')
    })
  }
})

test('P6 trusted origins are exact strings, checked at start', () => {
  for (const origin of [
    'null',
    '*',
    'trusted.example',
    'https://trusted.example/',
    'https://trusted.example/path',
    'https://*.example',
    'https://TRUSTED.example',
    'https://trusted.example:443',
    'ftp://trusted.example',
    'https://user@trusted.example',
  ]) {
    assert.throws(() => serve({ csrf: { trustedOrigins: [origin] } }), { code: 'ERR_OPTION' }, origin)
  }
})

/** What a form, a Blob or a script of another site can send without asking first. */
const CONTENT_TYPES = [
  'application/x-www-form-urlencoded',
  'Application/X-WWW-Form-Urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain',
  'text/plain; charset=utf-8',
  'text/plain;application/json',
  'application/json',
  'application/json; charset=utf-8',
  'Application/JSON',
  'application/x-unknown',
  '',
  null,
]

for (const [adapter, start] of ADAPTERS) {
  describe(`through ${adapter}`, () => {
    for (const type of CONTENT_TYPES) {
      test(`R-15 R-16 R-17 R-19 R-20 no content type opens a way in: ${type ?? 'none'}`, async (t) => {
        const { sessions } = serve()
        const wire = await start(t, sessions, async (session, path) => {
          if (path === '/login') session.authenticate('ada')
          if (path === '/transfer') session.set('sent', true)
          return String(session.get('sent') ?? session.userId)
        })
        const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
        const cookie = `${SESSION}=${login.cookie(SESSION)}`
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
          for (const from of [
            { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
            { origin: 'https://evil.example' },
            { origin: 'null' },
            {},
          ]) {
            const headers = {
              cookie,
              'user-agent': 'Mozilla/5.0',
              ...from,
              ...(type === null ? {} : { 'content-type': type }),
            }
            const body = '{"csrf_token":"","sent":1}'
            const answer = await wire.send({ method, path: '/transfer', headers, body })
            assert.ok(
              answer.status === 403 || answer.status === 400,
              `${method} ${JSON.stringify(from)}: ${answer.status}`,
            )
          }
        }
        const after = await wire.send({ headers: ours({ [SESSION]: login.cookie(SESSION) }) })
        assert.equal(after.body, 'ada')
      })
    }

    test('R-22 neither query nor method override nor cookie carries a token past the check', async (t) => {
      const { sessions } = serve({ csrf: { requireToken: true } })
      const wire = await start(t, sessions, async (session, path) => {
        if (path === '/login') session.authenticate('ada')
        if (path === '/transfer') session.set('sent', true)
        return session.csrfToken()
      })
      const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
      const headers = ours({ [SESSION]: login.cookie(SESSION) })
      const csrf = login.body
      for (const path of [
        `/transfer?csrf_token=${csrf}`,
        `/transfer?_csrf=${csrf}`,
        '/transfer?_method=GET',
      ]) {
        const more = { 'x-http-method-override': 'GET', 'content-type': 'application/x-www-form-urlencoded' }
        const answer = await wire.send({
          method: 'POST',
          path,
          headers: { ...headers, ...more },
          body: '_method=GET',
        })
        assert.equal(answer.status, 403)
      }
      const crumbs = ['csrf_token', '_csrf', 'XSRF-TOKEN'].map((name) => `${name}=${csrf}`).join('; ')
      const answer = await wire.send({
        method: 'POST',
        path: '/transfer',
        headers: { ...headers, cookie: `${headers.cookie}; ${crumbs}` },
      })
      assert.equal(answer.status, 403)
      const right = { ...headers, 'x-csrf-token': csrf }
      assert.equal((await wire.send({ method: 'POST', path: '/transfer', headers: right })).status, 200)
    })

    test('CS-10.6.2 logout by GET, or from another site, does not log out', async (t) => {
      const { sessions } = serve()
      const wire = await start(t, sessions, async (session, path) => {
        if (path === '/login') session.authenticate('ada')
        if (path === '/logout') session.terminate()
        return String(session.userId)
      })
      const login = await wire.send({ method: 'POST', path: '/login', headers: ours() })
      const headers = ours({ [SESSION]: login.cookie(SESSION) })
      const forged = { ...headers, 'sec-fetch-site': 'cross-site' }
      const answer = await wire.send({ method: 'POST', path: '/logout', headers: forged })
      assert.equal(answer.status, 403)
      assert.equal(answer.all('set-cookie').length, 0)
      assert.equal((await wire.send({ headers })).body, 'ada')
    })
  })
}

async function pageOf(client: Client): Promise<string> {
  let csrf = ''
  await client.send((session) => (csrf = session.csrfToken()), { method: 'GET' })
  return csrf
}

test('R-23 CS-18 a token differs at each call, all are good, and their parts share nothing (BREACH)', async () => {
  const server = serve({ csrf: { requireToken: true } })
  const ada = new Client(server)
  await ada.login('ada')
  const tokens = new Set<string>()
  for (let index = 0; index < 100; index++) tokens.add(await pageOf(ada))
  assert.equal(tokens.size, 100)
  const prefixes = new Set([...tokens].map((token) => token.slice(0, 8)))
  const suffixes = new Set([...tokens].map((token) => token.slice(-8)))
  assert.deepEqual([prefixes.size, suffixes.size], [100, 100])
  for (const token of tokens) {
    assert.equal((await ada.begin({ headers: { 'x-csrf-token': token } })).session.refusal, null)
  }
})

test('R-13 R-14 CS-3 a token of another session, user or visitor is refused', async () => {
  const server = serve()
  const [ada, adaElsewhere, mallory, visitor] = [0, 1, 2, 3].map(() => new Client(server)) as [
    Client,
    Client,
    Client,
    Client,
  ]
  await ada.login('ada')
  await adaElsewhere.login('ada')
  await mallory.login('mallory')
  for (const other of [adaElsewhere, mallory, visitor]) {
    const csrf = await pageOf(other)
    for (const ask of [{ headers: { 'x-csrf-token': csrf } }, { fields: { csrf_token: csrf } }]) {
      assert.equal((await ada.begin(ask)).session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
    }
  }
})

test('R-13 R-21 a token beside the cookie that it came with, tossed into a jar, is refused', async () => {
  const server = serve({ csrf: { requireToken: true } })
  const mallory = new Client(server)
  const csrf = await pageOf(mallory)
  const victim = new Client(server)
  await victim.login('ada')
  victim.jar.set(VISITOR, mallory.jar.get(VISITOR)!)
  const { session } = await victim.begin({ headers: { 'x-csrf-token': csrf } })
  assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
})

test('R-23 one that is present and wrong is refused in every mode, wherever it stands', async () => {
  for (const requireToken of [false, true]) {
    const server = serve({ csrf: { requireToken } })
    const ada = new Client(server)
    await ada.login('ada')
    const good = await pageOf(ada)
    const wrong = [
      '',
      ' ',
      'null',
      'A'.repeat(86),
      'A'.repeat(100_000),
      good.slice(1),
      `${good}A`,
      `${good},${good}`,
      `${good}, ${good}`,
      good.slice(0, -4) + (good.endsWith('AAAA') ? 'BBBB' : 'AAAA'),
      good.toLowerCase() === good ? good.toUpperCase() : good.toLowerCase(),
      'é'.repeat(43),
    ]
    for (const value of wrong) {
      for (const ask of [{ headers: { 'x-csrf-token': value } }, { fields: { csrf_token: value } }]) {
        const { session } = await ada.begin(ask)
        assert.match(String(session.refusal?.code), /^ERR_CSRF_TOKEN_/, JSON.stringify(value.slice(0, 20)))
      }
    }
  }
})

test('CS-19 a token survives renewal, many tabs, and a change of browser version', async () => {
  const server = serve({ csrf: { requireToken: true } })
  const ada = new Client(server)
  await ada.login('ada')
  const csrf = await pageOf(ada)
  for (let round = 0; round < 20; round++) {
    server.clock.now += 8 * 60_000
    await ada.whoami()
    assert.equal((await ada.begin({ headers: { 'x-csrf-token': csrf } })).session.refusal, null)
  }
})

test('R-22 a path whose handler verifies by itself commits nothing where it does not', async () => {
  const server = serve({ csrf: { requireToken: true, verifiedByHandler: ['/upload'] } })
  const ada = new Client(server)
  await ada.login('ada')
  const csrf = await pageOf(ada)
  for (const value of [undefined, null, '', 'wrong'] as const) {
    const { session, end } = await ada.begin({ path: '/upload' })
    session.set('uploaded', 1)
    if (value !== undefined) assert.throws(() => session.verifyCsrf(value))
    await assert.rejects(async () => {
      const { effects } = await end()
      assert.deepEqual(
        effects.headers.filter(([name]) => name === 'Set-Cookie'),
        [],
      )
      if (session.refusal) throw session.refusal
    })
  }
  assert.equal((await ada.peek()).get('uploaded'), undefined)
  const { session, end } = await ada.begin({ path: '/upload' })
  session.verifyCsrf(csrf)
  session.set('uploaded', 1)
  await end()
  assert.equal((await ada.peek()).get('uploaded'), 1)
})

test('R-22 such a path, too, is closed to other sites, and to terminate and login without a token', async () => {
  const server = serve({ csrf: { requireToken: true, verifiedByHandler: ['/upload'] } })
  const ada = new Client(server)
  await ada.login('ada')
  const foreign = await ada.begin({ path: '/upload', headers: { 'sec-fetch-site': 'cross-site' } })
  assert.equal(foreign.session.refusal?.code, CROSS)
  for (const work of ['terminate', 'renew', 'reauthenticate'] as const) {
    const { session, end } = await ada.begin({ path: '/upload' })
    session[work]()
    await assert.rejects(end(), { code: MISSING })
  }
  const { session, end } = await ada.begin({ path: '/upload' })
  session.authenticate('mallory')
  await assert.rejects(end(), { code: MISSING })
  assert.equal(await ada.whoami(), 'ada')
})

test('R-24 a nonce of a login elsewhere is the session’s own, and used once, in parallel, too', async () => {
  const server = serve()
  const [one, two] = [new Client(server), new Client(server)]
  await one.send((session) => session.set('state', 'nonce-of-one'))
  await two.send((session) => session.set('state', 'nonce-of-two'))
  assert.notEqual((await two.peek()).get('state'), 'nonce-of-one')
  const callbacks = await Promise.all([one.begin(), one.begin(), one.begin()])
  const results = await Promise.allSettled(
    callbacks.map(async ({ session }) => {
      session.update('state', (state) => {
        if (state !== 'nonce-of-one') throw new Error('used')
        return 'used'
      })
      await session.commit()
    }),
  )
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected'])
})

test('bearer tokens are attached by nobody: no CSRF, and no cookie is read or set', async () => {
  const { bearer } = await import('../../src/index.ts')
  const { sessions } = serve({ transport: bearer() })
  const login = await sessions.open(contextOf({ headers: { 'sec-fetch-site': 'cross-site' } }))
  login.authenticate('ada')
  const { headers } = await sessions.commit(login)
  const token = headers.find(([name]) => name === 'Session-Token')![1]
  assert.ok(!headers.some(([name]) => name === 'Set-Cookie'))
  const byCookie = await sessions.open(
    contextOf({ headers: { cookie: `bearer=${token}; ${SESSION}=${token}` } }),
  )
  assert.equal(byCookie.userId, null)
  const authorization = `Bearer ${token}`
  const byHeader = await sessions.open(contextOf({ headers: { authorization, 'user-agent': CHROME } }))
  assert.equal(byHeader.suspended, true)
  assert.equal(partsOf(token).era, '1')
})
