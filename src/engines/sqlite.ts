/**
 * Sessions in one SQLite file, for one machine: they outlive the process, and several processes may share the file.
 * No dependency: `node:sqlite` is built in.
 *
 * What a power cut does: with `synchronous: 'normal'` a commit survives the end of the process, however violent, but a
 * power cut or a crash of the system may take back the last commits before it, never half of one, and never the
 * file's integrity. A logout could be undone in this way. `'full'` closes that, for one fsync at each write.
 * @see https://www.sqlite.org/pragma.html#pragma_synchronous
 * @module
 */

import { DatabaseSync } from 'node:sqlite'
import type { Engine, MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import { fromLedger, type SessionRow, toColumn, toLedger, toRecord, type UserRow } from './rows.ts'
import { BUSY, isBusy, openExistingFile, openFile, PATIENCE, persist } from './sqlite-file.ts'
import {
  demandTables,
  fromSession,
  migrate,
  placeOf,
  pragma,
  prepareAll,
  type Statements,
  search,
  whereabouts,
} from './sqlite-tables.ts'

/** In KiB: of a million sessions, what leads to their rows. */
const CACHE = 8_192

export interface SqliteOptions {
  /**
   * For a path only; your own connection keeps its setting. `'normal'`: commits survive the process, the last ones
   * perhaps not a power cut. `'full'`: they survive that too, for one fsync at each write.
   * @defaultValue 'normal'
   */
  readonly synchronous?: 'normal' | 'full'
  /**
   * Makes the file and its tables, or brings them up to date. With `false` they are only looked at: what is not there, or
   * of an older version, is refused and left as it is, and so is the journal mode.
   * @defaultValue true
   */
  readonly migrate?: boolean
}

/**
 * Keeps sessions in SQLite. Each verb is one statement, answered at once; while another process holds the lock it
 * becomes a promise and tries again for up to two seconds, and the event loop stays free.
 *
 * @param source - a path, whose file is created for its owner alone (mode 0600), in WAL mode; or `':memory:'`, for this
 *   process alone; or your own open connection, which stays yours: `close` leaves it open. Of its pragmas only
 *   `busy_timeout` is set, to 0, because SQLite waits for a lock by blocking the process. WAL mode is up to you, and
 *   `synchronous`, with what it means for durability. While a transaction of yours is open, verbs wait for its end.
 * @throws {SessionError} `ERR_OPTION` when the file can't be used, or belongs to a newer version of this package; from
 *   the verbs `ERR_ENGINE`
 */
export function sqlite(source: string | DatabaseSync, options: SqliteOptions = {}): Engine {
  const durability = check(source, options)
  const mayMigrate = options.migrate ?? true
  const ours = typeof source === 'string'
  const database = ours ? open(source, mayMigrate) : source
  let statements: Statements | undefined
  let closed = false
  try {
    attempt(() => undefined)
  } catch (error) {
    // Somebody holds the lock just now: the first verb prepares what is missing, and can wait.
    if (!isBusy(error)) {
      if (ours) database.close()
      throw refusal(ours ? source : 'the given connection', error)
    }
  }

  function attempt<T>(verb: (prepared: Statements) => T): T {
    if (closed) throw new SessionError('ERR_ENGINE', 'sqlite: the engine is closed')
    // Inside a foreign transaction our write would be lost with its rollback.
    if (!ours && database.isTransaction)
      throw Object.assign(new Error('a transaction is open'), { errcode: BUSY })
    statements ??= prepare(database, ours ? durability : null, mayMigrate)
    return verb(statements)
  }

  function run<T>(verb: (prepared: Statements) => T): MaybePromise<T> {
    try {
      return attempt(verb)
    } catch (error) {
      if (!isBusy(error)) throw failure(error)
      return persist(() => attempt(verb)).catch((late) => {
        throw failure(late)
      })
    }
  }

  return {
    name: 'sqlite',
    shared: database.location() !== null,

    load: (id) =>
      run(({ load }) => {
        const row = load.get(...whereabouts(id))
        return row && toRecord(row as unknown as SessionRow)
      }),

    create: (record) => run(({ create }) => create.run(...fromSession(record)).changes === 1),

    replace: (next, version) =>
      run(({ replace }) => replace.run(...fromSession(next), version).changes === 1),

    touch: (id, version, seenAt, expiresAt) =>
      run(({ touch }) => touch.run(seenAt, expiresAt, ...whereabouts(id), version).changes === 1),

    loadUser: (userId) =>
      run(({ loadUser }) => {
        const row = loadUser.get(toColumn(userId))
        return row && toLedger(row as unknown as UserRow)
      }),

    replaceUser: (next, version) =>
      run(({ createUser, replaceUser }) => {
        const row = fromLedger(next)
        const { changes } = version === 0 ? createUser.run(...row) : replaceUser.run(...row, version)
        return changes === 1
      }),

    scan: ({ cursor = '-1', limit, where }) =>
      run(({ scan }) => {
        if (where) return search(database, where, Number(cursor), limit)
        const rows = scan.all(Number(cursor), limit) as unknown as SessionRow[]
        const last = rows.length < limit ? undefined : rows.at(-1)
        const next = last && String(placeOf(last[0]))
        return { records: rows.map(toRecord), ...(next === undefined ? {} : { next }) }
      }),

    sweep(now, limit) {
      // Counted outside the verb, which runs again from its start when the second statement finds the database busy.
      let swept = 0
      return run(({ sweep, sweepUsers }) => {
        swept += Number(sweep.run(now, limit - swept).changes)
        swept += Number(sweepUsers.run(now, limit - swept).changes)
        return swept
      })
    },

    close() {
      if (closed) return
      closed = true
      if (ours) database.close()
    },
  }
}

function check(source: unknown, options: SqliteOptions): 'normal' | 'full' {
  for (const name of Object.keys(options)) {
    if (name !== 'synchronous' && name !== 'migrate')
      throw new SessionError('ERR_OPTION', `sqlite: there is no option ${name}`)
  }
  const { synchronous, migrate } = options
  if (migrate !== undefined && typeof migrate !== 'boolean')
    throw new SessionError('ERR_OPTION', 'sqlite: migrate: expected true or false')
  if (synchronous !== undefined && synchronous !== 'normal' && synchronous !== 'full') {
    throw new SessionError(
      'ERR_OPTION',
      `sqlite: synchronous: expected 'normal' or 'full', but got ${String(synchronous)}`,
    )
  }
  if (source instanceof DatabaseSync) {
    if (synchronous === undefined) return 'normal'
    throw new SessionError(
      'ERR_OPTION',
      'sqlite: synchronous: set it on your own connection, by PRAGMA synchronous',
    )
  }
  if (typeof source !== 'string' || source === '' || source.startsWith('file:')) {
    throw new SessionError(
      'ERR_OPTION',
      `sqlite: expected the path of a file, ':memory:' or a DatabaseSync of node:sqlite`,
    )
  }
  return synchronous ?? 'normal'
}

function open(path: string, create: boolean): DatabaseSync {
  try {
    return create ? openFile(path) : openExistingFile(path)
  } catch (error) {
    throw refusal(path, error)
  }
}

/** @param durability - null for a connection that isn't ours */
function prepare(
  database: DatabaseSync,
  durability: 'normal' | 'full' | null,
  mayMigrate: boolean,
): Statements {
  database.exec('PRAGMA busy_timeout = 0')
  // Before the first pragma that writes to the file: it may be anybody's.
  if (!mayMigrate) demandTables(database)
  if (durability !== null && database.location() !== null) {
    if (mayMigrate) toWal(database)
    database.exec(`PRAGMA synchronous = ${durability}; PRAGMA cache_size = -${CACHE}`)
  }
  warnOfOldSqlite(database)
  if (mayMigrate) migrate(database)
  return prepareAll(database)
}

function toWal(database: DatabaseSync): void {
  const mode = pragma(database, 'journal_mode = WAL')
  if (mode !== 'wal') throw new Error(`its file system allows no WAL mode (journal_mode stays ${mode})`)
}

let warned = false

/** @see https://www.sqlite.org/wal.html#walresetbug */
function warnOfOldSqlite(database: DatabaseSync): void {
  if (warned || pragma(database, 'journal_mode') !== 'wal') return
  // An object or an array: that is up to a foreign connection.
  const [version] = Object.values(database.prepare('SELECT sqlite_version() AS version').get() ?? {})
  const [major = 0, minor = 0, patch = 0] = String(version).split('.').map(Number)
  if (major * 1e6 + minor * 1e3 + patch >= 3_051_003) return
  warned = true
  console.warn(
    `holdfast/sqlite: the bundled SQLite ${version} has a bug that can, rarely, corrupt a WAL database which several ` +
      'connections write to; it is mended in 3.51.3. Update Node.',
  )
}

function failure(error: unknown): SessionError {
  if (error instanceof SessionError) return error
  const reason = isBusy(error) ? `still locked by others after ${PATIENCE} ms` : (error as Error).message
  return new SessionError('ERR_ENGINE', `sqlite: ${reason}`, { cause: error })
}

function refusal(source: string, error: unknown): SessionError {
  return new SessionError('ERR_OPTION', `sqlite: can't use ${source}: ${(error as Error).message}`, {
    cause: error,
  })
}
