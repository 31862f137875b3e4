/** What the tests of the core start from: a request, a policy, a record, a token, and an honest browser's cookie jar. */

import { createHash } from 'node:crypto'
import type { Effects } from '../../src/core/effects.ts'
import type { Engine, SessionRecord } from '../../src/core/engine.ts'
import { SessionError } from '../../src/core/errors.ts'
import { createPolicy, type Policy, type SessionsOptions } from '../../src/core/policy.ts'
import type { RequestContext } from '../../src/core/request.ts'
import type { Session } from '../../src/core/session.ts'
import type { Sessions } from '../../src/core/sessions.ts'
import { hashSecret, type Token } from '../../src/core/token.ts'
import { memory } from '../../src/engines/memory.ts'

export const KEY = 'q83vEjRWeJq83v7Kz0UuT1XHn2bQ5rYc9dLmWf0aVpI'
export const OTHER_KEY = 'Zk3rT8wXn1yBv5cQ0mLpH7dJs2fGa9uEo4iRt6KxNbM'

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** Some moment. Nothing in the core reads the clock, but for what an operator calls without a request. */
export const NOW = Date.UTC(2026, 0, 15, 12)

export interface Parts extends Partial<Omit<RequestContext, 'header' | 'field'>> {
  readonly headers?: Readonly<Record<string, string>>
  readonly fields?: Readonly<Record<string, string>>
}

/** A request: a navigation to https://example.com/, unless told otherwise. */
export function request({ headers = {}, fields = {}, ...parts }: Parts = {}): RequestContext {
  return {
    method: 'GET',
    origin: 'https://example.com',
    path: '/',
    search: '',
    ip: '203.0.113.7',
    now: NOW,
    ...parts,
    header: (name) => (Object.hasOwn(headers, name) ? headers[name]! : null),
    field: (name) => (Object.hasOwn(fields, name) ? fields[name]! : null),
  }
}

/** A request that changes something, as the site's own page sends it. */
export function post(parts: Parts = {}): Parts {
  return { method: 'POST', ...parts, headers: { 'sec-fetch-site': 'same-origin', ...parts.headers } }
}

export function policyOf(options: Partial<SessionsOptions<never>> = {}): Policy {
  return createPolicy({ engine: memory(), keys: [KEY], ...options })
}

/** base64url of 22 characters, the same for the same name. */
export function idOf(name: string): string {
  return createHash('sha256').update(name).digest('base64url').slice(0, 22)
}

/** base64url of 43 characters, the same for the same name. */
export function secretOf(name: string): string {
  return createHash('sha256').update(`secret ${name}`).digest('base64url')
}

/** An authenticated session, one minute old, whose secret is `secretOf('current')`. */
export function recordOf(changes: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: idOf('session'),
    version: 3,
    userId: 'ada',
    era: 1,
    secrets: { current: hashSecret(secretOf('current')), parent: null },
    createdAt: NOW - MINUTE,
    renewedAt: NOW - MINUTE,
    seenAt: NOW - MINUTE,
    authenticatedAt: NOW - MINUTE,
    methods: ['pwd'],
    remembered: false,
    expiresAt: NOW + DAY,
    ended: null,
    client: {},
    bound: {},
    data: '{}',
    ...changes,
  }
}

/** The token of `recordOf()`. */
export function tokenOf(changes: Partial<Omit<Token, 'proof'>> = {}): Token {
  const token = {
    id: idOf('session'),
    era: 1,
    parent: '',
    secret: secretOf('current'),
    issued: NOW - MINUTE,
    oldKey: false,
    ...changes,
  }
  return { ...token, proof: hashSecret(token.secret) }
}

/** An honest browser: it keeps what it is told, and sends it back. */
export class Browser {
  readonly jar = new Map<string, string>()
  readonly headers: Record<string, string> = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' }

  request(parts: Parts = {}): RequestContext {
    const cookies = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const cookie = cookies === '' ? {} : { cookie: cookies }
    return request({ ...parts, headers: { ...this.headers, ...cookie, ...parts.headers } })
  }

  receive(effects: Effects): void {
    for (const [header, value] of effects.headers) {
      if (header !== 'Set-Cookie') continue
      const [pair, ...attributes] = value.split('; ')
      const split = pair!.indexOf('=')
      if (attributes.includes('Max-Age=0')) this.jar.delete(pair!.slice(0, split))
      else this.jar.set(pair!.slice(0, split), pair!.slice(split + 1))
    }
  }

  /** The session's token; undefined without one. */
  get token(): string | undefined {
    return this.jar.get('__Host-Http-session')
  }

  /** A second browser that has stolen the cookies of this one. */
  copy(): Browser {
    const copy = new Browser()
    for (const [name, value] of this.jar) copy.jar.set(name, value)
    return copy
  }
}

/** One whole request: open, handle, commit, and the response arrives. */
export async function visit<Data extends object, Result>(
  sessions: Sessions<Data>,
  browser: Browser,
  parts: Parts,
  handler: (session: Session<Data>) => Result | Promise<Result>,
  status = 200,
): Promise<Result> {
  const session = await sessions.open(browser.request(parts))
  const result = await handler(session)
  browser.receive(await sessions.commit(session, status))
  return result
}

/** Logs in from the site's own form. */
export async function login<Data extends object>(
  sessions: Sessions<Data>,
  browser: Browser,
  userId: string,
  parts: Parts = {},
): Promise<string> {
  return visit(sessions, browser, post(parts), (session) => {
    session.authenticate(userId)
    return session.id!
  })
}

/** The verbs that an engine was asked for, in their order. */
export function counted(engine: Engine): Engine & { readonly calls: string[] } {
  const calls: string[] = []
  const counting = new Proxy(engine, {
    get(target, name: keyof Engine & string) {
      const value = target[name]
      if (typeof value !== 'function') return value
      return (...args: never[]) => {
        calls.push(name)
        return (value as (...args: never[]) => unknown).apply(target, args)
      }
    },
  })
  return Object.assign(Object.create(counting), { calls }) as Engine & { readonly calls: string[] }
}

/** What `assert.throws` and `assert.rejects` take to recognise a refusal. */
export function refusal(code: SessionError['code'], message?: RegExp) {
  return (error: unknown) =>
    error instanceof SessionError && error.code === code && (message?.test(error.message) ?? true)
}
