/** What the console's server and its page say to each other. Types alone: the page takes nothing else from the server. @module */

import type { ExplainedName, Severity } from '../audit/words.ts'
import type { Millis } from '../core/duration.ts'
import type { AssuranceLevel } from '../core/engine.ts'

/** `GET api/me` */
export interface Me {
  readonly userId: string
  /** For `X-CSRF-Token`, which every POST needs. */
  readonly csrfToken: string
  readonly title: string
  readonly now: Millis
  /** Whether events come from an audit log: of all servers, and from before this process. */
  readonly audit: boolean
  /** Whether the engine can list everybody's sessions. */
  readonly canSearch: boolean
  readonly reauthenticateUrl: string | null
  readonly logoutUrl: string | null
  readonly limits: { readonly idle: Millis; readonly absolute: Millis; readonly renewal: Millis }
}

export interface ConsoleSession {
  readonly id: string
  readonly userId: string
  readonly createdAt: Millis
  readonly authenticatedAt: Millis
  readonly seenAt: Millis
  readonly expiresAt: Millis
  readonly idleExpiresAt: Millis
  readonly remembered: boolean
  readonly methods: readonly string[]
  readonly level: AssuranceLevel | null
  readonly ip: string | null
  readonly userAgent: string | null
  /** The user agent in words. */
  readonly device: string
  /** Whether it is the operator's own, with which he is looking. */
  readonly isOwn: boolean
}

/** `GET api/sessions` */
export interface SessionsPage {
  readonly sessions: readonly ConsoleSession[]
  readonly next: string | null
  /** How many records were looked at for this page. */
  readonly looked: number
}

export interface ConsoleEvent {
  readonly id: string
  readonly name: ExplainedName
  readonly at: Millis
  readonly sessionId: string | null
  readonly userId: string | null
  /** Who did it, where it was not the session's own user. */
  readonly actor: string | null
  readonly ip: string | null
  readonly userAgent: string | null
  readonly device: string | null
  readonly method: string | null
  readonly path: string | null
  readonly reason: string | null
  readonly code: string | null
  /** What it means, in words. */
  readonly what: string
  /** What an operator does about it; empty where there is nothing to do. */
  readonly todo: string
  readonly severity: Severity
}

/** `GET api/events`, newest first */
export interface EventsPage {
  readonly events: readonly ConsoleEvent[]
  readonly next: string | null
}

/** `GET api/sessions/ID` */
export interface SessionDetail {
  /** null where it is over. */
  readonly session: ConsoleSession | null
  readonly state: 'live' | 'suspended' | 'expired' | 'ended'
  readonly ended: { readonly reason: string; readonly at: Millis } | null
  readonly id: string
  readonly userId: string | null
  readonly createdAt: Millis | null
  /** Where the picture of its life stops: its end, or now. */
  readonly until: Millis
  /** Oldest first. */
  readonly events: readonly ConsoleEvent[]
  /** false: only the events since this process began, or not all of them. */
  readonly complete: boolean
  /** The user's other live sessions. */
  readonly others: readonly ConsoleSession[]
}

/** What happened in one interval of time, and how many sessions were live at its end. */
export interface FiguresPoint {
  readonly at: Millis
  /** null until they have been counted. */
  readonly live: number | null
  readonly logins: number
  readonly renewals: number
  readonly created: number
  readonly ended: number
  /** How many of each event that refused something, by its name. */
  readonly refusals: Readonly<Record<string, number>>
}

/** `GET api/figures` */
export interface Figures {
  readonly every: Millis
  readonly points: readonly FiguresPoint[]
  readonly counting: { readonly from: Millis; readonly estimate: boolean }
}

/** `POST api/revoke` */
export type RevokeRequest =
  | { readonly ids: readonly string[] }
  | { readonly userId: string; readonly except?: string }
  | { readonly everybody: true; readonly confirm: 'everybody' }

export interface RevokeResult {
  /** null where nobody counts them. */
  readonly ended: number | null
}
