/** What an audit log asks of a store: to append and to read. There is no verb to change or to delete. @module */

import type { MaybePromise } from '../core/engine.ts'
import type { AuditRow, Head } from './chain.ts'

/** Keeps one chain, to which several processes may append. */
export interface AuditStore {
  /** A word for messages, such as `sqlite`. */
  readonly name: string
  /** Appends all of them or none, behind whatever others appended meanwhile. @throws when the store failed */
  append(entries: readonly string[]): MaybePromise<void>
  /** @returns up to `limit` rows behind row `after`, in order */
  read(after: number, limit: number): MaybePromise<readonly AuditRow[]>
  /** @returns up to `limit` rows before row `before`, the last one first */
  readBack(before: number, limit: number): MaybePromise<readonly AuditRow[]>
  /** @returns up to `limit` rows before row `before` whose entry has just this value there, the last one first; by an index */
  readOf(
    name: 'sessionId' | 'userId',
    value: string,
    before: number,
    limit: number,
  ): MaybePromise<readonly AuditRow[]>
  head(): MaybePromise<Head>
  close(): MaybePromise<void>
}
