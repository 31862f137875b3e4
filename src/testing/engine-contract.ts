/**
 * The contract of an engine as tests, for whoever writes one. Each row's name is its specification. @module
 */

import assert from 'node:assert/strict'
import type { Engine, MaybePromise, SessionRecord, UserLedger } from '../core/engine.ts'
import { fits, type RecordFilter } from '../core/filter.ts'

export interface EngineContractOptions {
  /** Registers one test: `test` of `node:test`, vitest, jest or any other runner. */
  readonly test: (name: string, fn: () => Promise<void>) => void
  /** Makes an engine over an empty store, once for each test. */
  readonly create: () => MaybePromise<Engine>
  /** Ends an engine that `create` made. @defaultValue calls its `close` */
  readonly destroy?: (engine: Engine) => MaybePromise<void>
  /** The store itself forgets what is past its `expiresAt`; `sweep` may leave it that. @defaultValue false */
  readonly nativeExpiry?: boolean
}

const HOUR = 3_600_000
const WRITERS = 20

/** Texts that stores take for something else, or for one another. */
const ODD_TEXTS = [
  ...[
    'ada',
    'Ada',
    'ADA',
    'ada ',
    ' ada',
    'ada\t',
    'ada\n',
    'a\0da',
    'a\0',
    '\0',
    '"ada"',
    '"ada',
    '\\"ada\\"',
  ],
  ...[
    '\u00e9',
    'e\u0301',
    '\uff41da',
    'ß',
    'ss',
    '日本語',
    '🙂',
    '🙃',
    '0',
    '00',
    '1',
    '1.0',
    'null',
    'undefined',
    'NaN',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '*',
    '%',
    '_',
    '?',
    '[a]',
    '{a}',
    'a:b',
    'a::b',
  ],
  ...[
    "' OR '1'='1",
    "'; DROP TABLE sessions; --",
    '$1',
    ':id',
    '../../../etc/passwd',
    '/etc/passwd',
    'C:\\nul',
    '.',
    '..',
  ],
  ...['ada\r\nSET x 1', '\u200b', '\u202e', 'x'.repeat(255)],
]

/**
 * Registers the contract's tests, over thirty of them, each with an engine of its own.
 *
 * Times lie around the real now, for stores that expire by their own clock.
 */
export function engineContract(options: EngineContractOptions): void {
  const { create, destroy = (engine: Engine) => engine.close?.(), nativeExpiry = false } = options
  const now = Date.now()

  function row(name: string, check: (engine: Engine) => Promise<void>): void {
    options.test(name, async () => {
      const engine = await create()
      try {
        await check(engine)
      } finally {
        await destroy(engine)
      }
    })
  }

  /** An absent record may be one that the store's own clock has expired. */
  async function assertGoneOrEqual(engine: Engine, expected: SessionRecord): Promise<void> {
    const found = await engine.load(expected.id)
    if (!nativeExpiry || found !== undefined) assert.deepEqual(plain(found), plain(expected))
  }

  row('an engine has a name for messages, and says whether processes share it', async (engine) => {
    assert.match(engine.name, /\S/)
    assert.equal(typeof engine.shared, 'boolean')
  })

  row('load: a record that is not there is undefined, not an error', async (engine) => {
    assert.equal(await engine.load(newId()), undefined)
    assert.equal(await engine.load(newId(), { fresh: true }), undefined)
  })

  row('create, then load: every field comes back as it was', async (engine) => {
    for (const record of [full(now), bare(now), tombstone(full(now))]) {
      assert.equal(await engine.create(record), true)
      assert.deepEqual(plain(await engine.load(record.id)), plain(record))
      assert.deepEqual(plain(await engine.load(record.id, { fresh: true })), plain(record))
    }
  })

  row('create: is false when the id is taken, and changes nothing', async (engine) => {
    const record = full(now)
    await engine.create(record)
    assert.equal(await engine.create({ ...full(now), id: record.id, userId: 'mallory' }), false)
    assert.equal(await engine.create({ ...record, version: 2, expiresAt: record.expiresAt + HOUR }), false)
    assert.deepEqual(plain(await engine.load(record.id)), plain(record))
  })

  row('create: is false when a tombstone has the id', async (engine) => {
    const record = full(now)
    await engine.create(record)
    await engine.replace(tombstone(record), 1)
    assert.equal(await engine.create(record), false)
    assert.deepEqual(plain(await engine.load(record.id)), plain(tombstone(record)))
  })

  row('create: exactly one of many at once wins', async (engine) => {
    const record = full(now)
    const rivals = Array.from({ length: WRITERS }, (_, i) => ({ ...record, data: JSON.stringify({ i }) }))
    const won = await race(rivals, (rival) => engine.create(rival))
    assert.equal(won.length, 1)
    assert.deepEqual(plain(await engine.load(record.id)), plain(won[0]))
  })

  row('create: a deadline already in the past is accepted', async (engine) => {
    const record = { ...full(now), expiresAt: now - HOUR }
    assert.equal(await engine.create(record), true)
    await assertGoneOrEqual(engine, record)
  })

  row('replace: writes the whole of next where the version is the given one', async (engine) => {
    const record = full(now)
    await engine.create(record)
    const next = {
      ...bare(now),
      id: record.id,
      version: 2,
      seenAt: record.seenAt + 5,
      expiresAt: record.expiresAt + 5,
    }
    assert.equal(await engine.replace(next, 1), true)
    assert.deepEqual(plain(await engine.load(record.id)), plain(next))
    assert.equal(await engine.replace({ ...full(now), id: record.id, version: 3 }, 2), true)
    assert.equal((await engine.load(record.id))?.version, 3)
  })

  row(
    'replace: moves seenAt and expiresAt forward only, for a touch leaves the version as it is',
    async (engine) => {
      const record = full(now)
      await engine.create(record)
      await engine.touch(record.id, 1, record.seenAt + 5, record.expiresAt + 5)
      assert.equal(await engine.replace({ ...record, version: 2 }, 1), true)
      const stored = await engine.load(record.id)
      assert.equal(stored?.seenAt, record.seenAt + 5)
      assert.equal(stored?.expiresAt, record.expiresAt + 5)
    },
  )

  row('replace: is false at any other version, lower or higher, and changes nothing', async (engine) => {
    const record = { ...full(now), version: 5 }
    await engine.create(record)
    for (const version of [0, 1, 4, 6, 50]) {
      const next = { ...bare(now), id: record.id, version: version + 1 }
      assert.equal(await engine.replace(next, version), false, `at version ${version}`)
    }
    assert.deepEqual(plain(await engine.load(record.id)), plain(record))
  })

  row('replace: the version given decides, not the one that next carries', async (engine) => {
    const record = full(now)
    await engine.create(record)
    assert.equal(await engine.replace({ ...record, version: 1, data: '{"lost":1}' }, 2), false)
    assert.equal(await engine.replace({ ...record, version: 7, data: '{"kept":1}' }, 1), true)
    assert.deepEqual(
      plain(await engine.load(record.id)),
      plain({ ...record, version: 7, data: '{"kept":1}' }),
    )
  })

  row('replace: is false where there is no record, and never inserts', async (engine) => {
    const record = full(now)
    for (const version of [0, 1, 2]) {
      assert.equal(
        await engine.replace({ ...record, version: version + 1 }, version),
        false,
        `at version ${version}`,
      )
    }
    assert.equal(await engine.load(record.id), undefined)
  })

  row('replace: a write opened before a tombstone does not bring the session back', async (engine) => {
    const record = full(now)
    await engine.create(record)
    assert.equal(await engine.replace(tombstone(record), 1), true)
    assert.equal(await engine.replace({ ...record, version: 2, data: '{"late":true}' }, 1), false)
    assert.deepEqual(plain(await engine.load(record.id)), plain(tombstone(record)))
  })

  row('replace: exactly one of many at once wins, and the others leave no trace', async (engine) => {
    const record = full(now)
    await engine.create(record)
    const rivals = Array.from({ length: WRITERS }, (_, i) => ({
      ...record,
      version: 2,
      userId: `user-${i}`,
      seenAt: now + i,
      data: JSON.stringify({ i }),
    }))
    const won = await race(rivals, (rival) => engine.replace(rival, 1))
    assert.equal(won.length, 1)
    assert.deepEqual(plain(await engine.load(record.id)), plain(won[0]))
  })

  row('replace: no increment is lost when every loser loads again and retries', async (engine) => {
    const record = { ...full(now), data: '{"n":0}' }
    await engine.create(record)
    async function increment(): Promise<void> {
      for (;;) {
        const seen = await engine.load(record.id, { fresh: true })
        assert.ok(seen)
        const data = JSON.stringify({ n: JSON.parse(seen.data).n + 1 })
        if (await engine.replace({ ...seen, version: seen.version + 1, data }, seen.version)) return
      }
    }
    await Promise.all(Array.from({ length: WRITERS }, increment))
    const { data, version } = (await engine.load(record.id))!
    assert.deepEqual({ data, version }, { data: `{"n":${WRITERS}}`, version: WRITERS + 1 })
  })

  row('replace and touch: what was written is read at once', async (engine) => {
    let record: SessionRecord = full(now)
    await engine.create(record)
    for (let version = 1; version <= 10; version++) {
      const next = { ...record, version: version + 1, data: JSON.stringify({ version }) }
      assert.equal(await engine.replace(next, version), true)
      assert.deepEqual(plain(await engine.load(record.id)), plain(next))
      record = { ...next, seenAt: next.seenAt + 1, expiresAt: next.expiresAt + 1 }
      await engine.touch(record.id, record.version, record.seenAt, record.expiresAt)
      assert.deepEqual(plain(await engine.load(record.id)), plain(record))
    }
  })

  row('touch: moves seenAt and expiresAt, and nothing else, not even the version', async (engine) => {
    const record = full(now)
    await engine.create(record)
    const moved = { seenAt: record.seenAt + 60_000, expiresAt: record.expiresAt + 60_000 }
    assert.equal(await engine.touch(record.id, 1, moved.seenAt, moved.expiresAt), true)
    assert.deepEqual(plain(await engine.load(record.id)), plain({ ...record, ...moved }))
    assert.equal(await engine.replace({ ...record, ...moved, version: 2 }, 1), true)
  })

  row('touch: moves each time forward only, whatever the other does', async (engine) => {
    const record = full(now)
    await engine.create(record)
    const { id, seenAt, expiresAt } = record
    await engine.touch(id, 1, seenAt - 1, expiresAt - 1)
    assert.deepEqual(plain(await engine.load(id)), plain(record))
    await engine.touch(id, 1, seenAt + 1, expiresAt - 1)
    assert.deepEqual(plain(await engine.load(id)), plain({ ...record, seenAt: seenAt + 1 }))
    await engine.touch(id, 1, seenAt - 1, expiresAt + 1)
    const moved = { ...record, seenAt: seenAt + 1, expiresAt: expiresAt + 1 }
    assert.deepEqual(plain(await engine.load(id)), plain(moved))
  })

  row('touch: does nothing to any other version, lower or higher', async (engine) => {
    const record = { ...full(now), version: 5 }
    await engine.create(record)
    for (const version of [0, 1, 4, 6, 50])
      assert.equal(await engine.touch(record.id, version, now + HOUR, now + 9 * HOUR), false)
    assert.deepEqual(plain(await engine.load(record.id)), plain(record))
  })

  row('touch: does nothing to a tombstone that replaced the version touched', async (engine) => {
    const record = full(now)
    await engine.create(record)
    await engine.replace(tombstone(record), 1)
    await engine.touch(record.id, 1, now + HOUR, now + 9 * HOUR)
    assert.deepEqual(plain(await engine.load(record.id)), plain(tombstone(record)))
  })

  row('touch: inserts nothing', async (engine) => {
    const { id } = full(now)
    await engine.touch(id, 1, now, now + HOUR)
    await engine.touch(id, 0, now, now + HOUR)
    assert.equal(await engine.load(id), undefined)
  })

  row('one verb touches one key: neighbours stay as they are', async (engine) => {
    const [a, b] = [full(now), full(now)]
    for (const record of [a, b]) await engine.create(record)
    await engine.replace(tombstone(a), 1)
    await engine.touch(a.id, 2, now + HOUR, now + 9 * HOUR)
    await engine.replaceUser(ledger(a.userId!, 1, now), 0)
    assert.deepEqual(plain(await engine.load(b.id)), plain(b))
  })

  row('a record is a value: changing what went in or came out changes nothing stored', async (engine) => {
    const expected = full(now)
    const given = structuredClone(expected)
    await engine.create(given)
    vandalise(given)
    assert.deepEqual(
      plain(await engine.load(expected.id)),
      plain(expected),
      'after changing what create was given',
    )
    vandalise((await engine.load(expected.id))!)
    assert.deepEqual(
      plain(await engine.load(expected.id)),
      plain(expected),
      'after changing what load returned',
    )
    const next = structuredClone({ ...expected, version: 2 })
    await engine.replace(next, 1)
    vandalise(next)
    assert.equal(
      (await engine.load(expected.id))?.data,
      expected.data,
      'after changing what replace was given',
    )
    await engine.touch(expected.id, 2, now + 1, expected.expiresAt + 1)
    vandalise((await engine.load(expected.id))!)
    const touched = { ...expected, version: 2, seenAt: now + 1, expiresAt: expected.expiresAt + 1 }
    assert.deepEqual(plain(await engine.load(expected.id)), plain(touched), 'after a touch')
    const user = ledger('ada', 1, now)
    await engine.replaceUser(structuredClone(user), 0)
    vandalise((await engine.loadUser('ada'))!)
    assert.deepEqual(
      plain(await engine.loadUser('ada')),
      plain(user),
      'after changing what loadUser returned',
    )
  })

  row('__proto__ and constructor are names like any other', async (engine) => {
    const names = '{"__proto__":"a","constructor":"b","toString":"c","":"d"}'
    const record = {
      ...full(now),
      bound: JSON.parse(names),
      data: `{"__proto__":{"isAdmin":true},"constructor":1}`,
    }
    await engine.create(record)
    await engine.touch(record.id, 1, record.seenAt + 1, record.expiresAt + 1)
    const found = (await engine.load(record.id))!
    assert.equal(JSON.stringify(found.bound), names)
    assert.equal(found.data, record.data)
    assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined)
  })

  row('odd text comes back as it was, in every field that holds text', async (engine) => {
    for (const text of ODD_TEXTS) {
      const record: SessionRecord = {
        ...full(now),
        userId: text,
        methods: [text, text],
        client: { ip: text, userAgent: text },
        bound: { [text]: text },
        data: JSON.stringify({ [text]: text }),
      }
      assert.equal(await engine.create(record), true)
      assert.equal(JSON.stringify(await sorted(engine.load(record.id))), JSON.stringify(await sorted(record)))
    }
  })

  row('a user id of null and one of "" or "null" are three', async (engine) => {
    for (const userId of [null, '', 'null']) {
      const record = { ...full(now), userId }
      await engine.create(record)
      assert.equal((await engine.load(record.id))?.userId, userId)
    }
  })

  row('data of 64 KiB comes back whole', async (engine) => {
    for (const text of ['x', '"', 'é', '🙂']) {
      const record = {
        ...full(now),
        data: JSON.stringify({ text: text.repeat(65_536 / Buffer.byteLength(text)) }),
      }
      assert.equal(await engine.create(record), true)
      assert.equal((await engine.load(record.id))?.data, record.data)
      assert.equal(await engine.replace({ ...record, version: 2 }, 1), true)
      assert.equal((await engine.load(record.id))?.data, record.data)
    }
  })

  row('an id that looks like a path or a statement is only an id', async (engine) => {
    const bystander = full(now)
    await engine.create(bystander)
    for (const id of ODD_TEXTS) {
      assert.equal(await engine.load(id), undefined, JSON.stringify(id))
      assert.equal(await engine.replace({ ...full(now), id, version: 2 }, 1), false, JSON.stringify(id))
      await engine.touch(id, 1, now + HOUR, now + 9 * HOUR)
    }
    const records = ODD_TEXTS.map((id) => ({ ...full(now), id }))
    for (const record of records) assert.equal(await engine.create(record), true, JSON.stringify(record.id))
    for (const record of records) assert.deepEqual(plain(await engine.load(record.id)), plain(record))
    assert.deepEqual(plain(await engine.load(bystander.id)), plain(bystander))
  })

  row('loadUser: a ledger that is not there is undefined, not an error', async (engine) => {
    assert.equal(await engine.loadUser('nobody'), undefined)
    assert.equal(await engine.loadUser('constructor'), undefined)
  })

  row('replaceUser: version 0 inserts, and every field comes back as it was', async (engine) => {
    const filled = ledger('ada', 1, now)
    const { credentialAt: _, ...untold } = ledger('grace', 1, now)
    const empty = { ...untold, notBefore: 0, credential: null, sessions: [], ending: [] }
    for (const user of [filled, empty]) {
      assert.equal(await engine.replaceUser(user, 0), true)
      assert.deepEqual(plain(await engine.loadUser(user.userId)), plain(user))
    }
  })

  row('replaceUser: version 0 is false when there is a ledger, and changes nothing', async (engine) => {
    const user = ledger('ada', 1, now)
    await engine.replaceUser(user, 0)
    assert.equal(await engine.replaceUser({ ...user, notBefore: 0, sessions: [] }, 0), false)
    assert.deepEqual(plain(await engine.loadUser('ada')), plain(user))
  })

  row('replaceUser: any other version swaps that version only, and never inserts', async (engine) => {
    const user = ledger('ada', 1, now)
    assert.equal(await engine.replaceUser({ ...user, version: 2 }, 1), false)
    assert.equal(await engine.loadUser('ada'), undefined)
    await engine.replaceUser(user, 0)
    for (const version of [2, 3])
      assert.equal(await engine.replaceUser({ ...user, notBefore: 0 }, version), false)
    assert.deepEqual(plain(await engine.loadUser('ada')), plain(user))
    const next: UserLedger = {
      ...user,
      version: 2,
      notBefore: now,
      credential: null,
      sessions: [],
      ending: [{ id: 'x', reason: 'limit' }],
    }
    assert.equal(await engine.replaceUser(next, 1), true)
    assert.equal(await engine.replaceUser({ ...user, version: 2 }, 1), false)
    assert.deepEqual(plain(await engine.loadUser('ada')), plain(next))
  })

  row('replaceUser: exactly one of many at once wins, at the insert and at a swap', async (engine) => {
    for (const version of [0, 1]) {
      const rivals = Array.from({ length: WRITERS }, (_, i) => ({
        ...ledger('ada', version + 1, now),
        notBefore: i,
      }))
      const won = await race(rivals, (rival) => engine.replaceUser(rival, version))
      assert.equal(won.length, 1, `at version ${version}`)
      assert.deepEqual(plain(await engine.loadUser('ada')), plain(won[0]))
    }
  })

  row('users whose ids differ in anything, case or a trailing space, are different users', async (engine) => {
    const users = ODD_TEXTS.map((userId, i) => ({ ...ledger(userId, 1, now), notBefore: i }))
    for (const user of users)
      assert.equal(await engine.replaceUser(user, 0), true, JSON.stringify(user.userId))
    for (const user of users) assert.deepEqual(plain(await engine.loadUser(user.userId)), plain(user))
  })

  row('user ids that UTF-8 can not tell apart are kept apart, or refused by throwing', async (engine) => {
    const [a, b] = [ledger('\ud800', 1, now), { ...ledger('\ud801', 1, now), notBefore: 1 }]
    for (const user of [a, b]) {
      const written = await attempt(() => engine.replaceUser(user, 0))
      if (written !== undefined) assert.equal(written, true)
      if (written !== undefined) assert.deepEqual(plain(await engine.loadUser(user.userId)), plain(user))
    }
    assert.notEqual((await attempt(() => engine.loadUser('\ufffd')))?.version, 1)
  })

  row('a user and a session of the same name have nothing to do with each other', async (engine) => {
    const record = { ...full(now), id: 'same', userId: 'same' }
    const user = ledger('same', 1, now)
    await engine.create(record)
    assert.equal(await engine.loadUser('same'), undefined)
    assert.equal(await engine.replaceUser(user, 0), true)
    await engine.replace(tombstone(record), 1)
    assert.deepEqual(plain(await engine.loadUser('same')), plain(user))
  })

  row('scan: visits every record, page by page, and ends', async (engine) => {
    if (engine.scan === undefined) return
    const records = Array.from({ length: 25 }, (_, i) => (i % 3 === 0 ? bare(now) : full(now)))
    for (const record of records) await engine.create(record)
    await engine.replaceUser(ledger('ada', 1, now), 0)
    for (const limit of [1, 7, 25, 100]) {
      const seen = await scanAll(engine, limit, records.length)
      for (const record of records) assert.deepEqual(plain(seen.get(record.id)), plain(record), `by ${limit}`)
      assert.equal(seen.size, records.length)
    }
  })

  row(
    'scan: misses no record that was there all the time, whatever happens to it between pages',
    async (engine) => {
      if (engine.scan === undefined) return
      const records = Array.from({ length: 12 }, () => full(now))
      for (const record of records) await engine.create(record)
      const unchanged = new Set(records.map(({ id }) => id))
      const seen = await scanAll(engine, 2, 100, async (page) => {
        for (const { id, version } of [...page, records.at(-1)!]) {
          if (!unchanged.delete(id)) continue
          await engine.replace({ ...full(now), id, version: version + 1 }, version)
          await engine.create(full(now))
        }
      })
      for (const { id } of records) assert.ok(seen.has(id))
    },
  )

  row('scan: where leaves out nothing that fits, whatever else it leaves out', async (engine) => {
    if (engine.scan === undefined) return
    const records = searchable(now)
    for (const record of records) await engine.create(record)
    for (const where of FILTERS(now)) {
      for (const limit of [1, 4, 100]) {
        const seen = await scanAll(engine, limit, records.length, undefined, where)
        for (const record of records.filter((each) => fits(each, where)))
          assert.deepEqual(plain(seen.get(record.id)), plain(record), JSON.stringify([where, limit]))
      }
    }
  })

  row('sweep: deletes records and ledgers at or past their time, and nothing else', async (engine) => {
    const at = now + HOUR
    const expiresAt = [at - 1, at, at + 1, at + HOUR]
    const records = expiresAt.map((time, i) => ({ ...(i % 2 ? full(now) : bare(now)), expiresAt: time }))
    const users = expiresAt.map((time) => ({ ...ledger(`until ${time}`, 1, now), expiresAt: time }))
    for (const record of records) await engine.create(record)
    for (const user of users) await engine.replaceUser(user, 0)
    const swept = await engine.sweep(at, 100)
    if (!nativeExpiry) assert.equal(swept, 4)
    for (const record of records) {
      if (record.expiresAt > at) assert.deepEqual(plain(await engine.load(record.id)), plain(record))
      else if (!nativeExpiry) assert.equal(await engine.load(record.id), undefined)
    }
    for (const user of users) {
      if (user.expiresAt > at) assert.deepEqual(plain(await engine.loadUser(user.userId)), plain(user))
      else if (!nativeExpiry) assert.equal(await engine.loadUser(user.userId), undefined)
    }
    if (!nativeExpiry) assert.equal(await engine.sweep(at, 100), 0)
  })

  row(
    'sweep: deletes no more than its limit, records and ledgers together, and says how many',
    async (engine) => {
      for (let i = 0; i < 5; i++) await engine.create({ ...full(now), expiresAt: now - HOUR })
      for (let i = 0; i < 5; i++)
        await engine.replaceUser({ ...ledger(`user-${i}`, 1, now), expiresAt: now - HOUR }, 0)
      const counts = []
      for (const limit of [3, 3, 3, 3, 3]) counts.push(await engine.sweep(now, limit))
      if (nativeExpiry) for (const count of counts) assert.ok(count >= 0 && count <= 3)
      else assert.deepEqual(counts, [3, 3, 3, 1, 0])
    },
  )

  row('sweep: goes by the deadline in force, which replace and touch have moved', async (engine) => {
    const [shortened, touched, prolonged] = [full(now), full(now), full(now)]
    for (const record of [shortened, touched, prolonged]) await engine.create(record)
    await engine.touch(touched.id, 1, now, now + 5 * HOUR)
    await engine.replace({ ...prolonged, version: 2, expiresAt: now + 5 * HOUR }, 1)
    await engine.replace({ ...tombstone(shortened), expiresAt: now + 60_000 }, 1)
    await engine.replaceUser(ledger('ada', 1, now), 0)
    await engine.replaceUser({ ...ledger('ada', 2, now), expiresAt: now + 5 * HOUR }, 1)
    const swept = await engine.sweep(now + 2 * HOUR, 100)
    if (!nativeExpiry) assert.equal(swept, 1)
    if (!nativeExpiry) assert.equal(await engine.load(shortened.id), undefined)
    assert.equal((await engine.load(touched.id))?.expiresAt, now + 5 * HOUR)
    assert.equal((await engine.load(prolonged.id))?.expiresAt, now + 5 * HOUR)
    assert.equal((await engine.loadUser('ada'))?.version, 2)
  })

  row('sweep: what it deleted stays deleted: no replace or touch brings it back', async (engine) => {
    const record = { ...full(now), expiresAt: now - HOUR }
    const user = { ...ledger('ada', 1, now), expiresAt: now - HOUR }
    await engine.create(record)
    await engine.replaceUser(user, 0)
    await engine.sweep(now, 100)
    if (nativeExpiry) return
    assert.equal(await engine.replace({ ...record, version: 2, expiresAt: now + HOUR }, 1), false)
    await engine.touch(record.id, 1, now, now + HOUR)
    assert.equal(await engine.load(record.id), undefined)
    assert.equal(await engine.replaceUser({ ...user, version: 2, expiresAt: now + HOUR }, 1), false)
    assert.equal(await engine.loadUser('ada'), undefined)
    assert.equal(await engine.create({ ...record, expiresAt: now + HOUR }), true)
  })
}

let drawn = 0

function newId(): string {
  drawn += 1
  const random = Math.random().toString(36).slice(2)
  return `${drawn}-${random}`.padEnd(22, '_').slice(0, 22)
}

/** A user's session with no field empty. */
function full(now: number): SessionRecord {
  return {
    id: newId(),
    version: 1,
    userId: 'ada@example.com',
    era: 2,
    secrets: { current: 'c'.repeat(43), parent: 'p'.repeat(43) },
    createdAt: now - 3,
    renewedAt: now - 2,
    seenAt: now - 1,
    authenticatedAt: now - 3,
    methods: ['pwd', 'otp'],
    level: 2,
    remembered: true,
    expiresAt: now + HOUR,
    ended: null,
    client: { ip: '2001:db8::1', userAgent: 'Mozilla/5.0 "quoted" \\ é 🙂' },
    bound: { ip: '2001:db8::/64', 'user-agent': 'firefox/linux' },
    data: '{"cart":[1,2,3],"name":"Zoë","note":"a\\u0000b \\" \\\\ \\ud800"}',
  }
}

/** A visitor's session with every field as empty as it gets, and without those that may be missing. */
function bare(now: number): SessionRecord {
  const { level: _, ...record } = full(now)
  return {
    ...record,
    userId: null,
    era: 0,
    secrets: { current: 'c'.repeat(43), parent: null },
    authenticatedAt: null,
    methods: [],
    remembered: false,
    client: {},
    bound: {},
    data: '{}',
  }
}

function tombstone(record: SessionRecord): SessionRecord {
  const { version, seenAt } = record
  const secrets = { current: '', parent: null }
  return {
    ...record,
    version: version + 1,
    secrets,
    bound: {},
    data: '{}',
    ended: { reason: 'logout', at: seenAt },
  }
}

function ledger(userId: string, version: number, now: number): UserLedger {
  return {
    userId,
    version,
    notBefore: now - HOUR,
    credential: 'f'.repeat(43),
    credentialAt: now - HOUR,
    sessions: [
      { id: 'a'.repeat(22), until: now + HOUR },
      { id: 'b'.repeat(22), until: now + 2 * HOUR },
    ],
    ending: [{ id: 'e'.repeat(22), reason: 'revoked' }],
    expiresAt: now + HOUR,
  }
}

/** Records that differ in what can be searched for, in odd ways, too. */
function searchable(now: number): SessionRecord[] {
  const clients = [
    { ip: '192.0.2.1', userAgent: 'Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0' },
    { ip: '192.0.20.1', userAgent: 'Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0' },
    { ip: '2001:db8::1', userAgent: 'ÄPFEL "quoted" \\ 100%_sure 🙂' },
    { ip: '2001:db8:1::1' },
    { userAgent: '"ip":"192.0.2.1' },
    {},
  ]
  return clients.flatMap((client, index) => [
    { ...full(now), client, createdAt: now - index * 1_000 },
    { ...bare(now), client, createdAt: now - index * 1_000 },
    { ...tombstone({ ...full(now), client, createdAt: now - index * 1_000 }), version: 1 },
  ])
}

const FILTERS = (now: number): RecordFilter[] => [
  {},
  { live: true },
  ...['192.0.2.', '192.0.2.1', '2001:db8:', '', '%', '"', "'"].map((ipStarts) => ({ ipStarts })),
  ...[['FIREFOX'], ['edg', 'firefox'], ['äpfel'], ['100%_'], ['"quoted" \\'], ['%'], ['_'], ["'"], []].map(
    (any) => ({
      userAgentHas: [any],
    }),
  ),
  { userAgentHas: [['mozilla'], ['chrome', 'linux']] },
  { createdFrom: now - 2_000 },
  { createdUntil: now - 2_000 },
  { createdFrom: now - 3_000.5, createdUntil: now - 999.5 },
  { live: true, ipStarts: '192.', userAgentHas: [['o']], createdFrom: now - 1_000, createdUntil: now },
]

/** Runs a write for each of the rivals at once. @returns those whose write was true */
async function race<T>(rivals: readonly T[], write: (rival: T) => MaybePromise<boolean>): Promise<T[]> {
  const results = await Promise.all(rivals.map(async (rival) => write(rival)))
  for (const result of results) assert.equal(typeof result, 'boolean')
  return rivals.filter((_, i) => results[i])
}

async function attempt<T>(verb: () => MaybePromise<T>): Promise<T | undefined> {
  try {
    return await verb()
  } catch {
    return undefined
  }
}

async function scanAll(
  engine: Engine,
  limit: number,
  most: number,
  between: (page: readonly SessionRecord[]) => Promise<void> = async () => {},
  where?: RecordFilter,
): Promise<Map<string, SessionRecord>> {
  const seen = new Map<string, SessionRecord>()
  let cursor: string | undefined
  for (let page = 0; page <= 10 * most + 10; page++) {
    const { records, next } = await engine.scan!({
      limit,
      ...(cursor === undefined ? {} : { cursor }),
      ...(where === undefined ? {} : { where }),
    })
    for (const record of records) seen.set(record.id, record)
    await between(records)
    if (next === undefined) return seen
    cursor = next
  }
  throw new assert.AssertionError({ message: 'the scan does not end' })
}

/** Changes whatever can be changed, at every level; frozen values just stay. */
function vandalise(value: object): void {
  for (const name of Object.keys(value)) {
    const inner: unknown = Reflect.get(value, name)
    if (typeof inner === 'object' && inner !== null) vandalise(inner)
    Reflect.set(value, name, 'vandalised')
  }
  Reflect.set(value, 'added', 'vandalised')
}

/** Levels what engines may differ in: the prototype, and `-0`. */
function plain<T>(value: T): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

/** With the record's own fields in one order: engines may return them in another. */
async function sorted(record: MaybePromise<SessionRecord | undefined>): Promise<unknown> {
  const found = await record
  return found && Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
}
