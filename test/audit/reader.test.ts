/** Events read back from an audit log. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { auditTo } from 'holdfast/audit'
import { openSqliteStore } from '../../src/audit/sqlite.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { eventOf } from './fixtures.ts'

function fileOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'audit.db')
}

test('events of a session, of a user, of a name, newest first, in pages', async (t) => {
  const audit = auditTo(fileOf(t))
  for (let index = 0; index < 30; index++) {
    const [userId, name] =
      index % 3 === 0 ? (['bob', 'session_logout'] as const) : (['ada', 'session_renewed'] as const)
    audit.onEvent(eventOf({ id: `e${index}`, userId, name, sessionId: `${userId}-${index % 2}` }))
  }
  await audit.flush()
  const { reader } = audit
  const all: string[] = []
  let before: number | null = null
  do {
    const page = await reader.find({ userId: 'bob', limit: 3, before })
    all.push(...page.entries.map(({ id }) => id))
    before = page.next
  } while (before !== null)
  assert.deepEqual(all, ['e27', 'e24', 'e21', 'e18', 'e15', 'e12', 'e9', 'e6', 'e3', 'e0'])
  const idsOf = async (query: object) => (await reader.find(query)).entries.map(({ id }) => id)
  assert.deepEqual(await idsOf({ sessionId: 'bob-1' }), ['e27', 'e21', 'e15', 'e9', 'e3'])
  assert.deepEqual(await idsOf({ sessionId: 'bob-1', userId: 'ada' }), [])
  assert.deepEqual(await idsOf({ name: 'session_logout', limit: 2 }), ['e27', 'e24'])
  assert.deepEqual(await idsOf({ userId: 'ada', name: 'session_logout' }), [])
  assert.deepEqual(await idsOf({ userId: 'nobody' }), [])
  assert.deepEqual(
    (await reader.after(28, 10)).map(({ entry }) => entry.id),
    ['e28', 'e29'],
  )
  assert.equal(await reader.last(), 30)
  for (const query of [{ limit: 0 }, { limit: 1_001 }, { userId: 7 }, { before: -1 }])
    await assert.rejects(reader.find(query as never), TypeError)
  await audit.close()
})

test('a log from before there were indexes gets them, verifies as before, and is read by them', async (t) => {
  const file = fileOf(t)
  const first = auditTo(file)
  first.onEvent(eventOf({ id: 'one' }))
  await first.close()
  const database = new DatabaseSync(file)
  database.exec('DROP INDEX holdfast_audit_session; DROP INDEX holdfast_audit_user')
  const second = auditTo(file)
  second.onEvent(eventOf({ id: 'two', userId: 'bob' }))
  await second.flush()
  assert.deepEqual(
    (await second.reader.find({ userId: 'ada' })).entries.map(({ id }) => id),
    ['one'],
  )
  await second.close()
  const { rows, flawCount } = await verifyLog(openSqliteStore(file), null)
  assert.deepEqual({ rows, flawCount }, { rows: 2, flawCount: 0 })
  // EXPLAIN alone goes by the tables as this connection has seen them last.
  assert.equal(database.prepare('SELECT count(*) AS n FROM holdfast_audit').get()!.n, 2)
  const plan = database
    .prepare(`EXPLAIN QUERY PLAN SELECT seq FROM holdfast_audit WHERE
      CASE WHEN json_valid(entry) THEN json_extract(entry, '$.userId') END = 'ada' AND seq < 9 ORDER BY seq DESC`)
    .all()
  assert.match(JSON.stringify(plan), /holdfast_audit_user/)
  database.close()
})

test('a row that somebody made no event of is passed over, and keeps no other from being written', async (t) => {
  const file = fileOf(t)
  const audit = auditTo(file)
  for (const id of ['one', 'two', 'three']) audit.onEvent(eventOf({ id }))
  await audit.close()
  const database = new DatabaseSync(file)
  database.exec(
    'DROP TRIGGER holdfast_audit_update; DROP INDEX holdfast_audit_session; DROP INDEX holdfast_audit_user',
  )
  database.exec(
    "UPDATE holdfast_audit SET entry = '{broken' WHERE seq = 1; UPDATE holdfast_audit SET entry = 'null' WHERE seq = 2",
  )
  database.close()
  const again = auditTo(file)
  again.onEvent(eventOf({ id: 'four' }))
  await again.flush()
  assert.deepEqual(
    (await again.reader.find({})).entries.map(({ id }) => id),
    ['four', 'three'],
  )
  assert.deepEqual(
    (await again.reader.find({ userId: 'ada' })).entries.map(({ id }) => id),
    ['four', 'three'],
  )
  await again.close()
})
