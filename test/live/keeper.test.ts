/** What is held without a socket: when sessions are read, what becomes of them when the store or the channel fails. */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, type TestContext, test } from 'node:test'
import type { Engine } from 'holdfast'
import { createLive, type Hold, type LiveEnd, type LiveOptions } from 'holdfast/live'
import { memory } from 'holdfast/memory'
import { sqlite } from 'holdfast/sqlite'
import { EVERYBODY } from '../../src/core/ledger.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { createSessions } from '../../src/create-sessions.ts'
import type { ChangeChannel, ChangeListener } from '../../src/engines/change-channel.ts'
import { Browser, KEY, login, post } from '../core/fixtures.ts'
import { type AnySession, type AnySessions, wrapEngine } from '../flow/harness.ts'
import { pause, until } from './site.ts'

/** A store that can break, hang, and count. */
class Store {
  readonly engine: Engine
  reads = 0
  touches = 0
  fault: 'none' | 'breaks' | 'hangs' = 'none'
  everybodyFails = false

  constructor(inner: Engine = memory()) {
    const around = async (verb: string, call: () => unknown) => {
      if (verb === 'load') this.reads++
      if (verb === 'touch') this.touches++
      if (this.fault === 'breaks') throw new Error('broken')
      if (this.fault === 'hangs') await new Promise(() => {})
      return call()
    }
    const engine = wrapEngine(inner, around)
    this.engine = {
      ...engine,
      loadUser: async (userId) => {
        if (userId === EVERYBODY && (this.everybodyFails || this.fault !== 'none')) throw new Error('broken')
        return engine.loadUser(userId)
      },
    }
  }
}

/** A channel by hand. */
class Channel implements ChangeChannel {
  readonly name = 'by hand'
  listener!: ChangeListener
  up = true
  closed = false

  listen(listener: ChangeListener): void {
    this.listener = listener
  }

  async barrier(): Promise<void> {
    if (!this.up) throw new Error('down')
  }

  close(): void {
    this.closed = true
  }

  /** Breaks, and says so. */
  lose(): void {
    this.up = false
    this.listener.lost()
  }
}

interface Rig {
  readonly sessions: AnySessions
  /** Another process, over the same store. */
  readonly elsewhere: AnySessions
  readonly events: string[]
  open(userId?: string): Promise<Held>
}

interface Held {
  readonly session: AnySession
  readonly hold: Hold
  readonly ends: (LiveEnd & { readonly at: number })[]
}

function rig(
  t: TestContext,
  engine: Engine,
  live: LiveOptions = {},
  options: Partial<SessionsOptions<Record<string, unknown>>> = {},
): Rig & { readonly live: ReturnType<typeof createLive> } {
  const events: string[] = []
  const onEvent = ({ name }: { name: string }) => void events.push(name)
  const given = { engine, keys: KEY, engineTimeout: '300ms', ...options } as const
  const sessions: AnySessions = createSessions({ ...given, onEvent })
  const elsewhere: AnySessions = createSessions(given)
  const lively = createLive(sessions, live)
  t.after(() => lively.close())
  async function open(userId = 'ada'): Promise<Held> {
    const browser = new Browser()
    await login(sessions, browser, userId, { now: Date.now() })
    const session = await sessions.open(browser.request(post({ now: Date.now() })))
    const ends: Held['ends'] = []
    const hold = lively.hold(session, (end) => ends.push({ ...end, at: performance.now() }))
    return { session, hold, ends }
  }
  return { sessions, elsewhere, live: lively, events, open }
}

async function endOf({ ends }: Held, within: number): Promise<LiveEnd> {
  await until(() => ends.length > 0, 'it ends', within)
  const { code, reason } = ends[0]!
  return { code, reason }
}

describe('without a channel', { concurrency: true }, () => {
  test('P12 what another process revokes ends within a second; the store is read twice a second for each session', async (t) => {
    const store = new Store()
    const { open, elsewhere } = rig(t, store.engine)
    const [one, other] = [await open('ada'), await open('bob')]
    await pause(100)
    const before = store.reads
    await pause(2_000)
    const reads = store.reads - before
    assert.ok(reads >= 4 && reads <= 9, `${reads} reads`)
    await elsewhere.revoke({ userId: 'ada' })
    assert.deepEqual(await endOf(one, 1_000), { code: 4401, reason: 'revoked' })
    assert.deepEqual(other.ends, [])
  })

  test('P12 revoking everybody in another process ends them within a second, and reads none of them', async (t) => {
    const store = new Store()
    const { open, elsewhere } = rig(t, store.engine, { checkEvery: '10s' })
    const held = await Promise.all(Array.from({ length: 20 }, (_, index) => open(`user ${index}`)))
    await pause(100)
    const before = store.reads
    await elsewhere.revoke({ everybody: true })
    for (const each of held) assert.deepEqual(await endOf(each, 1_000), { code: 4401, reason: 'revoked' })
    assert.equal(store.reads, before)
  })

  test('two sockets of one session cost what one does', async (t) => {
    const store = new Store()
    const { open, live } = rig(t, store.engine, { checkEvery: '100ms' })
    const { session } = await open()
    for (let count = 0; count < 50; count++) live.hold(session, () => {})
    await pause(100)
    const before = store.reads
    await pause(1_000)
    assert.ok(store.reads - before <= 6, `${store.reads - before} reads`)
  })

  test('SQLite: what another process ends is closed here, and why is told', async (t) => {
    const { open, elsewhere } = rig(t, sqlite(':memory:'))
    const held = await open()
    await elsewhere.revoke({ id: held.session.id! })
    assert.deepEqual(await endOf(held, 1_000), { code: 4401, reason: 'revoked' })
  })

  test('a record that is gone is no session: unknown', async (t) => {
    const inner = memory()
    const { open } = rig(
      t,
      inner,
      {},
      { idle: '1s', absolute: '2s', renewal: '500ms', grace: '50ms', late: '50ms', remembrance: '1ms' },
    )
    const held = await open()
    const load = inner.load
    inner.load = () => undefined
    t.after(() => Object.assign(inner, { load }))
    const end = await endOf(held, 3_000)
    assert.equal(end.code, 4401)
  })
})

describe('with a channel', { concurrency: true }, () => {
  test('nothing is read while nothing changes', async (t) => {
    const store = new Store()
    const { open, live } = rig(t, store.engine, { channel: new Channel() })
    await open()
    await until(() => live.stats().up === true, 'the channel is up')
    await pause(300)
    const before = store.reads
    await pause(1_500)
    assert.equal(store.reads, before)
  })

  test('what it tells of is read at once', async (t) => {
    const store = new Store()
    const channel = new Channel()
    const { open, elsewhere, live } = rig(t, store.engine, { channel, checkEvery: '10s' })
    const [held, other] = [await open('ada'), await open('bob')]
    await until(() => live.stats().up === true, 'the channel is up')
    await pause(300)
    await elsewhere.revoke({ userId: 'ada' })
    assert.deepEqual(held.ends, [])
    channel.listener.changed(other.session.id!)
    channel.listener.changed(held.session.id!)
    assert.deepEqual(await endOf(held, 100), { code: 4401, reason: 'revoked' })
    assert.deepEqual(other.ends, [])
  })

  test('what is told while a session is being read has it read again', async (t) => {
    const inner = memory()
    let release = () => {}
    const slow: Engine = {
      ...inner,
      async load(id, options) {
        const record = await inner.load(id, options)
        if (armed) await new Promise<void>((resolve) => (release = resolve))
        return record
      },
    }
    let armed = false
    const channel = new Channel()
    const { open, live, elsewhere } = rig(
      t,
      slow,
      { channel, checkEvery: '10s', maxUnsure: '1m' },
      { engineTimeout: '20s' },
    )
    const held = await open()
    await until(() => live.stats().up === true, 'the channel is up')
    await pause(300)
    armed = true
    channel.listener.changed(held.session.id!)
    await pause(20)
    armed = false
    // Read as live, and not yet answered.
    await elsewhere.revoke({ userId: 'ada' })
    channel.listener.changed(held.session.id!)
    release()
    assert.deepEqual(await endOf(held, 500), { code: 4401, reason: 'revoked' })
  })

  test('one that breaks has every session read, at once and then as if there were none', async (t) => {
    const store = new Store()
    const channel = new Channel()
    const { open, live, elsewhere } = rig(t, store.engine, { channel })
    const held = await open()
    await until(() => live.stats().up === true, 'the channel is up')
    await pause(300)
    const before = store.reads
    channel.lose()
    await pause(20)
    assert.equal(store.reads, before + 1)
    await until(() => live.stats().problem === 'down', 'it says why')
    await elsewhere.revoke({ userId: 'ada' })
    assert.deepEqual(await endOf(held, 1_000), { code: 4401, reason: 'revoked' })
  })

  test('one that is dead and says nothing is noticed within 1.5 s, and what it kept from us soon after', async (t) => {
    const store = new Store()
    const channel = new Channel()
    const { open, live, elsewhere } = rig(t, store.engine, { channel })
    const held = await open()
    await until(() => live.stats().up === true, 'the channel is up')
    await pause(300)
    channel.up = false
    await elsewhere.revoke({ userId: 'ada' })
    assert.deepEqual(await endOf(held, 2_500), { code: 4401, reason: 'revoked' })
  })

  test('what went by while it was down is found when it is up again', async (t) => {
    const store = new Store()
    const channel = new Channel()
    const { open, live, elsewhere } = rig(t, store.engine, { channel, checkEvery: '10s' })
    const held = await open()
    await until(() => live.stats().up === true, 'the channel is up')
    channel.lose()
    await pause(100)
    await elsewhere.revoke({ userId: 'ada' })
    await pause(300)
    assert.deepEqual(held.ends, [])
    channel.up = true
    assert.deepEqual(await endOf(held, 1_500), { code: 4401, reason: 'revoked' })
  })

  test('P10 time ends a session of which nobody tells', async (t) => {
    const channel = new Channel()
    const limits = { idle: '1s', absolute: '5s', renewal: '500ms', grace: '50ms', late: '50ms' } as const
    const { open } = rig(t, memory(), { channel, checkEvery: '100ms' }, limits)
    const held = await open()
    assert.deepEqual(await endOf(held, 2_000), { code: 4401, reason: 'idle' })
  })

  test('is closed with it', async (t) => {
    const channel = new Channel()
    const { live } = rig(t, memory(), { channel })
    await live.close()
    assert.ok(channel.closed)
  })
})

describe('P7 the store fails', { concurrency: true }, () => {
  for (const fault of ['breaks', 'hangs'] as const) {
    for (const channel of [null, new Channel()]) {
      test(`${fault}, ${channel ? 'with' : 'without'} a channel: sockets stay for maxUnsure, and are closed then: 4503`, async (t) => {
        const store = new Store()
        const { open, events } = rig(t, store.engine, { ...(channel && { channel }), maxUnsure: '1s' })
        const held = await open()
        await pause(300)
        store.fault = fault
        const from = performance.now()
        assert.deepEqual(await endOf(held, 5_000), { code: 4503, reason: 'unavailable' })
        const took = held.ends[0]!.at - from
        assert.ok(took > 800 && took < 3_000, `${took} ms`)
        assert.equal(events.filter((name) => name === 'engine_failure').length, 1)
      })
    }
  }

  test('for less than maxUnsure: they stay, and what was revoked meanwhile is closed', async (t) => {
    const store = new Store()
    const { open, elsewhere } = rig(t, store.engine, { maxUnsure: '5s' })
    const [one, other] = [await open('ada'), await open('bob')]
    await pause(300)
    await elsewhere.revoke({ userId: 'ada' })
    store.fault = 'breaks'
    await pause(1_500)
    assert.deepEqual(other.ends, [])
    store.fault = 'none'
    assert.deepEqual(await endOf(one, 1_500), { code: 4401, reason: 'revoked' })
    await pause(500)
    assert.deepEqual(other.ends, [])
  })

  test('where only the moment that counts for everybody can not be read, nobody stays either', async (t) => {
    const store = new Store()
    const { open } = rig(t, store.engine, { channel: new Channel(), maxUnsure: '1s' })
    const held = await open()
    await pause(300)
    store.everybodyFails = true
    assert.deepEqual(await endOf(held, 5_000), { code: 4503, reason: 'unavailable' })
  })
})

describe('holding', () => {
  test('a process that was stopped while it asked closes nothing: the answer has come meanwhile', async (t) => {
    const inner = memory()
    let stops = false
    const engine: Engine = {
      ...inner,
      async load(id, options) {
        // As a server's answer is, it is there when the process goes on, but behind the timers.
        const answer = readFile(import.meta.filename)
        if (stops) {
          stops = false
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500)
        }
        await answer
        return inner.load(id, options)
      },
    }
    const { open } = rig(t, engine, { maxUnsure: '1s' }, { engineTimeout: '10s' })
    const held = await open()
    await pause(300)
    stops = true
    await until(() => !stops, 'it was stopped')
    await pause(500)
    assert.deepEqual(held.ends, [])
  })

  test('what is released is told nothing, and one that throws keeps no other open', async (t) => {
    const log = t.mock.method(console, 'error', () => {})
    const { open, sessions, live } = rig(t, memory())
    const held = await open()
    held.hold.release()
    live.hold(held.session, () => {
      throw new Error('mine')
    })
    const ends: LiveEnd[] = []
    live.hold(held.session, (end) => ends.push(end))
    await sessions.revoke({ userId: 'ada' })
    await until(() => ends.length === 1, 'it ends')
    assert.deepEqual([held.ends, log.mock.callCount()], [[], 1])
    assert.deepEqual(live.stats(), { sessions: 0, sockets: 0, up: null, problem: null })
  })

  test('a touch counts as a use, at most every idle / 10; after the end it counts for nothing', async (t) => {
    const store = new Store()
    const limits = { idle: '3s', absolute: '1m', renewal: '500ms', grace: '50ms', late: '50ms' } as const
    const { open, sessions, live } = rig(t, store.engine, {}, limits)
    const held = await open()
    const gone = live.hold(held.session, () => {})
    gone.release()
    const before = store.reads
    for (let time = 0; time < 40; time++) {
      held.hold.touch()
      await pause(50)
    }
    assert.ok(store.touches >= 3 && store.touches <= 7, `${store.touches} touches`)
    assert.ok(store.reads - before < 20, `${store.reads - before} reads`)
    const used = store.touches
    for (let time = 0; time < 12; time++) {
      gone.touch()
      await pause(50)
    }
    assert.ok(store.touches <= used + 1, 'one that is gone uses nothing')
    const [info] = await sessions.list('ada')
    assert.ok(Date.now() - info!.seenAt < 1_000)
    await sessions.revoke({ userId: 'ada' })
    await endOf(held, 500)
    const { touches } = store
    held.hold.touch()
    await pause(1_000)
    assert.equal(store.touches, touches)
  })

  test('ten thousand: a few hundred bytes each, and nothing is left of them', async (t) => {
    const { open, live, sessions } = rig(t, memory(), { channel: new Channel() }, { maxSessionsPerUser: 100 })
    const { session } = await open()
    const holds: Hold[] = []
    global.gc?.()
    const before = process.memoryUsage().heapUsed
    for (let count = 0; count < 10_000; count++) {
      const id = String(count).padStart(22, '0')
      // As many sessions as sockets: that no record has such an id is found out later.
      const each = { ...fieldsOf(session), id }
      holds.push(live.hold(each, () => {}))
    }
    global.gc?.()
    const bytes = (process.memoryUsage().heapUsed - before) / 10_000
    t.diagnostic(`${Math.round(bytes)} bytes for each session with one socket`)
    assert.equal(live.stats().sessions, 10_001)
    if (global.gc) assert.ok(bytes < 1_500, `${bytes} bytes each`)
    await until(() => live.stats().sessions === 1, 'the unknown ones have ended')
    await sessions.revoke({ userId: 'ada' })
    await until(() => live.stats().sessions === 0, 'so has the last')
  })

  test('wrong options are named', async () => {
    const sessions = createSessions({ engine: memory(), keys: KEY })
    const rows: [object, RegExp][] = [
      [{ every: '1s' }, /there is no option every/],
      [{ channel: {} }, /channel: expected/],
      [{ checkEvery: '50ms' }, /checkEvery: expected '100ms' to '10s'/],
      [{ checkEvery: '11s' }, /checkEvery/],
      [{ checkEvery: 5 }, /checkEvery/],
      [{ maxUnsure: '2m' }, /maxUnsure: expected '1000ms' to '60s'/],
      [{ messages: true }, /messages: expected 'ignored' or 'used'/],
    ]
    for (const [options, message] of rows)
      assert.throws(() => createLive(sessions, options as never), { code: 'ERR_OPTION', message })
  })
})

function fieldsOf({ id, userId, authenticatedAt, suspended, lost }: AnySession) {
  return { id, userId, authenticatedAt, suspended, lost, require: () => userId! }
}
