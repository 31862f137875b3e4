/** How records and ledgers become rows of a table, and come back as they were. @module */

import type { SessionRecord, UserLedger } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'

/** In the order of the columns in statements: clients make arrays faster than objects. */
export type SessionRow = readonly [
  id: string,
  version: number,
  userId: string | null,
  seenAt: number,
  expiresAt: number,
  record: string,
]

export type UserRow = readonly [userId: string, version: number, expiresAt: number, ledger: string]

export function fromRecord(record: SessionRecord) {
  const { id, version, userId, seenAt, expiresAt } = record
  // What is undefined is left out of JSON, and this is the fastest way to leave it out.
  const rest = {
    ...record,
    id: undefined,
    version: undefined,
    userId: undefined,
    seenAt: undefined,
    expiresAt: undefined,
  }
  const user = userId === null ? null : toColumn(userId)
  return [version, user, seenAt, expiresAt, JSON.stringify(rest), toColumn(id)] as const
}

export function toRecord([id, version, userId, seenAt, expiresAt, record]: SessionRow): SessionRecord {
  return {
    ...parse<Omit<SessionRecord, 'id' | 'version' | 'userId' | 'seenAt' | 'expiresAt'>>(record),
    id: fromColumn(id),
    version,
    userId: userId === null ? null : fromColumn(userId),
    seenAt,
    expiresAt,
  }
}

export function fromLedger(ledger: UserLedger) {
  const { userId, version, expiresAt, ...rest } = ledger
  return [version, expiresAt, JSON.stringify(rest), toColumn(userId)] as const
}

export function toLedger([userId, version, expiresAt, ledger]: UserRow): UserLedger {
  return {
    ...parse<Omit<UserLedger, 'userId' | 'version' | 'expiresAt'>>(ledger),
    userId: fromColumn(userId),
    version,
    expiresAt,
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

export function fromColumn(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text
}
