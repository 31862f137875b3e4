/**
 * Writes every event to a log that only grows, in SQLite or PostgreSQL, each row sealed to the one before.
 * `docs/audit.md` says what that proves, and what it doesn't.
 * @module
 */

import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { type MacKey, macKey } from '#crypto'
import { SessionError, shown } from '../core/errors.ts'
import type { SessionEvent } from '../core/events.ts'
import { parseKeys } from '../core/keys.ts'
import type { PgPool, PostgresJs } from '../engines/postgres-client.ts'
import { entryOf, lostEntry } from './entry.ts'
import { postgresStore } from './postgres.ts'
import { type AuditReader, readerOf } from './reader.ts'
import { sqliteStore } from './sqlite.ts'
import type { AuditStore } from './store.ts'
import { isSealedWith } from './verify.ts'

export type { AuditEntry } from './entry.ts'
export { auditSchema } from './postgres.ts'
export type { AuditPage, AuditQuery, AuditReader, NumberedEntry } from './reader.ts'

export interface AuditOptions {
  /**
   * 32 random bytes or more, base64url, that no other thing is sealed with: `npx holdfast keygen`. Without it, whoever
   * can rewrite the table can also recompute its seals, and only an anchor that was kept elsewhere tells.
   * @defaultValue none
   */
  readonly key?: string | Uint8Array | undefined
  /** Where this is, for logs of several servers. @defaultValue the host's name */
  readonly server?: string
  /** How many events wait while the store is slow or down; the ones beyond are counted and lost. @defaultValue 10000 */
  readonly capacity?: number
}

/** Where an audit log is kept. */
export type AuditTarget = string | DatabaseSync | PgPool | PostgresJs

/** An audit log that listens. */
export interface Audit {
  /** For `createSessions({ onEvent })`. Only puts the event into the queue: no request waits for the log. */
  readonly onEvent: (event: SessionEvent) => void
  /** How many events were lost because the queue was full, or came after `close`. */
  readonly lost: number
  /** Reads events back. */
  readonly reader: AuditReader
  /**
   * Resolves when all that was heard so far is written, and the key is known to be the log's.
   *
   * @throws {SessionError} `ERR_ENGINE` when the store failed; `ERR_OPTION` when the log was sealed with another key so far
   */
  flush(): Promise<void>
  /** Writes what waits, then lets go of the store. @throws {SessionError} as `flush` does, when some of it is lost */
  close(): Promise<void>
}

const BATCH = 256
/** After a failure the store is left alone for so long, and each time twice as long. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000

/**
 * Opens an audit log. Events are written in batches, a turn of the event loop later; should the process be killed in
 * between, these are lost. One whose batch was written, but whose acknowledgement got lost, is written twice, under one
 * `id`.
 *
 * @example
 * const audit = auditTo('audit.db', { key: process.env.AUDIT_KEY })
 * const sessions = createSessions({ engine, keys, onEvent: audit.onEvent })
 *
 * @param target - the path of an SQLite file, which is created for its owner alone; or an open `DatabaseSync`; or a `Pool`
 *   of pg or the `sql` of postgres.js, connected to the primary. What you opened stays open.
 * @throws {SessionError} `ERR_OPTION` when an option is wrong or the file can't be used
 * @see ASVS 16.2.1, 16.3.1-16.3.4, 16.4.2
 */
export function auditTo(target: AuditTarget, options: AuditOptions = {}): Audit {
  const { key, server, capacity } = check(options)
  return new Writer(openStore(target, key), key, server, capacity)
}

class Writer implements Audit {
  readonly reader: AuditReader
  readonly #store: AuditStore
  readonly #server: string
  readonly #capacity: number
  readonly #queue: string[] = []
  /** Lost, and not yet said so in the log itself. */
  #unsaid = 0
  #lost = 0
  #closed = false
  #pump: NodeJS.Immediate | NodeJS.Timeout | null = null
  #pause = FIRST_PAUSE
  #writing: Promise<void> = Promise.resolve()
  readonly #key: MacKey | null
  #keyFits = false

  constructor(store: AuditStore, key: MacKey | null, server: string, capacity: number) {
    this.#store = store
    this.reader = readerOf(store)
    this.#key = key
    this.#server = server
    this.#capacity = capacity
  }

  get lost(): number {
    return this.#lost
  }

  readonly onEvent = (event: SessionEvent): void => {
    if (this.#closed || this.#queue.length >= this.#capacity) {
      this.#lose(1)
      return
    }
    this.#queue.push(entryOf(event, this.#server))
    this.#pump ??= setImmediate(() => this.#drain())
  }

  async flush(): Promise<void> {
    const writing = this.#writing.then(() => this.#writeAll())
    this.#writing = writing.catch(() => {})
    await writing
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      await this.#writing
      if (this.#queue.length > 0 || this.#unsaid > 0) await this.flush()
    } catch (error) {
      this.#lose(this.#queue.splice(0).length)
      throw error
    } finally {
      clearTimeout(this.#pump as NodeJS.Timeout)
      clearImmediate(this.#pump as NodeJS.Immediate)
      await this.#store.close()
    }
  }

  async #drain(): Promise<void> {
    try {
      await this.flush()
      this.#pump = null
      this.#pause = FIRST_PAUSE
      if (this.#queue.length > 0) this.#pump = setImmediate(() => this.#drain())
    } catch (error) {
      if (this.#closed) return
      const { message } = error as Error
      console.error(`holdfast: ${message}; ${this.#queue.length} events wait, and it is tried again`)
      // What waits for a store that is down must not keep a process alive that has nothing else to do.
      this.#pump = setTimeout(() => this.#drain(), this.#pause).unref()
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE)
    }
  }

  async #writeAll(): Promise<void> {
    await this.#demandKey()
    while (this.#queue.length > 0 || this.#unsaid > 0) {
      const unsaid = this.#unsaid
      const batch = this.#queue.slice(0, BATCH)
      // Behind what was heard before the queue was full.
      const entries = unsaid > 0 ? [...batch, lostEntry(unsaid, this.#server)] : batch
      try {
        await this.#store.append(entries)
      } catch (error) {
        throw failure(this.#store, error)
      }
      this.#queue.splice(0, batch.length)
      this.#unsaid -= unsaid
      // SQLite answers at once: a long queue must not hold up the requests.
      if (this.#queue.length > 0) await turn()
    }
  }

  /**
   * One row with another key's seal, or without one, and nobody can verify the log again. So nothing is written: the
   * events wait, as they do for a store that is down, and standard error says why.
   */
  async #demandKey(): Promise<void> {
    if (this.#keyFits) return
    try {
      this.#keyFits = await isSealedWith(this.#store, this.#key)
    } catch (error) {
      throw failure(this.#store, error)
    }
    if (this.#keyFits) return
    const other = this.#key === null ? 'sealed with a key, and none was given' : 'not sealed with this key'
    throw new SessionError(
      'ERR_OPTION',
      `the audit log (${this.#store.name}) is ${other}, or its last row was changed: nothing is added to it. ` +
        'Give the key that it began with, or begin a new log',
    )
  }

  #lose(count: number): void {
    if (count === 0) return
    this.#lost += count
    this.#unsaid += count
    const is = Math.log10(this.#lost)
    // The first one, the tenth, the hundredth: a flood of losses must not become one of the console.
    if (Number.isInteger(is) || count > 1)
      console.error(
        `holdfast: the audit log is ${this.#closed ? 'closed' : 'full'}; ${this.#lost} events are lost`,
      )
  }
}

function check({ key, server = hostname(), capacity = 10_000, ...rest }: AuditOptions) {
  const stranger = Object.keys(rest)[0]
  if (stranger !== undefined) throw new SessionError('ERR_OPTION', `auditTo: there is no option ${stranger}`)
  if (typeof server !== 'string') throw new SessionError('ERR_OPTION', 'auditTo: server: expected a name')
  if (!Number.isSafeInteger(capacity) || capacity < 1) {
    const got = shown(capacity)
    throw new SessionError('ERR_OPTION', `auditTo: capacity: expected a whole number above 0, but got ${got}`)
  }
  return { key: key === undefined ? null : readAuditKey(key), server, capacity }
}

/** @throws {SessionError} `ERR_OPTION` when it is short, or looks like a passphrase or placeholder */
export function readAuditKey(key: string | Uint8Array) {
  try {
    return macKey(parseKeys([key])[0]!)
  } catch (error) {
    throw new SessionError('ERR_OPTION', `auditTo: key: ${(error as Error).message}`)
  }
}

function openStore(target: AuditTarget, key: MacKey | null): AuditStore {
  const isPath = typeof target === 'string'
  if (!isPath && !(target instanceof DatabaseSync)) {
    try {
      return postgresStore(target, key, { create: true })
    } catch {
      const forms =
        "the path of a file, such as 'audit.db', a DatabaseSync, a Pool of pg, or the sql of postgres.js"
      throw new SessionError('ERR_OPTION', `auditTo: expected ${forms}`)
    }
  }
  try {
    return sqliteStore(target, key)
  } catch (error) {
    const { message } = error as Error
    const where = isPath ? target : 'the given connection'
    throw new SessionError('ERR_OPTION', `auditTo: can't use ${where}: ${message}`, { cause: error })
  }
}

function failure(store: AuditStore, error: unknown): SessionError {
  const { message } = error as Error
  return new SessionError('ERR_ENGINE', `the audit log (${store.name}) can't be written: ${message}`, {
    cause: error,
  })
}
