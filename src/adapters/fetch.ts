/** What the adapters for handlers that turn a `Request` into a `Response` have in common. @module */

import type { Effects } from '../core/effects.ts'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { type Client, type ProxyTrust, resolveClient } from '../proxy.ts'
import { answerTo, headerIn, toResponse } from './answer.ts'
import { applyEffects } from './effects.ts'
import { mayBringToken } from './form.ts'

/** What an application can say of errors that the adapter answers. */
export interface FetchErrorOptions {
  /**
   * Makes the response to a request that was refused, or whose commit failed. In the former case `sessions.current()` works
   * in it, and so does its `csrfToken()`.
   * @defaultValue JSON or one line of text, with the error's code and message
   */
  readonly onError?: (error: SessionError, request: Request) => MaybePromise<Response>
}

/** What differs from one host of fetch handlers to the other. */
export interface FetchHost<Rest extends readonly unknown[]> extends FetchErrorOptions {
  /** Describes a request to the core, less the fields of its form. @throws {SessionError} `ERR_REQUEST`, `ERR_FORWARDED` */
  describe(request: Request, rest: Rest): RequestContext
  /**
   * Describes a request whose client could not be made out, for what its answer must carry.
   * @defaultValue as its URL says
   */
  anonymous?(request: Request, rest: Rest): RequestContext
}

/** Gives each request its session, and has its response wait for the commit. */
export function serveFetch<Data extends object, Rest extends readonly unknown[]>(
  sessions: Sessions<Data>,
  handler: (request: Request, session: Session<Data>, ...rest: Rest) => MaybePromise<Response>,
  { describe, anonymous = byUrl, onError }: FetchHost<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  async function respond(request: Request, session: Session<Data>, rest: Rest): Promise<Response> {
    try {
      if (session.refusal) throw session.refusal
      return await handler(request, session, ...rest)
    } catch (error) {
      if (error instanceof SessionError) return answer(error, request)
      await sessions.commit(session, 500).catch(() => {})
      throw error
    }
  }

  async function answer(error: SessionError, request: Request, replaced?: Response): Promise<Response> {
    await replaced?.body?.cancel().catch(() => {})
    if (onError) return onError(error, request)
    return toResponse(answerTo(error, headerIn(request)), replaced?.headers)
  }

  return async (request, ...rest) => {
    let context: RequestContext | undefined
    let response: Response | undefined
    try {
      context = await withForm(request, describe(request, rest))
      const session = await sessions.open(context)
      response = await sessions.run(session, () => respond(request, session, rest))
      return withEffects(response, await sessions.commit(session, response.status))
    } catch (error) {
      if (!(error instanceof SessionError)) throw error
      const effects = sessions.failed(context ?? anonymous(request, rest))
      return withEffects(await answer(error, request, response), effects)
    }
  }
}

/** Describes a request whose client is known. */
export function fetchContext(request: Request, client: Client): RequestContext {
  const { pathname, search } = new URL(request.url)
  return {
    method: request.method,
    origin: client.origin,
    path: pathname,
    search,
    ip: client.ip,
    now: Date.now(),
    ...headerIn(request),
    field: () => null,
  }
}

/** Finds the client of a request by its URL. @throws {SessionError} `ERR_FORWARDED` */
export function fetchClient(request: Request, peer: string | null, trust: ProxyTrust): Client {
  const { protocol, host } = new URL(request.url)
  const scheme = protocol === 'https:' ? 'https' : 'http'
  return resolveClient({ peer, scheme, host, ...headerIn(request) }, trust)
}

/** Describes a request whose client could not be made out, for what its answer must carry. */
export function byUrl(request: Request): RequestContext {
  return fetchContext(request, { ip: null, origin: new URL(request.url).origin })
}

/** Adds the fields of a form, read from a copy of the body, where a CSRF token may be in it and nowhere else. */
export async function withForm(request: Request, context: RequestContext): Promise<RequestContext> {
  const form = request.bodyUsed || !mayBringToken(context) ? null : await readForm(request.clone())
  return { ...context, field: (name) => form?.get(name) ?? null }
}

async function readForm(copy: Request): Promise<URLSearchParams | null> {
  try {
    return new URLSearchParams(await copy.text())
  } catch {
    // The client went away: its handler will find out.
    return null
  }
}

/**
 * Always a copy: `Response.redirect()` and fetched responses can't be changed, and one that an application keeps and returns
 * twice would hand one client's token to the next. Its headers, too: `@hono/node-server` has a `Response` that shares them.
 */
export function withEffects(response: Response, effects: Effects): Response {
  const nothing = effects.headers.length === 0 && effects.vary === null && effects.noStore === null
  // Nobody can copy an upgrade (101) or `Response.error()`.
  if (nothing || response.status < 200) return response
  const { body, status, statusText } = response
  const copy = new Response(body, { status, statusText, headers: new Headers(response.headers) })
  applyEffects(effects, copy.headers)
  return copy
}
