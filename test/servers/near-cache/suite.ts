/** What a near cache promises with the channel of a real server, whichever it is. @module */

import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine, SessionRecord } from '../../../src/core/engine.ts'
import { createSessions } from '../../../src/create-sessions.ts'
import type { ChangeChannel } from '../../../src/engines/change-channel.ts'
import { type NearCache, type NearCacheOptions, nearCache } from '../../../src/engines/near-cache.ts'
import { engineContract } from '../../../src/testing/engine-contract.ts'
import { Browser, KEY, login, post, recordOf, visit } from '../../core/fixtures.ts'
import { type Scope, scopeOf } from '../process.ts'
import { Wire } from '../wire.ts'

/** A server of its own, as a suite needs it. */
export interface Rig {
  readonly port: number
  /** An engine with a client of its own, which finds the server at `port`. */
  engine(scope: Scope, port: number): Promise<Engine>
  /** A channel with a client of its own. */
  channel(scope: Scope, port: number): Promise<ChangeChannel>
  /** Leaves no record, by hand. */
  empty(): Promise<void>
  /** Deletes one record by hand, as an operator would. */
  remove(id: string): Promise<void>
  /** Kills the server, and starts it again with what it had. */
  restart(): Promise<void>
}

const HOUR = 3_600_000
/** Texts that a store writes otherwise than they are. */
const ODD_IDS = ['a:b', 'a%0041', '%', '*', 'é', '日本', "a'b", 'a\\b', ' a ', '\ud800', 'a\nb', ',', '[a]']

export function nearCacheSuite(
  name: string,
  nativeExpiry: boolean,
  start: (scope: Scope) => Promise<Rig>,
): void {
  describe(name, () => {
    const scope = scopeOf(after)
    let rig: Rig
    before(async () => {
      rig = await start(scope)
    })
    /** A server's view: an engine, and a channel over a wire that can be cut. */
    async function view(t: TestContext, options: Partial<NearCacheOptions> = {}) {
      // Last opened, first closed: the channel before its client, the client before its wire.
      const own = scopeOf((work) => t.after(work))
      const wire = await Wire.open(own, rig.port)
      const direct = await Wire.open(own, rig.port)
      const engine = await rig.engine(own, direct.port)
      const near = nearCache(engine, { channel: await rig.channel(own, wire.port), ...options })
      own.after(() => near.close?.())
      await up(near)
      const seen = { requests: 0 }
      direct.onRequest = () => seen.requests++
      return { wire, engine, near, seen }
    }

    describe('the contract', () => {
      const closing: (() => unknown)[] = []
      const inner: Scope = { after: (work) => void closing.push(work) }
      engineContract({
        test,
        nativeExpiry,
        async create() {
          await rig.empty()
          const engine = await rig.engine(inner, rig.port)
          const near = nearCache(engine, { channel: await rig.channel(inner, rig.port), maxAge: '200ms' })
          await up(near)
          return near
        },
        async destroy(near) {
          await near.close?.()
          for (const work of closing.splice(0).reverse()) await work()
        },
      })
    })

    test('a read from memory costs the server nothing', async (t) => {
      const { near, seen } = await view(t, { maxAge: '30s' })
      const record = fresh('read')
      assert.equal(await near.create(record), true)
      await kept(near, record.id)
      const before = seen.requests
      for (let time = 0; time < 10_000; time++) assert.ok(!(near.load(record.id) instanceof Promise))
      assert.equal(seen.requests, before)
    })

    test('a read-only request costs the server nothing', async (t) => {
      const { near, seen } = await view(t, { maxAge: '30s' })
      const sessions = createSessions({ engine: near, keys: KEY })
      const browser = new Browser()
      const at = { now: Date.now() }
      await login(sessions, browser, 'ada', at)
      await kept(near, idIn(browser))
      const before = seen.requests
      for (let time = 0; time < 100; time++)
        await visit(sessions, browser, at, (session) => assert.equal(session.userId, 'ada'))
      assert.equal(seen.requests, before)
    })

    test('P12 but for the lag: what is revoked on one server is dead on another as soon as it is told', async (t) => {
      const [one, other] = [await view(t, { maxAge: '30s' }), await view(t, { maxAge: '30s' })]
      const lags: number[] = []
      for (let round = 0; round < 25; round++) {
        const record = fresh(`revoked ${round}`)
        await one.near.create(record)
        await kept(other.near, record.id)
        assert.equal(await one.near.replace(ended(record), 1), true)
        const revokedAt = performance.now()
        while ((await other.near.load(record.id))?.ended === null) {
          assert.ok(performance.now() - revokedAt < 20_000, 'the word never came')
          await sleep(0)
        }
        lags.push(performance.now() - revokedAt)
        assert.notEqual((await one.near.load(record.id))?.ended, null)
      }
      lags.sort((a, b) => a - b)
      t.diagnostic(
        `lag of a revocation: median ${lags[12]!.toFixed(1)} ms, longest ${lags[24]!.toFixed(1)} ms`,
      )
      t.diagnostic(`as measured by barriers: ${JSON.stringify(other.near.stats())}`)
    })

    test('so is what was changed past the engine: by an operator, or by a program without near cache', async (t) => {
      const { near, engine } = await view(t, { maxAge: '30s' })
      const record = fresh('by hand')
      await near.create(record)
      await kept(near, record.id)
      await engine.replace(ended(record), 1)
      await eventually(async () => (await near.load(record.id))?.ended !== null)
      await kept(near, record.id)
      await rig.remove(record.id)
      await eventually(async () => (await near.load(record.id)) === undefined)
    })

    test('a store that was emptied empties the memory', async (t) => {
      const { near } = await view(t, { maxAge: '30s' })
      const record = fresh('emptied')
      await near.create(record)
      await kept(near, record.id)
      await rig.empty()
      await eventually(async () => (await near.load(record.id)) === undefined)
    })

    test('every id is told as what it is', async (t) => {
      const { near, engine } = await view(t, { maxAge: '30s' })
      for (const id of ODD_IDS) {
        const record = fresh(id)
        await near.create(record)
        await kept(near, id)
        await engine.replace(ended(record), 1)
        await eventually(async () => (await near.load(id))?.ended !== null)
      }
    })

    test('a connection that is cut: from that moment every read asks the server, until it is back', async (t) => {
      const { wire, engine, near, seen } = await view(t, { maxAge: '30s' })
      const record = fresh('cut')
      await near.create(record)
      await kept(near, record.id)
      wire.refuse()
      await eventually(() => !near.stats().up)
      await engine.replace(ended(record), 1)
      const before = seen.requests
      for (let time = 0; time < 10; time++) assert.notEqual((await near.load(record.id))?.ended, null)
      assert.ok(seen.requests >= before + 10)
      assert.equal(near.stats().records, 0)
      wire.restore()
      await up(near)
      await kept(near, record.id)
    })

    test('a connection that is cut and back at once: what it missed is not in memory', async (t) => {
      const { wire, near } = await view(t, { maxAge: '30s' })
      const record = fresh('cut and back')
      await near.create(record)
      await kept(near, record.id)
      wire.cut()
      await eventually(() => near.stats().records === 0)
      await up(near)
    })

    test('a connection that is dead, and does not say so: nothing is served past maxAge', async (t) => {
      const maxAge = 1_000
      const { wire, engine, near } = await view(t, { maxAge: '1s' })
      const record = fresh('dead')
      await near.create(record)
      await kept(near, record.id)
      wire.stall()
      await engine.replace(ended(record), 1)
      const revokedAt = performance.now()
      for (;;) {
        const late = performance.now() - revokedAt >= maxAge
        const found = await near.load(record.id)
        if (late) assert.notEqual(found?.ended, null)
        if (late && !near.stats().up) break
        await sleep(5)
      }
      wire.restore()
      await up(near)
    })

    test('a slow connection shows in the lag, and nothing is served past maxAge', async (t) => {
      const maxAge = 2_000
      const { wire, engine, near } = await view(t)
      wire.delay(300)
      await eventually(() => near.stats().longestLag >= 300)
      for (const delay of [300, 3_000]) {
        wire.delay(delay)
        const record = fresh(`slow ${delay}`)
        await near.create(record)
        await near.load(record.id)
        await engine.replace(ended(record), 1)
        const revokedAt = performance.now()
        for (let late = false; !late; await sleep(5)) {
          late = performance.now() - revokedAt >= maxAge
          const found = await near.load(record.id)
          if (late) assert.notEqual(found?.ended, null)
        }
      }
    })

    test('a session that is served out of date can store nothing, and is not prolonged', async (t) => {
      const { wire, engine, near } = await view(t, { maxAge: '30s' })
      const stale = createSessions({ engine: near, keys: KEY })
      const direct = createSessions({ engine, keys: KEY })
      const [reader, writer] = [new Browser(), new Browser()]
      const at = { now: Date.now() }
      for (const browser of [reader, writer]) {
        await login(direct, browser, 'ada', at)
        await kept(near, idIn(browser))
      }
      wire.stall()
      assert.equal(await direct.revoke({ userId: 'ada' }), 2)
      const tombstones = await Promise.all([reader, writer].map((browser) => engine.load(idIn(browser))))
      // The promise's one exception, which maxAge bounds: see SECURITY.md.
      const later = { now: at.now + 120_000 }
      await visit(stale, reader, later, (session) => assert.equal(session.userId, 'ada'))
      const writing = visit(stale, writer, post(later), (session) => {
        assert.equal(session.userId, 'ada')
        session.set('a', 1)
      })
      await assert.rejects(writing, { code: 'ERR_SESSION_ENDED' })
      assert.deepEqual(
        await Promise.all([reader, writer].map((browser) => engine.load(idIn(browser)))),
        tombstones,
      )
      // Its touch was lost, so that it asks the store from now on.
      await visit(stale, reader, later, (session) => assert.equal(session.userId, null))
      wire.restore()
    })

    test('of two servers whose memories are out of date one wins each swap, and no write is lost', async (t) => {
      const views = [await view(t, { maxAge: '30s' }), await view(t, { maxAge: '30s' })]
      const servers = views.map(({ near }) => createSessions<{ count: number }>({ engine: near, keys: KEY }))
      const browser = new Browser()
      const at = { now: Date.now() }
      await login(servers[0]!, browser, 'ada', at)
      for (const { near } of views) await kept(near, idIn(browser))
      const add = (server: number) =>
        visit(servers[server]!, browser, post(at), (session) =>
          session.update('count', (count = 0) => count + 1),
        )
      await Promise.all(Array.from({ length: 40 }, (_, index) => add(index % 2)))
      const record = await views[0]!.engine.load(idIn(browser))
      assert.equal(JSON.parse(record!.data).count, 40)
    })

    test('a server that was killed and is back: memory begins empty, and works again', async (t) => {
      const { near } = await view(t, { maxAge: '30s' })
      const record = fresh('restarted')
      await near.create(record)
      await kept(near, record.id)
      await rig.restart()
      await eventually(async () => {
        await near.load(record.id)
        return near.stats().up
      })
      const again = fresh('after the restart')
      await near.create(again)
      await kept(near, again.id)
    })
  })
}

async function up(near: NearCache): Promise<void> {
  await eventually(
    () => near.stats().up,
    () => near.stats().problem,
  )
}

/** Reads until the record comes from memory: the server tells of our own writes, too, and a little later. */
async function kept(near: NearCache, id: string): Promise<void> {
  let before = -1
  let quiet = 0
  await eventually(async () => {
    before = near.stats().hits
    await near.load(id)
    quiet = near.stats().hits > before ? quiet + 1 : 0
    return quiet > 10
  })
}

export async function eventually(condition: () => unknown, why: () => unknown = () => ''): Promise<void> {
  const deadline = performance.now() + 20_000
  while (
    !(await Promise.resolve()
      .then(condition)
      .catch(() => false))
  ) {
    assert.ok(performance.now() < deadline, `it never came about: ${condition} ${why()}`)
    await sleep(2)
  }
}

function idIn(browser: Browser): string {
  return browser.token!.split('.')[0]!
}

function fresh(id: string): SessionRecord {
  const now = Date.now()
  return recordOf({ id, version: 1, createdAt: now, seenAt: now, expiresAt: now + HOUR })
}

function ended(record: SessionRecord): SessionRecord {
  return { ...record, version: record.version + 1, ended: { reason: 'revoked', at: record.seenAt } }
}
