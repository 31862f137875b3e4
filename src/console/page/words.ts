/** What each event is called on the page, and how it is drawn. What it means comes from the server. @module */

import type { ConsoleEvent } from '../api.ts'

/** How an event is drawn: its sign and its colour. */
export type Kind = 'start' | 'login' | 'proof' | 'renewal' | 'change' | 'trouble' | 'alarm' | 'end'

interface Face {
  readonly label: string
  readonly kind: Kind
}

export const FACES: Readonly<Record<ConsoleEvent['name'], Face>> = {
  session_created: { label: 'Session created', kind: 'start' },
  session_renewed: { label: 'Token renewed', kind: 'renewal' },
  session_expired: { label: 'Shown after it expired', kind: 'end' },
  session_logout: { label: 'Logged out', kind: 'end' },
  session_revoked: { label: 'Revoked', kind: 'end' },
  session_suspended: { label: 'Suspended', kind: 'trouble' },
  session_use_after_expire: { label: 'Used after its end', kind: 'trouble' },
  session_unknown: { label: 'Unknown session', kind: 'trouble' },
  session_superseded: { label: 'Late token', kind: 'trouble' },
  session_token_forged: { label: 'Forged token', kind: 'alarm' },
  session_token_ambiguous: { label: 'Two cookies at once', kind: 'alarm' },
  session_binding_mismatch: { label: 'Binding mismatch', kind: 'change' },
  session_write_refused: { label: 'Write refused', kind: 'trouble' },
  excess_sessions_exceeded: { label: 'Too many sessions', kind: 'trouble' },
  excess_rate_limit_exceeded: { label: 'Rate limited', kind: 'trouble' },
  authn_login_success: { label: 'Logged in', kind: 'login' },
  authn_new_device: { label: 'New device', kind: 'change' },
  authn_login_fail: { label: 'Login failed', kind: 'trouble' },
  authn_reauthenticated: { label: 'Step-up', kind: 'proof' },
  authn_password_change: { label: 'Password changed', kind: 'proof' },
  authn_token_reuse: { label: 'Replayed token', kind: 'alarm' },
  authz_fail: { label: 'Not allowed', kind: 'trouble' },
  malicious_csrf: { label: 'Cross-site request', kind: 'alarm' },
  insecure_transport: { label: 'Plain HTTP', kind: 'trouble' },
  engine_failure: { label: 'Store failed', kind: 'alarm' },
  audit_events_lost: { label: 'Events lost', kind: 'alarm' },
}

/** A server that is newer than the page may name what the page doesn't know. */
export function faceOf(name: string): Face {
  return (FACES as Record<string, Face | undefined>)[name] ?? { label: name, kind: 'trouble' }
}

const ENDS: Readonly<Record<string, string>> = {
  logout: 'Ended by its user, who logged out',
  replaced: 'Went over into a new session at a login',
  revoked: 'Ended by somebody else',
  replayed: 'Ended because an old token was replayed',
  mismatch: 'Ended because the client did not match',
  limit: 'Ended by a newer login, beyond the limit',
  everybody: 'Ended together with everybody’s',
  idle: 'Ended because it was not used',
  absolute: 'Ended because its time was over',
  forgotten: 'Over, and its record is forgotten',
}

export function endInWords(reason: string): string {
  return ENDS[reason] ?? `Ended: ${reason}`
}

const METHODS: Readonly<Record<string, string>> = {
  pwd: 'password',
  otp: 'one-time code',
  hwk: 'security key',
  swk: 'passkey',
  mfa: 'several factors',
  pin: 'PIN',
  sms: 'text message',
}

export function methodsInWords(methods: readonly string[]): string {
  return methods.map((method) => METHODS[method] ?? method).join(', ')
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en-GB')} ${n === 1 ? one : many}`
}
