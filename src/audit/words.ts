/** What each event means, and what an operator does about it. @module */

import type { AuditEntry } from './entry.ts'

export type ExplainedName = AuditEntry['name']

export interface Words {
  readonly what: string
  /** Empty where there is nothing to do. */
  readonly todo: string
}

/** `notice`: not every day's. `warning`: somebody tries something, or something is set up wrongly. `alarm`: look now. */
export type Severity = 'info' | 'notice' | 'warning' | 'alarm'

export const WORDS: Readonly<Record<ExplainedName, Words>> = {
  session_created: { what: 'A visitor stored something, or somebody logged in.', todo: '' },
  session_renewed: {
    what: 'The client showed the fresh token that it had been offered; the old one is retired.',
    todo: '',
  },
  session_expired: {
    what: "A token was shown whose session had reached its idle or absolute limit. The request was a visitor's.",
    todo: 'Nothing; where users complain, look at idle, absolute and remember.',
  },
  session_logout: { what: 'The user ended the session.', todo: '' },
  session_revoked: {
    what: 'The session, or with the reason everybody every session, was ended by somebody else (revoked), by a newer login beyond the limit (limit), or by the library, because of a replayed token (replayed) or a binding (mismatch).',
    todo: 'After replayed or mismatch look at what the session did before: holdfast audit tail --session ID.',
  },
  session_suspended: {
    what: "What the session is bound to has changed. The request was a visitor's; the session goes on once its user logs in again.",
    todo: 'Nothing, unless it comes often: then look at the bindings.',
  },
  session_use_after_expire: {
    what: "A token was shown whose session had been ended before. The request was a visitor's.",
    todo: 'After a logout it is a browser that restored old pages, or somebody who kept a copy of the token.',
  },
  session_unknown: {
    what: "A genuine token, and no record of it: long past, or the store was rolled back or is another one. The request was a visitor's.",
    todo: 'Many at once mean that the store lost sessions: was it restored from a copy, emptied, or exchanged?',
  },
  session_superseded: {
    what: 'A token from shortly before a renewal, or from before a reauthentication: a slow request, or a tab that slept. It was refused, and nothing was ended.',
    todo: 'Nothing, unless it comes often: then grace and late may be too short for these clients.',
  },
  session_token_forged: {
    what: "A token that no key of ours has signed. The request was a visitor's, and the store was not asked.",
    todo: 'Many from one address mean that somebody guesses; many from everywhere, that a key was dropped too early.',
  },
  session_token_ambiguous: {
    what: 'Two cookies under one __Host- name, which no browser holds: somebody smuggled one in. The request was a visitor’s.',
    todo: 'Look for hosts of yours that others control, and for proxies that merge headers.',
  },
  session_binding_mismatch: {
    what: 'The request does not come from where the session belongs, by the binding that the reason names.',
    todo: 'A change of address is common; of the user agent, rare: look at what the session does.',
  },
  session_write_refused: {
    what: 'The handler had worked, and its session had ended or changed hands meanwhile: nothing was stored, and the client got the code.',
    todo: '',
  },
  excess_sessions_exceeded: {
    what: 'A login went beyond maxSessionsPerUser: it ended another session of the user, or was refused, and then there is a code.',
    todo: 'For a person this is odd: look at his sessions, holdfast list --user ID.',
  },
  excess_rate_limit_exceeded: {
    what: 'Somebody sent more than the limit that the reason names allows, and was refused for a while.',
    todo: 'From one address: somebody guesses or floods. From many honest ones behind one address: raise the limit.',
  },
  authn_login_success: { what: 'Somebody logged in; the reason names the methods.', todo: '' },
  authn_login_fail: {
    what: 'A login failed; the reason is what the application said.',
    todo: 'Many for one user, or from one address, mean that somebody guesses: limit the rate of logins.',
  },
  authn_reauthenticated: { what: 'The user of a session proved again who he is.', todo: '' },
  authn_password_change: {
    what: "An authentication told another credential than those before it: the password was changed, and the user's other sessions end.",
    todo: 'Nothing, if the user knows of it.',
  },
  authn_token_reuse: {
    what: 'A genuine token was shown that no honest client still holds: somebody kept a copy. The session was ended, unless onReplay is report.',
    todo: 'Take it for a theft: look at what the session did (holdfast audit tail --session ID), tell the user, end his other sessions.',
  },
  authz_fail: {
    what: 'A user who is logged in asked for what he may not do, or for what needs a fresher or a stronger authentication; the code says which, and the reason what.',
    todo: 'Nothing, where the page then asks for it. Many for one session: look at what it does.',
  },
  malicious_csrf: {
    what: 'The request came from another site, or its CSRF token was missing or wrong. It was refused; the code says why.',
    todo: 'From a page of your own: add its origin to csrf.trustedOrigins, or the token to its form.',
  },
  insecure_transport: {
    what: 'The request came over plain HTTP, and was redirected or refused; no cookie was set.',
    todo: 'Behind a proxy that ends TLS: name it in proxy.',
  },
  engine_failure: {
    what: 'The store failed, or took too long: the client got a 503. The reason is what the store said.',
    todo: 'Look at the store, and at its time limits.',
  },
  audit_events_lost: {
    what: 'Events were heard while the log could not be written and its queue was full: so many are lost, at this place.',
    todo: 'Look at the disk or the database of the log, and at the log of the server for that time.',
  },
}

export const SEVERITY: Readonly<Record<ExplainedName, Severity>> = {
  session_created: 'info',
  session_renewed: 'info',
  session_expired: 'info',
  session_logout: 'info',
  session_revoked: 'notice',
  session_suspended: 'notice',
  session_use_after_expire: 'notice',
  session_unknown: 'warning',
  session_superseded: 'notice',
  session_token_forged: 'warning',
  session_token_ambiguous: 'warning',
  session_binding_mismatch: 'warning',
  session_write_refused: 'notice',
  excess_sessions_exceeded: 'warning',
  excess_rate_limit_exceeded: 'warning',
  authn_login_success: 'info',
  authn_login_fail: 'warning',
  authn_reauthenticated: 'info',
  authn_password_change: 'notice',
  authn_token_reuse: 'alarm',
  authz_fail: 'warning',
  malicious_csrf: 'warning',
  insecure_transport: 'warning',
  engine_failure: 'alarm',
  audit_events_lost: 'alarm',
}
