/** The CSRF token as a form field, for HTML made from strings. The other template helpers build on it. @module */

import { escapeHtml } from './escape.ts'

/** What a field needs of a session. */
export interface CsrfSource {
  csrfToken(): string
}

/** What a helper needs of `Sessions`, where the template names no session. */
export interface CsrfSources {
  current(): CsrfSource
}

/**
 * Writes the hidden field that a form which changes something needs.
 *
 * @example `<form method="post">${csrfField(session)} ... </form>`
 *
 * @returns an `<input>`, escaped; `''` with a bearer transport, where CSRF doesn't arise
 * @throws {SessionError} `ERR_SESSION_COMMITTED` for a visitor, when the response has begun: his pre-session needs a cookie
 */
export function csrfField(session: CsrfSource): string {
  const token = session.csrfToken()
  // Tokens are base64url today; what a page's safety hangs on is not left to that.
  return token === '' ? '' : `<input type="hidden" name="csrf_token" value="${escapeHtml(token)}">`
}
