/** After authentication nothing issued before works. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client, codeOf, cookiesOf, ENGINES, MINUTE, partsOf, SESSION, serve, VISITOR } from './support.ts'

for (const [engineName, engine] of ENGINES) {
  describe(engineName, () => {
    test('P3 R-01 R-04 a login draws a new id and token, and the visitor token from before is dead', async () => {
      const server = serve({ engine: engine() })
      const victim = new Client(server)
      await victim.send((session) => session.set('cart', 1))
      const attacker = victim.copy()
      await victim.login('ada')
      assert.notEqual(partsOf(victim.token!).id, partsOf(attacker.token!).id)
      assert.equal(await attacker.whoami(), null)
      assert.equal((await attacker.peek()).get('cart'), undefined)
      assert.equal(await victim.whoami(), 'ada')
    })

    test('P3 ASVS 7.2.4 a reauthentication kills every token from before, also those offered', async () => {
      const server = serve({ engine: engine() })
      const ada = new Client(server)
      await ada.login('ada')
      server.clock.now += 16 * MINUTE
      const before = [ada.copy(), ada.copy()]
      await before[1]!.whoami()
      await ada.send((session) => session.reauthenticate())
      for (const copy of before) assert.equal(await copy.whoami(), null)
      assert.equal(await ada.whoami(), 'ada')
    })

    test('P3 a second login by the same user draws a new id, and the first token is dead', async () => {
      const server = serve({ engine: engine() })
      const ada = new Client(server)
      await ada.login('ada')
      const before = ada.copy()
      await ada.login('ada')
      assert.notEqual(partsOf(ada.token!).id, partsOf(before.token!).id)
      assert.equal(await before.whoami(), null)
      assert.equal((await server.sessions.list('ada')).length, 1)
    })
  })
}

test('P3 R-01 after a logout the next login has nothing of the one before', async () => {
  const server = serve()
  const client = new Client(server)
  await client.login('ada')
  const before = client.token!
  await client.send((session) => session.set('note', 'of ada'))
  await client.send((session) => session.terminate())
  assert.equal(client.token, undefined)
  await client.login('ada')
  assert.notEqual(partsOf(client.token!).id, partsOf(before).id)
  assert.equal((await client.peek()).get('note'), undefined)
})

test("P3 R-03 the visitor's CSRF token and pre-session are refused after the login", async () => {
  const server = serve()
  const client = new Client(server)
  let csrf = ''
  await client.send((session) => (csrf = session.csrfToken()), { method: 'GET' })
  const preSession = client.jar.get(VISITOR)!
  const { cookies } = await client.login('ada')
  assert.equal(cookies.get(VISITOR), null, 'the pre-session is cleared')
  for (const visitor of [undefined, preSession]) {
    if (visitor) client.jar.set(VISITOR, visitor)
    const { session } = await client.begin({ headers: { 'x-csrf-token': csrf } })
    assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
  }
})

test('P3 R-03 a CSRF token dies at reauthentication, and at a second login', async () => {
  for (const again of ['reauthenticate', 'authenticate'] as const) {
    const server = serve()
    const ada = new Client(server)
    await ada.login('ada')
    let csrf = ''
    await ada.send((session) => (csrf = session.csrfToken()))
    server.clock.now += 1
    await ada.send((session) =>
      again === 'authenticate' ? session.authenticate('ada') : session.reauthenticate(),
    )
    const { session } = await ada.begin({ headers: { 'x-csrf-token': csrf } })
    assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID', again)
  }
})

test('P3 a CSRF token dies at a reauthentication in the very same millisecond', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  let csrf = ''
  await ada.send((session) => (csrf = session.csrfToken()))
  await ada.send((session) => session.reauthenticate())
  const { session } = await ada.begin({ headers: { 'x-csrf-token': csrf } })
  assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
})

test('P3 WSTG-SESS-03 a token that the attacker invents, or draws by himself, is never adopted', async () => {
  const server = serve()
  const attacker = new Client(serve({ keys: undefined as never }))
  await attacker.login('mallory')
  for (const forced of [
    attacker.token!,
    'A'.repeat(43),
    `${'A'.repeat(22)}.0..${'A'.repeat(43)}.1.${'A'.repeat(43)}`,
  ]) {
    const victim = new Client(server)
    victim.jar.set(SESSION, forced)
    await victim.login('ada')
    assert.notEqual(victim.token, forced)
    assert.notEqual(partsOf(victim.token!).id, partsOf(forced).id)
    assert.notEqual(partsOf(victim.token!).secret, partsOf(forced).secret)
  }
})

test("P3 R-02 an attacker's own session, planted in the victim's jar, never becomes the victim's", async () => {
  const server = serve()
  const attacker = new Client(server)
  await attacker.login('mallory')
  await attacker.send((session) => session.set('address', "of mallory's choice"))
  const victim = attacker.copy()
  await victim.login('ada')
  assert.equal(await attacker.whoami(), null)
  const session = await victim.peek()
  assert.equal(session.userId, 'ada')
  assert.equal(session.get('address'), undefined)
})

test('P3 authenticating twice in one request leaves one session, of the last user', async () => {
  const server = serve()
  const client = new Client(server)
  const { session, end } = await client.begin()
  session.authenticate('ada')
  session.authenticate('grace')
  client.receive(await end())
  assert.equal(await client.whoami(), 'grace')
  assert.deepEqual(await server.sessions.list('ada'), [])
  assert.equal((await server.sessions.list('grace')).length, 1)
})

test('P3 a login in each of two commits of one request leaves one session', async () => {
  const server = serve()
  const client = new Client(server)
  const { session, end } = await client.begin()
  session.authenticate('ada')
  await session.commit()
  session.authenticate('ada')
  client.receive(await end())
  assert.equal(await client.whoami(), 'ada')
  assert.equal((await server.sessions.list('ada')).length, 1)
})

test('P3 the token in its grace, too, is dead after a login from the new one', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const retired = ada.copy()
  server.clock.now += 16 * MINUTE
  await ada.whoami()
  await ada.whoami()
  assert.equal(await retired.whoami(), 'ada', 'in its grace it still serves')
  await ada.login('ada')
  assert.equal(await retired.whoami(), null)
})

test('P3 a login from a token that is late ends the session which that token names', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const late = ada.copy()
  server.clock.now += 16 * MINUTE
  await ada.whoami()
  await ada.whoami()
  server.clock.now += 90_000
  assert.equal((await late.peek()).lost, 'superseded')
  await late.login('ada')
  assert.equal(await ada.whoami(), null)
  assert.equal(await late.whoami(), 'ada')
})

test('P3 R-12 WSTG-SESS-08 a first factor is no user: nothing passes until authenticate is called', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send((session) => session.set('pendingUser', 'ada'))
  const { session, end } = await client.begin()
  assert.equal(session.userId, null)
  assert.throws(() => session.require(), { code: 'ERR_NOT_AUTHENTICATED' })
  assert.throws(() => session.require({ methods: ['pwd'] }), { code: 'ERR_NOT_AUTHENTICATED' })
  session.authenticate('ada', { methods: ['pwd', 'otp'] })
  assert.equal(session.require({ methods: ['otp'] }), 'ada')
  client.receive(await end())
  assert.equal(await client.whoami(), 'ada')
})

test('P3 R-12 a 5xx in the second factor leaves no half login', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send((session) => session.set('pendingUser', 'ada'))
  await client.send(
    (session) => {
      session.authenticate('ada', { methods: ['pwd', 'otp'] })
      session.delete('pendingUser')
    },
    {},
    500,
  )
  const session = await client.peek()
  assert.equal(session.userId, null)
  assert.equal(session.get('pendingUser'), 'ada')
})

test('P3 a login or a reauthentication that the handler answers by an error is none', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send((session) => session.authenticate('ada', { methods: ['pwd'] }), {}, 401)
  assert.equal(client.token, undefined)
  assert.deepEqual(await server.sessions.list('ada'), [])
  await client.login('ada')
  const before = client.token
  await client.send((session) => session.reauthenticate({ methods: ['otp'] }), {}, 403)
  assert.equal(client.token, before)
  assert.deepEqual((await client.peek()).methods, ['pwd'])
})

test('P3 a refused request authenticates nobody, however the handler goes on', async () => {
  const server = serve()
  const client = new Client(server)
  const { session, end } = await client.begin({ headers: { 'sec-fetch-site': 'cross-site' } })
  assert.throws(() => session.authenticate('mallory'), { code: 'ERR_CROSS_ORIGIN' })
  assert.equal(cookiesOf((await end()).effects).size, 0)
  assert.equal(await codeOf(Promise.resolve(session.userId)), 'none')
  assert.deepEqual(await server.sessions.list('mallory'), [])
})
