import { deviceLabel } from '../bindings/user-agent.ts'
import type { Millis } from '../core/duration.ts'
import type { SessionInfo } from '../core/sessions.ts'

/** One of a user's sessions, as he sees it. Texts are a client's: in HTML they must be escaped. */
export interface DeviceSession {
  readonly id: string
  /** Whether it is the one that asks. */
  readonly current: boolean
  /** What the user calls it; null where he calls it nothing. */
  readonly name: string | null
  /** Such as `'Firefox on Linux'`. */
  readonly device: string
  readonly ip: string | null
  readonly authenticatedAt: Millis
  readonly seenAt: Millis
  /** When it ends unless it is used. */
  readonly idleExpiresAt: Millis
  /** When it ends however it is used. */
  readonly expiresAt: Millis
  readonly remembered: boolean
}

/** What the page answers to whoever asks for JSON. */
export interface DeviceList {
  /** For the header `X-CSRF-Token` of what changes something; empty with a bearer transport. */
  readonly csrfToken: string
  /** Whether the last authentication is recent enough to end others by it. */
  readonly fresh: boolean
  /** This one first, then most recently used first. */
  readonly sessions: readonly DeviceSession[]
}

export function describeSessions(
  sessions: readonly SessionInfo[],
  currentId: string | null,
): DeviceSession[] {
  const described = sessions.map((session): DeviceSession => {
    const { id, name, ip, userAgent, authenticatedAt, seenAt, idleExpiresAt, expiresAt, remembered } = session
    const current = id === currentId
    const device = deviceLabel(userAgent)
    return { id, current, name, device, ip, authenticatedAt, seenAt, idleExpiresAt, expiresAt, remembered }
  })
  return described.sort((a, b) => Number(b.current) - Number(a.current))
}
