/** A changed password ends every other session, and lets in nobody who knew the former one. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { type AnySession, Client, codeOf, MINUTE, namesOf, pausing, serve, twoServers } from './support.ts'

const OLD = { credential: 'drawn when the first password was set' }
const NEW = { credential: 'drawn when the second password was set' }

test('P12 ASVS 7.4.3 whoever changes his password stays logged in, and nobody else does, on any server', async (t) => {
  const [one, two] = twoServers(t)
  const [ada, other, grace] = [new Client(one), new Client(two), new Client(two)]
  await ada.login('ada', OLD)
  await other.login('ada', OLD)
  await grace.login('grace', OLD)
  const { id } = await ada.peek()
  one.clock.now += MINUTE
  await ada.send((session) => session.reauthenticate(NEW))
  assert.equal(await other.moveTo(one).whoami(), null)
  assert.equal((await other.peek()).lost, 'revoked')
  assert.equal(await ada.moveTo(two).whoami(), 'ada')
  assert.equal((await ada.peek()).id, id)
  assert.equal(await grace.whoami(), 'grace')
  assert.equal(namesOf(one).filter((name) => name === 'authn_password_change').length, 1)
})

test('P12 who logs in with another password than the others ends them: it was changed elsewhere', async () => {
  const server = serve()
  const [before, after] = [new Client(server), new Client(server)]
  await before.login('ada', OLD)
  server.clock.now += MINUTE
  await after.login('ada', NEW)
  assert.deepEqual([await before.whoami(), await after.whoami()], [null, 'ada'])
})

test('a rehash, which leaves the password as it was, ends nobody: the flaw of the session hash in Django', async () => {
  const server = serve()
  const clients = Array.from({ length: 3 }, () => new Client(server))
  for (const client of clients) await client.login('ada', OLD)
  server.clock.now += MINUTE
  await clients[0]!.send((session) => session.reauthenticate(OLD))
  for (const client of clients) assert.equal(await client.whoami(), 'ada')
  assert.ok(!namesOf(server).includes('authn_password_change'))
})

test('a session that logs in again by the new password takes its data along, and the others end', async () => {
  const server = serve()
  const [ada, other] = [new Client(server), new Client(server)]
  for (const client of [ada, other]) await client.login('ada', OLD)
  await ada.send((session) => session.set('cart', 1))
  server.clock.now += MINUTE
  await ada.login('ada', NEW)
  assert.deepEqual([await ada.whoami(), await other.whoami()], ['ada', null])
  assert.equal(await ada.send((session) => session.get('cart')).then(({ session }) => session.get('cart')), 1)
})

test('sessions of which nobody said by which password they were made end with the first of which it is said', async () => {
  const server = serve()
  const [unknown, ada] = [new Client(server), new Client(server)]
  await unknown.login('ada')
  await ada.login('ada', OLD)
  assert.deepEqual([await unknown.whoami(), await ada.whoami()], [null, 'ada'])
})

test('two first logins at once, by one password, are both good', async () => {
  const server = serve()
  const [one, two] = [new Client(server), new Client(server)]
  const begun = [await one.begin(), await two.begin()]
  for (const { session } of begun) session.authenticate('ada', OLD)
  for (const exchange of begun) await exchange.end()
  assert.equal((await server.sessions.list('ada')).length, 2)
})

describe('P12 a login by the former password, stopped at any of its steps, does not outlive the change', () => {
  for (const first of [OLD, {}]) {
    for (const change of ['reauthenticate', 'log in'] as const) {
      for (const verb of ['create', 'loadUser', 'replaceUser'] as const) {
        for (const when of ['before', 'after'] as const) {
          // Then it is the first of which anything is told: it was good when it was done, and has ended hers.
          if (first !== OLD && verb === 'replaceUser' && when === 'after') continue
          test(`${when} ${verb}; the change: ${change}; ${first === OLD ? 'the password was told' : 'no password was told before'}`, async () => {
            const gate = pausing(memory())
            const server = serve({ engine: gate.engine })
            const [ada, thief] = [new Client(server), new Client(server)]
            await ada.login('ada', first)
            server.clock.now += MINUTE
            const stop = gate.hold(verb, when)
            const login = codeOf(thief.login('ada', OLD))
            await stop.reached
            if (change === 'reauthenticate') await ada.send((session) => session.reauthenticate(NEW))
            else await ada.login('ada', NEW)
            stop.release()
            await login
            assert.equal(await thief.whoami(), null)
            assert.equal(await ada.whoami(), 'ada')
            server.clock.now += MINUTE
            const later = new Client(server)
            await later.login('ada', NEW)
            assert.equal(await ada.whoami(), 'ada', 'the new password is the one that is known')
          })
        }
      }
    }
  }
})

test('another tab that proves the former password while it is changed neither ends the session nor turns it back', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada', OLD)
  server.clock.now += MINUTE
  const slow = await ada.copy().begin()
  slow.session.reauthenticate(OLD)
  await ada.send((session) => session.reauthenticate(NEW))
  assert.equal(await codeOf(slow.end()), 'ERR_SESSION_CHANGED')
  assert.equal(await ada.whoami(), 'ada')
  server.clock.now += MINUTE
  await new Client(server).login('ada', NEW)
  assert.equal(await ada.whoami(), 'ada')
})

test('P12 a login that began while the password was being reset, and read the former one, is refused', async () => {
  for (const reset of [{ revokeOthers: true }, NEW]) {
    const server = serve()
    await new Client(server).login('ada', OLD)
    server.clock.now += MINUTE
    const handler = await new Client(server).begin()
    handler.session.authenticate('ada', reset)
    // The handler hashes the new password, which takes its time; meanwhile somebody logs in by the former one.
    const began = performance.now()
    while (performance.now() - began < 20) await new Promise((resolve) => setTimeout(resolve, 1))
    server.clock.now += 10
    const thief = await new Client(server).begin()
    thief.session.authenticate('ada', OLD)
    await handler.end()
    assert.equal(await codeOf(thief.end()), 'ERR_SESSION_CHANGED')
    assert.equal((await server.sessions.list('ada')).length, 1)
  }
})

test('a password that is changed makes room: nobody is displaced by a limit, or refused for it', async () => {
  const server = serve({ maxSessionsPerUser: 2, onExceeded: 'refuse' })
  for (let index = 0; index < 2; index++) await new Client(server).login('ada', OLD)
  server.clock.now += MINUTE
  const ada = new Client(server)
  await ada.login('ada', NEW)
  assert.equal(await ada.whoami(), 'ada')
  assert.ok(!namesOf(server).includes('excess_sessions_exceeded'))
})

test('a credential that was told once in a request is not forgotten by a call without it', async () => {
  for (const change of [
    (session: AnySession) => session.reauthenticate(NEW),
    (session: AnySession) => {
      session.reauthenticate(NEW)
      session.reauthenticate({ methods: ['otp'] })
    },
    (session: AnySession) => {
      session.authenticate('ada', OLD)
      session.reauthenticate(NEW)
      session.reauthenticate()
    },
  ]) {
    const server = serve()
    const [ada, other] = [new Client(server), new Client(server)]
    for (const client of [ada, other]) await client.login('ada', OLD)
    server.clock.now += MINUTE
    await ada.send(change)
    assert.deepEqual([await ada.whoami(), await other.whoami()], ['ada', null])
    server.clock.now += MINUTE
    await other.login('ada', NEW)
    assert.equal(await ada.whoami(), 'ada')
  }
})

test('a change that is answered by an error is none', async () => {
  const server = serve()
  const [ada, other] = [new Client(server), new Client(server)]
  for (const client of [ada, other]) await client.login('ada', OLD)
  server.clock.now += MINUTE
  const failed = await ada.begin()
  failed.session.reauthenticate(NEW)
  await failed.end(400)
  assert.equal(await other.whoami(), 'ada')
})

test("P5 the store holds no credential as the application told it: a password's hash, for all we know", async () => {
  const engine = memory()
  const server = serve({ engine })
  await new Client(server).login('ada', { credential: '$2b$12$sesame' })
  const ledger = await engine.loadUser('ada')
  assert.match(ledger!.credential!, /^[\w-]{43}$/)
  assert.ok(!JSON.stringify([ledger, await engine.scan!({ limit: 10 }), server.events]).includes('sesame'))
})

test('a credential that is no text is a mistake, by which a changed password would end nothing', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  for (const credential of [undefined, null, '', 5, {}]) {
    const options = { credential } as never
    const { session } = await ada.begin()
    assert.throws(() => session.authenticate('ada', options), TypeError)
    assert.throws(() => session.reauthenticate(options), TypeError)
  }
})
