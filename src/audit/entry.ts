/** What an audit log holds of an event: who, what, when, where. @module */

import type { SessionEvent } from '../core/events.ts'

/** An event as it stands in an audit log: the time in words, and the server. `audit_events_lost` is the log's own. */
export interface AuditEntry extends Omit<SessionEvent, 'at' | 'name'> {
  readonly name: SessionEvent['name'] | 'audit_events_lost'
  /** ISO 8601, UTC. */
  readonly at: string
  readonly server: string
}

/** Paths and reasons are as long as a client makes them. */
const LONGEST = 2_048

/** @returns JSON text, in which nothing that a client sent can end a line or a string */
export function entryOf(event: SessionEvent, server: string): string {
  const { id, name, at, sessionId, userId, actor, ip, userAgent, method, path, reason, code } = event
  const entry: AuditEntry = {
    at: new Date(at).toISOString(),
    id,
    name,
    server,
    userId: cut(userId),
    sessionId,
    actor: cut(actor),
    ip,
    userAgent: cut(userAgent),
    method: cut(method),
    path: cut(path),
    reason: cut(reason),
    code,
  }
  return JSON.stringify(entry)
}

/** Says in the log itself that it is not whole. */
export function lostEntry(count: number, server: string): string {
  const nothing = {
    userId: null,
    sessionId: null,
    actor: null,
    ip: null,
    userAgent: null,
    method: null,
    path: null,
    code: null,
  }
  const at = new Date().toISOString()
  const entry: AuditEntry = {
    at,
    id: '',
    name: 'audit_events_lost',
    server,
    ...nothing,
    reason: String(count),
  }
  return JSON.stringify(entry)
}

/** Whoever makes an event may have it from a client: what is no string is nothing. */
function cut(text: unknown): string | null {
  if (typeof text !== 'string') return null
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`
}
