/** The CSRF field for JSX: React, Preact, Hono and whatever else knows `<input>`. @module */

import type { CsrfSource } from './html.ts'

/** The attributes of the hidden field. */
export interface CsrfFieldProps {
  readonly type: 'hidden'
  readonly name: 'csrf_token'
  readonly value: string
}

/**
 * Gives the attributes of the hidden field that a form which changes something needs.
 *
 * @example <form method="post"><input {...csrfFieldProps(session)} /> ... </form>
 *
 * @throws {SessionError} `ERR_SESSION_COMMITTED` for a visitor, when the response has begun: his pre-session needs a cookie
 */
export function csrfFieldProps(session: CsrfSource): CsrfFieldProps {
  return { type: 'hidden', name: 'csrf_token', value: session.csrfToken() }
}
