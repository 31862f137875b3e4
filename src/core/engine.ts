/** What the core asks of a store. `docs/engines.md` shows how to write one; `holdfast/testing` has its tests. @module */

import type { Millis } from './duration.ts'
import type { RecordFilter } from './filter.ts'

/** A value now, or later. */
export type MaybePromise<T> = T | Promise<T>

/** Why a record was ended before its time. */
export type EndReason = 'logout' | 'replaced' | 'revoked' | 'replayed' | 'mismatch' | 'limit'

/** What an authentication is worth, by the assurance levels of NIST SP 800-63B-4. */
export type AssuranceLevel = 1 | 2 | 3

/**
 * What proves that a token is the session's, as hashes of hashes (`hash(hash(secret))`): a copy of the store, even
 * together with the keys, can't be turned into a token.
 */
export interface Secrets {
  /** The secret in force. */
  readonly current: string
  /** The one it was offered against, while that is in memory: it tells siblings and late arrivals from replays. */
  readonly parent: string | null
}

/** One stored session. Engines keep it whole and look only at `id`, `version`, `userId`, `seenAt`, `expiresAt`. */
export interface SessionRecord {
  /** 128 random bits, base64url, 22 characters. Public: it is in logs and device lists, and proves nothing. */
  readonly id: string
  /** 1 when created, one more at each replace. */
  readonly version: number
  readonly userId: string | null
  /** How many authentications this record has seen. */
  readonly era: number
  readonly secrets: Secrets
  readonly createdAt: Millis
  /** When the current secret came into force. */
  readonly renewedAt: Millis
  readonly seenAt: Millis
  readonly authenticatedAt: Millis | null
  /** How, by the names of RFC 8176: `pwd`, `otp`, `hwk`. */
  readonly methods: readonly string[]
  /** What the last authentication was worth; absent where nobody said so, and in records from before there were levels. */
  readonly level?: AssuranceLevel
  readonly remembered: boolean
  /** From here on the engine may forget it: its deadline plus `remembrance`. Never what decides expiry. */
  readonly expiresAt: Millis
  /** A tombstone: no secrets, no data, kept so that nothing revives it and the login page can say why. */
  readonly ended: { readonly reason: EndReason; readonly at: Millis } | null
  /** For device lists. */
  readonly client: { readonly ip?: string; readonly userAgent?: string }
  /** What each binding captured, by the binding's name. */
  readonly bound: Readonly<Record<string, string>>
  /** JSON text of an object. */
  readonly data: string
}

/** One user's sessions: what a login, a limit, a revoke of all must decide in one step. */
export interface UserLedger {
  readonly userId: string
  /** 1 when inserted, one more at each replace. */
  readonly version: number
  /** No login that was opened by then is admitted. */
  readonly notBefore: Millis
  /** A hash of what `authenticate` was told of the password; null until it is told. Another one ends the sessions. */
  readonly credential: string | null
  /** When that was told first; absent until it is. */
  readonly credentialAt?: Millis
  /** Oldest first. `until` is the session's absolute deadline; entries past it are pruned. */
  readonly sessions: readonly { readonly id: string; readonly until: Millis }[]
  /** Ended here, perhaps not yet in their records: whoever swaps the ledger next makes sure. */
  readonly ending: readonly { readonly id: string; readonly reason: EndReason }[]
  /** From here on the engine may forget it. */
  readonly expiresAt: Millis
}

/**
 * A store of sessions. Each verb touches one key and knows no policy and no clock: every time is an argument, and the
 * core judges again whatever an engine returns. Not found is a value, not an error; an error means that the store
 * failed, and becomes a 503.
 */
export interface Engine {
  /** A word for messages, such as `sqlite`. */
  readonly name: string
  /** Whether every process sees the same sessions, and they outlive this one. Such an engine needs keys that do, too. */
  readonly shared: boolean
  /** @param options.fresh - read from the primary: what is read decides whether a session is revoked */
  load(id: string, options?: { readonly fresh?: boolean }): MaybePromise<SessionRecord | undefined>
  /** Inserts. @returns false, having written nothing, when the id is taken */
  create(record: SessionRecord): MaybePromise<boolean>
  /**
   * Compare-and-swap: writes `next` only where the stored version is `version`. Never inserts: an upsert here would
   * bring a session back that had ended.
   * `seenAt` and `expiresAt` move forward only, for a `touch` since it was read leaves the version as it is.
   * @returns whether it was written, durably
   */
  replace(next: SessionRecord, version: number): MaybePromise<boolean>
  /**
   * Moves `seenAt` and `expiresAt` forward, never back, of that version only, leaving the version as it is.
   * @returns whether there was that version
   */
  touch(id: string, version: number, seenAt: Millis, expiresAt: Millis): MaybePromise<boolean>
  loadUser(userId: string): MaybePromise<UserLedger | undefined>
  /** Compare-and-swap; `version` 0 inserts, and fails when there is one. @returns whether it was written */
  replaceUser(next: UserLedger, version: number): MaybePromise<boolean>
  /**
   * Lists records in any order; an opaque cursor, and repeats are allowed.
   *
   * @param query.limit - how many are looked at for a page
   * @param query.where - leaves out some of those that don't fit, or all, and none that fits: the caller looks again. An
   *   engine may ignore it; one with a query language answers sooner. A cursor goes with the `where` that it came from.
   */
  scan?(query: {
    readonly cursor?: string
    readonly limit: number
    readonly where?: RecordFilter
  }): MaybePromise<{ readonly records: readonly SessionRecord[]; readonly next?: string }>
  /** Deletes up to `limit` records and ledgers whose `expiresAt` is at or before `now`. @returns how many */
  sweep(now: Millis, limit: number): MaybePromise<number>
  close?(): MaybePromise<void>
}
