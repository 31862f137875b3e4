/** What an application says of its console, checked. @module */

import { flawOfLink } from '../adapters/page.ts'
import type { Audit } from '../audit/audit.ts'
import { type Duration, parseDuration } from '../core/duration.ts'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError, shown } from '../core/errors.ts'
import type { Session } from '../core/session.ts'

/** The session of somebody who is logged in. */
export type UserSession<Data extends object> = Session<Data> & { readonly userId: string }

export interface ConsoleOptions<Data extends object> {
  /**
   * Says who is an operator. Asked at each request of somebody who is logged in, and every second while the page is open:
   * with the session as it was when the page was opened. Where it throws, nobody gets in.
   */
  readonly guard: (session: UserSession<Data>) => MaybePromise<boolean>
  /** Where it is mounted. @defaultValue '/console/' */
  readonly path?: string
  /** The audit log that the sessions' events are written to: history, and what other servers hear. @defaultValue this process's memory */
  readonly audit?: Pick<Audit, 'reader'>
  /** How fresh the operator's authentication must be for what ends sessions. @defaultValue '15m' */
  readonly authenticatedWithin?: Duration
  /** The application's login page, for who isn't logged in. @defaultValue none */
  readonly loginUrl?: string
  /** Where the application asks for the password again; it gets `next`, the way back. @defaultValue `loginUrl` */
  readonly reauthenticateUrl?: string
  /** Where the page's link to log out leads. @defaultValue none */
  readonly logoutUrl?: string
  /** @defaultValue 'Sessions' */
  readonly title?: string
}

export interface ConsoleSettings<Data extends object> {
  readonly guard: ConsoleOptions<Data>['guard']
  readonly path: string
  readonly audit: Pick<Audit, 'reader'> | null
  readonly authenticatedWithin: Duration
  readonly loginUrl: string | null
  readonly reauthenticateUrl: string | null
  readonly logoutUrl: string | null
  readonly title: string
}

const URLS = ['loginUrl', 'reauthenticateUrl', 'logoutUrl'] as const
const KNOWN = ['guard', 'path', 'audit', 'authenticatedWithin', ...URLS, 'title']

/** @throws {SessionError} `ERR_OPTION` */
export function readOptions<Data extends object>(options: ConsoleOptions<Data>): ConsoleSettings<Data> {
  for (const name of Object.keys(options ?? {}))
    if (!KNOWN.includes(name)) throw wrong(`there is no option ${name}`)
  const {
    guard,
    path = '/console/',
    audit = null,
    authenticatedWithin = '15m',
    title = 'Sessions',
  } = options ?? {}
  if (typeof guard !== 'function')
    throw wrong(
      'guard: expected a function that says who is an operator, such as (session) => admins.has(session.userId)',
    )
  if (typeof path !== 'string' || !/^\/(?:[\w.~-]+\/)*$/.test(path))
    throw wrong(
      `path: expected a path with a slash at both ends, such as '/console/', but got ${shown(path)}`,
    )
  if (audit !== null && typeof audit?.reader?.find !== 'function')
    throw wrong('audit: expected what auditTo returned')
  parseDuration(authenticatedWithin, 'createConsole: authenticatedWithin')
  if (typeof title !== 'string') throw wrong('title: expected a text')
  for (const name of URLS) if (options[name] !== undefined) checkUrl(name, options[name])
  const { loginUrl = null, reauthenticateUrl = loginUrl, logoutUrl = null } = options
  return { guard, path, audit, authenticatedWithin, loginUrl, reauthenticateUrl, logoutUrl, title }
}

function checkUrl(name: string, value: unknown): void {
  const flaw = flawOfLink(name, value)
  if (flaw !== null) throw wrong(flaw)
}

function wrong(message: string): SessionError {
  return new SessionError('ERR_OPTION', `createConsole: ${message}`)
}
