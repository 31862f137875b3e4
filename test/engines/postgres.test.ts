/** What the PostgreSQL engine refuses, before any server is there; and the clients that it takes, for the compiler. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client, Pool, type PoolClient } from 'pg'
import postgresJs, { type TransactionSql } from 'postgres'
import { type PostgresOptions, postgres, postgresSchema } from '../../src/engines/postgres.ts'

const NOWHERE = 'postgres://nobody@127.0.0.1:1/nothing'

describe('postgres: what it is given', () => {
  test('a Pool of pg, and the sql of postgres.js, neither of which it connects', async () => {
    const pool = new Pool({ connectionString: NOWHERE })
    const sql = postgresJs(NOWHERE)
    const typed = postgresJs(NOWHERE, { types: { bigint: postgresJs.BigInt } })
    for (const client of [pool, sql, typed]) {
      const { name, shared } = postgres(client)
      assert.deepEqual({ name, shared }, { name: 'postgres', shared: true })
    }
    assert.equal(pool.totalCount, 0)
    await pool.end()
  })

  test('nothing that could be inside a transaction', () => {
    // @ts-expect-error - a connection of one's own
    const client = () => postgres(new Client(NOWHERE))
    // @ts-expect-error - a connection that a pool gave
    const poolClient = (given: PoolClient) => postgres(given)
    // @ts-expect-error - what postgres.js gives to a transaction
    const transaction = (given: TransactionSql) => postgres(given)
    assert.throws(client, { code: 'ERR_OPTION', message: /expected a Pool of pg/ })
    assert.throws(() => poolClient(new Client(NOWHERE) as PoolClient), { code: 'ERR_OPTION' })
    const inner = Object.assign(() => {}, { unsafe() {}, savepoint() {} })
    assert.throws(() => transaction(inner as unknown as TransactionSql), { code: 'ERR_OPTION' })
  })

  test('no client at all', () => {
    for (const given of [undefined, null, NOWHERE, {}, { query() {} }, () => {}])
      assert.throws(() => postgres(given as never), { code: 'ERR_OPTION' })
  })

  test('options that there are, of the right type', () => {
    const wrong: [object, RegExp][] = [
      [{ table: 'x' }, /no option table/],
      [{ migrate: 'no' }, /migrate: expected true or false/],
      [{ prepare: 1 }, /prepare: expected true or false/],
      [{ schema: 'app.sessions' }, /schema: expected letters/],
      [{ schema: '' }, /schema/],
      [{ prefix: 'x"; DROP TABLE users; --' }, /prefix/],
      [{ prefix: "x'" }, /prefix/],
      [{ prefix: '$holdfast$' }, /prefix/],
      [{ prefix: 'a\0' }, /prefix/],
      [{ prefix: 7 }, /prefix: .* but got 7/],
      [{ prefix: 'x'.repeat(46) }, /at most 45 bytes/],
      [{ prefix: 'é'.repeat(23) }, /at most 45 bytes/],
      [{ schema: 'x'.repeat(64) }, /at most 63 bytes/],
    ]
    for (const [options, message] of wrong) {
      const pool = new Pool({ connectionString: NOWHERE })
      assert.throws(() => postgres(pool, options as PostgresOptions), { code: 'ERR_OPTION', message })
    }
  })
})

test('R-41 postgresSchema: the tables by their names, quoted and with the schema', () => {
  const text = postgresSchema({ schema: 'Mein Schema', prefix: 'Sitzungen-1' })
  for (const table of ['sessions', 'users', 'schema'])
    assert.ok(text.includes(`CREATE TABLE "Mein Schema"."Sitzungen-1_${table}" (`), table)
  assert.match(postgresSchema(), /CREATE TABLE "public"\."holdfast_sessions" \(/)
  assert.throws(() => postgresSchema({ prefix: '"' }), { code: 'ERR_OPTION' })
})
