/** The tables of the SQLite engine: their schema and its statements. @module */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { SessionRecord } from '../core/engine.ts'
import type { RecordFilter } from '../core/filter.ts'
import { conditionOf, SQLITE } from './record-filter.ts'
import { type SessionRow, toRecord } from './rows.ts'

/** Entry `n` brings the tables from version `n` to `n + 1`. Entries that were published are never changed. */
const MIGRATIONS = [
  `CREATE TABLE holdfast_sessions (
     id TEXT NOT NULL PRIMARY KEY,
     version INTEGER NOT NULL,
     user_id TEXT,
     seen_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     record TEXT NOT NULL
   ) STRICT;
   CREATE INDEX holdfast_sessions_expires_at ON holdfast_sessions (expires_at);
   CREATE TABLE holdfast_users (
     user_id TEXT NOT NULL PRIMARY KEY,
     version INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     ledger TEXT NOT NULL
   ) STRICT;
   CREATE INDEX holdfast_users_expires_at ON holdfast_users (expires_at);`,
]

const COLUMNS = 'id, version, user_id, seen_at, expires_at, record'

const VERBS = {
  load: `SELECT ${COLUMNS} FROM holdfast_sessions WHERE id = ?`,
  create: `INSERT INTO holdfast_sessions (version, user_id, seen_at, expires_at, record, id)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  replace: `UPDATE holdfast_sessions
    SET version = ?, user_id = ?, seen_at = max(seen_at, ?), expires_at = max(expires_at, ?), record = ?
    WHERE id = ? AND version = ?`,
  touch: `UPDATE holdfast_sessions SET seen_at = max(seen_at, ?), expires_at = max(expires_at, ?)
    WHERE id = ? AND version = ?`,
  loadUser: 'SELECT user_id, version, expires_at, ledger FROM holdfast_users WHERE user_id = ?',
  createUser: `INSERT INTO holdfast_users (version, expires_at, ledger, user_id)
    VALUES (?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING`,
  replaceUser: `UPDATE holdfast_users SET version = ?, expires_at = ?, ledger = ?
    WHERE user_id = ? AND version = ?`,
  scan: `SELECT ${COLUMNS} FROM holdfast_sessions WHERE id > ? ORDER BY id LIMIT ?`,
  sweep: `DELETE FROM holdfast_sessions WHERE rowid IN
    (SELECT rowid FROM holdfast_sessions WHERE expires_at <= ? LIMIT ?)`,
  sweepUsers: `DELETE FROM holdfast_users WHERE rowid IN
    (SELECT rowid FROM holdfast_users WHERE expires_at <= ? LIMIT ?)`,
} as const

export type Statements = Record<keyof typeof VERBS, StatementSync>

/** Reads the tables' version without a lock, and takes one only when there is something to make. */
export function migrate(database: DatabaseSync): void {
  if (schemaVersion(database) === MIGRATIONS.length) return
  database.exec('BEGIN IMMEDIATE')
  try {
    for (const step of MIGRATIONS.slice(schemaVersion(database))) database.exec(step)
    database.exec(`
      CREATE TABLE IF NOT EXISTS holdfast_schema (version INTEGER NOT NULL) STRICT;
      DELETE FROM holdfast_schema;
      INSERT INTO holdfast_schema VALUES (${MIGRATIONS.length});
      COMMIT`)
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** Only looks. @throws when the tables aren't there, or are of another version */
export function demandTables(database: DatabaseSync): void {
  const version = schemaVersion(database)
  if (version === MIGRATIONS.length) return
  throw new Error(
    version === 0
      ? 'it holds no sessions; npx holdfast migrate makes the tables'
      : `its tables are of version ${version}, and ${MIGRATIONS.length} is needed: run npx holdfast migrate`,
  )
}

function schemaVersion(database: DatabaseSync): number {
  const table = database.prepare(
    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'holdfast_schema'",
  )
  if (table.get() === undefined) return 0
  const row = configure(database.prepare('SELECT version FROM holdfast_schema')).get() as { version: number }
  if (row.version <= MIGRATIONS.length) return row.version
  throw new Error(
    `its tables are of version ${row.version}, and this package knows ${MIGRATIONS.length}; update holdfast`,
  )
}

export function prepareAll(database: DatabaseSync): Statements {
  const prepared = Object.entries(VERBS).map(([verb, sql]) => [verb, configure(database.prepare(sql))])
  return Object.fromEntries(prepared) as Statements
}

const WINDOW = `SELECT max(rowid) AS last, count(*) AS count FROM
  (SELECT rowid FROM holdfast_sessions WHERE rowid > ? ORDER BY rowid LIMIT ?)`

/**
 * Looks at the next `limit` records, in the order in which they lie in the file: by their ids it would take three times as
 * long. Only VACUUM changes that order; a search under way then may miss some.
 */
export function search(
  database: DatabaseSync,
  where: RecordFilter,
  cursor: string,
  limit: number,
): { records: SessionRecord[]; next?: string } {
  const after = Number(cursor)
  const { last, count } = configure(database.prepare(WINDOW)).get(after, limit) as Record<string, number>
  if (count === 0) return { records: [] }
  const { text, values } = conditionOf(where, SQLITE, 1)
  const statement = `SELECT ${COLUMNS} FROM holdfast_sessions WHERE rowid > ? AND rowid <= ? AND ${text}`
  const rows = configure(database.prepare(statement)).all(after, last!, ...values) as unknown as SessionRow[]
  return { records: rows.map(toRecord), ...(count! < limit ? {} : { next: String(last) }) }
}

/** Undoes what a foreign connection may have as its default. */
function configure(statement: StatementSync): StatementSync {
  statement.setReadBigInts(false)
  statement.setReturnArrays(false)
  return statement
}

/** @returns the first column of a pragma's answer */
export function pragma(database: DatabaseSync, text: string): unknown {
  return Object.values(configure(database.prepare(`PRAGMA ${text}`)).get() ?? {})[0]
}
