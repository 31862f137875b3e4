/** The audit log in SQLite: triggers refuse to change what is there, and the chain tells of whoever removed them. @module */

import { DatabaseSync } from 'node:sqlite'
import type { MacKey } from '#crypto'
import type { MaybePromise } from '../core/engine.ts'
import { BUSY, isBusy, openFile, persist } from '../engines/sqlite-file.ts'
import { type AuditRow, GENESIS, type Head, seal } from './chain.ts'
import type { AuditStore } from './store.ts'

/** REPLACE deletes without firing the trigger on DELETE, so an insert is looked at, too: it may only go on at the end. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS holdfast_audit (
    seq INTEGER NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL,
    seal TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER IF NOT EXISTS holdfast_audit_update BEFORE UPDATE ON holdfast_audit
    BEGIN SELECT RAISE(ABORT, 'holdfast_audit is append-only'); END;
  CREATE TRIGGER IF NOT EXISTS holdfast_audit_delete BEFORE DELETE ON holdfast_audit
    BEGIN SELECT RAISE(ABORT, 'holdfast_audit is append-only'); END;
  CREATE TRIGGER IF NOT EXISTS holdfast_audit_insert BEFORE INSERT ON holdfast_audit
    WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM holdfast_audit)
    BEGIN SELECT RAISE(ABORT, 'holdfast_audit is append-only'); END;`

/** A row that somebody edited may be no JSON any more, and must not stop others from being written. */
const fieldOf = (name: string) => `CASE WHEN json_valid(entry) THEN json_extract(entry, '$.${name}') END`

/** For `readOf`. Equal values stand in the order of `seq`. A log from before there were any gets them when it is opened to be written. */
const INDEXES = `
  CREATE INDEX IF NOT EXISTS holdfast_audit_session ON holdfast_audit (${fieldOf('sessionId')});
  CREATE INDEX IF NOT EXISTS holdfast_audit_user ON holdfast_audit (${fieldOf('userId')});`

const INDEXED = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = 'holdfast_audit_user'"
const EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'holdfast_audit'"
const LAST = 'SELECT seq, seal FROM holdfast_audit ORDER BY seq DESC LIMIT 1'
const READ = 'SELECT seq, entry, seal FROM holdfast_audit WHERE seq > ? ORDER BY seq LIMIT ?'
const READ_BACK = 'SELECT seq, entry, seal FROM holdfast_audit WHERE seq < ? ORDER BY seq DESC LIMIT ?'
const readOf = (name: string) => `SELECT seq, entry, seal FROM holdfast_audit
  WHERE ${fieldOf(name)} = ? AND seq < ? ORDER BY seq DESC LIMIT ?`
const READ_OF = { sessionId: readOf('sessionId'), userId: readOf('userId') }
const INSERT = 'INSERT INTO holdfast_audit (seq, entry, seal) VALUES (?, ?, ?)'

/**
 * Keeps an audit log in SQLite. Where another process holds the lock, a verb becomes a promise and tries again for up to
 * two seconds, and the event loop stays free.
 *
 * @param source - a path, whose file is created for its owner alone, in WAL mode: a commit survives the process, the last
 *   ones perhaps not a power cut; or your own connection, which stays open
 * @throws when the file can't be used
 */
export function sqliteStore(source: string | DatabaseSync, key: MacKey | null): AuditStore {
  const ours = typeof source === 'string'
  const database = ours ? openFile(source) : source
  let prepared = false
  try {
    attempt(() => undefined)
  } catch (error) {
    // Somebody holds the lock just now: the first verb makes what is missing, and can wait.
    if (!isBusy(error)) {
      if (ours) database.close()
      throw error
    }
  }

  function attempt<T>(verb: () => T): T {
    // Inside a foreign transaction our rows would be lost with its rollback.
    if (!ours && database.isTransaction) throw Object.assign(new Error('locked'), { errcode: BUSY })
    if (!prepared) prepare(database, ours)
    prepared = true
    return verb()
  }

  function run<T>(verb: () => T): MaybePromise<T> {
    try {
      return attempt(verb)
    } catch (error) {
      if (!isBusy(error)) throw error
      return persist(() => attempt(verb))
    }
  }

  return {
    name: 'sqlite',
    append: (entries) => run(() => appendAll(database, entries, key)),
    read: (after, limit) => run(() => readRows(database, READ, after, limit)),
    readBack: (before, limit) => run(() => readRows(database, READ_BACK, before, limit)),
    readOf: (name, value, before, limit) =>
      run(() => readRows(database, READ_OF[name], value, before, limit)),
    head: () => run(() => lastOf(database)),
    close() {
      if (ours && database.isOpen) database.close()
    },
  }
}

/** Reads an audit log that must be there already, and can't write to it. @throws when there is none */
export function openSqliteStore(path: string): AuditStore {
  const database = new DatabaseSync(path, { readOnly: true })
  if (database.prepare(EXISTS).get() === undefined) {
    database.close()
    throw new Error(`${path} holds no audit log`)
  }
  return {
    name: 'sqlite',
    append() {
      throw new Error('this audit log was opened for reading')
    },
    read: (after, limit) => readRows(database, READ, after, limit),
    readBack: (before, limit) => readRows(database, READ_BACK, before, limit),
    readOf: (name, value, before, limit) => readRows(database, READ_OF[name], value, before, limit),
    head: () => lastOf(database),
    close: () => database.close(),
  }
}

function prepare(database: DatabaseSync, ours: boolean): void {
  database.exec('PRAGMA busy_timeout = 0')
  if (ours) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  const made = database.prepare(EXISTS).get() !== undefined
  if (made && database.prepare(INDEXED).get() !== undefined) return
  transact(database, () => database.exec(SCHEMA + INDEXES))
}

/** A batch is small enough to hold up nobody: 256 rows take about 3 ms. */
function appendAll(database: DatabaseSync, entries: readonly string[], key: MacKey | null): void {
  transact(database, () => {
    const insert = database.prepare(INSERT)
    let head = lastOf(database)
    for (const entry of entries) {
      const row = seal(head, entry, key)
      insert.run(row.seq, row.entry, row.seal)
      head = row
    }
  })
}

/** The lock is taken before the head is read, so that two processes can't both go on from it. */
function transact(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    work()
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function readRows(database: DatabaseSync, text: string, ...values: (string | number)[]): AuditRow[] {
  return database.prepare(text).all(...values) as unknown as AuditRow[]
}

function lastOf(database: DatabaseSync): Head {
  return (database.prepare(LAST).get() as Head | undefined) ?? GENESIS
}
