/** Scenarios of clients that are no pages of ours: native ones with a bearer token, and pages of a trusted origin. */

import assert from 'node:assert/strict'
import { pause, type RawResponse, send } from '../harness.ts'
import { TRUSTED_ORIGIN } from '../site.ts'
import { here, type Open, type Problem, SESSION, type Site, type Test } from './kit.ts'

const base = { host: 'app.example', 'x-forwarded-proto': 'https', 'user-agent': 'test' }

export function apiScenarios(open: Open, test: Test): void {
  /** Asks as a program does: without a cookie, without an Origin. */
  async function ask(site: Site, method: string, path: string, token?: string): Promise<RawResponse> {
    const { host } = here(site)
    const headers = { host: host!, 'user-agent': 'app/1.0', accept: 'application/json' }
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
    return send(site.port, { method, path, headers: { ...headers, ...authorization } })
  }

  test('bearer: a login hands the token out in a header, and no cookie', async () => {
    await using site = await open('bearer')
    const login = await ask(site, 'POST', '/login?user=ada')
    assert.equal(login.status, 303)
    assert.equal(login.headers['set-cookie'], undefined)
    assert.equal(login.headers['cache-control'], 'no-store, private')
    assert.equal(login.headers.vary, 'Authorization')
    const token = login.headers['session-token'] as string
    assert.deepEqual(JSON.parse((await ask(site, 'GET', '/me', token)).body), { user: 'ada' })
    assert.equal(
      (await ask(site, 'POST', '/set?name=a&value=1', token)).status,
      200,
      'no CSRF token is needed',
    )
    assert.equal((await ask(site, 'GET', '/get?name=a', token)).body, '"1"')
  })

  test('bearer: the token counts in Authorization alone, and no cookie is looked at', async () => {
    await using site = await open('bearer')
    const token = (await ask(site, 'POST', '/login?user=ada')).headers['session-token'] as string
    for (const headers of [{ cookie: `${SESSION}=${token}; bearer=${token}` }, { 'session-token': token }]) {
      const { body } = await send(site.port, { path: '/me', headers: { ...here(site), ...headers } })
      assert.deepEqual(JSON.parse(body), { user: null })
    }
    assert.deepEqual(JSON.parse((await ask(site, 'GET', `/me?token=${token}`)).body), { user: null })
  })

  test('bearer: the token is renewed in a header, and the one before it serves no longer', async () => {
    await using site = await open('bearer')
    const first = (await ask(site, 'POST', '/login?user=ada')).headers['session-token'] as string
    await pause(600)
    const renewing = await ask(site, 'GET', '/me', first)
    const second = renewing.headers['session-token'] as string
    assert.ok(second, 'a response to a token that is due for renewal brings another')
    assert.equal(renewing.headers['cache-control'], 'no-store, private')
    assert.deepEqual(JSON.parse((await ask(site, 'GET', '/me', second)).body), { user: 'ada' })
    await pause(300)
    assert.deepEqual(JSON.parse((await ask(site, 'GET', '/me', first)).body), {
      user: null,
      lost: 'replayed',
    })
    assert.equal(JSON.parse((await ask(site, 'GET', '/me', second)).body).user, null, 'somebody kept a copy')
  })

  test('bearer: a logout ends the token', async () => {
    await using site = await open('bearer')
    const token = (await ask(site, 'POST', '/login?user=ada')).headers['session-token'] as string
    const logout = await ask(site, 'POST', '/logout', token)
    assert.deepEqual([logout.status, logout.headers['session-token']], [303, undefined])
    const refused = await ask(site, 'GET', '/private', token)
    assert.equal(refused.status, 401)
    assert.equal((JSON.parse(refused.body) as Problem).error.code, 'ERR_NOT_AUTHENTICATED')
    assert.equal(refused.headers['www-authenticate'], 'Bearer error="invalid_token"')
    const without = await ask(site, 'GET', '/private')
    assert.equal(
      without.headers['www-authenticate'],
      'Bearer',
      'no error where nothing was shown (RFC 6750 §3.1)',
    )
  })

  test('CORS: a preflight is not refused, costs no cookie, and is not ours to answer', async () => {
    await using site = await open('proxied')
    for (const origin of [TRUSTED_ORIGIN, 'https://evil.example']) {
      const response = await send(site.port, {
        method: 'OPTIONS',
        path: '/api',
        headers: {
          ...base,
          origin,
          'sec-fetch-site': 'cross-site',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      })
      assert.equal(response.status, 204)
      assert.equal(response.headers['access-control-allow-origin'], TRUSTED_ORIGIN)
      assert.equal(response.headers['set-cookie'], undefined)
    }
  })

  test("CORS with credentials: a trusted origin's script may post, and read the answer; no other may", async () => {
    await using site = await open('proxied')
    const client = site.proxied({ userAgent: 'test' })
    await client.post('/login?user=ada')
    const cookie = `${SESSION}=${(await client.cookies())[SESSION]}`
    const post = (origin: string, path = '/api', site_ = 'cross-site') =>
      send(site.port, {
        method: 'POST',
        path,
        headers: { ...base, cookie, origin, 'sec-fetch-site': site_, accept: 'application/json' },
      })
    const trusted = await post(TRUSTED_ORIGIN)
    assert.deepEqual([trusted.status, trusted.body], [200, 'done'])
    assert.equal(trusted.headers['access-control-allow-origin'], TRUSTED_ORIGIN)
    assert.equal(trusted.headers['access-control-allow-credentials'], 'true')
    assert.equal(trusted.headers['access-control-expose-headers'], 'Session-Token')
    assert.equal(trusted.headers.vary, 'Origin, Cookie')
    const foreign = await post('https://evil.example')
    assert.equal(foreign.status, 403)
    assert.equal((JSON.parse(foreign.body) as Problem).error.code, 'ERR_CROSS_ORIGIN')
    assert.equal(await (await client.get('/get?name=calls')).text(), '1')
  })
}
