/** How records and ledgers become rows of a table, and come back as they were. @module */

import type { SessionRecord, UserLedger } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'

export interface SessionRow {
  readonly id: string
  readonly version: number
  readonly user_id: string | null
  readonly seen_at: number
  readonly expires_at: number
  readonly record: string
}

export interface UserRow {
  readonly user_id: string
  readonly version: number
  readonly expires_at: number
  readonly ledger: string
}

export function fromRecord(record: SessionRecord) {
  const { id, version, userId, seenAt, expiresAt, ...rest } = record
  const user = userId === null ? null : toColumn(userId)
  return [version, user, seenAt, expiresAt, JSON.stringify(rest), toColumn(id)] as const
}

export function toRecord(row: SessionRow): SessionRecord {
  return {
    ...parse<Omit<SessionRecord, 'id' | 'version' | 'userId' | 'seenAt' | 'expiresAt'>>(row.record),
    id: fromColumn(row.id),
    version: row.version,
    userId: row.user_id === null ? null : fromColumn(row.user_id),
    seenAt: row.seen_at,
    expiresAt: row.expires_at,
  }
}

export function fromLedger(ledger: UserLedger) {
  const { userId, version, expiresAt, ...rest } = ledger
  return [version, expiresAt, JSON.stringify(rest), toColumn(userId)] as const
}

export function toLedger(row: UserRow): UserLedger {
  return {
    ...parse<Omit<UserLedger, 'userId' | 'version' | 'expiresAt'>>(row.ledger),
    userId: fromColumn(row.user_id),
    version: row.version,
    expiresAt: row.expires_at,
  }
}

/** The parser's own message would quote the record. */
function parse<T>(text: string): T {
  try {
    return JSON.parse(text) as T
  } catch {
    throw new SessionError('ERR_ENGINE', 'A stored record is not valid JSON.')
  }
}

/** A leading quote, a NUL, a lone surrogate. */
const ODD = /^"|\0|\p{Surrogate}/u

/**
 * Writes most texts as they are, and as JSON strings those that would come back changed, or not go in: `node:sqlite`
 * before 24 reads text up to its first NUL, PostgreSQL refuses one, and lone surrogates all become U+FFFD, so that two
 * users would share one row.
 */
export function toColumn(text: string): string {
  return ODD.test(text) ? JSON.stringify(text) : text
}

function fromColumn(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text
}
