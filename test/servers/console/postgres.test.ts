/** The console on PostgreSQL: searches among many sessions, one session's life from an audit log there. */

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { auditTo } from 'holdfast/audit'
import type { SessionDetail } from '../../../src/console/api.ts'
import { postgres } from '../../../src/engines/postgres.ts'
import { assertQuick, fill, MANY, said, searchMany } from '../../console/many.ts'
import { place, read, revoke } from '../../console/support.ts'
import { missing, PostgresServer } from '../postgres/server.ts'

const server = missing ? null! : await PostgresServer.start({ after })

describe('the console on PostgreSQL', { skip: missing }, () => {
  test(`${MANY} sessions: a search is answered within 200 ms, and others are served meanwhile`, async (t) => {
    const engine = postgres(server.pool(await server.database()))
    await using site = await place({ engine })
    const operator = await site.login('op')
    await fill(engine)
    const lines = await searchMany(operator)
    for (const line of lines) t.diagnostic(said(line))
    for (const line of lines) assertQuick(line)
  })

  test("one session's life is in the audit log, with whoever ended it", async () => {
    const pool = server.pool(await server.database())
    const audit = auditTo(pool)
    await using site = await place({ engine: postgres(pool), audit })
    const operator = await site.login('op')
    await site.login('a "quoted" \\ user \u{1F642}')
    await site.login('ada')
    const id = (await site.sessions.list('ada'))[0]!.id
    await revoke(operator, { ids: [id] })
    await audit.flush()
    const life = await read<SessionDetail>(operator, `sessions/${id}`)
    assert.deepEqual(
      [life.session, life.state, life.ended?.reason, life.complete],
      [null, 'ended', 'revoked', true],
    )
    const told = life.events.map(({ name, userId, actor }) => [name, userId, actor])
    assert.deepEqual(told, [
      ['session_created', 'ada', null],
      ['authn_login_success', 'ada', null],
      ['session_revoked', 'ada', 'op'],
    ])
    const odd = await audit.reader.find({ userId: 'a "quoted" \\ user \u{1F642}' })
    assert.deepEqual(
      odd.entries.map(({ name }) => name),
      ['authn_login_success', 'session_created'],
    )
  })

  test('a log from before there were indexes gets them, and goes on in the same chain', async () => {
    const url = await server.database()
    const pool = server.pool(url)
    const first = auditTo(pool)
    first.onEvent({ ...EVENT, id: 'one' })
    await first.close()
    await pool.query('DROP INDEX holdfast_audit_session, holdfast_audit_user')
    const second = auditTo(pool)
    second.onEvent({ ...EVENT, id: 'two' })
    await second.flush()
    const { entries } = await second.reader.find({ userId: 'ada' })
    assert.deepEqual(
      entries.map(({ id }) => id),
      ['two', 'one'],
    )
    const { rows } = await pool.query(
      "SELECT count(*)::int AS n FROM pg_indexes WHERE tablename = 'holdfast_audit'",
    )
    assert.deepEqual(rows, [{ n: 3 }])
    const plan = await pool.query(`SET enable_seqscan = off; EXPLAIN SELECT seq FROM public.holdfast_audit
      WHERE md5(substring(entry from '"userId":("(?:[^"\\\\]|\\\\.)*")')) = md5('"ada"') AND seq < 9 ORDER BY seq DESC LIMIT 1`)
    assert.match(JSON.stringify(plan), /holdfast_audit_user/)
    await second.close()
  })
})

const EVENT = {
  name: 'session_created' as const,
  at: Date.now(),
  sessionId: 'AAAAAAAAAAAAAAAAAAAAAA',
  userId: 'ada',
  actor: null,
  ip: null,
  userAgent: null,
  method: null,
  path: null,
  reason: null,
  code: null,
}
