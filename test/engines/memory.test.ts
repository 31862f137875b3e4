import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine, SessionRecord, UserLedger } from '../../src/core/engine.ts'
import { SessionError } from '../../src/core/errors.ts'
import { type MemoryOptions, memory } from '../../src/engines/memory.ts'
import { engineContract } from '../../src/testing/engine-contract.ts'

const FULL = { name: 'SessionError', code: 'ERR_ENGINE_FULL', status: 503 }

describe('memory: the contract', () => engineContract({ test, create: () => memory() }))

describe('memory: options', () => {
  for (const [options, complaint] of [
    [{ maxRecords: 0 }, /maxRecords.*0/],
    [{ maxRecords: -1 }, /maxRecords/],
    [{ maxRecords: 1.5 }, /maxRecords/],
    [{ maxRecords: Number.NaN }, /maxRecords/],
    [{ maxRecords: Number.POSITIVE_INFINITY }, /maxRecords/],
    [{ maxRecords: '10' }, /maxRecords/],
    [{ maxRecords: null }, /maxRecords/],
    [{ maxBytes: 0 }, /maxBytes/],
    [{ maxBytes: 10n }, /maxBytes.*10/],
    [{ maxBytes: {} }, /maxBytes/],
    [{ maxRecord: 10 }, /no option maxRecord$/],
    [{ toString: 10 }, /no option toString/],
  ] as [MemoryOptions, RegExp][]) {
    test(`${String(complaint)} is said of a wrong one`, () => {
      assert.throws(() => memory(options), { name: 'SessionError', code: 'ERR_OPTION', message: complaint })
    })
  }

  test('undefined is the default', () => {
    memory({ maxRecords: undefined, maxBytes: undefined } as unknown as MemoryOptions)
  })

  test('it is not shared, so that keys may be random', () => assert.equal(memory().shared, false))
})

describe('memory: answers at once, without promises', () => {
  test('every verb', () => {
    const engine = memory()
    const record = visitor('a', 1)
    const answers = [
      engine.create(record),
      engine.load('a'),
      engine.replace({ ...record, version: 2 }, 1),
      engine.touch('a', 2, 2, 2),
      engine.replaceUser(ledger('ada'), 0),
      engine.loadUser('ada'),
      engine.scan?.({ limit: 1 }),
      engine.sweep(0, 1),
    ]
    for (const answer of answers) assert.ok(!(answer instanceof Promise))
  })
})

describe('memory: what goes first when there is no room', () => {
  test('a visitor is refused rather than a live session, and nothing changes', () => {
    const engine = filled({ maxRecords: 3 }, [visitor('v1', 1), visitor('v2', 2), user('u1', 3)])
    assert.throws(() => engine.create(visitor('v3', 4)), FULL)
    assert.deepEqual(held(engine), ['u1', 'v1', 'v2'])
  })

  test('a visitor takes the place of what has expired, and of a tombstone', () => {
    const engine = filled({ maxRecords: 3 }, [
      { ...user('u1', 1), expiresAt: 10 },
      user('u2', 2),
      user('u3', 3),
    ])
    engine.replace(tombstone('u2', 4), 1)
    engine.create(visitor('v1', 10))
    assert.deepEqual(held(engine), ['u2', 'u3', 'v1'], 'u1 has expired, and goes before the tombstone u2')
    engine.create(visitor('v2', 11))
    assert.deepEqual(held(engine), ['u3', 'v1', 'v2'])
    assert.throws(() => engine.create(visitor('v3', 12)), FULL)
  })

  test('a user takes tombstones, the oldest first, then visitors, then users, the least recent first', () => {
    const records = [
      visitor('v1', 1),
      visitor('v2', 2),
      user('u1', 3),
      user('u2', 4),
      user('t1', 5),
      user('t2', 6),
    ]
    const engine = filled({ maxRecords: 6 }, records)
    engine.replace(tombstone('t2', 7), 1)
    engine.replace(tombstone('t1', 8), 1)
    engine.touch('v1', 1, 9, 1_000)
    engine.replace({ ...user('u1', 10), version: 2 }, 1)
    const gone: string[] = []
    for (let i = 0; i < 6; i++) {
      const before = held(engine)
      engine.create(user(`new${i}`, 20 + i))
      gone.push(...before.filter((id) => !held(engine).includes(id)))
    }
    assert.deepEqual(gone, ['t2', 't1', 'v2', 'v1', 'u2', 'u1'])
  })

  test('nothing goes before its time while there is room', () => {
    const engine = filled({ maxRecords: 3 }, [{ ...visitor('v1', 1), expiresAt: 2 }, user('u1', 50)])
    engine.create(visitor('v2', 60))
    assert.deepEqual(held(engine), ['u1', 'v1', 'v2'])
  })

  test('no more goes than is needed', () => {
    const expired = [1, 2, 3].map((i) => ({ ...visitor(`v${i}`, i), expiresAt: 10 + i }))
    const engine = filled({ maxRecords: 3 }, expired)
    engine.create(user('u1', 100))
    assert.deepEqual(held(engine), ['u1', 'v2', 'v3'])
  })

  for (const [name, tell] of [
    ['createdAt', (engine: Engine) => engine.create({ ...user('u2', 3), createdAt: 100 })],
    ['seenAt', (engine: Engine) => engine.create(user('u2', 100))],
    ['the seenAt of a replace', (engine: Engine) => engine.replace({ ...user('u1', 100), version: 2 }, 1)],
    ['the seenAt of a touch', (engine: Engine) => engine.touch('u1', 1, 100, 1_000)],
    ['the now of a sweep', (engine: Engine) => engine.sweep(100, 0)],
  ] as const) {
    test(`the latest time that was mentioned is the time: ${name}`, () => {
      const engine = filled({ maxRecords: 3 }, [{ ...user('old', 1), expiresAt: 100 }, user('u1', 2)])
      tell(engine)
      for (let i = held(engine).length; i < 3; i++) engine.create(user(`filler${i}`, 4))
      engine.create(visitor('v1', 5))
      assert.ok(!held(engine).includes('old'))
    })
  }
})

describe('memory: bytes', () => {
  test('a flood of visitors is refused at the bound, far below the number of records', () => {
    const engine = memory({ maxBytes: 100_000 })
    let count = 0
    assert.throws(() => {
      for (; count < 1_000; count++) engine.create({ ...visitor(`v${count}`, 1), data: json(1_000) })
    }, FULL)
    assert.ok(count > 20 && count < 50, `${count} of 1000 characters, two bytes each, in 100 000`)
  })

  test('whatever text a record holds is counted: its bindings, client, secrets, methods, owner', () => {
    const long = 'x'.repeat(10_000)
    for (const part of [
      { bound: { ip: long } },
      { client: { userAgent: long } },
      { secrets: { current: long, parent: null } },
      { methods: [long] },
      { data: long },
    ]) {
      assert.throws(() => memory({ maxBytes: 10_000 }).create({ ...visitor('v', 1), ...part }), FULL)
    }
    assert.throws(() => memory({ maxBytes: 10_000 }).create(user('u', 1, long)), FULL)
  })

  test('a replace that grows puts others out for a user, never itself', () => {
    const engine = filled({ maxBytes: 10_000 }, [user('u1', 1), visitor('v1', 2), user('u2', 3)])
    assert.equal(engine.replace({ ...user('u1', 4), version: 2, data: json(4_600) }, 1), true)
    assert.deepEqual(held(engine), ['u1'])
    assert.throws(() => engine.replace({ ...user('u1', 5), version: 3, data: json(9_000) }, 2), FULL)
    assert.deepEqual([(engine.load('u1') as SessionRecord).version, held(engine)], [2, ['u1']])
  })

  test('a replace that grows a visitor beyond the bound is refused, and the record stays as it was', () => {
    const before = [visitor('v1', 1), user('u1', 2)]
    const engine = filled({ maxBytes: 10_000 }, before)
    assert.throws(() => engine.replace({ ...visitor('v1', 3), version: 2, data: json(4_900) }, 1), FULL)
    assert.deepEqual([engine.load('v1'), engine.load('u1')], before)
    assert.equal(engine.replace({ ...visitor('v1', 4), version: 2 }, 1), true)
  })

  test('what can never fit puts nobody out', () => {
    const engine = filled({ maxBytes: 10_000 }, [user('u1', 1), visitor('v1', 2)])
    assert.throws(() => engine.create({ ...user('u2', 3), data: json(6_000) }), FULL)
    assert.throws(() => engine.replace({ ...user('u1', 3), version: 2, data: json(6_000) }, 1), FULL)
    assert.throws(() => engine.replaceUser(ledger('ada', 500), 0), FULL)
    assert.deepEqual(held(engine), ['u1', 'v1'])
  })

  test('a full store still ends sessions', () => {
    const records = [visitor('v1', 1), user('u1', 2), user('u2', 3)].map((r) => ({ ...r, data: json(1_000) }))
    const engine = filled({ maxBytes: 8_000 }, records)
    assert.throws(() => engine.create(visitor('v2', 4)), FULL)
    assert.equal(engine.replace(tombstone('u1', 5), 1), true)
    assert.equal(
      engine.replace({ ...visitor('v1', 6), version: 2, data: '{}', ended: { reason: 'logout', at: 6 } }, 1),
      true,
    )
    assert.deepEqual(held(engine), ['u1', 'u2', 'v1'])
  })

  test('room is given back: what left is no longer counted', () => {
    const engine = memory({ maxBytes: 20_000, maxRecords: 5 })
    for (let i = 0; i < 2_000; i++) {
      engine.create({ ...user(`u${i}`, i), data: json(1_000), expiresAt: i + 1 })
      engine.replace({ ...user(`u${i}`, i), version: 2, data: json(2_000), expiresAt: i + 1 }, 1)
      engine.touch(`u${i}`, 2, i, i + 2)
      engine.replaceUser({ ...ledger(`u${i}`), expiresAt: i + 1 }, 0)
      engine.replaceUser({ ...ledger(`u${i}`, 20), version: 2, expiresAt: i + 1 }, 1)
      engine.sweep(i + 2, 100)
    }
    assert.equal(engine.create({ ...visitor('v', 3_000), data: json(9_000) }), true)
  })
})

describe('memory: ledgers', () => {
  test('are counted in bytes, and put visitors and users out, but are never put out themselves', () => {
    const engine = filled({ maxBytes: 8_000 }, [visitor('v1', 1), user('u1', 2), user('u2', 3)])
    assert.equal(engine.replaceUser(ledger('ada', 45), 0), true)
    assert.ok(!held(engine).includes('v1'))
    assert.throws(() => engine.replaceUser(ledger('grace', 25), 0), FULL)
    for (let i = 0; i < 50; i++) engine.create(user(`new${i}`, 10 + i))
    assert.ok(engine.loadUser('ada'), 'a forgotten ledger would undo a revocation')
  })

  test('one that grows beyond the bound is refused, and stays as it was', () => {
    const engine = memory({ maxBytes: 8_000 })
    engine.replaceUser(ledger('ada'), 0)
    assert.throws(() => engine.replaceUser({ ...ledger('ada', 500), version: 2 }, 1), FULL)
    assert.deepEqual(engine.loadUser('ada'), ledger('ada'))
    assert.equal(engine.sweep(1_000_000, 10), 1, 'it still expires')
  })

  test('expire, and then make room', () => {
    const engine = memory({ maxBytes: 8_000 })
    engine.replaceUser({ ...ledger('ada', 30), expiresAt: 100 }, 0)
    assert.throws(() => engine.replaceUser(ledger('grace', 30), 0), FULL)
    engine.sweep(100, 0)
    assert.equal(engine.replaceUser(ledger('grace', 30), 0), true)
    assert.equal(engine.loadUser('ada'), undefined)
  })
})

describe('memory: against a plain model', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    test(`20 000 random verbs, seed ${seed}: same answers, same sweeps`, () => {
      const engine = memory()
      const model = new Map<string, SessionRecord>()
      const random = generator(seed)
      for (let i = 0; i < 20_000; i++) {
        const id = `s${random(200)}`
        const [version, time, expiresAt] = [1 + random(3), random(1_000), random(1_000)]
        const record = {
          ...(random(2) ? user(id, time) : visitor(id, time)),
          version: version + 1,
          expiresAt,
        }
        const stored = model.get(id)
        const verb = random(5)
        if (verb === 0) {
          assert.equal(engine.create({ ...record, version }), !stored)
          if (!stored) model.set(id, { ...record, version })
        } else if (verb === 1) {
          const next = random(4) ? record : { ...tombstone(id, time), version: version + 1, expiresAt }
          assert.equal(engine.replace(next, version), stored?.version === version)
          if (stored?.version === version) {
            const seenAt = Math.max(stored.seenAt, next.seenAt)
            model.set(id, { ...next, seenAt, expiresAt: Math.max(stored.expiresAt, next.expiresAt) })
          }
        } else if (verb === 2) {
          engine.touch(id, version, time, expiresAt)
          if (stored?.version === version) {
            const seenAt = Math.max(stored.seenAt, time)
            model.set(id, { ...stored, seenAt, expiresAt: Math.max(stored.expiresAt, expiresAt) })
          }
        } else if (verb === 3) {
          assert.deepEqual(engine.load(id), stored)
        } else if (random(20) === 0) {
          const [now, limit] = [random(300), random(30)]
          const due = [...model.values()]
            .filter((r) => r.expiresAt <= now)
            .sort((a, b) => a.expiresAt - b.expiresAt)
          assert.equal(engine.sweep(now, limit), Math.min(limit, due.length))
          for (const { id } of due) if (engine.load(id) === undefined) model.delete(id)
          assert.equal(
            [...model.values()].filter((r) => r.expiresAt <= now).length,
            Math.max(0, due.length - limit),
          )
        }
      }
      assert.deepEqual(held(engine), [...model.keys()].sort())
    })

    test(`10 000 random verbs in a small store, seed ${seed}: never over its bound, visitors never cost a live session`, () => {
      const engine = memory({ maxRecords: 20, maxBytes: 30_000 })
      const random = generator(seed)
      for (let i = 0; i < 10_000; i++) {
        const id = `s${random(60)}`
        const data = json(random(1_500))
        const stored = engine.load(id) as SessionRecord | undefined
        const before = records(engine)
        const visits = stored ? stored.userId === null : random(2) === 0
        const fresh = { ...(visits ? visitor(id, i) : user(id, i)), data, expiresAt: i + random(2_000) }
        const next = stored && random(3) === 0 ? tombstone(id, i, stored.userId) : fresh
        let refused = false
        try {
          if (stored) engine.replace({ ...next, version: stored.version + 1 }, stored.version)
          else engine.create(fresh)
        } catch (error) {
          assert.ok(error instanceof SessionError && error.code === 'ERR_ENGINE_FULL')
          assert.equal(next.ended, null, 'an end is never refused')
          refused = true
        }
        const after = new Map(records(engine).map((r) => [r.id, r]))
        assert.ok(after.size <= 20)
        assert.ok([...after.values()].reduce((sum, r) => sum + 2 * r.data.length, 0) <= 30_000)
        if (stored || !refused) assert.ok(after.has(id), 'never itself')
        if (refused) assert.deepEqual(after.get(id), stored)
        if (visits)
          for (const r of before) assert.ok(r.ended || r.expiresAt <= i || after.has(r.id), 'a live session')
      }
    })
  }
})

test('memory: a scan page holds no more than its limit', () => {
  const engine = filled({}, [user('a', 1), user('b', 2), user('c', 3)])
  const page = engine.scan?.({ limit: 2 }) as { records: SessionRecord[]; next?: string }
  assert.equal(page.records.length, 2)
  assert.ok(page.next)
})

test('memory: a deadline that is no number breaks nothing', () => {
  const engine = memory()
  for (const [i, expiresAt] of [5, Number.NaN, 3, Number.POSITIVE_INFINITY, Number.NaN, 4].entries()) {
    engine.create({ ...user(`u${i}`, 1), expiresAt })
    engine.touch(`u${i}`, 1, 2, 2)
  }
  engine.sweep(10, 100)
  assert.ok(engine.load('u3'))
})

function filled(options: MemoryOptions, records: readonly SessionRecord[]): Engine {
  const engine = memory(options)
  for (const record of records) assert.equal(engine.create(record), true)
  return engine
}

function records(engine: Engine): readonly SessionRecord[] {
  return (engine.scan!({ limit: 1e6 }) as { records: SessionRecord[] }).records
}

function held(engine: Engine): string[] {
  return records(engine)
    .map(({ id }) => id)
    .sort()
}

function visitor(id: string, seenAt: number): SessionRecord {
  return {
    id,
    version: 1,
    userId: null,
    era: 0,
    secrets: { current: 'c', parent: null },
    createdAt: 0,
    renewedAt: 0,
    seenAt,
    authenticatedAt: null,
    methods: [],
    remembered: false,
    expiresAt: 1_000_000,
    ended: null,
    client: {},
    bound: {},
    data: '{}',
  }
}

function user(id: string, seenAt: number, userId: string | null = 'ada'): SessionRecord {
  return { ...visitor(id, seenAt), userId }
}

function tombstone(id: string, at: number, userId: string | null = 'ada'): SessionRecord {
  return {
    ...user(id, at, userId),
    version: 2,
    secrets: { current: '', parent: null },
    ended: { reason: 'logout', at },
  }
}

function ledger(userId: string, sessions = 1): UserLedger {
  return {
    userId,
    version: 1,
    notBefore: 0,
    credential: null,
    sessions: Array.from({ length: sessions }, (_, i) => ({
      id: `session-${i}`.padEnd(22, '_'),
      until: 5_000,
    })),
    ending: [],
    expiresAt: 1_000_000,
  }
}

function json(length: number): string {
  return JSON.stringify({ text: 'x'.repeat(length) })
}

/** A small linear congruential generator: a failure must be repeatable. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
