/** Which bodies an adapter reads by itself. @module */

import { isSafe, type RequestContext } from '../core/request.ts'

/** A longer form is left to the handler: it would be held in memory twice, and the handler may say how much it takes. */
const LONGEST_FORM = 64 * 1024

/** Whether a request's body is a form of known length, in which a CSRF token may be, and nowhere else. */
export function mayBringToken(context: RequestContext): boolean {
  if (isSafe(context) || context.header('x-csrf-token') !== null) return false
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(context.header('content-type') ?? ''))
    return false
  const length = context.header('content-length')
  return length !== null && Number(length) <= LONGEST_FORM
}
