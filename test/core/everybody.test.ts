/** The moment before which nobody's authentication counts: read once a second at most, and never older than that. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine } from '../../src/core/engine.ts'
import { Everybody } from '../../src/core/everybody.ts'
import { judge } from '../../src/core/judge.ts'
import { EVERYBODY, emptyLedger, revokeEverybody } from '../../src/core/ledger.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import {
  Browser,
  DAY,
  HOUR,
  KEY,
  login,
  NOW,
  policyOf,
  post,
  recordOf,
  refusal,
  request,
  tokenOf,
  visit,
} from './fixtures.ts'

const policy = policyOf()

/** A store whose answers to the question are counted, and can be held up. */
function watched(engine: Engine = memory()) {
  const state = { reads: 0, hold: null as Promise<void> | null, broken: false }
  const watching: Engine = {
    ...engine,
    async loadUser(userId) {
      if (userId !== EVERYBODY) return engine.loadUser(userId)
      state.reads++
      if (state.broken) throw new Error('gone')
      const ledger = await engine.loadUser(userId)
      await state.hold
      return ledger
    },
  }
  return { engine: watching, state }
}

function setUp() {
  const { engine, state } = watched()
  const clock = { now: 5_000 }
  const processes = [0, 1].map(() => new Everybody(engine, policy, () => clock.now))
  return { engine, state, clock, here: processes[0]!, there: processes[1]! }
}

describe('everybody: the moment', () => {
  test('is none, until somebody sets it; then it is known at once here, and within a second elsewhere', async () => {
    const { here, there, clock } = setUp()
    assert.deepEqual([await here.notBefore(), await there.notBefore()], [0, 0])
    await here.revoke(NOW)
    assert.deepEqual([await here.notBefore(), await there.notBefore()], [NOW, 0])
    clock.now += 999
    assert.equal(await there.notBefore(), 0)
    clock.now += 1
    assert.equal(await there.notBefore(), NOW)
  })
  test('is read once a second at most, however many ask, and for nothing in between', async () => {
    const { here, state, clock } = setUp()
    await Promise.all(Array.from({ length: 100 }, () => here.notBefore()))
    assert.equal(state.reads, 1)
    clock.now += 999
    assert.equal(here.notBefore(), 0, 'at once, no promise')
    assert.equal(state.reads, 1)
    clock.now += 1
    await Promise.all(Array.from({ length: 100 }, () => here.notBefore()))
    assert.equal(state.reads, 2)
  })
  test('a read that takes its time makes nobody go by older news than a second', async () => {
    const { here, there, state, clock } = setUp()
    const hold = Promise.withResolvers<void>()
    state.hold = hold.promise
    const early = here.notBefore()
    await new Promise(setImmediate)
    state.hold = null
    await there.revoke(NOW)
    clock.now += 1_000
    assert.equal(await here.notBefore(), NOW)
    hold.resolve()
    assert.equal(await early, NOW, 'nor does it take back what is known by now')
    assert.equal(await here.notBefore(), NOW)
  })
  test('never moves back', async () => {
    const { here, there, clock } = setUp()
    await here.revoke(NOW)
    await there.revoke(NOW - HOUR)
    clock.now += 1_000
    assert.deepEqual([await here.notBefore(), await there.notBefore()], [NOW, NOW])
  })
  test('of two that set it at once the later one stands', async () => {
    const { engine, clock } = setUp()
    const moments = Array.from({ length: 10 }, (_, index) => NOW + index)
    await Promise.all(moments.map((moment) => new Everybody(engine, policy, () => clock.now).revoke(moment)))
    assert.equal((await engine.loadUser(EVERYBODY))!.notBefore, NOW + 9)
  })
  test('who can not find out lets nobody in, and asks again', async () => {
    const { here, state } = setUp()
    state.broken = true
    await assert.rejects(async () => here.notBefore(), /gone/)
    state.broken = false
    assert.equal(await here.notBefore(), 0)
  })
  test('another ledger than was asked for is none', async () => {
    const engine = { ...memory(), loadUser: () => ({ ...emptyLedger('mallory'), version: 1 }) }
    await assert.rejects(async () => new Everybody(engine, policy).notBefore(), refusal('ERR_ENGINE'))
  })
  test('outlasts whatever it ends, under whatever policy is to come', async () => {
    const ledger = revokeEverybody(emptyLedger(EVERYBODY), NOW)!
    assert.ok(ledger.expiresAt > NOW + 50 * 365 * DAY)
    assert.ok(revokeEverybody(ledger, NOW + 1)!.expiresAt > ledger.expiresAt)
    assert.equal(revokeEverybody(ledger, NOW), null, 'done already: no write')
  })
})

describe('everybody: judged', () => {
  const at = NOW - HOUR / 4
  const judged = (notBefore: number, changes: object = {}) => {
    const record = recordOf({ authenticatedAt: at, seenAt: NOW, renewedAt: NOW, ...changes })
    return judge(record, tokenOf(), request(), policy, notBefore)
  }
  test('what was authenticated by then has been revoked', () => {
    assert.deepEqual(judged(at), { kind: 'ended', reason: 'revoked', at })
    assert.equal(judged(at + 1).kind, 'ended')
  })
  test('what was authenticated later lives, and so does what nobody revoked', () => {
    assert.equal(judged(at - 1).kind, 'current')
    assert.equal(judged(0).kind, 'current')
  })
  test('a visitor has not been authenticated, and keeps his cart', () => {
    assert.equal(judged(NOW, { userId: null, authenticatedAt: null }).kind, 'current')
  })
  test('what ended before stays ended for its own reason', () => {
    const ended = { reason: 'logout', at: NOW } as const
    assert.deepEqual(judged(NOW, { ended }), { kind: 'ended', ...ended })
  })
})

describe('everybody: what it costs', () => {
  async function serving() {
    const { engine, state } = watched()
    const sessions = new Sessions({ engine, keys: [KEY] })
    const ask = async (browser: Browser, times: number) => {
      const began = performance.now()
      state.reads = 0
      for (let time = 0; time < times; time++) await visit(sessions, browser, {}, (session) => session.userId)
      return { reads: state.reads, seconds: Math.floor((performance.now() - began) / 1000) }
    }
    return { sessions, ask }
  }
  test('visitors, and whoever shows a forged token: nothing', async () => {
    const { ask } = await serving()
    const forger = new Browser()
    forger.jar.set(
      '__Host-Http-session',
      `${'A'.repeat(22)}.1..${'B'.repeat(43)}.1700000000000.${'C'.repeat(43)}`,
    )
    for (const browser of [new Browser(), forger]) assert.equal((await ask(browser, 50)).reads, 0)
  })
  test('everybody else, together: one read in each second', async () => {
    const { sessions, ask } = await serving()
    const browser = new Browser()
    await login(sessions, browser, 'ada')
    const { reads, seconds } = await ask(browser, 500)
    assert.ok(reads <= seconds + 1, `${reads} reads in ${seconds} s`)
  })
  test('a revocation: one read and one write, however many sessions there are', async () => {
    const calls: string[] = []
    const engine = memory()
    const counting = new Proxy(engine, {
      get: (target, name: keyof Engine) => {
        const value = target[name]
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          calls.push(name)
          return (value as (...args: unknown[]) => unknown).apply(target, args)
        }
      },
    })
    const sessions = new Sessions({ engine: counting, keys: [KEY] })
    const browsers = Array.from({ length: 20 }, () => new Browser())
    for (const [index, browser] of browsers.entries()) await login(sessions, browser, `user${index}`, post())
    calls.length = 0
    assert.equal(await sessions.revoke({ everybody: true }), null)
    assert.deepEqual(calls, ['loadUser', 'replaceUser'])
    for (const browser of browsers)
      assert.equal(await visit(sessions, browser, {}, (session) => session.lost), 'revoked')
  })
})
