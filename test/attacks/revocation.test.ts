/** Revocation bites on the next request, on every server. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { Client, codeOf, HOUR, namesOf, partsOf, pausing, serve, twoServers, VISITOR } from './support.ts'

test('P12 ASVS 7.4.2 revoking all of a user ends every session on every server, with the next request', async (t) => {
  const [one, two] = twoServers(t)
  const clients = await Promise.all(
    [one, two, one, two].map(async (server) => {
      const client = new Client(server)
      await client.login('ada')
      return client
    }),
  )
  const other = new Client(two)
  await other.login('grace')
  assert.equal(await one.sessions.revoke({ userId: 'ada' }), 4)
  for (const client of clients) {
    for (const server of [one, two]) assert.equal(await client.moveTo(server).whoami(), null)
    assert.equal((await client.peek()).lost, 'revoked')
  }
  assert.equal(await other.whoami(), 'grace')
  assert.deepEqual(await two.sessions.list('ada'), [])
})

test('P12 ASVS 7.4.3 revoking all but one leaves that one, and one by its id leaves the others', async (t) => {
  const [one, two] = twoServers(t)
  const [here, there, third] = [new Client(one), new Client(two), new Client(two)]
  for (const client of [here, there, third]) await client.login('ada')
  assert.equal(await two.sessions.revoke({ id: partsOf(third.token!).id }), 1)
  assert.equal(await third.moveTo(one).whoami(), null)
  assert.equal(await one.sessions.revoke({ userId: 'ada', except: partsOf(here.token!).id }), 1)
  assert.equal(await there.whoami(), null)
  assert.equal(await here.whoami(), 'ada')
})

test('P12 what a revoked session was offered, in whichever response, is dead with it', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  server.clock.now += 16 * 60_000
  const tabs = [ada.copy(), ada.copy()]
  for (const tab of tabs) await tab.whoami()
  await tabs[0]!.whoami()
  await server.sessions.revoke({ userId: 'ada' })
  for (const client of [ada, ...tabs]) assert.equal(await client.whoami(), null)
})

describe('P12 a login under way, stopped at any of its steps, does not outlive the revocation of its user', () => {
  for (const verb of ['create', 'loadUser', 'replaceUser', 'replace'] as const) {
    for (const when of ['before', 'after'] as const) {
      test(`${when} ${verb}`, async () => {
        const gate = pausing(memory())
        const one = serve({ engine: gate.engine })
        const two = serve({ engine: gate.engine }, one.clock)
        const visitor = new Client(one)
        await visitor.send((session) => session.set('cart', 1))
        const stop = gate.hold(verb, when)
        const login = codeOf(visitor.login('ada'))
        await stop.reached
        await two.sessions.revoke({ userId: 'ada' })
        stop.release()
        await login
        assert.equal(await visitor.whoami(), null)
        assert.deepEqual(await two.sessions.list('ada'), [])
      })
    }
  }
})

describe('P12 a reauthentication under way, stopped at any step, does not outlive a revocation', () => {
  for (const verb of ['loadUser', 'replaceUser', 'replace'] as const) {
    for (const when of ['before', 'after'] as const) {
      for (const how of ['all', 'others', 'one'] as const) {
        test(`${when} ${verb}, revoking ${how}`, async () => {
          const gate = pausing(memory())
          const server = serve({ engine: gate.engine })
          const ada = new Client(server)
          await ada.login('ada')
          const { id } = partsOf(ada.token!)
          const stop = gate.hold(verb, when)
          const work = codeOf(ada.send((session) => session.reauthenticate()))
          await stop.reached
          if (how === 'all') await server.sessions.revoke({ userId: 'ada' })
          if (how === 'others') await server.sessions.revoke({ userId: 'ada', except: 'A'.repeat(22) })
          if (how === 'one') await server.sessions.revoke({ id })
          stop.release()
          await work
          assert.equal(await ada.whoami(), null)
          assert.deepEqual(await server.sessions.list('ada'), [])
        })
      }
    }
  }
})

describe('P12 a revocation that stands at any step lets nothing slip through once it has returned', () => {
  const works = {
    write: (client: Client) => client.send((session) => session.set('note', 1)),
    renew: (client: Client) => client.send((session) => session.renew()),
    reauthenticate: (client: Client) => client.send((session) => session.reauthenticate()),
    'log in again': (client: Client) => client.login('ada'),
    'log out': (client: Client) => client.send((session) => session.terminate()),
  }
  for (const [what, work] of Object.entries(works)) {
    for (const verb of ['loadUser', 'replaceUser', 'replace'] as const) {
      for (const when of ['before', 'after'] as const) {
        test(`${when} ${verb}: ${what}`, async () => {
          const gate = pausing(memory())
          const server = serve({ engine: gate.engine })
          const ada = new Client(server)
          await ada.login('ada')
          const stop = gate.hold(verb, when)
          const revoke = server.sessions.revoke({ userId: 'ada' })
          await stop.reached
          const other = ada.moveTo(serve({ engine: gate.engine }, server.clock))
          await codeOf(work(other))
          stop.release()
          await revoke
          assert.equal(await other.whoami(), null)
          assert.deepEqual(await server.sessions.list('ada'), [])
        })
      }
    }
  }
})

test('P12 revokeOthers at login ends all others in the same step, and refuses logins under way', async () => {
  const server = serve()
  const [thief, late, ada] = [new Client(server), new Client(server), new Client(server)]
  await thief.login('ada')
  const underWay = await late.begin()
  underWay.session.authenticate('ada')
  server.clock.now += 1
  await ada.login('ada', { revokeOthers: true })
  assert.equal(await codeOf(underWay.end()), 'ERR_SESSION_CHANGED')
  assert.equal(await thief.whoami(), null)
  assert.equal(await ada.whoami(), 'ada')
  assert.equal((await server.sessions.list('ada')).length, 1)
})

test('P12 ASVS 15.4.2 of ten parallel logins at a limit of 3 exactly 3 are alive', async (t) => {
  const [one, two] = twoServers(t, { maxSessionsPerUser: 3 })
  const clients = Array.from({ length: 10 }, (_, index) => new Client(index % 2 ? one : two))
  await Promise.all(clients.map((client) => client.login('ada')))
  const alive = await Promise.all(clients.map((client) => client.whoami()))
  assert.equal(alive.filter((user) => user === 'ada').length, 3)
  assert.equal((await one.sessions.list('ada')).length, 3)
  assert.ok([...namesOf(one), ...namesOf(two)].includes('excess_sessions_exceeded'))
})

test('P12 a login again from a session does not cost another one its place at the limit', async () => {
  const server = serve({ maxSessionsPerUser: 3 })
  const clients = Array.from({ length: 3 }, () => new Client(server))
  for (const client of clients) await client.login('ada')
  for (let again = 0; again < 5; again++) {
    server.clock.now += 1_000
    await clients[2]!.login('ada')
  }
  for (const client of clients) assert.equal(await client.whoami(), 'ada')
})

test('P12 parallel logins and revocations leave no session that the ledger does not name', async (t) => {
  const [one, two] = twoServers(t, { maxSessionsPerUser: 3 })
  const clients = Array.from({ length: 12 }, (_, index) => new Client(index % 2 ? one : two))
  await Promise.all(
    clients.map(async (client, index) => {
      await codeOf(client.login('ada'))
      if (index % 4 === 0) await codeOf(client.send((session) => session.reauthenticate()))
      if (index % 5 === 0) await codeOf(client.send((session) => session.terminate()))
      if (index === 7) await two.sessions.revoke({ userId: 'ada' })
    }),
  )
  const listed = new Set((await one.sessions.list('ada')).map(({ id }) => id))
  for (const client of clients) {
    const { userId, id } = await client.peek()
    if (userId !== null) assert.ok(listed.has(id!), 'alive, but neither listed nor revocable')
  }
  await one.sessions.revoke({ userId: 'ada' })
  for (const client of clients) assert.equal(await client.whoami(), null)
})

test('P12 a session that outlives its entry in the ledger, since absolute was made longer, is revoked with the rest', async () => {
  const engine = memory()
  const clock = { now: Date.now() }
  const before = serve({ engine, absolute: '1h' }, clock)
  const ada = new Client(before)
  await ada.login('ada')
  const after = serve({ engine, absolute: '12h', idle: '6h' }, clock)
  ada.moveTo(after)
  clock.now += 2 * HOUR
  assert.equal(await ada.whoami(), 'ada')
  await new Client(after).login('ada')
  await after.sessions.revoke({ userId: 'ada' })
  assert.equal(await ada.whoami(), null)
})

test('P12 a suspended session is revoked like any other, and its user cannot resume it then', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  await ada.send((session) => session.set('note', 'of ada'))
  const moved = ada.copy({ headers: { 'user-agent': 'curl/8.5' } })
  assert.equal((await moved.peek()).suspended, true)
  await server.sessions.revoke({ userId: 'ada' })
  assert.equal(await ada.whoami(), null)
  server.clock.now = Date.now() + 1
  await moved.login('ada')
  assert.equal((await moved.peek()).get('note'), undefined)
})

test('P12 revoking what has gone, twice, or what never was, ends nothing else and says 0', async () => {
  const server = serve()
  const [ada, grace] = [new Client(server), new Client(server)]
  await ada.login('ada')
  await grace.login('grace')
  const { id } = partsOf(ada.token!)
  assert.equal(await server.sessions.revoke({ id }), 1)
  assert.equal(await server.sessions.revoke({ id }), 0)
  assert.equal(await server.sessions.revoke({ id: 'B'.repeat(22) }), 0)
  assert.equal(await server.sessions.revoke({ userId: 'nobody' }), 0)
  assert.equal(await grace.whoami(), 'grace')
})

test('R-09 no cookie, forged or of somebody else, revokes a session: not at login, not at logout', async () => {
  const server = serve()
  const [ada, mallory] = [new Client(server), new Client(server)]
  await ada.login('ada')
  await mallory.login('mallory')
  const [mine, hers] = [partsOf(mallory.token!), partsOf(ada.token!)]
  for (const forged of [
    mallory.token!.replace(mine.id, hers.id),
    ada.token!.replace(hers.secret, mine.secret),
    ada.token!.replace(hers.tag, mine.tag),
  ]) {
    for (const work of ['logout', 'login'] as const) {
      const forger = new Client(server)
      forger.jar.set('__Host-Http-session', forged)
      forger.jar.set(VISITOR, forged)
      await forger.send((session) =>
        work === 'logout' ? session.terminate() : session.authenticate('mallory'),
      )
    }
  }
  assert.equal(await ada.whoami(), 'ada')
})
