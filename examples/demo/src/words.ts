/** What happened, in words. @module */

import type { ErrorCode, LostReason, Session, SessionEvent } from 'holdfast'

/** What ended a session, for the login page. */
const LOST: Record<LostReason, string> = {
  idle: 'Your session ended because it was not used for a while.',
  absolute: 'Your session reached its longest time. Please log in again.',
  revoked: 'Your session was ended from another device, or because your password was changed.',
  replayed:
    'An old copy of your session’s token was used. Somebody may have copied it, so the session was ended everywhere. ' +
    'If that was not you, change your password.',
  mismatch: 'Your session was ended because the request came from another network or browser.',
  limit: 'Your session was ended because you logged in on too many devices since.',
  logout: 'You have logged out.',
  replaced: 'You have logged in anew in this browser since.',
  superseded: 'You have logged in anew in this browser since.',
}

const SUSPENDED =
  'Your network or browser seems to have changed, so your session is on hold. Log in again, and it goes on as it was.'

/** Says what became of the session that the client still shows; null when there is nothing to say. */
export function whatEnded(
  session: Pick<Session, 'suspended' | 'lost'>,
): { reason: string; text: string } | null {
  if (session.suspended) return { reason: 'suspended', text: SUSPENDED }
  return session.lost && { reason: session.lost, text: LOST[session.lost] }
}

const TITLES: Partial<Record<ErrorCode, string>> = {
  ERR_CROSS_ORIGIN: 'That came from another site',
  ERR_CSRF_TOKEN_MISSING: 'That form could not be trusted',
  ERR_CSRF_TOKEN_INVALID: 'That form was stale',
  ERR_INSECURE_TRANSPORT: 'That needs HTTPS',
  ERR_SESSION_ENDED: 'Your session ended meanwhile',
  ERR_SESSION_CHANGED: 'You logged in anew meanwhile',
  ERR_SESSION_DATA_TOO_LARGE: 'That is too long to keep',
  ERR_ENGINE: 'Sessions are out of reach just now',
  ERR_ENGINE_FULL: 'There is no room just now',
}

/** The heading of an error page. */
export function titleOf(code: string): string {
  return TITLES[code as ErrorCode] ?? 'Something went wrong'
}

/** One line for whoever watches the server. Nothing that a client wrote is in it but an address. */
export function lineOf({ at, name, userId, ip, reason, code }: SessionEvent): string {
  const time = new Date(at).toTimeString().slice(0, 8)
  const details = [userId, ip && `from ${ip}`, reason && `(${reason})`, code].filter(Boolean).join(' ')
  return `${time}  ${name.padEnd(24)} ${details}`.trimEnd()
}

const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** A moment as people write it. */
export function moment(millis: number): string {
  return MOMENT.format(millis)
}

/** A moment as seen from now: `2 minutes ago`, `in 12 hours`. */
export function relative(millis: number, now: number = Date.now()): string {
  const seconds = Math.round((millis - now) / 1000)
  const size = Math.abs(seconds)
  if (size < 5) return 'now'
  if (size < 60) return RELATIVE.format(seconds, 'second')
  if (size < 3600) return RELATIVE.format(Math.round(seconds / 60), 'minute')
  if (size < 48 * 3600) return RELATIVE.format(Math.round(seconds / 3600), 'hour')
  return RELATIVE.format(Math.round(seconds / 86_400), 'day')
}
