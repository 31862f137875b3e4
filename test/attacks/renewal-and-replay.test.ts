/** Renewal never logs out an honest client, and whoever replays an old token ends the session. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine, SessionRecord } from '../../src/core/engine.ts'
import { memory } from '../../src/engines/memory.ts'
import { generateKey } from '../../src/index.ts'
import {
  type Answer,
  around,
  CHROME,
  Client,
  codeOf,
  KEYS,
  MINUTE,
  namesOf,
  partsOf,
  pausing,
  SESSION,
  type Server,
  serve,
  twoServers,
} from './support.ts'

/** Past `renewal`, so that the next response carries an offer. */
const DUE = 16 * MINUTE
/** Past 2 x (`grace` + `late`), so that siblings are equals no more. */
const SETTLED = 7 * MINUTE

async function loggedIn(server: Server): Promise<Client> {
  const ada = new Client(server)
  await ada.login('ada')
  return ada
}

/** Sends so many requests at once, and returns their answers in the order of their sending. */
async function parallel(client: Client, count: number): Promise<Answer[]> {
  const requests = await Promise.all(Array.from({ length: count }, () => client.begin({ method: 'GET' })))
  return Promise.all(requests.map((request) => request.end()))
}

test('P4 a renewal whose response is lost costs nothing, ten times over', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  server.clock.now += DUE
  for (let lost = 0; lost < 10; lost++) {
    await (await ada.begin({ method: 'GET' })).end()
    server.clock.now += 2 * MINUTE
  }
  assert.equal(await ada.whoami(), 'ada')
  assert.equal(await ada.whoami(), 'ada')
})

test('P4 of ten parallel renewals any may land last in the jar, the others landing before', async () => {
  for (let last = 0; last < 10; last++) {
    const server = serve()
    const ada = await loggedIn(server)
    server.clock.now += DUE
    const answers = await parallel(ada, 10)
    ada.receive(answers[0]!)
    assert.equal(await ada.whoami(), 'ada')
    for (const answer of answers) if (answer !== answers[last]) ada.receive(answer)
    ada.receive(answers[last]!)
    assert.equal(await ada.whoami(), 'ada')
    server.clock.now += SETTLED
    assert.equal(await ada.whoami(), 'ada')
    server.clock.now += DUE
    assert.equal(await ada.whoami(), 'ada')
    assert.equal(await ada.whoami(), 'ada')
    assert.ok(!namesOf(server).includes('authn_token_reuse'))
  }
})

test('P4 twenty tabs in random order, with answers late, lost and reordered, are never logged out', async () => {
  // A fixed sequence, so that a failure can be seen again.
  let seed = 1
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
  const server = serve()
  const ada = await loggedIn(server)
  const late: { at: number; answer: Answer }[] = []
  for (let step = 0; step < 2_000; step++) {
    server.clock.now += random(40) * 1_000
    for (const { answer } of late.filter(({ at }) => at <= server.clock.now)) ada.receive(answer)
    late.splice(0, late.length, ...late.filter(({ at }) => at > server.clock.now))
    const request = await ada.begin({ method: random(3) ? 'GET' : 'POST' })
    assert.equal(request.session.userId, 'ada', `step ${step}: ${request.session.lost}`)
    if (random(4) === 0) request.session.update('count', (count) => Number(count ?? 0) + 1)
    if (random(50) === 0) request.session.renew()
    const answer = await request.end()
    if (random(4)) late.push({ at: server.clock.now + random(59) * 1_000, answer })
    // The limits are another matter: a user who comes back before they are reached.
    if (step % 300 === 299) await ada.send((session) => session.authenticate('ada'))
    if (step % 300 === 299) late.splice(0)
  }
})

test('P4 requests under way with the old token are served within its grace, and write', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  const slow = ada.copy()
  server.clock.now += DUE
  await ada.whoami()
  await ada.whoami()
  server.clock.now += 59_000
  const { cookies } = await slow.send((session) => session.set('note', 'in time'))
  assert.equal(cookies.size, 0, 'a retired token is answered without a cookie')
  assert.equal((await ada.peek()).get('note'), 'in time')
})

test('P4 a late request with the old token is refused quietly: no cookie, no revoke, an event of its own', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  const slow = ada.copy()
  server.clock.now += DUE
  await ada.whoami()
  await ada.whoami()
  server.clock.now += 2 * MINUTE
  for (const work of ['read', 'write'] as const) {
    const { session, end } = await slow.begin()
    if (work === 'write') assert.throws(() => session.set('a', 1), { code: 'ERR_SESSION_CHANGED' })
    assert.equal(session.userId, null)
    assert.equal((await end()).cookies.has(SESSION), false, work)
  }
  assert.equal(await ada.whoami(), 'ada')
  assert.ok(namesOf(server).includes('session_superseded'))
  assert.ok(!namesOf(server).includes('session_revoked'))
})

test('P4 RFC 9700 an old token shown after grace and late ends the session, for thief and victim', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  const thief = ada.copy()
  server.clock.now += DUE
  await ada.whoami()
  await ada.whoami()
  server.clock.now += 4 * MINUTE
  assert.equal(await thief.whoami(), null)
  assert.equal(await ada.whoami(), null)
  assert.equal((await ada.peek()).lost, 'replayed')
  const names = namesOf(server)
  assert.ok(names.includes('authn_token_reuse') && names.includes('session_revoked'))
})

test('P4 a thief who renews first is told from the victim when the siblings settle, whoever comes first', async () => {
  for (const first of ['thief', 'victim'] as const) {
    const server = serve()
    const victim = await loggedIn(server)
    const thief = victim.copy()
    server.clock.now += DUE
    const both = { thief, victim }
    for (const round of [1, 2, 3]) {
      assert.equal(await thief.whoami(), 'ada', `round ${round}`)
      assert.equal(await victim.whoami(), 'ada', `round ${round}`)
    }
    server.clock.now += SETTLED
    const second = first === 'thief' ? 'victim' : 'thief'
    assert.equal(await both[first].whoami(), 'ada')
    assert.equal(await both[second].whoami(), null, 'the second one is a replay')
    assert.equal(await both[first].whoami(), null, 'and the session is over')
  }
})

test('P4 thief and victim cannot both go on unnoticed beyond the bound of design §5', async () => {
  const server = serve({ idle: '2h' })
  const victim = await loggedIn(server)
  const thief = victim.copy()
  const begun = server.clock.now
  for (;;) {
    server.clock.now += 30_000
    const alive = [await victim.whoami(), await thief.whoami()]
    if (alive.includes(null)) break
    assert.ok(server.clock.now - begun < 25 * MINUTE, 'both have gone on for 25 minutes')
  }
  assert.equal(await victim.whoami(), null)
  assert.ok(namesOf(server).includes('authn_token_reuse'))
})

test('P4 a thief who only sends passive requests is noticed, too', async () => {
  const server = serve()
  const victim = await loggedIn(server)
  const thief = victim.copy({ headers: { 'session-passive': '1' } })
  server.clock.now += DUE
  await victim.whoami()
  await victim.whoami()
  server.clock.now += 4 * MINUTE
  assert.equal(await thief.whoami(), null)
  assert.equal(await victim.whoami(), null)
})

test('P4 a thief who holds a request open is no sibling for ever: what it earned is worthless', async () => {
  const server = serve()
  const victim = await loggedIn(server)
  const thief = victim.copy()
  server.clock.now += DUE
  const held = await thief.begin({ method: 'GET' })
  await victim.whoami()
  await victim.whoami()
  server.clock.now += SETTLED
  assert.equal(await victim.whoami(), 'ada')
  thief.receive(await held.end())
  assert.equal(await thief.whoami(), null)
})

test('P4 a slow read of an honest client, overtaken by a renewal that has settled, does not end its session', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  server.clock.now += DUE
  const slow = await ada.begin({ method: 'GET' })
  await ada.whoami()
  await ada.whoami()
  server.clock.now += SETTLED
  await ada.whoami()
  ada.receive(await slow.end())
  assert.equal(await ada.whoami(), 'ada')
  assert.ok(!namesOf(server).includes('authn_token_reuse'))
})

test('P4 a slow read, overtaken by a reauthentication, does not put a dead token into the jar', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  server.clock.now += DUE
  const slow = await ada.begin({ method: 'GET' })
  await ada.send((session) => session.reauthenticate())
  ada.receive(await slow.end())
  assert.equal(await ada.whoami(), 'ada')
})

test('P4 a slow read, overtaken by another login, does not put a dead token into the jar', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  server.clock.now += DUE
  const slow = await ada.begin({ method: 'GET' })
  await ada.login('ada')
  ada.receive(await slow.end())
  assert.equal(await ada.whoami(), 'ada')
})

test('P4 a slow logout, overtaken by another login, does not clear the cookie of the newer session', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  const slow = await ada.begin()
  slow.session.terminate()
  await ada.login('ada')
  const answer = await slow.end().catch(() => null)
  if (answer) ada.receive(answer)
  assert.equal(await ada.whoami(), 'ada')
})

test('P4 a slow answer carries no offer against a secret that was renewed away meanwhile', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  server.clock.now += DUE
  const tab = ada.copy()
  assert.equal(await tab.whoami(), 'ada')
  // Touched just now, so that it has nothing to write.
  const slow = await ada.begin({ method: 'GET' })
  assert.equal(await tab.whoami(), 'ada')
  const before = ada.token
  ada.receive(await slow.end())
  assert.equal(ada.token, before)
})

test('P4 after an early commit that was refused nothing is offered to the dead token', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  server.clock.now += DUE
  const slow = await ada.begin()
  slow.session.set('note', 'late')
  await ada.send((session) => session.reauthenticate())
  assert.equal(await codeOf(slow.session.commit()), 'ERR_SESSION_CHANGED')
  ada.receive(await slow.end())
  assert.equal(await ada.whoami(), 'ada')
})

test('P4 a store that was rolled back by a backup is no theft: a visitor, and nothing is revoked', async () => {
  const store = memory()
  const server = serve({ engine: store })
  const ada = await loggedIn(server)
  const { id } = partsOf(ada.token!)
  const backup = await store.load(id)
  for (const round of [1, 2]) {
    server.clock.now += DUE
    assert.equal(await ada.whoami(), 'ada', `round ${round}`)
    assert.equal(await ada.whoami(), 'ada', `round ${round}`)
    server.clock.now += SETTLED
    assert.equal(await ada.whoami(), 'ada', `round ${round}`)
  }
  const restored = memory()
  await restored.create({ ...backup!, seenAt: server.clock.now })
  const after = serve({ engine: restored }, server.clock)
  assert.equal(await ada.moveTo(after).whoami(), null)
  assert.deepEqual(namesOf(after), ['session_unknown'])
  assert.equal((await restored.load(id))?.ended, null)
})

test('P4 a store rolled back by one renewal goes on with the client', async () => {
  const store = memory()
  const server = serve({ engine: store })
  const ada = await loggedIn(server)
  const { id } = partsOf(ada.token!)
  server.clock.now += DUE
  await ada.whoami()
  const backup = await store.load(id)
  await ada.whoami()
  const restored = memory()
  await restored.create(backup!)
  const before = serve({ engine: store }, server.clock)
  await restored.replaceUser((await store.loadUser('ada'))!, 0)
  assert.equal(await ada.moveTo(serve({ engine: restored }, before.clock)).whoami(), 'ada')
})

/** A replica that shows what was there a while ago, unless it is asked for what is fresh. */
function lagging(primary: Engine) {
  const seen = new Map<string, unknown>()
  const lag = { on: false }
  const engine = around(primary, (verb, run, args) => {
    const [id, options] = args as [string, { fresh?: boolean } | undefined]
    if (verb !== 'load' || options?.fresh) return run()
    if (lag.on) return seen.get(id)
    const record = run()
    seen.set(id, record)
    return record
  })
  return { engine, lag }
}

test('P4 a replica that lags behind a renewal neither logs out nor revokes', async () => {
  const replica = lagging(memory())
  const server = serve({ engine: replica.engine })
  const ada = await loggedIn(server)
  await ada.whoami()
  server.clock.now += DUE
  await ada.whoami()
  replica.lag.on = true
  for (let round = 0; round < 3; round++) assert.equal(await ada.whoami(), 'ada')
  await ada.send((session) => session.set('note', 'kept'))
  replica.lag.on = false
  assert.equal((await ada.peek()).get('note'), 'kept')
  assert.ok(!namesOf(server).includes('authn_token_reuse'))
})

test('P4 P9 a replica that lags behind a login or a reauthentication does not lose it on the redirect', async () => {
  for (const how of ['authenticate', 'reauthenticate'] as const) {
    const replica = lagging(memory())
    const server = serve({ engine: replica.engine })
    const ada = new Client(server)
    if (how === 'reauthenticate') await ada.login('ada')
    await ada.whoami()
    replica.lag.on = true
    await ada.send((session) =>
      how === 'authenticate' ? session.authenticate('ada') : session.reauthenticate(),
    )
    assert.equal(await ada.whoami(), 'ada', how)
  }
})

test('P4 a replica that lags never makes an honest token a replay: the primary is asked first', async () => {
  const replica = lagging(memory())
  const server = serve({ engine: replica.engine })
  const ada = await loggedIn(server)
  for (let round = 0; round < 4; round++) {
    replica.lag.on = false
    assert.equal(await ada.whoami(), 'ada')
    replica.lag.on = true
    server.clock.now += DUE
    for (let pause = 0; pause < 4; pause++, server.clock.now += MINUTE)
      assert.equal(await ada.whoami(), 'ada')
  }
  assert.ok(!namesOf(server).includes('session_revoked'))
})

test('P4 two servers whose clocks differ by 29 s renew without a logout, and still notice a thief', async () => {
  const engine = memory()
  const clock = { now: Date.now() }
  const fast = { now: clock.now + 29_000 }
  const servers = [serve({ engine }, clock), serve({ engine }, fast)] as const
  const ada = await loggedIn(servers[0])
  const thief = ada.copy()
  const pass = (time: number) => {
    clock.now += time
    fast.now += time
  }
  for (let round = 0; round < 40; round++) {
    pass(5 * MINUTE)
    const server = servers[round % 2]!
    const other = servers[(round + 1) % 2]!
    assert.equal(await ada.moveTo(server).whoami(), 'ada', `round ${round}`)
    const slow = await ada.begin()
    assert.equal(await ada.moveTo(other).whoami(), 'ada', `round ${round}`)
    ada.receive(await slow.end())
    assert.equal(await ada.moveTo(server).whoami(), 'ada', `round ${round}`)
  }
  assert.equal(await thief.whoami(), null)
  assert.equal(await ada.whoami(), null)
})

test('P4 keys rolled in two steps log nobody out: visitors, users, forms, on servers of both steps', async () => {
  const engine = memory()
  const clock = { now: Date.now() }
  const [older, newer] = [KEYS[0]!, generateKey()]
  const steps = [[older], [older, newer], [newer, older], [newer]].map((keys) =>
    serve({ engine, keys }, clock),
  )
  const [one, two, three, four] = steps as [Server, Server, Server, Server]
  const ada = await loggedIn(one)
  const visitor = new Client(one)
  await visitor.send((session) => session.set('cart', 1))
  for (const pair of [
    [one, two],
    [two, three],
  ]) {
    for (let round = 0; round < 6; round++) {
      const server = pair[round % 2]!
      clock.now += 2 * MINUTE
      assert.equal(await ada.moveTo(server).whoami(), 'ada')
      assert.equal(
        (await visitor.moveTo(server).send((session) => session.get('cart'))).session.get('cart'),
        1,
      )
    }
  }
  for (let round = 0; round < 6; round++) {
    clock.now += 2 * MINUTE
    await ada.moveTo(three).whoami()
    await visitor.moveTo(three).send((session) => session.get('cart'))
  }
  assert.equal(await ada.moveTo(four).whoami(), 'ada')
  assert.equal((await visitor.moveTo(four).peek()).get('cart'), 1)
  assert.ok(steps.every((step) => !namesOf(step).includes('authn_token_reuse')))
})

test('P4 a replay on another server ends the session there and here', async (t) => {
  const [one, two] = twoServers(t)
  const ada = await loggedIn(one)
  const thief = ada.copy().moveTo(two)
  one.clock.now += DUE
  await ada.whoami()
  await ada.whoami()
  one.clock.now += 4 * MINUTE
  await thief.whoami()
  assert.equal(await ada.whoami(), null)
  assert.deepEqual(await one.sessions.list('ada'), [])
})

test('P4 two servers that adopt two siblings at the same moment both go on', async () => {
  const gate = pausing(memory())
  const server = serve({ engine: gate.engine })
  const ada = await loggedIn(server)
  server.clock.now += DUE
  const [first, second] = await parallel(ada, 2)
  const [one, two] = [ada.copy(), ada.copy()]
  one.receive(first!)
  two.receive(second!)
  const stop = gate.hold('replace')
  const adoption = one.whoami()
  await stop.reached
  const other = two.moveTo(serve({ engine: gate.engine }, server.clock))
  assert.equal(await other.whoami(), 'ada')
  stop.release()
  assert.equal(await adoption, 'ada')
  assert.equal(await one.whoami(), 'ada')
  assert.equal(await other.whoami(), 'ada')
})

test('P4 a replay seen while the honest client settles is judged by what is there at its swap', async () => {
  const gate = pausing(memory())
  const server = serve({ engine: gate.engine })
  const ada = await loggedIn(server)
  const thief = ada.copy()
  const elsewhere = serve({ engine: gate.engine }, server.clock)
  server.clock.now += DUE
  await ada.whoami()
  await ada.whoami()
  server.clock.now += SETTLED
  const stop = gate.hold('replace')
  const replay = thief.whoami()
  await stop.reached
  assert.equal(await ada.moveTo(elsewhere).whoami(), 'ada')
  stop.release()
  await replay
  assert.equal(await ada.whoami(), null, 'the replay still ends the session')
})

test('P4 no second renewal begins while late answers of the first may still land in the jar', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  server.clock.now += DUE
  const [first, late] = await parallel(ada, 2)
  ada.receive(first!)
  assert.equal(await ada.whoami(), 'ada')
  const { cookies } = await ada.send((session) => session.renew())
  assert.equal(cookies.has(SESSION), false)
  assert.equal(await ada.whoami(), 'ada')
  server.clock.now += 50_000
  ada.receive(late!)
  assert.equal(await ada.whoami(), 'ada')
  assert.ok(!namesOf(server).includes('session_revoked'))
})

test('P4 the option report says so and ends nothing', async () => {
  const server = serve({ onReplay: 'report' })
  const ada = await loggedIn(server)
  const thief = ada.copy()
  server.clock.now += DUE
  await ada.whoami()
  await ada.whoami()
  server.clock.now += 4 * MINUTE
  assert.equal(await thief.whoami(), null)
  assert.equal(await ada.whoami(), 'ada')
  assert.ok(namesOf(server).includes('authn_token_reuse'))
})

test('P4 the option report raises no alarm that only a lagging replica sees', async () => {
  const near = memory()
  let stale: SessionRecord | undefined
  const engine: Engine = {
    ...near,
    load: (id, options) => (options?.fresh || !stale ? near.load(id, options) : stale),
  }
  const server = serve({ engine, onReplay: 'report' })
  const ada = await loggedIn(server)
  const old = await near.load(partsOf(ada.token!).id)
  stale = { ...old!, secrets: { current: 'x'.repeat(43), parent: null } }
  assert.equal(await ada.whoami(), 'ada')
  assert.ok(!namesOf(server).includes('authn_token_reuse'))
})

test('P4 the option report raises no alarm that only a lagging replica sees', async () => {
  const near = memory()
  let stale: SessionRecord | undefined
  const engine: Engine = {
    ...near,
    load: (id, options) => (options?.fresh || !stale ? near.load(id, options) : stale),
  }
  const server = serve({ engine, onReplay: 'report' })
  const ada = await loggedIn(server)
  const old = await near.load(partsOf(ada.token!).id)
  stale = { ...old!, secrets: { current: 'x'.repeat(43), parent: null } }
  assert.equal(await ada.whoami(), 'ada')
  assert.ok(!namesOf(server).includes('authn_token_reuse'))
})

test('P4 renew() by the user, again and again, in many tabs, logs nobody out and gives a thief no second life', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  const thief = ada.copy()
  for (let round = 0; round < 30; round++) {
    server.clock.now += 20_000
    const tabs = await Promise.all([ada.begin(), ada.begin(), ada.begin()])
    for (const { session } of tabs) session.renew()
    for (const tab of tabs) ada.receive(await tab.end())
    assert.equal(await ada.whoami(), 'ada', `round ${round}`)
  }
  assert.equal(await thief.whoami(), null)
})

test('P4 a renewal keeps id, data, bindings and limits', async () => {
  const server = serve()
  const ada = await loggedIn(server)
  await ada.send((session) => session.set('note', 'kept'))
  const before = await ada.peek()
  const limits = [before.id, before.expiresAt, before.authenticatedAt]
  server.clock.now += DUE
  await ada.whoami()
  await ada.whoami()
  const after = await ada.peek()
  assert.deepEqual([after.id, after.expiresAt, after.authenticatedAt], limits)
  assert.equal(after.get('note'), 'kept')
  const elsewhere = await ada.copy({ headers: { 'user-agent': CHROME } }).peek()
  assert.equal(elsewhere.suspended, true)
})
