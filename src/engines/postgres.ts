/**
 * Sessions in PostgreSQL, for as many servers as share it. It takes the pool that the application has, of `pg` or of
 * postgres.js; `pg` also comes back from a server that hangs.
 *
 * What is promised is what the server promises: with `synchronous_commit` on, its default, a write that was answered is
 * on its disk. With `off`, a crash of the server may take back the last commits, and a logout with them.
 * @see https://www.postgresql.org/docs/current/wal-async-commit.html
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { RecordFilter } from '../core/filter.ts'
import { Batch } from './batch.ts'
import {
  type PgPool,
  type PostgresJs,
  type Result,
  runnerOf,
  type Statement,
  type Value,
} from './postgres-client.ts'
import {
  type PostgresTables,
  postgresSchema,
  type Statements,
  searchOf,
  statementsOf,
  VERSION,
} from './postgres-tables.ts'
import { conditionOf, POSTGRES } from './record-filter.ts'
import { fromLedger, fromRecord, type SessionRow, toColumn, toLedger, toRecord } from './rows.ts'

export type { PgPool, PostgresJs } from './postgres-client.ts'
export { type PostgresTables, postgresSchema } from './postgres-tables.ts'

export interface PostgresOptions extends PostgresTables {
  /**
   * Makes the tables, or brings them up to date, at first use. With `false` they are only looked at, and whoever may
   * make tables runs `postgresSchema()`.
   * @defaultValue true
   */
  readonly migrate?: boolean
  /**
   * Prepares each statement once for each connection: twice as fast. `false` where a pooler hands out another connection
   * for each transaction and can't follow: PgBouncer before 1.21, or with `max_prepared_statements = 0`.
   * @defaultValue true
   */
  readonly prepare?: boolean
}

/** How long a verb tries again, when the server says that it must. */
const PATIENCE = 2_000

/** serialization_failure and deadlock_detected: the transaction has done nothing, and is to be tried again. */
const TRY_AGAIN = new Set(['40001', '40P01'])

/** Data exceptions, and data that are damaged: an id that the database's encoding has no place for, a page that can't be read. */
const OF_ONE = /^(?:22|XX)/

/** undefined_table. */
const NO_TABLE = '42P01'

const OPTIONS = ['schema', 'prefix', 'migrate', 'prepare']

/**
 * Keeps sessions in PostgreSQL. Each verb is one statement and one round trip, a transaction of its own.
 *
 * @param client - a `Pool` of pg, or the `sql` of postgres.js, connected to the primary: what is read decides whether a
 *   session is revoked. It stays yours: `close` leaves it open.
 * @throws {SessionError} `ERR_OPTION`; from the verbs `ERR_ENGINE`
 */
export function postgres(client: PgPool | PostgresJs, options: PostgresOptions = {}): Engine {
  check(options)
  const execute = runnerOf(client)
  const statements = statementsOf(options, options.prepare ?? true)
  let ready = false
  let preparing: Promise<void> | undefined
  let closed = false

  /** @param made - of the answer */
  function run<T>(
    verb: keyof Statements | Statement,
    values: readonly Value[],
    made: (result: Result) => T,
  ): Promise<T> {
    if (closed) return Promise.reject(new SessionError('ERR_ENGINE', 'postgres: the engine is closed'))
    if (!ready) return prepare().then(() => run(verb, values, made), failed)
    const statement = typeof verb === 'string' ? statements[verb] : verb
    const attempt = () => execute(statement, values)
    return attempt().then(made, (error) =>
      TRY_AGAIN.has(codeOf(error)) ? persist(attempt).then(made, failed) : failed(error),
    )
  }

  /** Once for all who wait; but what has not come to an end in time is not waited for by the next. */
  function prepare(): Promise<void> {
    if (preparing) return preparing
    const attempt = migrate().finally(forget)
    const timer = setTimeout(forget, PATIENCE)
    function forget(): void {
      clearTimeout(timer)
      if (preparing === attempt) preparing = undefined
    }
    preparing = attempt
    return attempt
  }

  /** Reads the tables' version without a lock, and takes one only when there is something to make. */
  async function migrate(): Promise<void> {
    let version = await versionOf()
    if (version < VERSION && options.migrate !== false) {
      const made = await persist(() => execute({ name: null, text: postgresSchema(options) })).catch(
        (error: unknown) => error,
      )
      version = await versionOf()
      // Another process may have made them after our snapshot was taken.
      if (version < VERSION) throw made
    }
    if (version > VERSION) {
      throw new Error(
        `its tables are of version ${version}, and this package knows ${VERSION}; update holdfast`,
      )
    }
    if (version < VERSION) {
      throw new Error(`its tables are of version ${version}, and ${VERSION} is needed: run postgresSchema()`)
    }
    ready = true
  }

  async function versionOf(): Promise<number> {
    try {
      const { rows } = await persist(() => execute(statements.version))
      return Number(rows[0]?.[0] ?? 0)
    } catch (error) {
      if (codeOf(error) === NO_TABLE) return 0
      throw error
    }
  }

  /** One round trip: the page's end comes in every row, and in one of its own where none fits. */
  async function search(where: RecordFilter, cursor: string, limit: number) {
    const { text, values } = conditionOf(where, POSTGRES, 3)
    const statement = { name: null, text: searchOf(options, text) }
    const rows = await run(statement, [cursor, limit, ...values], rowsOf)
    const [last, count] = rows[0]!
    const found = rows.filter((row) => row[2] !== null).map((row) => toRecord(sessionRow(row.slice(2))))
    return { records: found, ...(Number(count) < limit ? {} : { next: String(last) }) }
  }

  const batch = new Batch(
    (ids: readonly string[]) =>
      run('load', [JSON.stringify(ids)], ({ rows }) => {
        const found = new Map(rows.map((row) => [String(row[0]), row]))
        return ids.map((id) => found.get(id) ?? null)
      }),
    (error) => OF_ONE.test(codeOf((error as Error).cause)) && 'this time',
  )

  return {
    name: 'postgres',
    shared: true,

    load: (id) => batch.ask(toColumn(id)).then((row) => (row ? toRecord(sessionRow(row)) : undefined)),

    create: (record) => run('create', fromRecord(record), isOne),

    replace: (next, version) => run('replace', [...fromRecord(next), version], isOne),

    touch: (id, version, seenAt, expiresAt) =>
      run('touch', [seenAt, expiresAt, toColumn(id), version], isOne),

    loadUser: (userId) =>
      run('loadUser', [toColumn(userId)], ({ rows: [row] }) => {
        if (!row) return undefined
        const [user, version, expiresAt, ledger] = row
        return toLedger([String(user), Number(version), Number(expiresAt), String(ledger)])
      }),

    replaceUser(next, version) {
      const row = fromLedger(next)
      return version === 0 ? run('createUser', row, isOne) : run('replaceUser', [...row, version], isOne)
    },

    async scan({ cursor = '', limit, where }) {
      if (where) return search(where, cursor, limit)
      const rows = (await run('scan', [cursor, limit], rowsOf)).map(sessionRow)
      const next = rows.length < limit ? undefined : rows.at(-1)?.[0]
      return { records: rows.map(toRecord), ...(next === undefined ? {} : { next }) }
    },

    async sweep(now, limit) {
      const count = await run('sweep', [now, limit], countOf)
      return count < limit ? count + (await run('sweepUsers', [now, limit - count], countOf)) : count
    },

    close() {
      closed = true
    },
  }
}

function check(options: PostgresOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!OPTIONS.includes(name)) throw new SessionError('ERR_OPTION', `postgres: there is no option ${name}`)
    if (name !== 'migrate' && name !== 'prepare') continue
    if (value !== undefined && typeof value !== 'boolean')
      throw new SessionError('ERR_OPTION', `postgres: ${name}: expected true or false`)
  }
}

const rowsOf = ({ rows }: Result) => rows
const countOf = ({ rowCount }: Result) => rowCount ?? 0
const isOne = ({ rowCount }: Result) => rowCount === 1

/** Tries again what the server refused because of what others did at the same moment. */
async function persist<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE
  for (let longest = 2; ; longest = Math.min(2 * longest, 32)) {
    try {
      return await attempt()
    } catch (error) {
      if (!TRY_AGAIN.has(codeOf(error)) || performance.now() > deadline) throw error
    }
    await sleep(Math.random() * longest)
  }
}

/** What a 64-bit integer comes back as is up to the client's settings: text, a number or a bigint. */
function sessionRow([id, version, user, seenAt, expiresAt, record]: readonly unknown[]): SessionRow {
  const userId = user === null ? null : String(user)
  return [String(id), Number(version), userId, Number(seenAt), Number(expiresAt), String(record)]
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code)
}

function failed(error: unknown): never {
  throw failure(error)
}

function failure(error: unknown): SessionError {
  if (error instanceof SessionError) return error
  // Node's error for a host with several addresses has no message of its own.
  const reason = (error as Error).message || codeOf(error)
  return new SessionError('ERR_ENGINE', `postgres: ${reason}`, { cause: error })
}
