/** The near cache over PostgreSQL, whose trigger tells of changes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pool } from 'pg'
import { nearCache } from '../../../src/engines/near-cache.ts'
import { postgres } from '../../../src/engines/postgres.ts'
import {
  type ListeningPool,
  postgresChannel,
  postgresTrigger,
} from '../../../src/engines/postgres-channel.ts'
import { CARELESS, databaseOf, missing, PostgresServer } from '../postgres/server.ts'
import { type Scope, scopeOf } from '../process.ts'
import { eventually, nearCacheSuite } from './suite.ts'

const TABLES = { schema: 'public', prefix: 'my sessions' }

function poolOf(scope: Scope, connectionString: string): Pool {
  const pool = new Pool({ connectionString, max: 4 })
  pool.on('error', () => {})
  scope.after(() => pool.end())
  return pool
}

if (!missing) {
  nearCacheSuite('postgres through pg', false, async (scope) => {
    const server = await PostgresServer.start(scope, [...CARELESS, '-c', 'max_connections=200'])
    const database = databaseOf(await server.database())
    const ask = (text: string) => server.query(text, database)
    return {
      port: server.port,
      async engine(inner, port) {
        const engine = postgres(poolOf(inner, server.url(database, port)), TABLES)
        await engine.load('a')
        return engine
      },
      channel: async (inner, port) => postgresChannel(poolOf(inner, server.url(database, port)), TABLES),
      async empty() {
        for (const table of ['my sessions_sessions', 'my sessions_users']) {
          const [found] = await ask(`SELECT to_regclass('"${table}"') AS name`)
          if (found!.name !== null) await ask(`TRUNCATE "${table}"`)
        }
      },
      async remove(id) {
        await ask(`DELETE FROM "my sessions_sessions" WHERE id = '${id.replaceAll("'", "''")}'`)
      },
      async restart() {
        await server.kill()
        await server.restart()
      },
    }
  })

  test('a role that may make no trigger is told so; when its owner has made it, it is used', async (context) => {
    const t = scopeOf((work) => context.after(work))
    const server = await PostgresServer.start(t)
    const database = databaseOf(await server.database())
    const ask = (text: string) => server.query(text, database)
    await postgres(poolOf(t, server.url(database))).load('a')
    await ask(
      `CREATE ROLE app LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app`,
    )
    const pool = poolOf(t, server.url(database).replace('postgres@', 'app@'))
    const near = nearCache(postgres(pool, { migrate: false }), { channel: postgresChannel(pool) })
    t.after(() => near.close?.())
    await eventually(
      () => !near.stats().up && /permission denied|must be owner/.test(near.stats().problem ?? ''),
    )
    assert.equal(await near.load('a'), undefined)
    await ask(postgresTrigger())
    await ask(postgresTrigger())
    await eventually(() => near.stats().up)
  })

  test('channels whose tables are not there yet wait for them, and several make one trigger', async (context) => {
    const t = scopeOf((work) => context.after(work))
    const server = await PostgresServer.start(t)
    const url = await server.database()
    const nears = Array.from({ length: 4 }, () => {
      const pool = poolOf(t, url)
      const near = nearCache(postgres(pool), { channel: postgresChannel(pool) })
      t.after(() => near.close?.())
      return near
    })
    await eventually(() => nears.every((near) => /does not exist/.test(near.stats().problem ?? '')))
    for (const near of nears) await near.load('a')
    await eventually(() => nears.every((near) => near.stats().up))
    const [count] = await server.query(
      "SELECT count(*)::int AS n FROM pg_trigger WHERE tgname LIKE 'holdfast_%'",
      databaseOf(url),
    )
    assert.equal(count!.n, 2)
  })
}

test('what is no pool, or one of a single connection, is refused', () => {
  for (const [pool, complaint] of [
    [null, /expected a Pool of pg/],
    [{}, /expected a Pool of pg/],
    [new Pool({ max: 1 }), /max 2 or more/],
  ] as [ListeningPool, RegExp][]) {
    assert.throws(() => postgresChannel(pool), { code: 'ERR_OPTION', message: complaint })
  }
})
