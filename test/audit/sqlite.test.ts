/** The audit log in SQLite: it only grows, several processes make one chain, and what is lost is counted. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type AuditOptions, auditTo, readAuditKey } from '../../src/audit/audit.ts'
import { openSqliteStore } from '../../src/audit/sqlite.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { createSessions } from '../../src/create-sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { eventOf, KEY } from './fixtures.ts'

const root = join(import.meta.dirname, '../..')

function fileOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-audit-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'audit.db')
}

async function written(t: TestContext, count: number, options: AuditOptions = {}): Promise<string> {
  const file = fileOf(t)
  const audit = auditTo(file, options)
  for (let n = 1; n <= count; n++) audit.onEvent(eventOf({ id: `process.${n}` }))
  await audit.close()
  return file
}

async function entriesOf(file: string) {
  const store = openSqliteStore(file)
  const rows = await store.read(0, 100_000)
  await store.close()
  return rows.map(({ entry }) => JSON.parse(entry))
}

async function verify(file: string, key?: string) {
  const store = openSqliteStore(file)
  const verdict = await verifyLog(store, key === undefined ? null : readAuditKey(key))
  await store.close()
  return verdict
}

describe('a log whose key is forgotten, or another', () => {
  for (const [what, begun, given, words] of [
    ['forgotten', { key: KEY }, {}, /sealed with a key, and none was given/],
    ['another', { key: KEY }, { key: KEY.replace('A', 'B') }, /not sealed with this key/],
    ['new', {}, { key: KEY }, /not sealed with this key/],
  ] as const) {
    test(`${what}: nothing is added, and it stays whole`, async (t) => {
      const said = t.mock.method(console, 'error', () => {})
      const file = await written(t, 3, begun)
      const audit = auditTo(file, given)
      assert.doesNotThrow(() => audit.onEvent(eventOf()), 'no request fails')
      await assert.rejects(audit.flush(), { code: 'ERR_OPTION', message: words })
      await assert.rejects(audit.close(), { code: 'ERR_OPTION' })
      assert.equal(audit.lost, 1)
      assert.match(String(said.mock.calls.at(-1)!.arguments[0]), /1 events are lost/)
      const { rows, flawCount } = await verify(file, begun.key)
      assert.deepEqual([rows, flawCount], [3, 0])
    })
  }
  test('by itself, too, and standard error says so', async (t) => {
    const said = Promise.withResolvers<string>()
    t.mock.method(console, 'error', said.resolve)
    const file = await written(t, 1, { key: KEY })
    const audit = auditTo(file)
    audit.onEvent(eventOf())
    assert.match(await said.promise, /sealed with a key, and none was given.*; 1 events wait/)
    await assert.rejects(audit.close())
  })
  test('one whose last row lost the row before it goes on, and so does an empty one', async (t) => {
    const file = await written(t, 3, { key: KEY })
    const database = new DatabaseSync(file)
    database.exec('DROP TRIGGER holdfast_audit_delete; DELETE FROM holdfast_audit WHERE seq = 2')
    database.close()
    for (const each of [file, await written(t, 0)]) {
      const audit = auditTo(each, { key: KEY })
      audit.onEvent(eventOf())
      await audit.close()
    }
    assert.equal((await verify(file, KEY)).rows, 3)
  })
})

describe('what is written', () => {
  test('ASVS 16.2.1 16.2.2 an event: who, what, when in UTC, where', async (t) => {
    const file = fileOf(t)
    const audit = auditTo(file, { server: 'web-1' })
    audit.onEvent(eventOf({ reason: 'pwd otp' }))
    await audit.close()
    assert.deepEqual(await entriesOf(file), [
      {
        at: '2026-01-02T03:04:05.000Z',
        id: 'process.1',
        name: 'session_created',
        server: 'web-1',
        userId: 'ada',
        sessionId: 'AAAAAAAAAAAAAAAAAAAAAA',
        actor: null,
        ip: '192.0.2.1',
        userAgent: 'UA',
        method: 'POST',
        path: '/login',
        reason: 'pwd otp',
        code: null,
      },
    ])
  })

  test('the events of real sessions, in their order', async (t) => {
    const file = fileOf(t)
    const audit = auditTo(file)
    const sessions = createSessions({ engine: memory(), keys: [KEY], onEvent: audit.onEvent })
    const session = await sessions.open({
      method: 'POST',
      origin: 'https://example.com',
      path: '/login',
      search: '',
      ip: '192.0.2.1',
      now: Date.now(),
      header: (name) => (name === 'origin' ? 'https://example.com' : null),
      field: () => null,
    })
    session.authenticate('ada')
    await sessions.commit(session)
    await sessions.revoke({ userId: 'ada' })
    await audit.close()
    const names = (await entriesOf(file)).map(({ name }) => name)
    assert.deepEqual(names, ['session_created', 'authn_login_success', 'session_revoked'])
  })

  test('ASVS 16.4.1 no text of a client ends a row, a line or a string', async (t) => {
    const file = fileOf(t)
    const audit = auditTo(file)
    const evil = 'a\r\n{"forged":1}\u0000\u001b[2J\u009b\u2028\ud800"\\'
    audit.onEvent(eventOf({ userId: evil, userAgent: evil, path: evil, reason: evil, method: evil }))
    audit.onEvent(eventOf({ path: 'x'.repeat(100_000) }))
    await audit.close()
    const store = openSqliteStore(file)
    const rows = await store.read(0, 10)
    await store.close()
    assert.equal(rows.length, 2)
    for (const { entry } of rows) assert.doesNotMatch(entry, /[\u0000-\u001f]/)
    const [entry] = rows.map(({ entry }) => JSON.parse(entry))
    assert.equal(entry.path, evil.replace('\ud800', '\\ud800').replace('\\ud800', '\ud800'))
    assert.ok(rows[1]!.entry.length < 4_000)
    assert.equal((await verify(file)).flawCount, 0)
  })

  test('what a client sent instead of a string is nothing, and keeps no event out of the log', async (t) => {
    const file = fileOf(t)
    const audit = auditTo(file)
    for (const value of [{ a: 1 }, { length: 1, toString: 1 }, ['x'.repeat(50_000)], 7, undefined]) {
      const odd = value as unknown as string
      audit.onEvent(eventOf({ userId: odd, userAgent: odd, path: odd, reason: odd, method: odd }))
    }
    await audit.close()
    const told = (await entriesOf(file)).map((entry) => [
      entry.userId,
      entry.userAgent,
      entry.path,
      entry.reason,
    ])
    assert.deepEqual(told, Array(5).fill([null, null, null, null]))
  })

  test('the file is for its owner alone', { skip: process.platform === 'win32' }, async (t) => {
    assert.equal(statSync(await written(t, 1)).mode & 0o777, 0o600)
  })

  test('opened again it goes on where it was', async (t) => {
    const file = await written(t, 3, { key: KEY })
    const audit = auditTo(file, { key: KEY })
    audit.onEvent(eventOf())
    await audit.close()
    const { rows, flawCount } = await verify(file, KEY)
    assert.deepEqual([rows, flawCount], [4, 0])
  })

  test('your own connection stays open, and its transactions are waited for', async (t) => {
    const database = new DatabaseSync(fileOf(t))
    t.after(() => database.close())
    const audit = auditTo(database)
    database.exec('CREATE TABLE mine (n); BEGIN; INSERT INTO mine VALUES (1)')
    audit.onEvent(eventOf())
    const flushed = audit.flush()
    setTimeout(() => database.exec('ROLLBACK'), 50)
    await flushed
    await audit.close()
    const count = (table: string) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get()!.n
    assert.deepEqual([count('holdfast_audit'), count('mine')], [1, 0])
  })
})

describe('it only grows', () => {
  const attempts = {
    update: "UPDATE holdfast_audit SET entry = '{}' WHERE seq = 2",
    delete: 'DELETE FROM holdfast_audit WHERE seq = 2',
    'delete all': 'DELETE FROM holdfast_audit',
    replace: "INSERT OR REPLACE INTO holdfast_audit VALUES (2, '{}', '')",
    upsert: "INSERT INTO holdfast_audit VALUES (2, '{}', '') ON CONFLICT DO UPDATE SET entry = '{}'",
    'insert before': "INSERT INTO holdfast_audit VALUES (0, '{}', '')",
    'insert behind a gap': "INSERT INTO holdfast_audit VALUES (9, '{}', '')",
  }
  for (const [what, sql] of Object.entries(attempts)) {
    test(what, async (t) => {
      const file = await written(t, 3)
      const database = new DatabaseSync(file)
      assert.throws(() => database.exec(sql), /append-only/)
      database.close()
      assert.deepEqual([(await verify(file)).rows, (await verify(file)).flawCount], [3, 0])
    })
  }

  test('ASVS 16.4.2 whoever removes the triggers is found by the chain', async (t) => {
    for (const [sql, flaw] of [
      ["UPDATE holdfast_audit SET entry = replace(entry, 'ada', 'eve') WHERE seq = 2", 'changed 2'],
      ['DELETE FROM holdfast_audit WHERE seq = 2', 'missing 2'],
    ] as const) {
      const file = await written(t, 3, { key: KEY })
      const database = new DatabaseSync(file)
      database.exec(`DROP TRIGGER holdfast_audit_update; DROP TRIGGER holdfast_audit_delete; ${sql}`)
      database.close()
      const { flaws } = await verify(file, KEY)
      assert.deepEqual(
        flaws.map(({ kind, seq }) => `${kind} ${seq}`),
        [flaw],
      )
    }
  })
})

describe('several processes', () => {
  test('write one chain, without a gap, and each its own rows in order', { timeout: 120_000 }, async (t) => {
    const file = fileOf(t)
    const child = fileURLToPath(new URL('./child.ts', import.meta.url))
    const options = ['--conditions=holdfast-source', child, file, '200']
    const children = [1, 2, 3].map(() =>
      spawn(process.execPath, options, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    const ended = children.map((each) => once(each, 'exit'))
    await Promise.all(children.map((each) => once(each.stdout, 'data')))
    for (const each of children) each.stdin.end('go')
    assert.deepEqual(await Promise.all(ended), [
      [0, null],
      [0, null],
      [0, null],
    ])
    const { rows, flaws } = await verify(file)
    assert.deepEqual([rows, flaws], [600, []])
    const ids = (await entriesOf(file)).map(({ id }) => id as string)
    for (const pid of new Set(ids.map((id) => id.split('.')[0]))) {
      const own = ids.filter((id) => id.startsWith(`${pid}.`)).map((id) => Number(id.split('.')[1]))
      assert.deepEqual(
        own,
        Array.from({ length: 200 }, (_, n) => n),
      )
    }
    const turns = ids.filter((id, n) => n > 0 && id.split('.')[0] !== ids[n - 1]!.split('.')[0]).length
    assert.ok(turns > 2, `they took ${turns} turns, so nothing was tested`)
  })
})

describe('a store that fails', () => {
  test('what it misses waits; what doesn’t fit is counted, and said in the log itself', async (t) => {
    const said = t.mock.method(console, 'error', () => {})
    const file = await written(t, 1)
    const audit = auditTo(file, { capacity: 5 })
    const lock = new DatabaseSync(file)
    lock.exec('BEGIN IMMEDIATE')
    for (let n = 2; n <= 13; n++) audit.onEvent(eventOf({ id: `process.${n}` }))
    assert.equal(audit.lost, 7)
    await assert.rejects(audit.flush(), { code: 'ERR_ENGINE', message: /audit log \(sqlite\).*locked/ })
    lock.exec('ROLLBACK')
    lock.close()
    await audit.flush()
    audit.onEvent(eventOf({ id: 'process.14' }))
    await audit.close()
    const entries = await entriesOf(file)
    assert.deepEqual(
      entries.map(({ id, name, reason }) => (name === 'audit_events_lost' ? `${reason} lost` : id)),
      [1, 2, 3, 4, 5, 6].map((n) => `process.${n}`).concat('7 lost', 'process.14'),
    )
    assert.ok(said.mock.calls.some(({ arguments: [text] }) => /is full; 1 events are lost/.test(text)))
    assert.equal((await verify(file)).flawCount, 0)
  })

  test('however many wait, others get their turn between the batches', async (t) => {
    const audit = auditTo(fileOf(t))
    for (let n = 0; n < 10 * 256; n++) audit.onEvent(eventOf())
    let turns = 0
    let done = false
    const count = () => {
      turns++
      if (!done) setImmediate(count)
    }
    setImmediate(count)
    await audit.close()
    done = true
    assert.ok(turns >= 9, `${turns} turns`)
  })

  test('by itself it tries again, until it can', async (t) => {
    const said = t.mock.method(console, 'error', () => {})
    const file = await written(t, 1)
    const audit = auditTo(file)
    const lock = new DatabaseSync(file)
    lock.exec('BEGIN IMMEDIATE')
    audit.onEvent(eventOf())
    while (said.mock.callCount() === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    assert.match(said.mock.calls[0]!.arguments[0], /can't be written.*1 events wait, and it is tried again/)
    lock.exec('ROLLBACK')
    lock.close()
    // A timer keeps this process alive, as a server is; the log's own doesn't.
    while ((await entriesOf(file)).length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
    await audit.close()
  })

  test('closed while it fails, it says what is lost', async (t) => {
    t.mock.method(console, 'error', () => {})
    const file = await written(t, 1)
    const audit = auditTo(file)
    const lock = new DatabaseSync(file)
    lock.exec('BEGIN IMMEDIATE')
    for (let n = 0; n < 3; n++) audit.onEvent(eventOf())
    await assert.rejects(audit.close(), { code: 'ERR_ENGINE' })
    lock.close()
    assert.equal(audit.lost, 3)
    audit.onEvent(eventOf())
    assert.equal(audit.lost, 4)
    await audit.close()
  })
})

describe('options', () => {
  const wrong: [target: unknown, options: unknown, message: RegExp][] = [
    ['audit.db', { capacity: 0 }, /capacity: expected a whole number above 0/],
    ['audit.db', { key: 'sesame' }, /auditTo: key: .*32/],
    ['audit.db', { server: 1 }, /server: expected a name/],
    ['audit.db', { nonsense: 1 }, /no option nonsense/],
    [7, {}, /expected the path of a file/],
    ['/', {}, /can't use \//],
    ['/nowhere/audit.db', {}, /can't use \/nowhere\/audit.db/],
  ]
  for (const [target, options, message] of wrong) {
    test(`${target} ${JSON.stringify(options)}`, () => {
      assert.throws(() => auditTo(target as string, options as AuditOptions), { code: 'ERR_OPTION', message })
    })
  }
  test('what is not there is not read, nor made', (t) => {
    const file = fileOf(t)
    assert.throws(() => openSqliteStore(file))
    assert.ok(!existsSync(file))
  })
})
