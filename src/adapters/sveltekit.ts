/** Sessions for SvelteKit. @module */

import type { IncomingMessage } from 'node:http'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { Sessions } from '../core/sessions.ts'
import { type Client, type ProxyTrust, trustProxies } from '../proxy.ts'
import { answerTo, headerIn, toResponse, wantsJson } from './answer.ts'
import { nodeClient } from './context.ts'
import { type FetchErrorOptions, fetchClient, fetchContext, serveFetch } from './fetch.ts'

/** What we need of SvelteKit's `RequestEvent`. */
export interface SvelteKitEvent {
  readonly request: Request
  /** Gets `session`: to be declared in `App.Locals`. */
  readonly locals: object
  /** With `adapter-node`, the request as Node has it. */
  readonly platform?: object | undefined
  readonly isDataRequest?: boolean
  getClientAddress(): string
}

export type SvelteKitOptions = FetchErrorOptions

/** What endpoints have failed with. */
const failures = new WeakMap<object, SessionError>()

/**
 * The hook `handle`: gives each request its session, as `event.locals.session` and `sessions.current()`. Pages, actions and
 * endpoints leave when the session has been committed, and an error takes their place where that fails. With `sequence` it
 * comes first.
 *
 * With `adapter-node` the client is made out by the request itself and the option `proxy`; elsewhere by `event.url` and
 * `getClientAddress()`. SvelteKit's own check of forms stays, and comes first.
 *
 * @example export const handle = protect(sessions)
 */
export function protect<Data extends object>(
  sessions: Sessions<Data>,
  options: SvelteKitOptions = {},
): <Event extends SvelteKitEvent>(input: {
  readonly event: Event
  readonly resolve: (event: Event) => MaybePromise<Response>
}) => Promise<Response> {
  const trust = trustProxies(sessions.policy.proxy)
  const serve = serveFetch<Data, [event: SvelteKitEvent, resolve: () => Promise<Response>]>(
    sessions,
    async (request, session, event, resolve) => {
      Object.assign(event.locals, { session })
      const response = await resolve().catch((error) => redirectOf(error, event))
      const failure = failures.get(event.locals)
      // A page shows its own error; a script shall find ours, as anywhere else.
      if (!failure || !isProblem(response)) return response
      return toResponse(answerTo(failure, headerIn(request)), response.headers)
    },
    {
      describe: (request, [event]) => fetchContext(request, clientOf(event, trust)),
      ...options,
    },
  )
  return ({ event, resolve }) => serve(event.request, event, async () => resolve(event))
}

/** What we need of what SvelteKit gives to the hook `handleError`. */
interface Caught {
  readonly kind?: string
  readonly error: unknown
  readonly event: { readonly locals: object }
}

/**
 * The hook `handleError`: what the session throws in a page, an action or an endpoint becomes SvelteKit's error, with its
 * status and its message. Others go on.
 *
 * @param next - the application's own
 * @example export const handleError = answerErrors()
 */
export function answerErrors<Input extends Caught, Result>(
  next: (input: Input) => Result = logError,
): (input: Input) => Result | { status: number; message: string } {
  return (input) => {
    const { error, event } = input
    if (!(error instanceof SessionError)) return next(input)
    failures.set(event.locals, error)
    return { status: error.status, message: `${error.code}: ${error.message}` }
  }
}

/** As SvelteKit does without a hook: of what is expected, nothing. */
function logError({ kind, error }: Caught): never {
  if (kind === undefined || kind === 'unknown') console.error(error)
  return undefined as never
}

/**
 * What SvelteKit makes of a redirect that a later hook threw: it would make it without our headers, and what came before
 * the redirect would count as failed. Scripts get theirs in a form of SvelteKit's own, so that to them it counts as failed.
 */
function redirectOf(error: unknown, { request, isDataRequest }: SvelteKitEvent): Response {
  const { status, location } = (error ?? {}) as { readonly status?: unknown; readonly location?: unknown }
  const isRedirect =
    typeof status === 'number' && status >= 300 && status <= 308 && typeof location === 'string'
  if (!isRedirect || isDataRequest || wantsJson(headerIn(request))) throw error
  return new Response(null, { status, headers: { Location: location } })
}

function isProblem({ status, headers }: Response): boolean {
  return status >= 400 && /^application\/json\b/i.test(headers.get('content-type') ?? '')
}

/** `adapter-node` takes every request for HTTPS unless it is told otherwise, so its URL proves nothing. */
function clientOf(event: SvelteKitEvent, trust: ProxyTrust): Client {
  const { req } = (event.platform ?? {}) as { readonly req?: IncomingMessage }
  if (req?.socket) return nodeClient(req, trust)
  let peer: string | null = null
  try {
    peer = event.getClientAddress()
  } catch {
    // While prerendering there is no client.
  }
  return fetchClient(event.request, peer, trust)
}
