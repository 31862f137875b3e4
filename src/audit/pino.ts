/** Events as lines of a pino log. Takes any logger with these three methods; needs no package. @module */

import type { EventName, SessionEvent } from '../core/events.ts'

/** What is used of a pino logger. */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** `warn`: somebody tries something, or something is set up wrongly. `error`: somebody must look at it now. */
const LEVELS: Record<EventName, keyof Logger> = {
  session_created: 'info',
  session_renewed: 'info',
  session_expired: 'info',
  session_logout: 'info',
  session_revoked: 'info',
  session_suspended: 'info',
  session_use_after_expire: 'info',
  session_unknown: 'warn',
  session_superseded: 'info',
  session_token_forged: 'warn',
  session_token_ambiguous: 'warn',
  session_binding_mismatch: 'warn',
  session_write_refused: 'info',
  excess_sessions_exceeded: 'warn',
  excess_rate_limit_exceeded: 'warn',
  authn_login_success: 'info',
  authn_login_fail: 'warn',
  authn_new_device: 'warn',
  authn_reauthenticated: 'info',
  authn_password_change: 'info',
  authn_token_reuse: 'error',
  authz_fail: 'warn',
  malicious_csrf: 'warn',
  insecure_transport: 'warn',
  engine_failure: 'error',
}

/**
 * Makes a listener that logs each event under `event`, so that none of its names meets one of pino's own.
 *
 * @example
 * const sessions = createSessions({ engine, keys, onEvent: toPino(pino()) })
 *
 * @see ASVS 16.2.4
 */
export function toPino(logger: Logger): (event: SessionEvent) => void {
  return (event) => logger[LEVELS[event.name]]({ event }, event.name)
}
