import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Engine, SessionRecord, UserLedger } from '../../src/core/engine.ts'
import type { ChangeChannel, ChangeListener } from '../../src/engines/change-channel.ts'
import { memory } from '../../src/engines/memory.ts'
import { type NearCache, type NearCacheOptions, nearCache } from '../../src/engines/near-cache.ts'
import { engineContract } from '../../src/testing/engine-contract.ts'

/** A channel whose every word the test speaks. */
class HandChannel implements ChangeChannel {
  readonly name = 'hand'
  listener!: ChangeListener
  barriers: { resolve: () => void; reject: (error: Error) => void }[] = []
  /** Whether barriers resolve by themselves. */
  open = true
  closed = false
  listen(listener: ChangeListener): void {
    this.listener = listener
  }
  barrier(): Promise<void> {
    if (this.open) return Promise.resolve()
    return new Promise((resolve, reject) => this.barriers.push({ resolve, reject }))
  }
  close(): void {
    this.closed = true
  }
}

/** An engine whose reads are counted. */
function counted(engine: Engine) {
  const reads: { id: string; fresh: boolean }[] = []
  const load: Engine['load'] = (id, options) => {
    reads.push({ id, fresh: options?.fresh ?? false })
    return engine.load(id, options)
  }
  return { engine: { ...engine, load }, reads }
}

/** A near cache over memory whose channel is up. */
async function ready(options: Partial<NearCacheOptions> = {}) {
  const channel = new HandChannel()
  const store = memory()
  const { engine, reads } = counted(store)
  const near = nearCache(engine, { channel, ...options })
  await up(near)
  reads.length = 0
  return { channel, store, near, reads }
}

async function up(near: NearCache): Promise<void> {
  for (let turn = 0; turn < 10 && !near.stats().up; turn++) await turnOf()
  assert.ok(near.stats().up)
}

const turnOf = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('nearCache: the contract, from memory', () =>
  engineContract({ test, create: async () => (await ready()).near }))

describe('nearCache: the contract, while the channel is down', () =>
  engineContract({
    test,
    create() {
      const channel = new HandChannel()
      channel.open = false
      return nearCache(memory(), { channel })
    },
  }))

describe('nearCache: options', () => {
  const channel = new HandChannel()
  for (const [options, complaint] of [
    [{}, /channel: expected redisChannel/],
    [{ channel: {} }, /channel: expected redisChannel/],
    [{ channel, maxAge: 2000 }, /maxAge: expected a duration/],
    [{ channel, maxAge: '0s' }, /maxAge: expected a duration/],
    [{ channel, maxAge: '31s' }, /maxAge:.*at most 30s, but got 31s/],
    [{ channel, maxRecords: 0 }, /maxRecords: expected a whole number/],
    [{ channel, maxBytes: 1.5 }, /maxBytes: expected a whole number/],
    [{ channel, ttl: '1s' }, /no option ttl$/],
  ] as [NearCacheOptions, RegExp][]) {
    test(`${String(complaint)} is said of a wrong one`, () => {
      assert.throws(() => nearCache(memory(), options), { code: 'ERR_OPTION', message: complaint })
    })
  }

  test('it is what the engine below is, and closes channel and engine', async () => {
    let closed = false
    const { scan: _, ...bare } = { ...memory(), shared: true, close: () => void (closed = true) }
    const own = new HandChannel()
    const near = nearCache(bare, { channel: own })
    assert.deepEqual([near.shared, 'scan' in near, near.name], [true, false, 'near memory'])
    await near.close?.()
    assert.deepEqual([closed, own.closed], [true, true])
  })
})

describe('nearCache: what is read from memory', () => {
  test('a second read asks the store nothing, and answers at once', async () => {
    const { store, near, reads } = await ready()
    await store.create(record())
    assert.deepEqual(near.load('a'), record())
    for (let time = 0; time < 100; time++) assert.deepEqual(near.load('a'), record())
    assert.deepEqual(reads, [{ id: 'a', fresh: true }])
    const { hits, misses, records } = near.stats()
    assert.deepEqual([hits, misses, records], [100, 1, 1])
  })

  test('a fresh read asks the store, and what it brings is kept', async () => {
    const { store, near, reads } = await ready()
    await store.create(record())
    await near.load('a')
    await store.replace(tombstone(), 1)
    assert.deepEqual((await near.load('a', { fresh: true }))?.ended, tombstone().ended)
    assert.deepEqual((await near.load('a'))?.ended, tombstone().ended)
    assert.equal(reads.length, 2)
  })

  test('that there is no record is not kept', async () => {
    const { store, near } = await ready()
    assert.equal(await near.load('a'), undefined)
    await store.create(record())
    assert.deepEqual(await near.load('a'), record())
  })

  test("another's record, from a store that mixes up its replies, is not kept", async () => {
    const channel = new HandChannel()
    const near = nearCache({ ...memory(), load: () => record() }, { channel })
    await up(near)
    await near.load('b')
    assert.equal(near.stats().records, 0)
  })

  test('ledgers are never kept: logins and revocations decide by them', async () => {
    const { store, near } = await ready()
    await store.replaceUser(ledger(1), 0)
    assert.equal((await near.loadUser('ada'))?.version, 1)
    await store.replaceUser(ledger(2), 1)
    assert.equal((await near.loadUser('ada'))?.version, 2)
    assert.equal(near.stats().records, 0)
  })

  test('what is told to have changed is read again; others stay', async () => {
    const { channel, store, near, reads } = await ready()
    for (const id of ['a', 'b']) await store.create({ ...record(), id })
    for (const id of ['a', 'b']) await near.load(id)
    await store.replace(tombstone(), 1)
    channel.listener.changed('a')
    channel.listener.changed('unknown')
    assert.deepEqual((await near.load('a'))?.ended, tombstone().ended)
    await near.load('b')
    assert.deepEqual(
      reads.map(({ id }) => id),
      ['a', 'b', 'a'],
    )
  })
})

describe("nearCache: one's own writes", () => {
  test('are read back without the store', async () => {
    const { near, reads } = await ready()
    await near.create(record())
    assert.deepEqual(await near.load('a'), record())
    await near.touch('a', 1, 5_000, 90_000)
    assert.deepEqual(await near.load('a'), { ...record(), seenAt: 5_000, expiresAt: 90_000 })
    await near.replace({ ...record(), version: 2 }, 1)
    assert.deepEqual(await near.load('a'), { ...record(), version: 2, seenAt: 5_000, expiresAt: 90_000 })
    await near.replace({ ...tombstone(), version: 3 }, 2)
    assert.equal((await near.load('a'))?.version, 3)
    assert.equal(reads.length, 0)
  })

  test('what is kept of them is what the store holds, whatever was touched before', async () => {
    const { store, near } = await ready()
    await near.create(record())
    for (const id of ['b', 'c']) await near.create({ ...record(), id })
    await near.touch('a', 1, 9_000, 1)
    await near.touch('a', 1, 1, 99_000)
    await near.replace({ ...record(), version: 2, seenAt: 8_000 }, 1)
    assert.deepEqual(await near.load('a'), await store.load('a'))
  })

  for (const [name, act] of Object.entries({
    replace: (near: Engine) => near.replace({ ...record(), version: 2 }, 1),
    touch: (near: Engine) => near.touch('a', 1, 5_000, 90_000),
    create: (near: Engine) => near.create(record()),
  })) {
    test(`${name}: one that was lost makes the next read ask the store`, async () => {
      const { store, near, reads } = await ready()
      await store.create(record())
      await near.load('a')
      await store.replace(tombstone(), 1)
      assert.equal(await act(near), false)
      assert.deepEqual((await near.load('a'))?.ended, tombstone().ended)
      assert.equal(reads.length, 2)
    })

    test(`${name}: so does one of which nobody knows whether it was written`, async () => {
      for (const later of [false, true]) {
        const { store, near: _, channel } = await ready()
        const verb = (...args: unknown[]) => {
          Reflect.apply(store[name as 'touch'], store, args)
          const error = new Error('the connection broke')
          if (later) return Promise.reject(error)
          throw error
        }
        if (name !== 'create') await store.create(record())
        const { engine, reads } = counted({ ...store, [name]: verb })
        const near = nearCache(engine, { channel })
        await up(near)
        await near.load('a')
        await assert.rejects(async () => act(near), /broke/)
        assert.deepEqual(await near.load('a'), await store.load('a'))
        assert.equal(reads.length, 2)
      }
    })
  }

  test('what was changed by others before a create was answered is not kept as it was created', async () => {
    const { channel, store } = await ready()
    const create: Engine['create'] = (created) => {
      store.create(created)
      store.replace(tombstone(), 1)
      channel.listener.changed(created.id)
      return true
    }
    const near = nearCache({ ...store, create }, { channel })
    await up(near)
    await near.create(record())
    assert.deepEqual((await near.load('a'))?.ended, tombstone().ended)
  })

  test('a replace of what is not kept keeps nothing: the store may have moved its times', async () => {
    const { store, near } = await ready()
    await store.create(record())
    await store.touch('a', 1, 9_000, 99_000)
    await near.replace({ ...record(), version: 2 }, 1)
    assert.equal((await near.load('a'))?.seenAt, 9_000)
  })
})

describe('nearCache: while the channel can not be relied on', () => {
  test('nothing is kept before the first barrier, and reads go as they were asked for', async () => {
    const channel = new HandChannel()
    channel.open = false
    const { engine, reads } = counted(memory())
    await engine.create(record())
    const near = nearCache(engine, { channel })
    for (let time = 0; time < 3; time++) await near.load('a')
    await near.load('a', { fresh: true })
    assert.deepEqual(
      reads.map(({ fresh }) => fresh),
      [false, false, false, true],
    )
    assert.deepEqual([near.stats().records, near.stats().lag], [0, null])
    channel.barriers[0]!.resolve()
    await turnOf()
    assert.equal(near.stats().up, true)
    for (let time = 0; time < 3; time++) await near.load('a')
    assert.equal(reads.length, 5)
  })

  test('a channel that broke: everything is forgotten, and every read asks the store, until a barrier', async (t) => {
    const clock = clockOf(t)
    const { channel, store, near, reads } = await ready()
    await store.create(record())
    await near.load('a')
    channel.open = false
    channel.listener.lost()
    assert.deepEqual([near.stats().up, near.stats().records], [false, 0])
    await store.replace(tombstone(), 1)
    assert.deepEqual((await near.load('a'))?.ended, tombstone().ended)
    await near.load('a')
    assert.equal(reads.length, 3)
    channel.open = true
    clock.now += 500
    await up(near)
    for (let time = 0; time < 3; time++) await near.load('a')
    assert.equal(reads.length, 4)
  })

  test('a barrier that was asked for before the break proves nothing after it', async (t) => {
    const clock = clockOf(t)
    const { channel, near } = await ready()
    channel.open = false
    clock.now += 500
    near.stats()
    assert.equal(channel.barriers.length, 1)
    channel.listener.lost()
    channel.barriers[0]!.resolve()
    await turnOf()
    assert.equal(near.stats().up, false)
  })

  test('a read that began before the break is not kept', async () => {
    const { channel, store } = await ready()
    await store.create(record())
    let answer: () => void = () => {}
    const slow = new Promise<void>((resolve) => {
      answer = resolve
    })
    const near = nearCache({ ...store, load: (id) => slow.then(() => store.load(id)) }, { channel })
    await up(near)
    const reading = near.load('a')
    channel.listener.lost()
    answer()
    await reading
    assert.equal(near.stats().records, 0)
  })

  for (const fails of [false, true]) {
    test(`barriers that ${fails ? 'fail' : 'stay away'}: from maxAge on every read asks the store`, async (t) => {
      const clock = clockOf(t)
      const { channel, store, near, reads } = await ready()
      await store.create(record())
      channel.open = false
      const later = async (millis: number) => {
        clock.now += millis
        await near.load('a')
        for (const { reject } of channel.barriers.splice(0)) if (fails) reject(new Error('no'))
        await turnOf()
      }
      await later(1_999)
      await near.load('a')
      // What is kept is a millisecond old.
      assert.equal(reads.length, 1)
      await later(1)
      for (let time = 0; time < 5; time++) await near.load('a')
      assert.equal(reads.length, 7)
      assert.equal(near.stats().up, false)
    })
  }

  test('barriers are asked for where there are reads, four in each maxAge, and not at each', async (t) => {
    const clock = clockOf(t)
    const channel = new HandChannel()
    channel.open = false
    const near = nearCache(memory(), { channel })
    for (let time = 0; time < 2_000; time++) {
      await near.load('a')
      clock.now++
    }
    assert.equal(channel.barriers.length, 4)
  })

  test('the lag is how long a barrier took, from its beginning', async (t) => {
    const clock = clockOf(t)
    const { channel, near } = await ready()
    channel.open = false
    for (const lag of [70, 20]) {
      clock.now += 500
      near.stats()
      clock.now += lag
      channel.barriers.shift()!.resolve()
      await turnOf()
      assert.deepEqual([near.stats().lag, near.stats().longestLag, near.stats().maxLag], [lag, 70, 2_000])
    }
  })
})

describe('nearCache: bounds', () => {
  test('no record is served from maxAge on, whatever the channel says', async (t) => {
    const clock = clockOf(t)
    const { store, near } = await ready()
    await store.create(record())
    await near.load('a')
    // Nobody tells.
    await store.replace(tombstone(), 1)
    for (let millis = 1; millis < 2_000; millis++) {
      clock.now++
      assert.equal((await near.load('a'))?.ended, null)
    }
    clock.now++
    await up(near)
    assert.deepEqual((await near.load('a'))?.ended, tombstone().ended)
  })

  test('age counts from the beginning of the read', async (t) => {
    const clock = clockOf(t)
    const store = memory()
    await store.create(record())
    const load: Engine['load'] = async (id) => {
      const found = await store.load(id)
      clock.now += 1_500
      return found
    }
    const { engine, reads } = counted({ ...store, load })
    const near = nearCache(engine, { channel: new HandChannel() })
    await up(near)
    await near.load('a')
    await up(near)
    clock.now += 499
    await near.load('a')
    assert.equal(reads.length, 1)
    clock.now++
    await up(near)
    await near.load('a')
    assert.equal(reads.length, 2)
  })

  test('the least recently used goes first: maxRecords', async () => {
    const { store, near, reads } = await ready({ maxRecords: 2 })
    for (const id of ['a', 'b', 'c']) await store.create({ ...record(), id })
    for (const id of ['a', 'b', 'a', 'c', 'a']) await near.load(id)
    assert.equal(reads.length, 3)
    assert.equal(near.stats().records, 2)
    await near.load('b')
    assert.equal(reads.length, 4)
  })

  test('... and maxBytes, which one record alone may exceed', async () => {
    const { store, near } = await ready({ maxBytes: 10_000 })
    const data = JSON.stringify({ text: 'x'.repeat(3_000) })
    for (const id of ['a', 'b']) await store.create({ ...record(), id, data })
    for (const id of ['a', 'b']) await near.load(id)
    assert.equal(near.stats().records, 1)
    assert.ok(near.stats().bytes <= 10_000)
    await store.create({ ...record(), id: 'c', data: JSON.stringify({ text: 'x'.repeat(9_000) }) })
    await near.load('c')
    assert.deepEqual([near.stats().records, near.stats().bytes], [0, 0])
  })

  test('what is kept is counted down to nothing', async () => {
    const { channel, store, near } = await ready()
    for (const id of ['a', 'b']) await store.create({ ...record(), id })
    for (const id of ['a', 'b', 'a']) await near.load(id)
    for (const id of ['a', 'b']) channel.listener.changed(id)
    assert.deepEqual([near.stats().records, near.stats().bytes], [0, 0])
  })
})

/** A clock that stands still until the test moves it. */
function clockOf(t: TestContext): { now: number } {
  const clock = { now: 1_000_000 }
  t.mock.method(performance, 'now', () => clock.now)
  return clock
}

function record(): SessionRecord {
  return {
    id: 'a',
    version: 1,
    userId: 'ada',
    era: 1,
    secrets: { current: 'c', parent: null },
    createdAt: 1_000,
    renewedAt: 1_000,
    seenAt: 1_000,
    authenticatedAt: 1_000,
    methods: ['pwd'],
    remembered: false,
    expiresAt: 60_000,
    ended: null,
    client: {},
    bound: {},
    data: '{}',
  }
}

function tombstone(): SessionRecord {
  return { ...record(), version: 2, ended: { reason: 'revoked', at: 2_000 } }
}

function ledger(version: number): UserLedger {
  return { userId: 'ada', version, notBefore: 0, credential: null, sessions: [], ending: [], expiresAt: 9 }
}
