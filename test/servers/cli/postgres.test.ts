/** The audit log in PostgreSQL, and the command line on a PostgreSQL that holds sessions and log. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { auditSchema, auditTo, readAuditKey } from '../../../src/audit/audit.ts'
import { postgresStore } from '../../../src/audit/postgres.ts'
import { verifyLog } from '../../../src/audit/verify.ts'
import { postgres } from '../../../src/engines/postgres.ts'
import { eventOf, KEY } from '../../audit/fixtures.ts'
import { App, AUDIT_KEY, holdfast, linesOf } from '../../cli/support.ts'
import { databaseOf, missing, PostgresServer } from '../postgres/server.ts'

describe('PostgreSQL', { skip: missing, timeout: 240_000 }, async () => {
  let server: PostgresServer
  const scope = { endings: [] as (() => unknown)[], after: (work: () => unknown) => scope.endings.push(work) }
  test.before(async () => {
    server = await PostgresServer.start(scope)
  })
  test.after(async () => {
    for (const end of scope.endings) await end()
  })

  async function written(count: number, options = {}) {
    const url = await server.database()
    const pool = server.pool(url)
    const audit = auditTo(pool, options)
    for (let n = 1; n <= count; n++) audit.onEvent(eventOf({ id: `process.${n}` }))
    await audit.close()
    const store = postgresStore(pool, null, { create: false })
    return { url, pool, store, query: (text: string) => server.query(text, databaseOf(url)) }
  }

  test('what is written verifies, whatever a client sent, by pg and by postgres.js', async () => {
    const { url, store } = await written(600, { key: KEY })
    const sql = server.sql(url)
    const audit = auditTo(sql as never, { key: KEY, server: 'web-2' })
    audit.onEvent(eventOf({ userAgent: 'a\r\n\u0000\u001b[2J\ud800"\\', path: '/last' }))
    await audit.close()
    const { rows, flaws } = await verifyLog(store, readAuditKey(KEY))
    assert.deepEqual([rows, flaws], [601, []])
    const [last] = await store.read(600, 10)
    assert.equal(JSON.parse(last!.entry).userAgent, 'a\r\n\u0000\u001b[2J\ud800"\\')
  })

  const attempts = {
    update: "UPDATE holdfast_audit SET entry = '{}' WHERE seq = 2",
    delete: 'DELETE FROM holdfast_audit WHERE seq = 2',
    truncate: 'TRUNCATE holdfast_audit',
    upsert: "INSERT INTO holdfast_audit VALUES (2, '{}', '') ON CONFLICT (seq) DO UPDATE SET entry = '{}'",
    'insert before': "INSERT INTO holdfast_audit VALUES (0, '{}', '')",
    'insert behind a gap': "INSERT INTO holdfast_audit VALUES (9, '{}', '')",
  }
  for (const [what, text] of Object.entries(attempts)) {
    test(`it only grows: ${what}`, async () => {
      const { store, query } = await written(3)
      await assert.rejects(query(text), /append-only/)
      const { rows, flaws } = await verifyLog(store, null)
      assert.deepEqual([rows, flaws], [3, []])
    })
  }

  test('ASVS 16.4.2 whoever removes the triggers is found by the chain', async () => {
    for (const [text, flaw] of [
      ["UPDATE holdfast_audit SET entry = replace(entry, 'ada', 'eve') WHERE seq = 2", 'changed 2'],
      ['DELETE FROM holdfast_audit WHERE seq = 2', 'missing 2'],
    ] as const) {
      const { store, query } = await written(3, { key: KEY })
      await query('ALTER TABLE holdfast_audit DISABLE TRIGGER ALL')
      await query(text)
      const { flaws } = await verifyLog(store, readAuditKey(KEY))
      assert.deepEqual(
        flaws.map(({ kind, seq }) => `${kind} ${seq}`),
        [flaw],
      )
    }
  })

  test('a role that may only look and append writes, and can not change', async () => {
    const { url, query } = await written(1)
    const role = `writer_${process.pid}`
    await query(`CREATE ROLE ${role} LOGIN; GRANT SELECT, INSERT ON holdfast_audit TO ${role}`)
    const pool = server.pool(url.replace('postgres@', `${role}@`))
    const audit = auditTo(pool)
    for (let n = 0; n < 3; n++) audit.onEvent(eventOf())
    await audit.close()
    assert.equal((await postgresStore(pool, null, { create: false }).head()).seq, 4)
    await assert.rejects(pool.query('ALTER TABLE holdfast_audit DISABLE TRIGGER ALL'), /must be owner/)
    await assert.rejects(pool.query('DELETE FROM holdfast_audit'), /permission denied/)
  })

  test('auditSchema() makes the table, twice without harm', async () => {
    const url = await server.database()
    for (let time = 0; time < 2; time++) await server.query(auditSchema(), databaseOf(url))
    const audit = auditTo(server.pool(url))
    audit.onEvent(eventOf())
    await audit.close()
  })

  test('several processes make one chain, and one table', async () => {
    const url = await server.database()
    const child = fileURLToPath(new URL('./append-child.ts', import.meta.url))
    const args = ['--conditions=holdfast-source', child, url, '100']
    const children = [1, 2, 3].map(() =>
      spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    const ended = children.map((each) => once(each, 'exit'))
    await Promise.all(children.map((each) => once(each.stdout, 'data')))
    for (const each of children) each.stdin.end('go')
    assert.deepEqual(await Promise.all(ended), [
      [0, null],
      [0, null],
      [0, null],
    ])
    const { rows, flaws } = await verifyLog(postgresStore(server.pool(url), null, { create: false }), null)
    assert.deepEqual([rows, flaws], [300, []])
  })

  test('the command line: sessions and log on one server', async (t: TestContext) => {
    const url = await server.database()
    const env = { HOLDFAST_STORE: url, HOLDFAST_AUDIT: url, AUDIT_KEY }
    const none = await holdfast(['list'], { env })
    assert.deepEqual([none.exit, none.stdout], [3, ''], 'looking makes no tables')
    const unmade = await holdfast(['audit', 'tail'], { env })
    assert.deepEqual([unmade.exit, unmade.stdout], [3, ''])
    assert.match(unmade.stderr, /there is no table public\.holdfast_audit/)
    const made = await holdfast(['migrate'], { env })
    assert.equal(made.exit, 0, made.stderr)
    const app = new App(t, {}, () => postgres(server.pool(url)))
    const { id, token } = await app.login('ada')
    await app.login('bob')
    const listed = await holdfast(['list', '--json'], { env })
    assert.deepEqual(
      linesOf(listed.stdout)
        .map(({ userId }) => userId)
        .sort(),
      ['ada', 'bob'],
    )
    const revoked = await holdfast(['revoke', '--id', id, '--yes', '--audit', url], { env })
    assert.equal(revoked.stdout, '1 session ended\n', revoked.stderr)
    await app.ask({ cookie: token }, (session) => assert.equal(session.userId, null))
    const stats = JSON.parse((await holdfast(['stats', '--json'], { env })).stdout)
    assert.deepEqual([stats.live, stats.ended], [1, { revoked: 1 }])
    const tail = await holdfast(['audit', 'tail', '--json'], { env })
    const [event] = linesOf(tail.stdout)
    assert.deepEqual([event.name, event.sessionId], ['session_revoked', id])
    assert.match((await holdfast(['explain', event.id], { env })).stdout, /^name +session_revoked$/m)
    assert.match((await holdfast(['audit', 'verify'], { env })).stdout, /^whole: 1 row, head 1:/)
    assert.match((await holdfast(['sweep'], { env })).stdout, /^0 deleted$/m)
  })

  test('a server that is down: events wait, and are written when it is back', async (t: TestContext) => {
    const said = t.mock.method(console, 'error', () => {})
    const { pool, store } = await written(1)
    const audit = auditTo(pool)
    await server.kill()
    for (let n = 0; n < 3; n++) audit.onEvent(eventOf())
    await assert.rejects(audit.flush(), { code: 'ERR_ENGINE' })
    const down = await holdfast(['audit', 'tail'], { env: { HOLDFAST_AUDIT: server.url('postgres') } })
    assert.deepEqual([down.exit, down.stdout], [3, ''])
    await server.restart()
    await audit.close()
    const { rows, flaws } = await verifyLog(store, null)
    assert.deepEqual([rows, flaws, audit.lost], [4, [], 0])
    void said
  })
})
