/** The two clients of PostgreSQL, as far as the engine uses them, and the one function that it makes of either. @module */

import { Calls } from '../core/calls.ts'
import { SessionError } from '../core/errors.ts'

/** What is used of a `Pool` of `pg`. A `Client` won't do: a verb could land in a transaction of yours, and its rollback. */
export interface PgPool {
  readonly totalCount: number
  readonly options: { readonly query_timeout?: number | undefined }
  connect(done: (error: Error | undefined, client: PgClient | undefined) => void): void
}

interface PgClient {
  query(
    query: {
      readonly name?: string
      readonly text: string
      readonly values: unknown[]
      readonly rowMode: 'array'
    },
    done: (error: Error | null | undefined, result: Result) => void,
  ): unknown
  once(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  /** @param error - the connection is closed, and the pool opens another */
  release(error?: Error): void
}

/** What is used of the `sql` of `postgres`. That of `sql.begin` won't do, for the same reason. */
export interface PostgresJs {
  readonly begin: unknown
  unsafe(
    text: string,
    values?: (string | number | null)[],
    options?: { readonly prepare?: boolean },
  ): { values(): PromiseLike<readonly (readonly unknown[])[] & { readonly count: number }> }
}

/** A statement, and the name under which a connection keeps it prepared: null prepares nothing. */
export interface Statement {
  readonly name: string | null
  readonly text: string
}

export type Value = string | number | null

/** How many rows it changed or found, and those that it returned, as arrays: clients may be set up to rename columns. */
export interface Result {
  readonly rowCount: number | null
  readonly rows: readonly (readonly unknown[])[]
}

export type Run = (statement: Statement, values?: readonly Value[]) => Promise<Result>

/**
 * How long a connection may owe an answer before it is given up, and the pool opens another. Without a limit, a server that
 * hangs takes the pool's connections for good. A pool that has a `query_timeout` keeps it.
 */
const QUERY_TIMEOUT = 2_000

/** @throws {SessionError} `ERR_OPTION` for anything else */
export function runnerOf(client: PgPool | PostgresJs): Run {
  if (isPostgresJs(client)) {
    return async ({ name, text }, values = []) => {
      const rows = await client.unsafe(text, [...values], { prepare: name !== null }).values()
      return { rows, rowCount: rows.count }
    }
  }
  if (!isPgPool(client)) {
    throw new SessionError('ERR_OPTION', 'postgres: expected a Pool of pg, or the sql of postgres.js')
  }
  const timeout = client.options.query_timeout || QUERY_TIMEOUT
  const calls = new Calls(timeout)
  return ({ name, text }, values = []) =>
    queryOf(client, calls, { ...(name !== null && { name }), text, values: [...values], rowMode: 'array' })
}

/** As the pool's own `query`, less the timer that pg makes for each: see `Calls`. */
function queryOf(pool: PgPool, calls: Calls, query: Parameters<PgClient['query']>[0]): Promise<Result> {
  return new Promise((resolve, reject) => {
    pool.connect((refusal, client) => {
      if (!client) return reject(refusal ?? new Error('the pool gave no connection'))
      let over = false
      const finish = (error: Error | null | undefined, result?: Result): void => {
        if (over) return
        over = true
        calls.end(call)
        client.removeListener('error', finish)
        client.release(error ?? undefined)
        if (error) reject(error)
        else resolve(result!)
      }
      // From now on: a connection that others have kept busy is no worse for it.
      const call = calls.begin(() => finish(new Error('a connection owes an answer for too long')))
      client.once('error', finish)
      try {
        client.query(query, finish)
      } catch (thrown) {
        finish(thrown as Error)
      }
    })
  })
}

function isPostgresJs(client: unknown): client is PostgresJs {
  return typeof client === 'function' && 'unsafe' in client && 'begin' in client
}

function isPgPool(client: unknown): client is PgPool {
  return typeof client === 'object' && client !== null && 'connect' in client && 'totalCount' in client
}
