/** What the adapters for handlers that turn a `Request` into a `Response` have in common. @module */

import type { Effects } from '../core/effects.ts'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import { isSafe, type RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { type Client, type ProxyTrust, resolveClient } from '../proxy.ts'
import { answerTo, toResponse } from './answer.ts'
import { applyEffects } from './effects.ts'

/** What differs from one host of fetch handlers to the other. */
export interface FetchHost<Rest extends readonly unknown[]> {
  /** Describes a request to the core, less the fields of its form. @throws {SessionError} `ERR_REQUEST`, `ERR_FORWARDED` */
  describe(request: Request, rest: Rest): RequestContext
  /**
   * Describes a request whose client could not be made out, for what its answer must carry.
   * @defaultValue as its URL says
   */
  anonymous?(request: Request, rest: Rest): RequestContext
  readonly onError?: (error: SessionError, request: Request) => MaybePromise<Response>
}

/** A longer form is left to the handler, for it has to be held in memory twice. */
const LONGEST_FORM = 64 * 1024

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
    return toResponse(answerTo(error, { header: (name) => request.headers.get(name) }), replaced?.headers)
  }

  return async (request, ...rest) => {
    let context: RequestContext | undefined
    let response: Response | undefined
    try {
      context = describe(request, rest)
      const form = await formOf(request, context)
      context = { ...context, field: (name) => form?.get(name) ?? null }
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
    header: (name) => request.headers.get(name),
    field: () => null,
  }
}

/** Finds the client of a request by its URL. @throws {SessionError} `ERR_FORWARDED` */
export function fetchClient(request: Request, peer: string | null, trust: ProxyTrust): Client {
  const { protocol, host } = new URL(request.url)
  const header = (name: string) => request.headers.get(name)
  return resolveClient({ peer, scheme: protocol === 'https:' ? 'https' : 'http', host, header }, trust)
}

function byUrl(request: Request): RequestContext {
  return fetchContext(request, { ip: null, origin: new URL(request.url).origin })
}

/** Reads a copy of the body, where a CSRF token may be in it and nowhere else. */
async function formOf(request: Request, context: RequestContext): Promise<URLSearchParams | null> {
  const { headers, bodyUsed } = request
  if (isSafe(context) || bodyUsed || headers.has('x-csrf-token')) return null
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headers.get('content-type') ?? '')) return null
  const length = headers.get('content-length')
  if (length === null || Number(length) > LONGEST_FORM) return null
  try {
    return new URLSearchParams(await request.clone().text())
  } catch {
    // The client went away: its handler will find out.
    return null
  }
}

/**
 * Always a copy: `Response.redirect()` and fetched responses can't be changed, and one that an application keeps and returns
 * twice would hand one client's token to the next.
 */
export function withEffects(response: Response, effects: Effects): Response {
  const nothing = effects.headers.length === 0 && effects.vary === null && effects.noStore === null
  // Nobody can copy an upgrade (101) or `Response.error()`.
  if (nothing || response.status < 200) return response
  const { body, status, statusText } = response
  const copy = new Response(body, { status, statusText, headers: response.headers })
  applyEffects(effects, copy.headers)
  return copy
}
