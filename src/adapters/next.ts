/** Sessions for Next.js, App Router: route handlers, server actions, server components, the proxy. @module */

import type { ServerResponse } from 'node:http'
import type { Effects } from '../core/effects.ts'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import { anonymousContext, nodeContext } from './context.ts'
import { deferResponse, type Outcome } from './defer.ts'
import { applyEffects, headersOf } from './effects.ts'
import { type FetchErrorOptions, serveFetch } from './fetch.ts'
import { exchangeOf, type NodeExchange, watchRequests } from './node-exchange.ts'
import { answerFor } from './respond.ts'

export type NextOptions = FetchErrorOptions

/**
 * Lets sessions see the requests as they arrive: from whom, over what, and with which response. To be called once, in
 * `register` of `instrumentation.ts`, on Node: `serverExternalPackages` must name holdfast, so that there is one of it.
 *
 * @example
 * export async function register() {
 *   if (process.env.NEXT_RUNTIME === 'nodejs') (await import('holdfast/next')).watchRequests()
 * }
 */
export { watchRequests }

/**
 * Gives the requests of a route handler their session, as `holdfast/web` does: the response leaves when the session has
 * been committed, and an error takes its place where that fails.
 *
 * @example export const GET = protect(sessions, (request, session) => Response.json({ user: session.userId }))
 */
export function protect<Data extends object, Rest extends readonly unknown[]>(
  sessions: Sessions<Data>,
  handler: (request: Request, session: Session<Data>, ...rest: Rest) => MaybePromise<Response>,
  options: NextOptions = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  const remembering = (request: Request, session: Session<Data>, ...rest: Rest) => {
    // For `getSession` below the handler.
    found(request.headers).opened.set(sessions, Promise.resolve(session as Session<never>))
    return handler(request, session, ...rest)
  }
  return serve(sessions, remembering, options)
}

/**
 * Finds the session in server components, server actions and whatever they call. The page, or the action's answer, leaves
 * when the session has been committed; a refusal, a store that failed, and a commit that fails take its place, with their
 * status.
 *
 * Once the head has left, behind a `Suspense` boundary, the session can only be looked at, and no cookie is set: renewal
 * waits for the next request.
 *
 * @throws {SessionError} the refusal, `ERR_ENGINE`, `ERR_RATE_LIMITED`: the response is already decided then
 */
export async function getSession<Data extends object>(sessions: Sessions<Data>): Promise<Session<Data>> {
  const { headers } = await import('next/headers.js')
  const exchange = found(await headers())
  const known = exchange.opened.get(sessions) ?? (open(sessions, exchange) as Promise<Session<never>>)
  exchange.opened.set(sessions, known)
  return (await known) as Session<Data>
}

/**
 * Makes a server action of a function that gets the session, and then what the form or the caller sends. `csrf_token` is
 * verified where the form has it. Before a redirect everything is durable, and the page it leads to finds it.
 *
 * @example export const logout = protectAction(sessions, async (session) => { session.terminate(); redirect('/') })
 */
export function protectAction<Data extends object, Args extends unknown[], Result>(
  sessions: Sessions<Data>,
  action: (session: Session<Data>, ...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    const session = await getSession(sessions)
    try {
      const token = tokenIn(args)
      if (token !== null) session.verifyCsrf(token)
      return await sessions.run(session, () => action(session, ...args))
    } catch (error) {
      if (isRedirect(error)) await hasten(sessions, session)
      else if (error instanceof SessionError) failures.set(session, error)
      throw error
    }
  }
}

/**
 * Makes the function `proxy` of `proxy.ts`. What is refused is answered there, for static pages, too, and never gets any
 * further. The session is for looking at: it can't be changed, and the cookie is left to the page. What the function
 * returns is Next's: nothing, to go on; a redirect; `NextResponse.next()`.
 *
 * @example
 * export const proxy = protectProxy(sessions, (request, session) => {
 *   if (session.userId === null) return Response.redirect(new URL('/login', request.url))
 * })
 */
export function protectProxy<Data extends object>(
  sessions: Sessions<Data>,
  look: (request: Request, session: Session<Data>) => MaybePromise<Response | undefined | void> = () => {},
  options: NextOptions = {},
): (request: Request) => Promise<Response | undefined> {
  return async (request) => {
    let goesOn = false
    let given: Response | undefined
    const looking = async (request: Request, session: Session<Data>) => {
      await sessions.commit(session)
      given = (await look(request, session)) ?? undefined
      goesOn = !given || PASSING.some((name) => given!.headers.has(name))
      return given ?? new Response()
    }
    const response = await serve(sessions, looking, options)(request)
    // Whatever a page or a route answers has cookies of its own, and a later one must not be overwritten by ours.
    return goesOn ? given : response
  }
}

/** By these Next.js knows that a request goes on. */
const PASSING = ['x-middleware-next', 'x-middleware-rewrite']

/** What a server action failed with: its answer is ours. */
const failures = new WeakMap<object, SessionError>()

function serve<Data extends object, Rest extends readonly unknown[]>(
  sessions: Sessions<Data>,
  handler: (request: Request, session: Session<Data>, ...rest: Rest) => MaybePromise<Response>,
  options: NextOptions,
): (request: Request, ...rest: Rest) => Promise<Response> {
  const trust = trustProxies(sessions.policy.proxy)
  return serveFetch(sessions, handler, {
    describe: ({ headers }) => nodeContext(found(headers).req, trust),
    anonymous: ({ headers }) => anonymousContext(found(headers).req),
    ...options,
  })
}

function found(headers: Headers): NodeExchange {
  const exchange = exchangeOf(headers)
  if (exchange) return exchange
  throw new SessionError(
    'ERR_NO_SESSION',
    'There is no request here that holdfast knows of: instrumentation.ts must call watchRequests() of holdfast/next, and ' +
      'serverExternalPackages in next.config must name holdfast.',
  )
}

/** Opens a session whose commit the response of Node waits for, as far as its head has not left. */
async function open<Data extends object>(
  sessions: Sessions<Data>,
  { req, res }: NodeExchange,
): Promise<Session<Data>> {
  let context: RequestContext | undefined
  async function begin(): Promise<Session<Data>> {
    context = nodeContext(req, trustProxies(sessions.policy.proxy))
    return sessions.open(context)
  }

  async function settle(status: number): Promise<Outcome> {
    let failure: unknown
    try {
      const session = await opening
      failure = session.refusal ?? failures.get(session)
      const effects = await sessions.commit(
        session,
        session.refusal?.status ?? failures.get(session)?.status ?? status,
      )
      if (!failure) return { effects: missing(effects, res), instead: null }
      return { effects, instead: { answer: await answerFor(failure, req, {}), error: failure } }
    } catch (error) {
      const answer = await answerFor(error, req, {})
      return { effects: sessions.failed(context ?? anonymousContext(req)), instead: { answer, error } }
    }
  }

  const opening = begin()
  const late = res.headersSent
  if (!late) deferResponse(res, settle)
  const session = await opening
  if (late) await sessions.commit(session)
  if (session.refusal) throw session.refusal
  return session
}

/**
 * Commits before the response begins. After an action's redirect Next.js asks itself for the page that it leads to, with
 * the cookies that the response has by now.
 */
async function hasten<Data extends object>(sessions: Sessions<Data>, session: Session<Data>): Promise<void> {
  const { headers } = await import('next/headers.js')
  const { res } = found(await headers())
  try {
    applyEffects(await sessions.commit(session, 303), headersOf(res))
  } catch (error) {
    if (error instanceof SessionError) failures.set(session, error)
    throw error
  }
}

/** What a response does not have yet: Next.js may have dropped what `hasten` set, by setting cookies of its own. */
function missing(effects: Effects, res: ServerResponse): Effects {
  const has = (name: string, value: string) => [res.getHeader(name)].flat().includes(value)
  return { ...effects, headers: effects.headers.filter(([name, value]) => !has(name, value)) }
}

function tokenIn(args: readonly unknown[]): string | null {
  const form = args.find((arg) => arg instanceof FormData)
  const token = form?.get('csrf_token') ?? null
  return typeof token === 'string' ? token : null
}

/** As Next.js itself tells them. */
function isRedirect(error: unknown): boolean {
  return error instanceof Error && 'digest' in error && String(error.digest).startsWith('NEXT_REDIRECT;')
}
