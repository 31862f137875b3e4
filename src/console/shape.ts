/** Sessions and events as the page gets them: no token, no session data; what clients sent is text. @module */

import type { AuditEntry } from '../audit/entry.ts'
import { SEVERITY, WORDS } from '../audit/words.ts'
import { deviceLabel } from '../bindings/user-agent.ts'
import type { SessionEvent } from '../core/events.ts'
import type { SessionInfo } from '../core/sessions.ts'
import type { ConsoleEvent, ConsoleSession } from './api.ts'

/** What a user calls it is for his own eyes. @param own - the operator's session */
export function showSession({ name: _, ...info }: SessionInfo, own: string | null): ConsoleSession {
  return { ...info, device: deviceLabel(info.userAgent), isOwn: info.id === own }
}

export function showEntry(entry: AuditEntry): ConsoleEvent {
  return show({ ...entry, at: Date.parse(entry.at) })
}

export function showEvent(event: SessionEvent): ConsoleEvent {
  return show(event)
}

const UNKNOWN = { what: 'This version of holdfast knows no such event.', todo: '' }

function show(
  event: Omit<SessionEvent, 'name' | 'code'> & { name: ConsoleEvent['name']; code: string | null },
): ConsoleEvent {
  const { id, name, at, sessionId, userId, actor = null, ip, userAgent, method, path, reason, code } = event
  // A log may hold events of another version.
  const { what, todo } = Object.hasOwn(WORDS, name) ? WORDS[name] : UNKNOWN
  const severity = Object.hasOwn(SEVERITY, name) ? SEVERITY[name] : 'notice'
  const device = userAgent === null ? null : deviceLabel(userAgent)
  return {
    id,
    name,
    at,
    sessionId,
    userId,
    actor,
    ip,
    userAgent,
    device,
    method,
    path,
    reason,
    code,
    what,
    todo,
    severity,
  }
}
