/** Two servers on one Redis, and the clock of one of them jumps. */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Redis } from 'ioredis'
import { createSessions } from '../../../src/create-sessions.ts'
import { redis } from '../../../src/engines/redis.ts'
import { Browser, DAY, HOUR, KEY, login, MINUTE, post, visit } from '../../core/fixtures.ts'
import { available, startRedis } from './server.ts'

interface Data {
  count: number
}

async function twoServers(t: TestContext) {
  const { port } = await startRedis(t)
  const [one, other] = [0, 1].map(() => {
    const client = new Redis(port, '127.0.0.1')
    t.after(() => client.disconnect())
    return createSessions<Data>({ engine: redis(client), keys: KEY })
  })
  return [one!, other!] as const
}

if (available('redis').length > 0) {
  for (const [name, jump] of [
    ['a minute ahead', MINUTE],
    ['a minute behind', -MINUTE],
    ['a day ahead', DAY],
    ['a day behind', -DAY],
    ['a year ahead', 365 * DAY],
    ['a year behind', -365 * DAY],
  ] as const) {
    test(`${name}: no write is lost, nobody becomes another, what has ended stays ended, and no session outlives its limit`, async (t) => {
      const [right, wrong] = await twoServers(t)
      const now = Date.now()
      const wrongly = { now: now + jump }
      const [ada, bob, eve] = [new Browser(), new Browser(), new Browser()]
      await login(right, ada, 'ada', { now })
      await login(right, bob, 'bob', { now })
      const tossed = bob.copy()

      const increment = async (sessions: typeof right, at: { now: number }) => {
        const copy = ada.copy()
        return visit(sessions, copy, post(at), (session) => {
          if (session.userId === null) return 0
          assert.equal(session.userId, 'ada')
          session.update('count', (count) => (count ?? 0) + 1)
          return 1
        })
      }
      let written = 0
      for (let round = 0; round < 5; round++) {
        written += await increment(wrong, wrongly)
        written += await increment(right, { now: now + round })
      }
      // Ahead of a session's deadline a server takes it for expired, and leaves it to the others.
      assert.equal(written, jump > HOUR ? 5 : 10)
      await visit(right, ada.copy(), { now: now + 1_000 }, (session) =>
        assert.equal(session.get('count'), written),
      )

      // Ended by the wrong clock, or by the right one: ended for both.
      await visit(wrong, bob, post(wrongly), (session) => session.terminate())
      await visit(right, tossed.copy(), post({ now: now + 1_000 }), (session) => session.terminate())
      for (const [sessions, at] of [
        [right, now + 2_000],
        [wrong, wrongly.now + 2_000],
      ] as const)
        await visit(sessions, tossed.copy(), { now: at }, (session) => assert.equal(session.userId, null))

      // A session begun by the wrong clock lives no longer than one begun by the right one.
      await login(wrong, eve, 'eve', wrongly)
      for (const after of [13 * HOUR, 2 * DAY]) {
        await visit(wrong, eve.copy(), { now: wrongly.now + after }, (session) =>
          assert.equal(session.userId, null),
        )
      }
    })
  }
}
