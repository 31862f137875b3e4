/** A file as the first version of the tables left it. @module */

import { DatabaseSync } from 'node:sqlite'
import type { SessionRecord, UserLedger } from '../../src/core/engine.ts'
import { fromLedger, fromRecord } from '../../src/engines/rows.ts'

const TABLES = `
  CREATE TABLE holdfast_sessions (
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
  CREATE INDEX holdfast_users_expires_at ON holdfast_users (expires_at);
  CREATE TABLE holdfast_schema (version INTEGER NOT NULL) STRICT;
  INSERT INTO holdfast_schema VALUES (1);`

export function makeVersion1(
  file: string,
  records: readonly SessionRecord[] = [],
  ledgers: readonly UserLedger[] = [],
): void {
  const database = new DatabaseSync(file)
  database.exec(`PRAGMA journal_mode = WAL; BEGIN; ${TABLES}`)
  const create = database.prepare(
    'INSERT INTO holdfast_sessions (version, user_id, seen_at, expires_at, record, id) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const createUser = database.prepare(
    'INSERT INTO holdfast_users (version, expires_at, ledger, user_id) VALUES (?, ?, ?, ?)',
  )
  for (const record of records) create.run(...fromRecord(record))
  for (const ledger of ledgers) createUser.run(...fromLedger(ledger))
  database.exec('COMMIT')
  database.close()
}
