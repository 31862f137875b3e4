/** The stores that are filled and measured: real servers, and bulk writes that leave what the engines themselves would. @module */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import type { Engine, SessionRecord, UserLedger } from '../../src/core/engine.ts'
import { postgres } from '../../src/engines/postgres.ts'
import { redis } from '../../src/engines/redis.ts'
import { ofLedger, ofRecord, type Write, writeArguments } from '../../src/engines/redis-scripts.ts'
import { fromLedger, fromRecord } from '../../src/engines/rows.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { fromSession, prepareAll } from '../../src/engines/sqlite-tables.ts'
import { databaseOf, PostgresServer } from '../../test/servers/postgres/server.ts'
import { type Scope, temporaryFolder } from '../../test/servers/process.ts'
import { startRedis } from '../../test/servers/redis/server.ts'

export type StoreName = 'sqlite' | 'redis' | 'postgres'

/** One store, empty at first, with a process of its own where it is a server. */
export interface Store {
  readonly engine: Engine
  /** Names the place for another process. */
  readonly place: string
  /** Writes many at once. */
  write(records: readonly SessionRecord[], ledgers: readonly UserLedger[]): Promise<void>
  /** Leaves the store as it is after some days: checkpointed, analysed. */
  settle(): Promise<void>
  /** Processor time of the server so far, in µs; 0 where there is none. */
  cpu(): number
  /** What it occupies, by part. */
  bytes(): Promise<Record<string, number>>
}

export const STORES: Readonly<Record<StoreName, (scope: Scope) => Promise<Store>>> = {
  sqlite: async (scope) => {
    const place = join(temporaryFolder(scope, 'scale'), 'sessions.db')
    const engine = sqlite(place)
    scope.after(() => engine.close?.())
    const database = new DatabaseSync(place)
    scope.after(() => database.close())
    database.exec('PRAGMA synchronous = off; PRAGMA cache_size = -400000')
    const { create, createUser } = prepareAll(database)
    return {
      engine,
      place,
      async write(records, ledgers) {
        database.exec('BEGIN')
        for (const record of records) create.run(...fromSession(record))
        for (const ledger of ledgers) createUser.run(...fromLedger(ledger))
        database.exec('COMMIT')
      },
      async settle() {
        database.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory')
      },
      cpu: () => 0,
      bytes: async () => ({ file: statSync(place).size }),
    }
  },

  redis: async (scope) => {
    const server = await startRedis(scope, 'redis', '--enable-debug-command', 'local')
    const client = new Redis(server.port, '127.0.0.1', { enableAutoPipelining: true })
    scope.after(() => client.disconnect())
    const put = (key: string, write: Write) => {
      const [, value = ''] = writeArguments(write)
      return ['set', key, value, 'PXAT', String(write.expiresAt)]
    }
    return {
      engine: redis(client),
      place: String(server.port),
      async write(records, ledgers) {
        const sessions = records.map((record) => put(`holdfast:s:${record.id}`, ofRecord(record, null)))
        const users = ledgers.map((ledger) => put(`holdfast:u:${ledger.userId}`, ofLedger(ledger, null)))
        for (const [error] of (await client.pipeline([...sessions, ...users]).exec()) ?? [])
          if (error) throw error
      },
      settle: async () => {},
      cpu: () => processorTime([server.process.pid]),
      bytes: async () => ({
        used_memory: Number(/used_memory:(\d+)/.exec(String(await server.ask('INFO', 'memory')))![1]),
      }),
    }
  },

  postgres: async (scope) => {
    const server = await PostgresServer.start(scope, ['-c', 'shared_buffers=3GB', '-c', 'max_wal_size=4GB'])
    const postmaster = Number(
      readFileSync(join(server.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0],
    )
    const place = await server.database()
    const pool = server.pool(place)
    const engine = postgres(pool)
    await engine.load('makes the tables')
    const insert = (table: string, columns: string, types: readonly string[]) => {
      const rows = types.map((type, index) => `$${index + 1}::${type}[]`).join(', ')
      return `INSERT INTO ${table} (${columns}) SELECT * FROM unnest(${rows})`
    }
    const sessions = insert('holdfast_sessions', 'version, user_id, seen_at, expires_at, record, id', [
      'bigint',
      'text',
      'bigint',
      'bigint',
      'text',
      'text',
    ])
    const users = insert('holdfast_users', 'version, expires_at, ledger, user_id', [
      'bigint',
      'bigint',
      'text',
      'text',
    ])
    const write = async (text: string, rows: readonly (readonly unknown[])[]) => {
      if (rows.length > 0)
        await pool.query(
          text,
          rows[0]!.map((_, column) => rows.map((row) => row[column])),
        )
    }
    return {
      engine,
      place,
      async write(records, ledgers) {
        await write(sessions, records.map(fromRecord))
        await write(users, ledgers.map(fromLedger))
      },
      settle: async () => {
        await server.query('VACUUM ANALYZE', databaseOf(place))
        await server.query('CHECKPOINT')
      },
      cpu: () => processorTime([postmaster, ...childrenOf(postmaster)]),
      async bytes() {
        const [row] = await server.query(
          `SELECT pg_table_size('holdfast_sessions') AS sessions, pg_indexes_size('holdfast_sessions') AS indexes,
             pg_total_relation_size('holdfast_users') AS users`,
          databaseOf(place),
        )
        return Object.fromEntries(Object.entries(row!).map(([part, size]) => [part, Number(size)]))
      },
    }
  },
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** To the nanosecond, of every thread, where `/proc/PID/stat` counts hundredths of a second. */
function processorTime(pids: readonly number[]): number {
  let total = 0
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
  }
  return total / 1000
}
