/** One session's life: what its record and its events tell. @module */

import type { SessionRecord } from '../core/engine.ts'
import { expiry } from '../core/judge.ts'
import { deadlines } from '../core/policy.ts'
import { engineOf, type SessionInfo, type Sessions } from '../core/sessions.ts'
import type { ConsoleEvent, SessionDetail } from './api.ts'
import type { Feed } from './feed.ts'
import { showSession } from './shape.ts'

/** Events of one session that are shown: the last ones. */
const MOST = 500

/** What ends a session, whoever tells of it. */
const ENDS = new Set<ConsoleEvent['name']>(['session_logout', 'session_revoked', 'session_expired'])

/** @returns null where nothing is known of such a session */
export async function lifeOf(
  sessions: Sessions<never>,
  feed: Feed,
  id: string,
  own: string | null,
): Promise<SessionDetail | null> {
  const now = Date.now()
  const [info, record, page] = await Promise.all([
    sessions.find(id),
    engineOf(sessions).load(id, { fresh: true }),
    feed.find({ sessionId: id, limit: MOST }),
  ])
  const events = page.events.toReversed()
  if (!record && events.length === 0) return null
  const userId = record?.userId ?? events.findLast((event) => event.userId !== null)?.userId ?? null
  const { state, ended } = stateOf(info, record, events, sessions, now)
  const others = userId === null ? [] : (await sessions.list(userId)).filter((other) => other.id !== id)
  return {
    session: info && showSession(info, own),
    state,
    ended,
    id,
    userId,
    createdAt: record?.createdAt ?? events.find(({ name }) => name === 'session_created')?.at ?? null,
    until: ended?.at ?? now,
    events,
    complete: page.next === null && events[0]?.name === 'session_created',
    others: others.map((other) => showSession(other, own)),
  }
}

function stateOf(
  info: SessionInfo | null,
  record: SessionRecord | undefined,
  events: readonly ConsoleEvent[],
  { policy }: Sessions<never>,
  now: number,
): Pick<SessionDetail, 'state' | 'ended'> {
  if (info) return { state: events.at(-1)?.name === 'session_suspended' ? 'suspended' : 'live', ended: null }
  if (record?.ended) return { state: 'ended', ended: record.ended }
  const reached = record && expiry(record, now, policy)
  if (record && !reached && record.userId === null) return { state: 'live', ended: null }
  if (record && reached) {
    const { absolute, idle } = deadlines(record, policy)
    return { state: 'expired', ended: { reason: reached, at: reached === 'absolute' ? absolute : idle } }
  }
  // Its record is forgotten, or it ended with everybody's, which is written in no record.
  const end = events.findLast(({ name }) => ENDS.has(name))
  const ended = {
    reason: end?.reason ?? (record ? 'revoked' : 'forgotten'),
    at: end?.at ?? record?.seenAt ?? events.at(-1)!.at,
  }
  return { state: end?.name === 'session_expired' ? 'expired' : 'ended', ended }
}
