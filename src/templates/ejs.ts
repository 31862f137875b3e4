/** The CSRF field for EJS, and for every other engine whose templates call functions. @module */

import { type CsrfSources, csrfField as fieldOf } from './html.ts'

/**
 * Makes the function that templates call: `<%- csrfField() %>`, with a dash, since it writes HTML.
 *
 * @example app.locals.csrfField = csrfField(sessions)
 *
 * @param sessions - what `createSessions` returned; rendering outside of a request throws `ERR_NO_SESSION`
 */
export function csrfField(sessions: CsrfSources): () => string {
  return () => fieldOf(sessions.current())
}
