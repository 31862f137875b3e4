/** The tables of the SQLite engine: their schema and its statements. @module */

import { hash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { SessionRecord } from '../core/engine.ts'
import type { RecordFilter } from '../core/filter.ts'
import { conditionOf, SQLITE } from './record-filter.ts'
import { fromRecord, type SessionRow, toColumn, toRecord } from './rows.ts'

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

  // One tree where there were two, of ids and of rows: a read finds its row at once. In its order, for pages fill up one by
  // one; of two sessions that had one place, the second is logged out.
  `CREATE TABLE holdfast_sessions_by_place (
     place INTEGER PRIMARY KEY,
     id TEXT NOT NULL,
     version INTEGER NOT NULL,
     user_id TEXT,
     seen_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     record TEXT NOT NULL
   ) STRICT;
   INSERT OR IGNORE INTO holdfast_sessions_by_place
     SELECT holdfast_place(id) AS place, id, version, user_id, seen_at, expires_at, record
     FROM holdfast_sessions ORDER BY place;
   DROP TABLE holdfast_sessions;
   ALTER TABLE holdfast_sessions_by_place RENAME TO holdfast_sessions;
   CREATE INDEX holdfast_sessions_expires_at ON holdfast_sessions (expires_at);`,
]

const COLUMNS = 'id, version, user_id, seen_at, expires_at, record'

const VERBS = {
  load: `SELECT ${COLUMNS} FROM holdfast_sessions WHERE id = ? AND place = ?`,
  create: `INSERT INTO holdfast_sessions (version, user_id, seen_at, expires_at, record, id, place)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (place) DO NOTHING`,
  replace: `UPDATE holdfast_sessions
    SET version = ?, user_id = ?, seen_at = max(seen_at, ?), expires_at = max(expires_at, ?), record = ?
    WHERE id = ? AND place = ? AND version = ?`,
  touch: `UPDATE holdfast_sessions SET seen_at = max(seen_at, ?), expires_at = max(expires_at, ?)
    WHERE id = ? AND place = ? AND version = ?`,
  loadUser: 'SELECT user_id, version, expires_at, ledger FROM holdfast_users WHERE user_id = ?',
  createUser: `INSERT INTO holdfast_users (version, expires_at, ledger, user_id)
    VALUES (?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING`,
  replaceUser: `UPDATE holdfast_users SET version = ?, expires_at = ?, ledger = ?
    WHERE user_id = ? AND version = ?`,
  scan: `SELECT ${COLUMNS} FROM holdfast_sessions WHERE place > ? ORDER BY place LIMIT ?`,
  sweep: `DELETE FROM holdfast_sessions WHERE rowid IN
    (SELECT rowid FROM holdfast_sessions WHERE expires_at <= ? LIMIT ?)`,
  sweepUsers: `DELETE FROM holdfast_users WHERE rowid IN
    (SELECT rowid FROM holdfast_users WHERE expires_at <= ? LIMIT ?)`,
} as const

export type Statements = Record<keyof typeof VERBS, StatementSync>

/** What finds a session's row: its id as a column, and its place. */
export function whereabouts(id: string): readonly [id: string, place: number] {
  const column = toColumn(id)
  return [column, placeOf(column)]
}

/** A session's row, in the order of `create`. */
export function fromSession(record: SessionRecord) {
  const row = fromRecord(record)
  return [...row, placeOf(row[5])] as const
}

/**
 * The number under which a session's row is kept: the first 52 bits of its id's SHA-256, for a number holds 53. Ids are drawn by
 * chance, so nobody can aim at another's place. That a login, among a million sessions, finds its own taken, and so fails,
 * happens once in four billion. Files hold what it says: it can't be changed without a migration.
 */
export function placeOf(id: string): number {
  return Number.parseInt(hash('sha256', id, 'hex').slice(0, 13), 16)
}

/** Reads the tables' version without a lock, and takes one only when there is something to make. */
export function migrate(database: DatabaseSync): void {
  if (schemaVersion(database) === MIGRATIONS.length) return
  database.function('holdfast_place', { deterministic: true }, (id) => placeOf(String(id)))
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
  const prepared = Object.entries(VERBS).map(([verb, sql]) => [verb, configure(database.prepare(sql), true)])
  return Object.fromEntries(prepared) as Statements
}

const WINDOW = `SELECT max(place), count(*) FROM
  (SELECT place FROM holdfast_sessions WHERE place > ? ORDER BY place LIMIT ?)`

/** Looks at the next `limit` records, in the order in which they lie in the file. */
export function search(
  database: DatabaseSync,
  where: RecordFilter,
  after: number,
  limit: number,
): { records: SessionRecord[]; next?: string } {
  const window = configure(database.prepare(WINDOW), true).get(after, limit) as unknown
  const [last, count] = window as [number, number]
  if (count === 0) return { records: [] }
  const { text, values } = conditionOf(where, SQLITE, 1)
  const statement = `SELECT ${COLUMNS} FROM holdfast_sessions WHERE place > ? AND place <= ? AND ${text}`
  const rows = configure(database.prepare(statement), true).all(
    after,
    last,
    ...values,
  ) as unknown as SessionRow[]
  return { records: rows.map(toRecord), ...(count < limit ? {} : { next: String(last) }) }
}

/** Undoes what a foreign connection may have as its default. */
function configure(statement: StatementSync, arrays = false): StatementSync {
  statement.setReadBigInts(false)
  statement.setReturnArrays(arrays)
  return statement
}

/** @returns the first column of a pragma's answer */
export function pragma(database: DatabaseSync, text: string): unknown {
  return Object.values(configure(database.prepare(`PRAGMA ${text}`)).get() ?? {})[0]
}
