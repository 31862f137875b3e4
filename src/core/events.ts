import type { Millis } from './duration.ts'
import { type ErrorCode, SessionError } from './errors.ts'
import { isLater } from './later.ts'
import type { RequestContext } from './request.ts'
import { drawName } from './token.ts'

/** Names are OWASP's where its Logging Vocabulary has one. */
export type EventName =
  | 'session_created'
  | 'session_renewed'
  | 'session_expired'
  | 'session_logout'
  | 'session_revoked'
  | 'session_suspended'
  | 'session_use_after_expire'
  | 'session_unknown'
  | 'session_superseded'
  | 'session_token_forged'
  | 'session_token_ambiguous'
  | 'session_binding_mismatch'
  | 'session_write_refused'
  | 'excess_sessions_exceeded'
  | 'excess_rate_limit_exceeded'
  | 'authn_login_success'
  | 'authn_login_fail'
  | 'authn_new_device'
  | 'authn_reauthenticated'
  | 'authn_password_change'
  | 'authn_token_reuse'
  | 'authz_fail'
  | 'malicious_csrf'
  | 'insecure_transport'
  | 'engine_failure'

/** Something that an operator may want to know. Holds no token, secret or session data. */
export interface SessionEvent {
  /** Names this one event, in a log and beside it: `npx holdfast explain ID`. Not a secret, and not in order. */
  readonly id: string
  readonly name: EventName
  readonly at: Millis
  readonly sessionId: string | null
  readonly userId: string | null
  /** Who did it, where it was an operator: what `revoke` was told in `by`. */
  readonly actor: string | null
  readonly ip: string | null
  readonly userAgent: string | null
  readonly method: string | null
  readonly path: string | null
  /** More exactly what: an end's reason, a binding's name. */
  readonly reason: string | null
  /** The code of the error that the client got, if it got one. */
  readonly code: ErrorCode | null
}

/** What an event adds to its request. */
export type EventDetails = Partial<Pick<SessionEvent, 'sessionId' | 'userId' | 'actor' | 'reason' | 'code'>>

/** What the store said, and not what its client is told. */
export function detailsOf({ code, message, cause }: SessionError): EventDetails {
  return { code, reason: cause instanceof Error ? cause.message : message }
}

/** Tells the listener. */
export type Report = (name: EventName, context: RequestContext | null, details?: EventDetails) => void

/** Tells that the store failed, where that is what an error says. */
export function reportFailure(report: Report, context: RequestContext, error: unknown): void {
  if (!(error instanceof SessionError) || error.status !== 503) return
  report('engine_failure', context, detailsOf(error))
}

/** Hears of events. What it throws, or rejects with, is its own failure, and decides nothing. */
export type EventListener = (event: SessionEvent) => void

/** Tells listeners, whose failure is their own: it must not decide what becomes of a request. */
export function reportTo(listeners: ReadonlySet<EventListener>): Report {
  return (name, context, details = {}) => {
    if (listeners.size === 0) return
    const event = describeEvent(name, context, details)
    for (const listener of listeners) tell(listener, event)
  }
}

function tell(listener: EventListener, event: SessionEvent): void {
  const failed = (error: unknown) => console.error('holdfast: the onEvent listener threw', error)
  try {
    // The type says void, which an asynchronous function is taken for, and whose rejection would end the process.
    const result: unknown = listener(event)
    if (isLater(result)) result.then(undefined, failed)
  } catch (error) {
    failed(error)
  }
}

function describeEvent(name: EventName, context: RequestContext | null, details: EventDetails): SessionEvent {
  return {
    id: drawEventId(),
    name,
    at: context?.now ?? Date.now(),
    sessionId: details.sessionId ?? null,
    userId: details.userId ?? null,
    actor: details.actor ?? null,
    ip: context?.ip ?? null,
    userAgent: context?.header('user-agent')?.slice(0, 512) ?? null,
    method: context?.method ?? null,
    path: context?.path ?? null,
    reason: details.reason ?? null,
    code: details.code ?? null,
  }
}

let prefix: string | undefined
let drawn = 0

/** One draw for each process and a count: floods of forged tokens are events, too, and must cost little. */
function drawEventId(): string {
  prefix ??= drawName(9)
  return `${prefix}.${(++drawn).toString(36)}`
}
