/** What users and operators ask of all sessions, checked: a mistake must not read as "whosoever". @module */

import type { PageQuery } from './directory.ts'
import type { Millis } from './duration.ts'
import type { RecordFilter } from './filter.ts'
import { checkFilter } from './filter.ts'

/** Whose sessions to list: one user's, or everybody's; and which page. */
export interface ListQuery {
  readonly userId?: string
  /** The `next` of the page before. @defaultValue the first page */
  readonly cursor?: string | null
  /** Only those that fit, where no `userId` is given. @defaultValue all */
  readonly where?: RecordFilter
  /** How many are looked at for a page, 1 to 1000. @defaultValue 100 */
  readonly limit?: number
}

/** One session (of that user, if given), or all of a user's, perhaps but one, perhaps only the older ones. */
export type RevokeQuery =
  | (RevokedBy & { readonly id: string; readonly userId?: string })
  | (RevokedBy & {
      readonly userId: string
      readonly except?: string | null
      /** Only what was authenticated at this moment or before it: milliseconds since the epoch, not in the future. */
      readonly before?: Millis
    })

/** Who revokes. */
export interface RevokedBy {
  /** The user who does it, where it is not the sessions' own: the event's `actor`. @defaultValue nobody is named */
  readonly by?: string
}

/** Every user's sessions. */
export interface RevokeEverybody extends RevokedBy {
  readonly everybody: true
  /** Only what was authenticated at this moment or before it. @defaultValue now */
  readonly before?: Millis
}

/** @throws {TypeError} */
export function readPage(query: ListQuery): PageQuery {
  const { userId = null, cursor = null, limit = 100, where = {} } = query
  checkStrings(query, ['userId'], 'listPage')
  if (cursor !== null && typeof cursor !== 'string')
    throw new TypeError("listPage: cursor must be a page's next")
  if (!(Number.isSafeInteger(limit) && limit >= 1 && limit <= 1_000))
    throw new TypeError('listPage: limit must be a whole number from 1 to 1000')
  if (userId !== null && where && Object.keys(where).length > 0)
    throw new TypeError('listPage: where goes with no userId')
  checkFilter(where, 'listPage')
  return { userId, cursor, limit, where }
}

/**
 * Checks what is to be revoked.
 *
 * @returns its `before`; null where there is none
 * @throws {TypeError}
 */
export function readRevocation(query: RevokeQuery | RevokeEverybody, now: Millis): Millis | null {
  checkStrings(query, ['id', 'userId', 'by'], 'revoke')
  const names = ['id', 'userId', 'everybody'].filter((name) => name in query)
  if (names.length === 0) throw new TypeError('revoke: needs an id, a userId, or both; or everybody: true')
  if ('everybody' in query && (names.length > 1 || query.everybody !== true))
    throw new TypeError('revoke: everybody must be true, and goes with no id and no userId')
  if (!('before' in query)) return null
  if ('id' in query) throw new TypeError('revoke: before goes with a userId alone, or with everybody')
  return readMoment(query.before, now)
}

function checkStrings(query: object, names: readonly string[], call: string): void {
  for (const name of names) {
    // A name that is there and undefined, too.
    if (name in query && typeof (query as Record<string, unknown>)[name] !== 'string')
      throw new TypeError(`${call}: ${name} must be a string`)
  }
}

/** 1973: what is less was meant as seconds. */
const LEAST_MOMENT = 100_000_000_000

function readMoment(before: unknown, now: Millis): Millis {
  // A moment to come would lock everybody out until then; a minute is what clocks may differ by.
  if (typeof before === 'number' && Number.isSafeInteger(before)) {
    if (before >= LEAST_MOMENT && before <= now + 60_000) return Math.min(before, now)
  }
  throw new TypeError('revoke: before must be a moment that has passed, in milliseconds since the epoch')
}
