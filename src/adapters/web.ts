/** Sessions for handlers that turn a `Request` into a `Response`: Bun, Deno, workers, and frameworks built on them. @module */

import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { resolveClient, trustProxies } from '../proxy.ts'
import { answerTo, toResponse } from './answer.ts'
import { contextOf, formOf, withEffects } from './fetch.ts'

/** What the adapter can't find out by itself. */
export interface WebOptions<Rest extends readonly unknown[] = readonly unknown[]> {
  /**
   * Tells the address at the connection's other end; null where nobody knows. Without it neither a binding to the address
   * nor the option `proxy` works, and plain HTTP is refused on loopback, too.
   * @defaultValue as Bun and Deno tell it in the handler's second argument
   */
  readonly ip?: (request: Request, ...rest: Rest) => string | null
  /**
   * Makes the response to a request that was refused, or whose commit failed. In the former case `sessions.current()` works
   * in it, and so does its `csrfToken()`.
   * @defaultValue JSON or one line of text, with the error's code and message
   */
  readonly onError?: (error: SessionError, request: Request) => MaybePromise<Response>
}

/**
 * Gives each request its session. What the handler returns leaves when the session has been committed; where that fails,
 * an error takes its place: status, headers and body.
 *
 * A request that is refused never reaches the handler. A `SessionError` that the handler throws is answered with its status
 * and code; any other error is thrown on, and nothing is committed but the session's end and its use.
 * `sessions.current()` finds the session anywhere below.
 *
 * A CSRF token is looked for in the header `X-CSRF-Token`, and as `csrf_token` in an urlencoded form of up to 64 KiB whose
 * length is declared; for multipart forms name the path in `csrf.verifiedByHandler` and call `session.verifyCsrf`.
 *
 * @example export default { fetch: protect(sessions, (request, session) => new Response(`Hello ${session.userId}`)) }
 */
export function protect<Data extends object, Rest extends readonly unknown[]>(
  sessions: Sessions<Data>,
  handler: (request: Request, session: Session<Data>, ...rest: Rest) => MaybePromise<Response>,
  options: WebOptions<Rest> = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  const { ip = peerOf, onError } = options
  const trust = trustProxies(sessions.policy.proxy)

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
    const url = new URL(request.url)
    let context = contextOf(request, url, { ip: null, origin: url.origin }, null)
    let response: Response | undefined
    try {
      const header = (name: string) => request.headers.get(name)
      const scheme = url.protocol === 'https:' ? 'https' : 'http'
      const client = resolveClient({ peer: ip(request, ...rest), scheme, host: url.host, header }, trust)
      context = contextOf(request, url, client, await formOf(request, context))
      const session = await sessions.open(context)
      response = await sessions.run(session, () => respond(request, session, rest))
      return withEffects(response, await sessions.commit(session, response.status))
    } catch (error) {
      if (!(error instanceof SessionError)) throw error
      return withEffects(await answer(error, request, response), sessions.failed(context))
    }
  }
}

/** Bun passes its server, Deno what it knows of the connection. */
function peerOf(request: Request, ...rest: readonly unknown[]): string | null {
  const info = rest[0] as BunServer | DenoInfo | undefined | null
  if (typeof info !== 'object' || info === null) return null
  if ('requestIP' in info) return info.requestIP(request)?.address ?? null
  return 'remoteAddr' in info ? (info.remoteAddr.hostname ?? null) : null
}

interface BunServer {
  requestIP(request: Request): { readonly address: string } | null
}

interface DenoInfo {
  readonly remoteAddr: { readonly hostname?: string }
}
