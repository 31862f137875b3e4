/** Sessions for Hono 4. @module */

import type { Context, ErrorHandler, MiddlewareHandler } from 'hono'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import { answerTo, headerIn, outlives, toResponse } from './answer.ts'
import { applyEffects } from './effects.ts'
import { byUrl, fetchClient, fetchContext, withEffects, withForm } from './fetch.ts'
import { servedOf } from './served.ts'

/** What the adapter can't find out by itself. */
export interface HonoOptions {
  /**
   * Tells the address at the connection's other end; null where nobody knows. Without it neither a binding to the address
   * nor the option `proxy` works, and plain HTTP is refused on loopback, too.
   * @defaultValue as `@hono/node-server`, Bun and Deno tell it in `c.env`
   */
  readonly ip?: (c: Context) => string | null
}

/** What the middleware adds to a context. */
export interface SessionEnv<Data extends object> {
  Variables: { session: Session<Data> }
}

/**
 * Gives each request its session: `c.var.session`, with its type where the application is built as a chain, and
 * `sessions.current()`. The response leaves when the session has been committed; a stream begins then.
 *
 * What is refused, and a commit that failed, is an error like any other: it goes to `app.onError`, and what had been
 * prepared of the response is gone. Without an error handler Hono asks it for its response: a line of text.
 *
 * A CSRF token is looked for in the header `X-CSRF-Token`, and as `csrf_token` in an urlencoded form of up to 64 KiB whose
 * length is declared; for multipart forms name the path in `csrf.verifiedByHandler` and call `session.verifyCsrf`. What is
 * written past Hono, to `c.env.outgoing`, nobody holds back: call `session.commit()` before.
 *
 * @example const app = new Hono().use(protect(sessions))
 */
export function protect<Data extends object>(
  sessions: Sessions<Data>,
  { ip = peerOf }: HonoOptions = {},
): MiddlewareHandler<SessionEnv<Data>> {
  const trust = trustProxies(sessions.policy.proxy)
  const served = servedOf(sessions)

  return async (c, next) => {
    if (served.has(c)) return next()
    served.set(c, null)
    const request = c.req.raw
    let context = byUrl(request)
    try {
      context = fetchContext(request, fetchClient(request, ip(c), trust))
      context = await withForm(request, context)
      const session = await sessions.open(context)
      c.set('session', session)
      const { refusal } = session
      if (refusal) refuse(c, context, session, refusal)
      else await sessions.run(session, next)
      replace(c, withEffects(c.res, await sessions.commit(session, statusOf(c))))
      if (refusal && !refusal.location) throw refusal
    } catch (error) {
      if (error !== c.var.session?.refusal) {
        if (c.finalized) forget(c)
        applyEffects(sessions.failed(context), c.res.headers)
      }
      throw error
    }
  }
}

/**
 * An error handler that answers every `SessionError` as the other adapters do, with JSON to scripts and a line of text to
 * people, and other errors as Hono does.
 *
 * @example app.onError(answerErrors())
 */
export function answerErrors(): ErrorHandler {
  return (error, c) => {
    if (error instanceof SessionError) return toResponse(answerTo(error, headerIn(c.req.raw)))
    if ('getResponse' in error) return error.getResponse()
    console.error(error)
    return c.text('Internal Server Error', 500)
  }
}

/**
 * Prepares what the error handler's response will carry: Hono runs it when we are done. A form that is shown again there
 * needs a token, and that may need a cookie.
 */
function refuse(c: Context, context: RequestContext, session: Session<never>, refusal: SessionError): void {
  if (refusal.location) c.res = toResponse(answerTo(refusal, context))
  else if (/^ERR_CSRF/.test(refusal.code)) session.csrfToken()
}

/** What an error handler answers to an error is one, whatever its status. */
function statusOf({ error, res }: Context): number {
  return error && res.status < 400 ? 500 : res.status
}

/** Hono merges the headers of the response that was there into the next one. */
function replace(c: Context, response: Response): void {
  c.res = undefined
  c.res = response
}

/** Forgets a response but for what speaks of the host or the resource: it reaches the next one by Hono's merging. */
function forget(c: Context): void {
  const { headers, body } = c.res
  body?.cancel().catch(() => {})
  c.res = undefined
  c.res = new Response(null, { headers: [...headers].filter(([name]) => outlives(name)) })
}

function peerOf({ env, req }: Context): string | null {
  const known: Partial<NodeBindings & BunServer & DenoInfo> = env?.server ?? env ?? {}
  if (known.incoming) return known.incoming.socket.remoteAddress ?? null
  if (known.requestIP) return known.requestIP(req.raw)?.address ?? null
  return known.remoteAddr?.hostname ?? null
}

interface NodeBindings {
  readonly incoming: { readonly socket: { readonly remoteAddress?: string | undefined } }
}

interface BunServer {
  requestIP(request: Request): { readonly address: string } | null
}

interface DenoInfo {
  readonly remoteAddr: { readonly hostname?: string }
}
