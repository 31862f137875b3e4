/** What does the end of this request do to the store, and to the client's token? Pure. @module */

import { EMPTY } from './data.ts'
import type { Millis } from './duration.ts'
import type { AssuranceLevel, EndReason, SessionRecord } from './engine.ts'
import { flat } from './flat.ts'
import { expiry, isLive, isSettling, judgeSecret, type Verdict } from './judge.ts'
import { forgetAt, type Policy, touchEvery } from './policy.ts'
import type { RequestContext } from './request.ts'
import { hashSecret, type Token } from './token.ts'

/** What `open` found. */
export interface Opened {
  /** A genuine token, or null. */
  readonly token: Token | null
  /** Its record, whatever that is worth; null when there is none. */
  readonly record: SessionRecord | null
  readonly verdict: Verdict
}

/** What the handler asked of a live session. */
export interface Intent {
  readonly context: RequestContext
  /** When the commit began. */
  readonly at: Millis
  /** Makes the session's next data out of its latest; null when the handler changed nothing. */
  readonly replay: ((data: string) => string) | null
  readonly reauthenticate: Reauthentication | null
  readonly renew: boolean
  /** A safe request that must not count as use: a countdown that polls. */
  readonly passive: boolean
}

export interface Reauthentication {
  readonly secret: string
  readonly methods: readonly string[]
  readonly level: AssuranceLevel | null
  readonly credential: string | null
  readonly at: Millis
}

/** One write, or none. */
export type Step =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'touch'; readonly seenAt: Millis; readonly expiresAt: Millis }
  | { readonly kind: 'adopt' | 'settle' | 'update' | 'reauthenticate'; readonly next: SessionRecord }
  | { readonly kind: 'refuse'; readonly code: 'ERR_SESSION_ENDED' | 'ERR_SESSION_CHANGED' }

/** How much of a user agent is kept. */
const LONGEST = 512

const NOTHING: Step = { kind: 'nothing' }

/**
 * Plans the write of a request that was opened live.
 *
 * @param latest - the record as it is now, which another request may have changed since `opened`
 */
export function plan(opened: Opened, latest: SessionRecord | null, intent: Intent, policy: Policy): Step {
  const { context, at } = intent
  const token = opened.token!
  const refuse = (code: 'ERR_SESSION_ENDED' | 'ERR_SESSION_CHANGED'): Step =>
    intent.replay || intent.reauthenticate ? { kind: 'refuse', code } : NOTHING
  if (!latest || latest.ended) return refuse('ERR_SESSION_ENDED')
  if (latest.era !== token.era || latest.userId !== opened.record!.userId)
    return refuse('ERR_SESSION_CHANGED')
  // What a page does by itself is no use of the session, be it that something is written.
  const idling = intent.passive && !intent.reauthenticate
  const seenAt = idling ? latest.seenAt : Math.max(latest.seenAt, context.now)
  const { remembered, createdAt, authenticatedAt } = latest
  const used = { remembered, createdAt, authenticatedAt, seenAt }
  if (expiry(used, at, policy)) return refuse('ERR_SESSION_ENDED')

  const data = intent.replay ? intent.replay(latest.data) : latest.data
  const turn = intent.passive ? null : turnSecret(latest, token, intent, policy)
  const drifted = !intent.passive && isLive(opened.verdict) && opened.verdict.drifted.length > 0
  if (!intent.reauthenticate && !turn && !drifted && data === latest.data) {
    if (intent.passive || seenAt - latest.seenAt < touchEvery(latest, policy)) return NOTHING
    return { kind: 'touch', seenAt, expiresAt: forgetAt(used, policy) }
  }
  const version = latest.version + 1
  const next = {
    ...latest,
    version,
    seenAt,
    expiresAt: forgetAt(used, policy),
    client: clientOf(context),
    data,
  }
  if (intent.reauthenticate)
    return { kind: 'reauthenticate', next: raiseEra(next, intent.reauthenticate, context, policy) }
  if (!turn && !drifted) return { kind: 'update', next }
  const bound = drifted ? capture(context, policy) : latest.bound
  return { kind: turn?.kind ?? 'update', next: { ...next, ...turn?.changes, bound } }
}

/**
 * Plans what the client is told, after the write. `offer`: a fresh secret of its own, adopted when it is first shown,
 * so that a lost response costs nothing. `reissue`: the same secret under the newest key.
 *
 * @param record - as it is after the step
 */
export function planToken(
  opened: Opened,
  record: SessionRecord,
  intent: Intent,
  policy: Policy,
): 'nothing' | 'offer' | 'reissue' {
  const { token, verdict } = opened
  const now = intent.context.now
  if (!token || verdict.kind !== 'current' || intent.passive || record.ended) return 'nothing'
  if (judgeSecret(record, token, intent.at, policy) !== 'current' || isSettling(record, now, policy))
    return 'nothing'
  if (record.userId === null) return token.oldKey ? 'reissue' : 'nothing'
  return intent.renew || token.oldKey || now - record.renewedAt >= policy.renewal ? 'offer' : 'nothing'
}

/** A session's first record. */
export function newRecord(
  fields: Pick<SessionRecord, 'id' | 'userId' | 'methods' | 'remembered' | 'data'> & {
    readonly secret: string
    readonly level?: AssuranceLevel | null
    readonly name?: string | undefined
  },
  context: RequestContext,
  policy: Policy,
): SessionRecord {
  const { secret, level = null, name, ...rest } = fields
  const { now } = context
  const record = {
    ...rest,
    version: 1,
    era: rest.userId === null ? 0 : 1,
    secrets: { current: hashSecret(secret), parent: null },
    createdAt: now,
    renewedAt: now,
    seenAt: now,
    authenticatedAt: rest.userId === null ? null : now,
    ...(level !== null && { level }),
    ...(name !== undefined && { name }),
    ended: null,
    client: clientOf(context),
    bound: capture(context, policy),
  }
  return { ...record, expiresAt: forgetAt(record, policy) }
}

/**
 * The record whose data a login takes along: a visitor's, or the same user's, suspended or not. Never another user's.
 */
export function carried({ record, verdict }: Opened, userId: string): SessionRecord | null {
  if (!record) return null
  if (isLive(verdict)) return record.userId === null || record.userId === userId ? record : null
  return verdict.kind === 'mismatch' && verdict.action === 'reauthenticate' && record.userId === userId
    ? record
    : null
}

/** What is left of a record that has ended: neither secrets nor data, nor what its user called it. */
export function tombstone(
  { name: _, ...record }: SessionRecord,
  reason: EndReason,
  at: Millis,
): SessionRecord {
  return {
    ...record,
    version: record.version + 1,
    secrets: { current: '', parent: null },
    ended: { reason, at },
    bound: {},
    data: EMPTY,
  }
}

/** A new era: every secret from before it is dead at once, and absolute time begins anew. */
function raiseEra(
  { level: _, ...record }: SessionRecord,
  { secret, methods, level, at }: Reauthentication,
  context: RequestContext,
  policy: Policy,
): SessionRecord {
  const next = {
    ...record,
    era: record.era + 1,
    secrets: { current: hashSecret(secret), parent: null },
    renewedAt: at,
    authenticatedAt: at,
    methods: [...new Set([...record.methods, ...methods])],
    ...(level !== null && { level }),
    bound: capture(context, policy),
  }
  return { ...next, expiresAt: forgetAt(next, policy) }
}

/**
 * What showing this token does to the record's secrets. The first offer shown is adopted; of its siblings, all good for
 * twice (grace + late), the first one shown after that is the only one, and the others are replays from then on. A request
 * that takes longer than that has shown its token when it came, and must not settle, at its end, what its client has left
 * behind since.
 */
function turnSecret(
  record: SessionRecord,
  token: Token,
  { context, at }: Intent,
  policy: Policy,
): { kind: 'adopt' | 'settle'; changes: Partial<SessionRecord> } | null {
  const kind = judgeSecret(record, token, at, policy)
  const current = token.proof
  if (kind === 'offer') {
    return { kind: 'adopt', changes: { secrets: { current, parent: record.secrets.current }, renewedAt: at } }
  }
  const settles = (kind === 'current' || kind === 'sibling') && record.secrets.parent !== null
  return settles && !isSettling(record, context.now, policy)
    ? { kind: 'settle', changes: { secrets: { current, parent: null } } }
    : null
}

function capture(context: RequestContext, policy: Policy): Record<string, string> {
  const captured = policy.bindings.map((binding) => [binding.name, binding.capture(context)] as const)
  return Object.fromEntries(captured.filter((entry): entry is [string, string] => entry[1] !== null))
}

function clientOf(context: RequestContext): SessionRecord['client'] {
  const header = context.header('user-agent')
  const userAgent = header && header.length > LONGEST ? flat(header.slice(0, LONGEST)) : header
  return { ...(context.ip !== null && { ip: context.ip }), ...(userAgent !== null && { userAgent }) }
}
