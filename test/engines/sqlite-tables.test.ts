/** Where SQLite keeps a session, and how a file of the first version becomes one of the second. */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { emptyLedger } from '../../src/core/ledger.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { placeOf, prepareAll } from '../../src/engines/sqlite-tables.ts'
import { recordOf, refusal } from '../core/fixtures.ts'
import { makeVersion1 } from './sqlite-version-1.ts'

/** Two of the first 160 million of such names that have one place. */
const [FIRST, SECOND] = ['id-1fbmdj', 'id-22wv7w']

let folder: string
let files = 0
const newFile = () => join(folder, `${++files}.db`)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tables-'))
})
after(() => rm(folder, { recursive: true, force: true }))

describe('sqlite: a place', () => {
  test('is what it was when the files were written', () => {
    assert.deepEqual(
      ['', 'a', 'AAAAAAAAAAAAAAAAAAAAAA', 'x0Vn-3q_Zk7dMSWB2m9yTg', '"\\ud800"'].map(placeOf),
      [4005573543169985, 3564032869835195, 2434034014360854, 221746295220827, 2463754802483829],
    )
  })

  test('is a whole number of 52 bits, of which each is set as often as not', () => {
    const places = Array.from({ length: 4_000 }, (_, index) => placeOf(`session ${index}`))
    assert.ok(places.every((place) => Number.isSafeInteger(place) && place >= 0))
    for (let bit = 0; bit < 52; bit++) {
      const set = places.filter((place) => Math.floor(place / 2 ** bit) % 2 === 1).length
      // Six standard deviations.
      assert.ok(Math.abs(set - 2_000) < 190, `bit ${bit}: ${set} of 4000`)
    }
  })

  test('that is taken is no session of whoever else has it', async () => {
    assert.equal(placeOf(FIRST), placeOf(SECOND))
    const engine = sqlite(':memory:')
    const first = recordOf({ id: FIRST })
    assert.equal(await engine.create(first), true)
    assert.equal(await engine.create(recordOf({ id: SECOND })), false)
    assert.equal(await engine.load(SECOND), undefined)
    assert.equal(
      await engine.replace({ ...first, id: SECOND, version: first.version + 1 }, first.version),
      false,
    )
    assert.equal(await engine.touch(SECOND, first.version, first.seenAt + 1, first.expiresAt + 1), false)
    assert.deepEqual(await engine.load(FIRST), first)
  })

  test('leads to its row by one tree', () => {
    const database = new DatabaseSync(':memory:')
    sqlite(database)
    const { load, replace, touch } = prepareAll(database)
    for (const { sourceSQL } of [load, replace, touch]) {
      const plan = database.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all()
      assert.deepEqual(
        plan.map(({ detail }) => detail),
        ['SEARCH holdfast_sessions USING INTEGER PRIMARY KEY (rowid=?)'],
      )
    }
  })
})

describe('sqlite: a file of the first version', () => {
  const ids = ['a', '"', '\ud800', ...Array.from({ length: 300 }, (_, index) => `session ${index}`)]
  const records = ids.map((id, index) => recordOf({ id, userId: `user ${index}`, expiresAt: 1_000 + index }))
  const ledgers = ids.map((_, index) => ({ ...emptyLedger(`user ${index}`), version: 3, expiresAt: 9_000 }))

  test('keeps every session and ledger as it was, and serves', async () => {
    const file = newFile()
    makeVersion1(file, records, ledgers)
    const engine = sqlite(file)
    for (const record of records) assert.deepEqual(await engine.load(record.id), record)
    for (const ledger of ledgers) assert.deepEqual(await engine.loadUser(ledger.userId), ledger)
    const scanned = new Set((await engine.scan!({ limit: 1_000 })).records.map(({ id }) => id))
    assert.deepEqual(scanned, new Set(ids))
    assert.equal(await engine.create(records[0]!), false)
    const { version } = records[0]!
    assert.equal(
      await engine.replace({ ...records[0]!, version: version + 1, expiresAt: 9_000 }, version),
      true,
    )
    assert.equal(await engine.sweep(1_099, 1_000), 99, 'all but the one that was written anew')
    engine.close?.()
    const again = new DatabaseSync(file)
    const { n, v } = again.prepare('SELECT count(*) AS n, max(version) AS v FROM holdfast_schema').get()!
    assert.deepEqual([n, v], [1, 2])
    assert.equal(again.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok')
    again.close()
  })

  test('is read by a connection of yours whose rows are arrays, and whose integers are bigints', async () => {
    const file = newFile()
    makeVersion1(file, records)
    for (let time = 0; time < 2; time++) {
      const database = new DatabaseSync(file, { readBigInts: true, returnArrays: true } as object)
      assert.deepEqual(await sqlite(database).load('a'), records[0])
      database.close()
    }
  })

  test('of two sessions that had one place keeps one, and opens', async () => {
    const file = newFile()
    makeVersion1(
      file,
      [FIRST, SECOND].map((id) => recordOf({ id })),
    )
    const engine = sqlite(file)
    const found = await Promise.all([FIRST, SECOND].map((id) => engine.load(id)))
    assert.equal(found.filter((record) => record !== undefined).length, 1)
    engine.close?.()
  })

  test('migrate: false refuses it, says what to do, and leaves it as it is', async () => {
    const file = newFile()
    makeVersion1(file, records)
    const before = await readFile(file)
    assert.throws(
      () => sqlite(file, { migrate: false }),
      refusal('ERR_OPTION', /of version 1, and 2 is needed: run npx holdfast migrate/),
    )
    assert.deepEqual(await readFile(file), before)
  })

  test('stays of the first version, whole, when the way to the second fails', () => {
    const file = newFile()
    makeVersion1(file, records)
    const database = new DatabaseSync(file)
    // What the second version makes on its way is there, and is somebody else's.
    database.exec('CREATE TABLE holdfast_sessions_by_place (mine)')
    assert.throws(() => sqlite(database), refusal('ERR_OPTION', /already exists/))
    assert.equal(database.prepare('SELECT version FROM holdfast_schema').get()!.version, 1)
    assert.equal(database.prepare('SELECT count(*) AS n FROM holdfast_sessions').get()!.n, ids.length)
    assert.equal(database.isTransaction, false)
    database.close()
  })
})
