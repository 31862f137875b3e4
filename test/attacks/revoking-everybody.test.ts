/** Everybody out: at once on the server that says so, within a second on the others; and nobody slips through. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EVERYBODY } from '../../src/core/ledger.ts'
import { memory } from '../../src/engines/memory.ts'
import { Client, codeOf, HOUR, namesOf, pausing, serve, twoServers } from './support.ts'

/** Until a condition holds, or the lag has passed many times over. */
async function eventually(holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + 20_000
  while (performance.now() < deadline) {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

test('P12 ASVS 7.4.5 everybody is out with the next request here, soon elsewhere, and may log in again', async (t) => {
  const [one, two] = twoServers(t)
  const clients = [new Client(one), new Client(two), new Client(two)]
  for (const [index, client] of clients.entries()) await client.login(`user${index}`)
  for (const client of clients) assert.notEqual(await client.moveTo(two).whoami(), null)
  one.clock.now += 1
  await one.sessions.revoke({ everybody: true })
  for (const client of clients) assert.equal(await client.moveTo(one).whoami(), null)
  assert.ok(await eventually(async () => (await clients[0]!.moveTo(two).whoami()) === null))
  for (const client of clients) {
    assert.equal(await client.moveTo(two).whoami(), null)
    assert.equal((await client.peek()).lost, 'revoked')
  }
  assert.ok(namesOf(two).includes('session_use_after_expire'))
  one.clock.now = Date.now() + 1
  await clients[0]!.login('user0')
  for (const server of [one, two]) assert.equal(await clients[0]!.moveTo(server).whoami(), 'user0')
})

test('P12 a server that starts later knows it from its first request on', async () => {
  const engine = memory()
  const one = serve({ engine })
  const ada = new Client(one)
  await ada.login('ada')
  await one.sessions.revoke({ everybody: true })
  assert.equal(await ada.moveTo(serve({ engine }, one.clock)).whoami(), null)
})

test('P1 a session that ended with everybody is not brought back by what was under way, however late that began', async () => {
  for (const work of ['reauthenticate', 'renew'] as const) {
    const server = serve({ engine: memory() })
    const ada = new Client(server)
    await ada.login('ada')
    // Later than the moment of the revocation, which is the real now.
    server.clock.now += 16 * 60_000
    const begun = await ada.begin()
    begun.session[work]()
    await server.sessions.revoke({ everybody: true })
    const code = await codeOf(begun.end().then((answer) => ada.receive(answer)))
    assert.equal(code, work === 'reauthenticate' ? 'ERR_SESSION_ENDED' : 'none')
    assert.equal(await ada.whoami(), null, work)
  }
})

describe('P12 a login under way, stopped at any of its steps, does not outlive the revocation of everybody', () => {
  for (const verb of ['create', 'loadUser', 'replaceUser', 'replace'] as const) {
    for (const when of ['before', 'after'] as const) {
      test(`${when} ${verb}`, async () => {
        const gate = pausing(memory())
        const server = serve({ engine: gate.engine })
        const visitor = new Client(server)
        await visitor.send((session) => session.set('cart', 1))
        const stop = gate.hold(verb, when)
        const login = codeOf(visitor.login('ada'))
        await stop.reached
        await server.sessions.revoke({ everybody: true })
        stop.release()
        await login
        assert.equal(await visitor.whoami(), null)
        assert.deepEqual(await server.sessions.list('ada'), [])
      })
    }
  }
})

test('P7 who can not find out whether everybody is out lets nobody in', async () => {
  const real = memory()
  const state = { broken: false }
  const engine = {
    ...real,
    loadUser(userId: string) {
      if (state.broken && userId === EVERYBODY) throw new Error('connect ECONNREFUSED')
      return real.loadUser(userId)
    },
  }
  const one = serve({ engine })
  const ada = new Client(one)
  await ada.login('ada')
  state.broken = true
  const other = serve({ engine }, one.clock)
  assert.equal(await codeOf(ada.moveTo(other).whoami()), 'ERR_ENGINE')
  assert.equal(await new Client(other).whoami(), null, 'a visitor needs no store')
})

test('P12 no sweep forgets it, while it has something to end', async () => {
  const engine = memory()
  const server = serve({ engine, remembered: { idle: '400d', absolute: '400d' } })
  const ada = new Client(server)
  await ada.login('ada', { remember: true })
  await server.sessions.revoke({ everybody: true })
  for (let day = 0; day < 398; day += 50) {
    server.clock.now += 50 * 24 * HOUR
    await engine.sweep(server.clock.now, 1_000)
    assert.equal(
      await ada
        .moveTo(serve({ engine, remembered: { idle: '400d', absolute: '400d' } }, server.clock))
        .whoami(),
      null,
    )
  }
  assert.ok(await engine.loadUser(EVERYBODY))
})
