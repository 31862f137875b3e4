/** A login that somebody else forged: the victim would work in the attacker's account. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client, cookiesOf, SESSION, serve, VISITOR } from './support.ts'
import { ADAPTERS, ours } from './wire.ts'

const BARE = { 'sec-fetch-site': null, origin: null }

async function form(client: Client): Promise<string> {
  let csrf = ''
  await client.send((session) => (csrf = session.csrfToken()), { method: 'GET' })
  return csrf
}

test('R-25 CS-14 a login form of another site is refused, with and without Fetch Metadata', async () => {
  const server = serve()
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { ...BARE, origin: 'https://evil.example' },
    { ...BARE, origin: 'null' },
  ]) {
    const victim = new Client(server)
    const { session, end } = await victim.begin({ headers })
    assert.throws(() => session.authenticate('mallory'), { code: 'ERR_CROSS_ORIGIN' })
    assert.equal((await end()).cookies.has(SESSION), false)
  }
})

test('R-25 without any header that says where it comes from a login needs a token, cookie or not', async () => {
  const server = serve()
  const victim = new Client(server)
  const { session } = await victim.begin({ headers: BARE })
  assert.throws(() => session.authenticate('mallory'), { code: 'ERR_CSRF_TOKEN_MISSING' })
})

test('R-25 R-13 the attacker’s own form token, without his cookie or with the victim’s, opens nothing', async () => {
  const server = serve()
  const [attacker, victim] = [new Client(server), new Client(server)]
  const csrf = await form(attacker)
  await form(victim)
  for (const client of [victim, new Client(server)]) {
    const { session } = await client.begin({ headers: BARE, fields: { csrf_token: csrf } })
    assert.throws(() => session.authenticate('mallory'))
  }
})

test('R-25 an old browser’s honest form logs in, by its token', async () => {
  const server = serve()
  const client = new Client(server)
  const csrf = await form(client)
  await client.send((session) => session.authenticate('ada'), { headers: BARE, fields: { csrf_token: csrf } })
  assert.equal(await client.whoami(), 'ada')
})

test('CS-14 the pre-session ends with the login, and is drawn anew after the logout', async () => {
  const server = serve()
  const client = new Client(server)
  await form(client)
  const before = client.jar.get(VISITOR)
  await client.login('ada')
  assert.equal(client.jar.has(VISITOR), false)
  await client.send((session) => session.terminate())
  await form(client)
  assert.notEqual(client.jar.get(VISITOR), before)
})

test('CS-14 of two login forms open at once both work until one of them has logged in', async () => {
  const server = serve({ csrf: { requireToken: true } })
  const client = new Client(server)
  const [one, two] = [await form(client), await form(client)]
  for (const csrf of [one, two]) {
    assert.equal((await client.begin({ fields: { csrf_token: csrf } })).session.refusal, null)
  }
  await client.send((session) => session.authenticate('ada'), { fields: { csrf_token: one } })
  const { session } = await client.begin({ fields: { csrf_token: two } })
  assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
})

test('a refused cross-site post is no way to take the pre-session of an open form away', async () => {
  const server = serve({ csrf: { requireToken: true } })
  const victim = new Client(server)
  const csrf = await form(victim)
  const { session, end } = await new Client(server).begin({ headers: { 'sec-fetch-site': 'cross-site' } })
  // An error page that offers the form again. SameSite=Lax has stripped the victim's pre-session from this request.
  session.csrfToken()
  for (const [name, value] of cookiesOf((await end()).effects)) victim.jar.set(name, value!)
  const answer = await victim.begin({ fields: { csrf_token: csrf } })
  assert.equal(answer.session.refusal, null)
})

for (const [adapter, start] of ADAPTERS) {
  describe(`through ${adapter}`, () => {
    test('R-25 the demo’s login form: forged 403 and no cookie, honest one cookie', async (t) => {
      const { sessions } = serve({ csrf: { requireToken: true } })
      const wire = await start(t, sessions, (session, path) => {
        if (path === '/login') session.authenticate('ada')
        return session.csrfToken()
      })
      const page = await wire.send({ headers: ours() })
      const visitor = page.cookie(VISITOR)
      const type = { 'content-type': 'application/x-www-form-urlencoded' }
      const post = (headers: Record<string, string>, body: string) =>
        wire.send({ method: 'POST', path: '/login', headers: { ...headers, ...type }, body })
      const token = `csrf_token=${page.body}`
      const forged = [
        await post({ ...ours({ [VISITOR]: visitor }), 'sec-fetch-site': 'cross-site' }, token),
        await post({ ...ours(), 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, token),
        await post(ours({ [VISITOR]: visitor }), ''),
        await post(ours({ [VISITOR]: visitor }), 'csrf_token=wrong'),
        await post({ cookie: `${VISITOR}=${visitor}`, 'user-agent': 'Mozilla/5.0' }, ''),
        await post({ 'user-agent': 'Mozilla/5.0' }, token),
      ]
      for (const [index, answer] of forged.entries()) {
        assert.equal(answer.status, 403, `forgery ${index}`)
        assert.equal(answer.cookie(SESSION), undefined)
      }
      const honest = await post(ours({ [VISITOR]: visitor }), token)
      assert.equal(honest.status, 200)
      assert.deepEqual(
        [honest.all('set-cookie').length, typeof honest.cookie(SESSION), honest.cookie(VISITOR)],
        [2, 'string', null],
      )
    })
  })
}
