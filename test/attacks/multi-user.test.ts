/** One user's data never reach another. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { CHROME, Client, codeOf, HOUR, MINUTE, partsOf, pausing, SESSION, serve } from './support.ts'

const ofAda = (session: { get(name: string): unknown }) => session.get('iban')

test('WSTG-SESS-08 a login as another user, over a live session, takes none of its data and ends it', async () => {
  const server = serve()
  const client = new Client(server)
  await client.login('ada')
  await client.send((session) => session.set('iban', 'of ada'))
  const ada = client.copy()
  await client.send((session) => {
    session.set('draft', 'written as ada')
    session.authenticate('grace')
    session.set('own', 'written as grace')
    assert.equal(ofAda(session), undefined)
  })
  const session = await client.peek()
  assert.deepEqual([session.userId, session.keys()], ['grace', ['own']])
  assert.equal(await ada.whoami(), null)
  assert.deepEqual(await server.sessions.list('ada'), [])
})

test('WSTG-SESS-08 what is written between two logins of one request stays with neither', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send((session) => {
    session.set('cart', 'of the visitor')
    session.authenticate('ada')
    session.set('iban', 'of ada')
    session.authenticate('grace')
  })
  const session = await client.peek()
  assert.equal(session.userId, 'grace')
  assert.equal(ofAda(session), undefined)
})

test('WSTG-SESS-08 ... nor does the way back to the first user take the second one’s data along', async () => {
  const server = serve()
  const client = new Client(server)
  await client.login('ada')
  await client.send((session) => {
    session.authenticate('grace')
    session.set('iban', 'of grace')
    session.authenticate('ada')
  })
  const session = await client.peek()
  assert.equal(session.userId, 'ada')
  assert.equal(ofAda(session), undefined)
})

test('WSTG-SESS-08 nor do two logins with a commit in between', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send(async (session) => {
    session.authenticate('ada')
    session.set('iban', 'of ada')
    await session.commit()
    session.authenticate('grace')
  })
  const session = await client.peek()
  assert.equal(session.userId, 'grace')
  assert.equal(ofAda(session), undefined)
  assert.deepEqual(await server.sessions.list('ada'), [])
})

test('a visitor’s data go to the first who logs in, and not on to the next', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send((session) => session.set('cart', 1))
  const stale = client.copy()
  await client.login('ada')
  await stale.login('grace')
  assert.equal((await client.peek()).get('cart'), 1)
  assert.equal((await stale.peek()).get('cart'), undefined)
})

test('two logins that race for one visitor’s data: nobody’s later writes go to the other', async () => {
  const gate = pausing(memory())
  const server = serve({ engine: gate.engine })
  const client = new Client(server)
  await client.send((session) => session.set('cart', 1))
  const rival = client.copy()
  const stop = gate.hold('replace')
  const login = client.login('ada')
  await stop.reached
  await rival.login('grace')
  await rival.send((session) => session.set('iban', 'of grace'))
  stop.release()
  await login
  assert.equal(await client.whoami(), 'ada')
  assert.equal(ofAda(await client.peek()), undefined)
})

test('after logout, expiry, revocation or replay nothing of the old session reaches whoever logs in next', async () => {
  for (const end of ['logout', 'idle', 'absolute', 'revoke', 'replay'] as const) {
    const server = serve()
    const client = new Client(server)
    await client.login('ada')
    await client.send((session) => session.set('iban', 'of ada'))
    const copy = client.copy()
    if (end === 'logout') await client.send((session) => session.terminate())
    if (end === 'idle') server.clock.now += 31 * MINUTE
    if (end === 'absolute') server.clock.now += 13 * HOUR
    if (end === 'revoke') await server.sessions.revoke({ userId: 'ada' })
    if (end === 'replay') {
      server.clock.now += 16 * MINUTE
      await client.whoami()
      await client.whoami()
      server.clock.now += 4 * MINUTE
    }
    server.clock.now = Math.max(server.clock.now, Date.now() + 1)
    for (const user of ['grace', 'ada']) {
      const next = copy.copy()
      await next.login(user)
      assert.equal(ofAda(await next.peek()), undefined, `${end}, then ${user}`)
    }
  }
})

test('a suspended session shows nothing and takes nothing; only its own user gets it back', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  await ada.send((session) => session.set('iban', 'of ada'))
  const thief = ada.copy({ headers: { 'user-agent': CHROME } })
  const { session } = await thief.begin()
  assert.deepEqual(
    [session.suspended, session.userId, session.id, ofAda(session)],
    [true, null, null, undefined],
  )
  assert.deepEqual([session.keys(), session.expiresAt, session.methods], [[], null, []])
  for (const write of [
    () => session.set('a', 1),
    () => session.clear(),
    () => session.update('iban', () => 'mine'),
    () => session.pop('iban'),
    () => session.delete('iban'),
  ]) {
    try {
      write()
    } catch (error) {
      assert.equal((error as { code: string }).code, 'ERR_SESSION_SUSPENDED')
    }
  }
  assert.throws(() => session.reauthenticate(), { code: 'ERR_NOT_AUTHENTICATED' })
  assert.equal(ofAda(await ada.peek()), 'of ada')
  const mallory = thief.copy()
  await mallory.login('mallory')
  assert.equal(ofAda(await mallory.peek()), undefined)
})

test('a suspended session is neither touched nor renewed by whoever holds it', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const thief = ada.copy({ headers: { 'user-agent': CHROME } })
  for (let minute = 0; minute < 29; minute++) {
    server.clock.now += MINUTE
    const { cookies } = await thief.send(() => {}, { method: 'GET' })
    assert.equal(cookies.has(SESSION), false)
  }
  server.clock.now += 2 * MINUTE
  assert.equal((await ada.peek()).lost, 'idle')
})

test('ASVS 7.5.2 revoking by id is held to the user: not another’s, not without one', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { id } = partsOf(ada.token!)
  assert.equal(await server.sessions.revoke({ id, userId: 'mallory' }), 0)
  assert.equal(await ada.whoami(), 'ada')
  for (const userId of [undefined, null, '', 0]) {
    await codeOf(server.sessions.revoke({ id, userId: userId as never }))
    assert.equal(
      await ada.whoami(),
      'ada',
      `a handler that passes userId: ${userId} on ended a stranger's session`,
    )
  }
})

test('a revoke whose user is missing is an error, not a revoke of somebody', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('undefined')
  for (const query of [{ userId: undefined }, { userId: null }, {}]) {
    assert.notEqual(await codeOf(server.sessions.revoke(query as never)), 'none', JSON.stringify(query))
  }
  assert.equal(await ada.whoami(), 'undefined')
})

test('user ids that look alike, or like names of objects, are different users', async () => {
  const ids = [
    'ada',
    'Ada',
    ' ada',
    'ada ',
    '__proto__',
    'constructor',
    'toString',
    '"ada"',
    '1',
    '01',
    'é',
    'e\u0301',
  ]
  const server = serve()
  const clients = await Promise.all(
    ids.map(async (id) => {
      const client = new Client(server)
      await client.login(id)
      return client
    }),
  )
  for (const [index, id] of ids.entries()) {
    assert.equal((await server.sessions.list(id)).length, 1, JSON.stringify(id))
    assert.equal(await clients[index]!.whoami(), id)
  }
  assert.equal(await server.sessions.revoke({ userId: 'ada' }), 1)
  for (const [index, id] of ids.entries())
    assert.equal(await clients[index]!.whoami(), id === 'ada' ? null : id)
})

test('user ids that a store could cut or fold into another are refused: NUL, and half a character', async () => {
  const { session } = await new Client(serve()).begin()
  for (const userId of ['ada\0', '\0', 'ada\ud800', '\udc00ada']) {
    assert.throws(() => session.authenticate(userId), TypeError, JSON.stringify(userId))
  }
})

test('R-47 an empty user id, or none, authenticates nobody', async () => {
  const server = serve()
  const { session } = await new Client(server).begin()
  for (const userId of ['', null, undefined, 0, {}, ['ada'], { toString: () => 'ada' }]) {
    assert.throws(() => session.authenticate(userId as never), TypeError)
  }
  assert.equal(session.userId, null)
})

test('fifty users at once, each with many requests, see their own data alone', async () => {
  const server = serve()
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const user = `user-${index}`
      const client = new Client(server)
      await client.login(user)
      for (let round = 0; round < 5; round++) {
        await client.send((session) => session.set('who', user))
        const session = await client.peek()
        assert.deepEqual([session.userId, session.get('who')], [user, user])
        assert.equal(
          server.sessions.run(session, () => server.sessions.current().userId),
          user,
        )
      }
    }),
  )
})
