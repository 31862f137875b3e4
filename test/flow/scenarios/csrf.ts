/** Scenarios of forged requests and of tokens. */

import assert from 'node:assert/strict'
import { PUBLIC_ORIGIN, type RawRequest, send } from '../harness.ts'
import { TRUSTED_ORIGIN } from '../site.ts'
import { me, type Open, type Problem, SESSION, type Site, type Test, VISITOR } from './kit.ts'

const FORM = 'application/x-www-form-urlencoded'

/** Requirements §8, for https://app.example. `cookie`: the request carries a session. */
const ORIGINS: readonly [name: string, headers: RawRequest['headers'], cookie: boolean, expected: string][] =
  [
    ['Sec-Fetch-Site: same-origin', { 'sec-fetch-site': 'same-origin' }, true, 'ok'],
    ['Sec-Fetch-Site: none', { 'sec-fetch-site': 'none' }, true, 'ok'],
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }, true, 'ERR_CROSS_ORIGIN'],
    ['Sec-Fetch-Site: cross-site, no cookie', { 'sec-fetch-site': 'cross-site' }, false, 'ERR_CROSS_ORIGIN'],
    ['Sec-Fetch-Site: same-site', { 'sec-fetch-site': 'same-site' }, true, 'ERR_CROSS_ORIGIN'],
    ['an unknown Sec-Fetch-Site', { 'sec-fetch-site': 'sibling' }, true, 'ERR_CROSS_ORIGIN'],
    ['an empty Sec-Fetch-Site', { 'sec-fetch-site': '' }, true, 'ERR_CROSS_ORIGIN'],
    ['Sec-Fetch-Site twice', { 'sec-fetch-site': ['same-origin', 'cross-site'] }, true, 'ERR_CROSS_ORIGIN'],
    [
      'same-origin, with an odd Origin',
      { 'sec-fetch-site': 'same-origin', origin: 'https://odd.example' },
      true,
      'ok',
    ],
    ['neither header, no cookie', {}, false, 'ok'],
    ['neither header, with a cookie', {}, true, 'ERR_CSRF_TOKEN_MISSING'],
    ['Origin: our own', { origin: PUBLIC_ORIGIN }, true, 'ok'],
    ['Origin: our own, plain', { origin: 'http://app.example' }, true, 'ERR_CROSS_ORIGIN'],
    ['Origin: our own, another port', { origin: `${PUBLIC_ORIGIN}:8443` }, true, 'ERR_CROSS_ORIGIN'],
    ['Origin: another', { origin: 'https://evil.example' }, true, 'ERR_CROSS_ORIGIN'],
    [
      'Origin: one that begins like ours',
      { origin: `${PUBLIC_ORIGIN}.evil.example` },
      true,
      'ERR_CROSS_ORIGIN',
    ],
    ['Origin: a sibling', { origin: 'https://www.app.example' }, true, 'ERR_CROSS_ORIGIN'],
    ['Origin: null (R-18)', { origin: 'null' }, true, 'ERR_CROSS_ORIGIN'],
    ['Origin: trusted, cross-site', { origin: TRUSTED_ORIGIN, 'sec-fetch-site': 'cross-site' }, true, 'ok'],
    ['Origin: trusted, alone', { origin: TRUSTED_ORIGIN }, true, 'ok'],
    [
      'Origin: untrusted, cross-site',
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      true,
      'ERR_CROSS_ORIGIN',
    ],
    [
      'X-HTTP-Method-Override',
      { 'x-http-method-override': 'GET', 'sec-fetch-site': 'cross-site' },
      true,
      'ERR_CROSS_ORIGIN',
    ],
  ]

/** what a body calls itself says nothing of who sent it. */
const CONTENT_TYPES = [
  null,
  '',
  'text/plain',
  'text/plain; application/json',
  FORM,
  'Application/X-WWW-Form-Urlencoded',
  `${FORM}; charset=utf-8`,
  'multipart/form-data; boundary=x',
  'application/json',
  'application/json; charset=utf-8',
  'bogus',
]

export function csrfScenarios(open: Open, test: Test): void {
  const base = { host: 'app.example', 'x-forwarded-proto': 'https', 'user-agent': 'test' }

  /** Logs in, and sends as that user. */
  async function prepare(site: Site, login = true) {
    const client = site.proxied({ userAgent: 'test' })
    if (login) await client.post('/login?user=ada')
    const cookie = login ? { cookie: `${SESSION}=${(await client.cookies())[SESSION]}` } : {}
    const ask = async (request: RawRequest) => {
      const response = await send(site.port, {
        ...request,
        headers: { ...base, ...cookie, ...request.headers },
      })
      return {
        ...response,
        outcome: /ERR_\w+/.exec(response.body)?.[0] ?? (response.status === 200 ? 'ok' : response.status),
      }
    }
    return { client, ask }
  }

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    test(`who may send a ${method}`, async () => {
      await using site = await open('proxied')
      const [user, visitor] = [await prepare(site), await prepare(site, false)]
      for (const [name, headers, cookie, expected] of ORIGINS) {
        const { outcome, ...response } = await (cookie ? user : visitor).ask({
          method,
          path: '/set?name=a&value=1',
          headers: headers!,
        })
        assert.equal(outcome, expected, name)
        if (expected !== 'ok') assert.equal(response.headers['set-cookie'], undefined)
      }
    })

    test(`${method}: the content type protects nothing, and lets nothing past`, async () => {
      await using site = await open('proxied')
      const { ask } = await prepare(site)
      for (const type of CONTENT_TYPES) {
        const content = type === null ? {} : { 'content-type': type }
        for (const [from, expected] of [
          ['cross-site', 'ERR_CROSS_ORIGIN'],
          ['same-origin', 'ok'],
        ] as const) {
          const headers = { ...content, 'sec-fetch-site': from }
          const body = type?.includes('json') ? '{"a":1}' : 'a=1'
          const { outcome } = await ask({ method, path: '/set?name=a&value=1', headers, body })
          assert.equal(outcome, expected, `${type} from ${from}`)
        }
      }
    })
  }

  test('safe methods may come from anywhere', async () => {
    await using site = await open('proxied')
    const { ask } = await prepare(site)
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
      assert.equal((await ask({ method, path: '/public', headers })).status, 200)
    }
  })

  test('an exemption is one exact path', async () => {
    await using site = await open('proxied')
    const { ask } = await prepare(site)
    const from = { headers: { 'sec-fetch-site': 'cross-site' }, method: 'POST' }
    for (const path of ['/hook', '/hook?a=1', '/only/1'])
      assert.equal((await ask({ ...from, path })).outcome, 'ok', path)
    for (const path of [
      '/hook/',
      '/hook/x',
      '/Hook',
      '/hooks',
      '/%68ook',
      '/only/1/x',
      '//hook',
      '/x?/hook',
    ]) {
      assert.equal((await ask({ ...from, path })).outcome, 'ERR_CROSS_ORIGIN', path)
    }
  })

  test('a refusal is an answer: JSON to scripts, text to people, never stored, never a stack', async () => {
    await using site = await open('proxied')
    const { client } = await prepare(site)
    const script = await client.crossSite('/set', {
      method: 'POST',
      headers: { accept: 'application/json' },
      navigate: false,
    })
    assert.equal(script.status, 403)
    assert.equal(script.headers.get('content-type'), 'application/json')
    const { error } = (await script.json()) as Problem
    assert.equal(error.code, 'ERR_CROSS_ORIGIN')
    assert.match(error.message, /elsewhere/)
    const page = await client.crossSite('/set', { method: 'POST' })
    assert.match(await page.text(), /^403 ERR_CROSS_ORIGIN: [^\n]+\n$/)
    for (const response of [script, page]) {
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    }
    assert.deepEqual(
      (await site.control.events()).slice(-2).map(({ name, code }) => [name, code]),
      [
        ['malicious_csrf', 'ERR_CROSS_ORIGIN'],
        ['malicious_csrf', 'ERR_CROSS_ORIGIN'],
      ],
    )
  })

  test('requireToken: in the header, in an urlencoded form, and in no other place', async () => {
    await using site = await open('tokens')
    const { client, ask } = await prepare(site)
    const token = await (await client.get('/token')).text()
    const from = { method: 'POST', path: '/set?name=a&value=1', headers: { 'sec-fetch-site': 'same-origin' } }
    const withType = (type: string) => ({ ...from.headers, 'content-type': type })
    const form = new URLSearchParams({ csrf_token: token }).toString()

    assert.equal((await ask(from)).outcome, 'ERR_CSRF_TOKEN_MISSING')
    assert.equal((await ask({ ...from, headers: { ...from.headers, 'x-csrf-token': token } })).outcome, 'ok')
    assert.equal((await ask({ ...from, headers: withType(FORM), body: form })).outcome, 'ok')
    assert.equal(
      (await ask({ ...from, headers: withType(`${FORM}; charset=utf-8`), body: form })).outcome,
      'ok',
    )
    assert.equal(
      (await ask({ ...from, path: `/set?name=a&value=1&csrf_token=${token}` })).outcome,
      'ERR_CSRF_TOKEN_MISSING',
    )
    assert.equal(
      (await ask({ ...from, headers: withType('text/plain'), body: form })).outcome,
      'ERR_CSRF_TOKEN_MISSING',
    )
    assert.equal(
      (await ask({ ...from, headers: withType(FORM), body: `${form}x` })).outcome,
      'ERR_CSRF_TOKEN_INVALID',
    )
    const wrong = { ...from.headers, 'x-csrf-token': token.replace(/.$/, '~') }
    assert.equal((await ask({ ...from, headers: wrong })).outcome, 'ERR_CSRF_TOKEN_INVALID')

    await client.post('/login?user=ada', { csrf_token: token })
    const response = await client.fetch('/set?name=a&value=1', {
      method: 'POST',
      headers: { 'x-csrf-token': token },
    })
    assert.equal(
      ((await response.json()) as Problem).error.code,
      'ERR_CSRF_TOKEN_INVALID',
      'it dies at login',
    )
  })

  test('a token that is present and wrong is refused in every mode', async () => {
    await using site = await open('proxied')
    const { ask } = await prepare(site)
    const headers = { 'sec-fetch-site': 'same-origin', 'x-csrf-token': 'x'.repeat(86) }
    assert.equal((await ask({ method: 'POST', path: '/set', headers })).outcome, 'ERR_CSRF_TOKEN_INVALID')
  })

  test('a login form is protected for visitors, whose cookie goes at login', async () => {
    await using site = await open('tokens')
    const client = site.proxied({ redirect: 'manual' })
    const page = await client.get('/form')
    assert.deepEqual(Object.keys(await client.cookies()), [VISITOR])
    assert.equal(page.headers.get('cache-control'), 'no-store, private')
    const forged = await client.fetch('/login?user=ada', { method: 'POST' })
    assert.equal(((await forged.json()) as Problem).error.code, 'ERR_CSRF_TOKEN_MISSING')
    const response = await client.submit(await page.text())
    assert.equal(response.status, 303)
    assert.deepEqual(Object.keys(await client.cookies()), [SESSION])
  })

  test('a handler that reads the token itself: verified or not at all', async () => {
    await using site = await open('tokens')
    const { client } = await prepare(site)
    const form = new FormData()
    form.set('file', new Blob(['content']), 'a.txt')
    const missing = await client.post('/upload', form, { accept: 'application/json' })
    assert.equal(((await missing.json()) as Problem).error.code, 'ERR_CSRF_TOKEN_MISSING')
    const careless = await client.post('/upload?careless', form, { accept: 'application/json' })
    assert.equal(careless.status, 403, 'a handler that forgets to verify commits nothing')
    form.set('csrf_token', await (await client.get('/token')).text())
    assert.equal((await client.post('/upload', form)).status, 200)
    assert.equal(await (await client.get('/get?name=uploaded')).text(), 'true')
  })

  test('another site takes the cookie along in a link, and nowhere else', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const link = await client.crossSite('/me')
    assert.equal(((await link.json()) as { user: string }).user, 'ada')
    const image = await client.crossSite('/me', { navigate: false })
    assert.equal(((await image.json()) as { user: null }).user, null)
    assert.equal((await client.crossSite('/logout', { method: 'POST' })).status, 403)
    assert.equal((await me(client)).user, 'ada')
  })
}
