/** Scenarios of sessions: cookies, logins, data, errors. */

import assert from 'node:assert/strict'
import { pause } from '../harness.ts'
import { me, type Open, type Problem, SESSION, type Test } from './kit.ts'

export function sessionScenarios(open: Open, test: Test): void {
  test('who only reads gets no cookie', async () => {
    await using site = await open()
    const client = site.browser()
    for (const path of ['/public', '/get?name=color', '/me']) {
      const response = await client.get(path)
      assert.equal(response.status, 200)
      assert.deepEqual(response.headers.getSetCookie(), [], path)
    }
    assert.deepEqual(await client.cookies(), {})
  })

  test('Vary and caching speak of the session only where it was looked at', async () => {
    await using site = await open()
    const client = site.browser()
    const untouched = await client.get('/public')
    assert.deepEqual([untouched.headers.get('vary'), untouched.headers.get('cache-control')], [null, null])
    const visited = await client.get('/me')
    assert.deepEqual([visited.headers.get('vary'), visited.headers.get('cache-control')], ['Cookie', null])
    await client.post('/login?user=ada')
    const own = await client.get('/me')
    assert.deepEqual(
      [own.headers.get('vary'), own.headers.get('cache-control')],
      ['Cookie', 'no-store, private'],
    )
    const still = await client.get('/public')
    assert.deepEqual([still.headers.get('vary'), still.headers.get('cache-control')], [null, null])
  })

  test('what a visitor stores costs one cookie, once', async () => {
    await using site = await open()
    const client = site.browser()
    const first = await client.post('/set?name=color&value=red')
    assert.equal(first.headers.getSetCookie().length, 1)
    assert.match(
      first.headers.getSetCookie()[0]!,
      /^__Host-Http-session=[\w.-]+; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
    const second = await client.post('/set?name=size&value=xl')
    assert.deepEqual(second.headers.getSetCookie(), [])
    assert.equal(await (await client.get('/get?name=color')).text(), '"red"')
    assert.equal(await (await client.get('/get?name=size')).text(), '"xl"')
  })

  test('a login draws a new token, says so in one cookie, and forbids storing it', async () => {
    await using site = await open()
    const client = site.browser({ redirect: 'manual' })
    await client.post('/set?name=color&value=red')
    const before = client.clone()
    const { [SESSION]: visitors } = await client.cookies()
    const response = await client.post('/login?user=ada')
    assert.equal(response.status, 303)
    assert.equal(response.headers.getSetCookie().length, 1)
    assert.equal(response.headers.get('cache-control'), 'no-store, private')
    assert.equal(response.headers.get('vary'), 'Cookie')
    const { [SESSION]: users } = await client.cookies()
    assert.notEqual(users, visitors)
    assert.notEqual(users!.split('.')[0], visitors!.split('.')[0], 'a new id, too')
    assert.equal(await (await client.get('/get?name=color')).text(), '"red"', "the visitor's data come along")
    assert.equal((await me(before)).user, null, 'the old token is dead')
  })

  test('the redirect after a login finds the session, a hundred times out of a hundred', async () => {
    await using site = await open()
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const response = await site.browser().post(`/login?user=user-${n}`)
        assert.equal(new URL(response.url).pathname, '/me')
        assert.equal(((await response.json()) as { user: string }).user, `user-${n}`)
      }),
    )
  })

  test('a remembered session outlives the browser, another does not', async () => {
    await using site = await open()
    for (const [query, user] of [
      ['&remember=1', 'ada'],
      ['', null],
    ] as const) {
      const client = site.browser()
      await client.post(`/login?user=ada${query}`)
      await client.restart()
      assert.equal((await me(client)).user, user)
    }
  })

  test('a logout clears the cookie with the attributes that set it, and the token is dead', async () => {
    await using site = await open()
    const client = site.browser({ redirect: 'manual' })
    await client.post('/login?user=ada')
    const thief = client.clone()
    const response = await client.post('/logout')
    assert.deepEqual(response.headers.getSetCookie(), [
      `${SESSION}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax`,
    ])
    assert.equal(response.headers.get('clear-site-data'), '"cache"')
    assert.equal(response.headers.get('cache-control'), 'no-store, private')
    assert.deepEqual(await client.cookies(), {})
    assert.deepEqual(await me(thief), { user: null, lost: 'logout' })
    assert.equal((await thief.post('/set?name=a&value=1')).status, 200, 'a new session, with a new token')
    assert.equal((await me(thief)).user, null)
  })

  test('parallel writes of different names all survive', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const names = Array.from({ length: 20 }, (_, n) => `name-${n}`)
    await Promise.all(names.map((name) => client.post(`/set?name=${name}&value=${name}&delay=5`)))
    for (const name of names) assert.equal(await (await client.get(`/get?name=${name}`)).text(), `"${name}"`)
  })

  test('update is exact, under 50 parallel requests', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const counts = Array.from({ length: 50 }, () => client.post('/increment?delay=5'))
    for (const response of await Promise.all(counts)) assert.equal(response.status, 200)
    assert.equal(await (await client.get('/get?name=count')).text(), '50')
  })

  test('a passive request neither touches nor renews', async () => {
    await using site = await open('brief')
    const client = site.browser({ redirect: 'manual' })
    await client.post('/login?user=ada')
    await pause(1_100)
    await client.fetch('/me', { headers: { 'session-passive': '1' } })
    assert.equal(await site.control.calls('touch'), 0)
    await client.fetch('/me')
    assert.equal(await site.control.calls('touch'), 1)
  })

  test('the session is at hand anywhere below, without passing it along', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    assert.equal(await (await client.get('/deep')).text(), 'ada')
    assert.equal(await site.control.outside(), 'ERR_NO_SESSION')
  })

  test('a SessionError that the handler throws is answered with its status and code', async () => {
    await using site = await open()
    const response = await site.browser().fetch('/private')
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.equal(((await response.json()) as Problem).error.code, 'ERR_NOT_AUTHENTICATED')
    const page = await site.browser().get('/private')
    assert.equal(page.headers.get('content-type'), 'text/plain; charset=utf-8')
    assert.match(await page.text(), /^401 ERR_NOT_AUTHENTICATED: [^\n]+\n$/)
  })

  test('a step-up: 401, and what would be enough, for scripts in JSON and for all in the header', async () => {
    await using site = await open()
    const client = site.browser()
    const steps = [
      ['/login?user=ada', 'ERR_METHODS'],
      ['/code', null],
      ['/password', 'ERR_LEVEL'],
    ] as const
    for (const [path, code] of steps) {
      await client.post(path)
      const response = await client.fetch('/pay')
      const challenge = 'Session error="insufficient_user_authentication", max_age="600", acr_values="aal2"'
      assert.equal(response.headers.get('www-authenticate'), code && challenge)
      assert.equal(response.status, code ? 401 : 200)
      if (!code) continue
      const { error } = (await response.json()) as Problem
      assert.equal(error.code, code)
      assert.deepEqual(error.required, { maxAge: 600, methods: ['otp'], level: 2 })
    }
    const visitor = await site.browser().fetch('/pay')
    assert.deepEqual([visitor.status, visitor.headers.get('www-authenticate')], [401, null])
  })

  test('what exceeds a limit: 429, when to try again, and nothing of it', async () => {
    await using site = await open('limited')
    for (const expected of [200, 200, 429]) {
      const response = await site.browser().fetch('/set?name=a&value=1', { method: 'POST' })
      assert.equal(response.status, expected)
      assert.equal(response.headers.getSetCookie().length, expected === 200 ? 1 : 0)
      if (expected === 200) continue
      assert.ok(Number(response.headers.get('retry-after')) > 3_500)
      assert.equal(((await response.json()) as Problem).error.code, 'ERR_RATE_LIMITED')
    }
    for (const [index, expected] of [200, 429].entries()) {
      const forged = `${'A'.repeat(22)}.1..${'B'.repeat(43)}.170000000000${index}.${'C'.repeat(43)}`
      const response = await site.browser().get('/public', { cookie: `${SESSION}=${forged}` })
      assert.equal(response.status, expected)
      if (expected === 429) assert.ok(Number(response.headers.get('retry-after')) > 3_500)
    }
    assert.equal((await site.browser().get('/public')).status, 200)
  })

  test('a 5xx stores nothing', async () => {
    await using site = await open()
    const client = site.browser()
    assert.deepEqual((await client.post('/sorry')).headers.getSetCookie(), [])
    await client.post('/login?user=ada')
    assert.equal((await client.post('/sorry')).status, 500)
    assert.equal(await (await client.get('/get?name=half')).text(), 'null')
  })

  test('a login that is answered by an error is none; what a form remembers of its error stays', async () => {
    await using site = await open()
    const client = site.browser()
    assert.equal((await client.post('/half')).status, 401)
    assert.deepEqual(await client.cookies(), {})
    assert.deepEqual(await site.control.list('ada'), [])
    assert.equal((await client.post('/invalid')).status, 422)
    assert.equal(await (await client.get('/get?name=draft')).text(), '"text"')
  })

  test('after an error nothing is stored, but a session that was terminated has ended', async (t) => {
    t.mock.method(console, 'error', () => {})
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    assert.equal((await client.post('/fail')).status, 500)
    assert.equal(await (await client.get('/get?name=secret')).text(), 'null')
    const thief = client.clone()
    await client.post('/fail?end')
    assert.deepEqual(await me(thief), { user: null, lost: 'logout' })
  })
}
