/** Sessions for handlers that turn a `Request` into a `Response`: Bun, Deno, workers, and frameworks built on them. @module */

import type { MaybePromise } from '../core/engine.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import { type FetchErrorOptions, fetchClient, fetchContext, serveFetch } from './fetch.ts'

/** What the adapter can't find out by itself. */
export interface WebOptions<Rest extends readonly unknown[] = readonly unknown[]> extends FetchErrorOptions {
  /**
   * Tells the address at the connection's other end; null where nobody knows. Without it neither a binding to the address
   * nor the option `proxy` works, and plain HTTP is refused on loopback, too.
   * @defaultValue as Bun and Deno tell it in the handler's second argument
   */
  readonly ip?: (request: Request, ...rest: Rest) => string | null
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
  return serveFetch(sessions, handler, {
    describe: (request, rest) => fetchContext(request, fetchClient(request, ip(request, ...rest), trust)),
    ...(onError && { onError }),
  })
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
