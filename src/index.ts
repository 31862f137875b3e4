export type { Binding, OnMismatch } from './core/binding.ts'
export type { DeepReadonly } from './core/data.ts'
export { type Duration, formatDuration, type Millis, parseDuration } from './core/duration.ts'
export type { Effects } from './core/effects.ts'
export type {
  AssuranceLevel,
  EndReason,
  Engine,
  MaybePromise,
  Secrets,
  SessionRecord,
  UserLedger,
} from './core/engine.ts'
export { type ErrorCode, SessionError, type StepUp } from './core/errors.ts'
export type { EventListener, EventName, SessionEvent } from './core/events.ts'
export type { RecordFilter } from './core/filter.ts'
export { generateKey } from './core/keys.ts'
export type { CsrfOptions, HstsOptions, OnExceeded, Policy, Preset, SessionsOptions } from './core/policy.ts'
export type { ListQuery, RevokedBy, RevokeEverybody, RevokeQuery } from './core/queries.ts'
export type { RateLimit, RateLimits } from './core/rate-limits.ts'
export type { Header, RequestContext } from './core/request.ts'
export type { Requirement } from './core/requirement.ts'
export type { SessionSchema } from './core/schema.ts'
export type { AuthenticateOptions, LostReason, ReauthenticateOptions, Session } from './core/session.ts'
export type { SessionInfo, SessionPage, Sessions } from './core/sessions.ts'
export { bearer, type CookieOptions, cookie, type Transport } from './core/transport.ts'
export { createSessions } from './create-sessions.ts'
