/** The tables: made by whoever comes first, migrated, named, and looked after by somebody who is not the server. */

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Engine } from '../../../src/core/engine.ts'
import { postgres, postgresSchema } from '../../../src/engines/postgres.ts'
import { recordOf } from '../../core/fixtures.ts'
import { databaseOf, missing, PostgresServer } from './server.ts'

const server = missing ? null! : await PostgresServer.start({ after })

async function works(engine: Engine, id: string): Promise<void> {
  const record = recordOf({ id, version: 1 })
  assert.equal(await engine.create(record), true)
  assert.equal(await engine.replace({ ...record, version: 2 }, 1), true)
  assert.equal(await engine.touch(id, 2, record.seenAt + 1, record.expiresAt + 1), true)
  assert.equal((await engine.load(id))?.expiresAt, record.expiresAt + 1)
  assert.equal((await engine.loadUser('nobody')) ?? 0, 0)
  assert.equal(await engine.sweep(record.expiresAt + 1, 10), 1)
}

describe('postgres: its tables', { skip: missing }, () => {
  for (const isolation of ['read committed', 'serializable']) {
    test(`eight processes come to an empty database at once (${isolation}): one schema, all serve`, async () => {
      const url = await server.database()
      const options = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`
      const engines = Array.from({ length: 8 }, () => postgres(server.pool(url, { max: 2, options })))
      const created = await Promise.all(engines.map((engine) => engine.create(recordOf())))
      assert.equal(created.filter(Boolean).length, 1)
      const rows = await server.query('SELECT version FROM holdfast_schema', databaseOf(url))
      assert.deepEqual(rows, [{ version: 1 }])
    })
  }

  test('with migrate: false, and a role that may make nothing, they are made by the script', async () => {
    const url = await server.database()
    const database = databaseOf(url)
    await server.query('CREATE ROLE app LOGIN', database)
    const engine = postgres(server.pool(url.replace('postgres@', 'app@')), { migrate: false })
    await assert.rejects(async () => engine.load('x'), { code: 'ERR_ENGINE', message: /postgresSchema\(\)/ })
    await server.query(postgresSchema(), database)
    const grant = 'GRANT SELECT, INSERT, UPDATE, DELETE ON holdfast_sessions, holdfast_users TO app'
    await server.query(`${grant}; GRANT SELECT ON holdfast_schema TO app`, database)
    // Nobody had to start it again.
    await works(engine, 'one')
    // And who might migrate has nothing to do, so the missing rights don't matter.
    await works(postgres(server.pool(url.replace('postgres@', 'app@'))), 'two')
  })

  test('the script may run again: what is there stays as it is', async () => {
    const url = await server.database()
    const engine = postgres(server.pool(url))
    await engine.create(recordOf())
    for (let run = 0; run < 2; run++) await server.query(postgresSchema(), databaseOf(url))
    assert.equal((await engine.load(recordOf().id))?.userId, 'ada')
    const rows = await server.query('SELECT version FROM holdfast_schema', databaseOf(url))
    assert.deepEqual(rows, [{ version: 1 }])
  })

  test('tables of a newer version are refused, by the engine and by the script, and nothing is changed', async () => {
    const url = await server.database()
    await postgres(server.pool(url)).load('x')
    await server.query('UPDATE holdfast_schema SET version = 2', databaseOf(url))
    for (const migrate of [true, false]) {
      const engine = postgres(server.pool(url), { migrate })
      const newer = { code: 'ERR_ENGINE', message: /are of version 2, and this package knows 1/ }
      await assert.rejects(async () => engine.create(recordOf()), newer)
      await assert.rejects(async () => engine.create(recordOf()), newer)
    }
    await assert.rejects(server.query(postgresSchema(), databaseOf(url)), /version 2/)
    assert.deepEqual(await server.query('SELECT * FROM holdfast_sessions', databaseOf(url)), [])
  })

  test('a script that fails half-way leaves nothing, and postgres.js no broken connection', async () => {
    const url = await server.database()
    await server.query('CREATE TABLE holdfast_users (mine integer)', databaseOf(url))
    const engine = postgres(server.sql(url, { max: 1 }))
    await assert.rejects(async () => engine.load('x'), {
      code: 'ERR_ENGINE',
      message: /"holdfast_users" already exists/,
    })
    const tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert.deepEqual(await server.query(tables, databaseOf(url)), [{ tablename: 'holdfast_users' }])
    await server.query('DROP TABLE holdfast_users', databaseOf(url))
    await works(engine, 'one')
  })

  test('R-41 names are quoted, with the schema, and no search_path leads elsewhere', async () => {
    const url = await server.database()
    const database = databaseOf(url)
    await server.query('CREATE SCHEMA "Mein Schema"; CREATE SCHEMA evil', database)
    await server.query(postgresSchema({ schema: 'evil' }), database)
    const pool = server.pool(url, { options: '-c search_path=evil,public' })
    const [plain, named] = [postgres(pool), postgres(pool, { schema: 'Mein Schema', prefix: 'Sitzungen-1' })]
    await plain.create(recordOf({ userId: 'plain' }))
    await named.create(recordOf({ userId: 'named' }))
    assert.equal((await plain.load(recordOf().id))?.userId, 'plain')
    assert.equal((await named.load(recordOf().id))?.userId, 'named')
    const count = async (table: string) =>
      (await server.query(`SELECT count(*)::int AS n FROM ${table}`, database))[0]!.n
    assert.equal(await count('evil.holdfast_sessions'), 0)
    assert.equal(await count('public.holdfast_sessions'), 1)
    assert.equal(await count('"Mein Schema"."Sitzungen-1_sessions"'), 1)
  })
})
