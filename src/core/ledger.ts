/**
 * One user's sessions, as pure functions of his ledger. The order of writes is always: record first, ledger second,
 * cookie last. Nobody holds the token of a record that the ledger has not admitted.
 * @module
 */

import type { Millis } from './duration.ts'
import type { EndReason, KnownDevice, UserLedger } from './engine.ts'
import { forgetAll, forgetOf, remember } from './known-devices.ts'

type Entry = UserLedger['sessions'][number]

/** Whose ledger holds the moment that counts for everybody. No user's, for a user's id holds no NUL. */
export const EVERYBODY = '\0everybody'

/** Whether this can be a user's id. Stores cut at NUL, and turn lone surrogates into one and the same character. */
export function isUserId(userId: unknown): userId is string {
  return typeof userId === 'string' && userId !== '' && !userId.includes('\0') && userId.isWellFormed()
}

/** A ledger that isn't stored yet: version 0. */
export function emptyLedger(userId: string): UserLedger {
  return { userId, version: 0, notBefore: 0, credential: null, sessions: [], ending: [], expiresAt: 0 }
}

/** Whether a login must be refused: it was opened by the time the user's sessions were revoked, perhaps by an old password. */
export function isTooLate(ledger: Pick<UserLedger, 'notBefore'>, openedAt: Millis): boolean {
  return openedAt <= ledger.notBefore
}

/** How many sessions must be ended, or found dead, before one more may be admitted. */
export function excess(ledger: UserLedger, replaced: string | null, past: Millis, max: number): number {
  const rest = ledger.sessions.filter(({ id, until }) => until > past && id !== replaced)
  return Math.max(0, rest.length + 1 - max)
}

/**
 * Whether an authentication ends the user's other sessions: by another password than theirs, or the first of which it is
 * said by which it was.
 */
export function endsOthers(ledger: UserLedger, credential: string | null): boolean {
  return credential !== null && credential !== ledger.credential
}

/**
 * Whether an authentication is by a former password. Which of two is the newer one, only their order can tell: whoever
 * began before the other one was told may have looked before it was changed.
 */
export function isFormer(ledger: UserLedger, credential: string | null, openedAt: Millis): boolean {
  return endsOthers(ledger, credential) && openedAt <= (ledger.credentialAt ?? 0)
}

/**
 * Admits a session, ending those that it displaces.
 *
 * @param options.at - when the login was committed: what it knows of the password was true by then
 * @param options.past - sessions whose deadline was by then can't be alive, whatever the policy
 * @param options.replaced - the session that this login replaces, of the same user
 * @param options.device - what it comes from; null where nobody asks
 * @param options.dead - those found ended or expired already
 * @param options.displaced - those that the limit ends
 * @param options.revokeOthers - ends every other one, and refuses logins under way
 */
export function admit(
  ledger: UserLedger,
  entry: Entry,
  options: {
    readonly at: Millis
    readonly credential: string | null
    readonly past: Millis
    readonly replaced: string | null
    readonly device?: KnownDevice | null
    readonly dead: ReadonlySet<string>
    readonly displaced: ReadonlySet<string>
    readonly revokeOthers: boolean
  },
): UserLedger {
  const { at, past, replaced, device = null, dead, displaced, credential } = options
  const revokeOthers = options.revokeOthers || endsOthers(ledger, credential)
  const staying: Entry[] = []
  const ending = [...ledger.ending]
  for (const session of ledger.sessions) {
    if (session.until <= past || dead.has(session.id)) continue
    // The login itself ends it, last of all, when its latest data have been taken along. Until then it stays named.
    if (session.id === replaced) staying.push(session)
    else if (revokeOthers) ending.push({ id: session.id, reason: 'revoked' })
    else if (displaced.has(session.id)) ending.push({ id: session.id, reason: 'limit' })
    else staying.push(session)
  }
  const notBefore = options.revokeOthers ? Math.max(ledger.notBefore, at) : ledger.notBefore
  const told = endsOthers(ledger, credential) ? { credential, credentialAt: at } : {}
  const { devices } = revokeOthers ? forgetAll(ledger, null) : ledger
  return next(ledger, {
    ...told,
    ...(device && { devices: remember(devices, device, at) }),
    notBefore,
    sessions: [...staying, entry],
    ending,
  })
}

/**
 * Takes sessions off the ledger that have ended in their records.
 *
 * @param revoked - whether somebody didn't want them there: what they came from is then no known device any more
 * @returns null when it names none of them
 */
export function dismiss(ledger: UserLedger, ids: ReadonlySet<string>, revoked = false): UserLedger | null {
  const sessions = ledger.sessions.filter(({ id }) => !ids.has(id))
  const ending = ledger.ending.filter(({ id }) => !ids.has(id))
  const unchanged = sessions.length === ledger.sessions.length && ending.length === ledger.ending.length
  return unchanged ? null : next(ledger, { ...(revoked && forgetOf(ledger, ids)), sessions, ending })
}

/** Ends all of a user's sessions but one, and refuses the logins that are under way. */
export function revokeAll(
  ledger: UserLedger,
  except: string | null,
  reason: EndReason,
  now: Millis,
): UserLedger {
  const ending = ledger.sessions.filter(({ id }) => id !== except).map(({ id }) => ({ id, reason }))
  return next(ledger, {
    ...forgetAll(ledger, except),
    notBefore: Math.max(ledger.notBefore, now),
    sessions: ledger.sessions.filter(({ id }) => id === except),
    ending: [...ledger.ending, ...ending],
  })
}

/**
 * Ends those of a user's sessions, and refuses the logins that were opened by `by`.
 *
 * @param ids - those that were authenticated by then
 */
export function revokeSome(ledger: UserLedger, ids: ReadonlySet<string>, by: Millis): UserLedger {
  const ended = ledger.sessions.filter(({ id }) => ids.has(id))
  return next(ledger, {
    notBefore: Math.max(ledger.notBefore, by),
    sessions: ledger.sessions.filter(({ id }) => !ids.has(id)),
    ending: [...ledger.ending, ...ended.map(({ id }) => ({ id, reason: 'revoked' as const }))],
  })
}

/** It must outlast whatever session it ends, under whatever policy is to come; and there is only one. */
const KEPT_FOR_EVERYBODY = 100 * 365 * 24 * 60 * 60 * 1000

/** Ends everybody's sessions that were authenticated by `by`. @returns null when that was done already */
export function revokeEverybody(ledger: UserLedger, by: Millis): UserLedger | null {
  if (by <= ledger.notBefore) return null
  return { ...next(ledger, { notBefore: by }), expiresAt: by + KEPT_FOR_EVERYBODY }
}

/**
 * Gives a session its new absolute deadline, after reauthentication; where the password is another one, ends the others.
 *
 * @param at - when the reauthentication was committed
 * @returns null when it isn't admitted (any more)
 */
export function extend(
  ledger: UserLedger,
  entry: Entry,
  credential: string | null,
  at: Millis,
): UserLedger | null {
  if (!ledger.sessions.some(({ id }) => id === entry.id)) return null
  const isEnding = ({ id }: Entry) => id !== entry.id && endsOthers(ledger, credential)
  const ended = ledger.sessions.filter(isEnding)
  return next(ledger, {
    ...(endsOthers(ledger, credential) && { ...forgetAll(ledger, entry.id), credential, credentialAt: at }),
    sessions: ledger.sessions
      .filter((session) => !isEnding(session))
      .map((session) => (session.id === entry.id ? { ...session, ...entry } : session)),
    ending: [...ledger.ending, ...ended.map(({ id }) => ({ id, reason: 'revoked' as const }))],
  })
}

/** How long a ledger without sessions is kept: `notBefore` must outlast every login that was under way. */
const KEPT_EMPTY = 24 * 60 * 60 * 1000

function next(ledger: UserLedger, changes: Partial<UserLedger>): UserLedger {
  const merged = { ...ledger, ...changes, version: ledger.version + 1 }
  const last = merged.sessions.reduce((latest, { until }) => Math.max(latest, until), merged.notBefore)
  const known = merged.devices?.at(-1)?.until ?? 0
  return { ...merged, expiresAt: Math.max(ledger.expiresAt, last + KEPT_EMPTY, known) }
}
