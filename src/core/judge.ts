/** What is this record worth, for this token, now? Pure. @module */

import type { Millis } from './duration.ts'
import type { EndReason, SessionRecord } from './engine.ts'
import { deadlines, type Policy } from './policy.ts'
import type { RequestContext } from './request.ts'
import { hashParent, type Token } from './token.ts'

/** The token is good. `drifted` names the bindings that changed and are only reported. */
export interface LiveVerdict {
  readonly kind: 'current' | 'offer' | 'sibling' | 'retired'
  readonly drifted: readonly string[]
}

/**
 * - `current`: the secret in force. `offer`: a fresh one offered against it, shown for the first time.
 * - `sibling`: another offer of the same parent. `retired`: the parent itself, in its grace.
 * - `superseded`: the parent, a little later, or a token from before the last authentication. Refused, and no alarm.
 * - `replayed`: genuine, and nothing that an honest client could still hold: somebody kept a copy.
 * - `unknown`: no such record, or the store is older than the token. `none`: no token of ours.
 */
export type Verdict =
  | LiveVerdict
  | { readonly kind: 'none' | 'unknown' | 'superseded' | 'replayed' }
  | { readonly kind: 'expired'; readonly reason: 'idle' | 'absolute' }
  | { readonly kind: 'ended'; readonly reason: EndReason; readonly at: Millis }
  | { readonly kind: 'mismatch'; readonly reason: string; readonly action: 'reauthenticate' | 'revoke' }

/**
 * Judges a genuine token against what the engine returned. The record's own `expiresAt` is never believed.
 *
 * @param notBefore - what everybody authenticated by then has ended
 */
export function judge(
  record: SessionRecord | null,
  token: Token,
  context: RequestContext,
  policy: Policy,
  notBefore: Millis = 0,
): Verdict {
  if (!record || token.era > record.era) return { kind: 'unknown' }
  if (record.ended) return { kind: 'ended', ...record.ended }
  if (isCutOff(record, notBefore)) return { kind: 'ended', reason: 'revoked', at: notBefore }
  const expired = expiry(record, context.now, policy)
  if (expired) return { kind: 'expired', reason: expired }
  const kind = judgeSecret(record, token, context.now, policy)
  if (kind === 'superseded' || kind === 'replayed' || kind === 'unknown') return { kind }
  return judgeBindings(record, kind, context, policy)
}

/** Whether a session ended with everybody's. A visitor's has no user whose password could be known to others. */
export function isCutOff({ authenticatedAt }: SessionRecord, notBefore: Millis): boolean {
  return authenticatedAt !== null && authenticatedAt <= notBefore
}

/** Which limit a record has reached; null while it lives. */
export function expiry(
  record: Parameters<typeof deadlines>[0],
  now: Millis,
  policy: Policy,
): 'idle' | 'absolute' | null {
  const { idle, absolute } = deadlines(record, policy)
  return now >= absolute ? 'absolute' : now >= idle ? 'idle' : null
}

/**
 * Judges the secret alone. Hashes of hashes are compared, of a token whose tag was verified in constant time, so that
 * nothing is left for the time of a comparison to tell.
 */
export function judgeSecret(
  record: SessionRecord,
  token: Token,
  now: Millis,
  policy: Policy,
): LiveVerdict['kind'] | 'superseded' | 'replayed' | 'unknown' {
  const { current, parent } = record.secrets
  if (token.era > record.era) return 'unknown'
  if (token.era < record.era) return 'superseded'
  const shown = token.proof
  if (shown === current) return 'current'
  const shownParent = hashParent(token.parent)
  if (shownParent === current) return 'offer'
  if (parent !== null) {
    if (shownParent === parent) return 'sibling'
    const retiredFor = now - record.renewedAt
    if (shown === parent && retiredFor <= policy.grace) return 'retired'
    if (shown === parent && retiredFor <= policy.grace + policy.late) return 'superseded'
  }
  // Offers are made against the current secret alone, so this one is younger than the record: the store was rolled
  // back, which is no theft. Half of `grace` is the clock skew between servers that is tolerated.
  return token.issued > record.renewedAt + policy.grace / 2 ? 'unknown' : 'replayed'
}

/** Whether siblings of the current secret may still be shown by honest clients, so that renewal must wait. */
export function isSettling(record: SessionRecord, now: Millis, policy: Policy): boolean {
  return record.secrets.parent !== null && now - record.renewedAt <= 2 * (policy.grace + policy.late)
}

const NONE: readonly string[] = []

function judgeBindings(
  record: SessionRecord,
  kind: LiveVerdict['kind'],
  context: RequestContext,
  policy: Policy,
): Verdict {
  const changed = policy.bindings.filter((binding) => {
    const bound = Object.hasOwn(record.bound, binding.name) ? record.bound[binding.name] : undefined
    return bound !== undefined && !binding.matches(bound, context)
  })
  if (changed.length === 0) return { kind, drifted: NONE }
  for (const action of ['revoke', 'reauthenticate'] as const) {
    const binding = changed.find(({ onMismatch }) => onMismatch === action)
    if (binding) return { kind: 'mismatch', reason: binding.name, action }
  }
  return { kind, drifted: changed.map(({ name }) => name) }
}

/** Whether a verdict lets the request act as the session. */
export function isLive(verdict: Verdict): verdict is LiveVerdict {
  return (
    verdict.kind === 'current' ||
    verdict.kind === 'offer' ||
    verdict.kind === 'sibling' ||
    verdict.kind === 'retired'
  )
}

/**
 * Whether the client has been given a newer token than this one: whoever shows the old one is an honest browser's slow
 * request, and nothing that is answered to it may overwrite or clear the newer cookie.
 */
export function isOutdated(verdict: Verdict, now: Millis, policy: Policy): boolean {
  if (verdict.kind !== 'ended') return verdict.kind === 'superseded'
  // After that the answer to the login must have been lost, and the client's cookie is all that it has.
  return verdict.reason === 'replaced' && now - verdict.at <= policy.grace + policy.late
}
