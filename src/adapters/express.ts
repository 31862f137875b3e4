/** Sessions for Express, 5 and 4. @module */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import { answerTo } from './answer.ts'
import { anonymousContext, headerOf, nodeContext } from './context.ts'
import { applyEffects, headersOf } from './effects.ts'
import { answered, answerFor, commitFirst, type ErrorOptions, sendAnswer } from './respond.ts'
import { servedOf } from './served.ts'

export type { Answer } from './answer.ts'
export { toListener } from './mount.ts'
export type { ErrorOptions } from './respond.ts'

type Next = (error?: unknown) => void

/**
 * Gives each request its session: `sessions.current()`, anywhere below. The response leaves when the session has been
 * committed, whichever way it is written: `send`, `json`, `redirect`, `render`, a pipeline. Where the commit fails, an
 * error takes its place: status, headers and body.
 *
 * A request that is refused goes on as an error, to the application's error handler, with its `status` and `code`; there
 * `sessions.current()` works, and so does its `csrfToken()`, for a form to be shown again. Without an error handler of your
 * own mount `answerErrors()`: Express's, in production, says no more than "Forbidden".
 *
 * Mount it after `express.urlencoded()`, so that it finds `csrf_token` in `req.body`, and before the routes. It may be
 * mounted on a router; mounted twice, the first counts, and the second finds its session again: after middleware that goes
 * on in a callback of a shared connection, which may run in the name of the request that opened it. Express's `trust proxy` has no say here: the option `proxy` does.
 *
 * @param options.onError - for a commit that failed, when the application has already ended its response
 * @example
 * app.use(express.urlencoded({ extended: false }), protect(sessions))
 */
export function protect<Data extends object>(
  sessions: Sessions<Data>,
  options: ErrorOptions = {},
): (req: IncomingMessage, res: ServerResponse, next: Next) => void {
  const trust = trustProxies(sessions.policy.proxy)
  const served = servedOf(sessions)

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<(next: Next) => void> {
    let context: RequestContext | undefined
    try {
      context = nodeContext(req, trust)
      const session = await sessions.open(context)
      served.set(req, session as unknown as Session<never>)
      commitFirst(sessions, session, context, res, (error) => answerFor(error, req, options))
      const { refusal } = session
      if (refusal?.location) {
        sendAnswer(res, answerTo(refusal, context))
        return () => {}
      }
      if (refusal) forbidStoring(res, refusal)
      return (next) => sessions.run(session, () => next(refusal ?? undefined))
    } catch (error) {
      if (error instanceof SessionError) forbidStoring(res, error)
      applyEffects(sessions.failed(context ?? anonymousContext(req)), headersOf(res))
      return (next) => next(error)
    }
  }

  return (req, res, next) => {
    const session = served.get(req)
    // What is below finds it again, where a callback of a shared connection has led away to another request's.
    if (session) return sessions.run(session as unknown as Session<Data>, next)
    if (session === null) return next()
    served.set(req, null)
    void serve(req, res).then((proceed) => proceed(next))
  }
}

/** Answers every `SessionError` as the other adapters do, and passes other errors on. To be mounted after the routes. */
export function answerErrors(): (
  error: unknown,
  req: IncomingMessage,
  res: ServerResponse,
  next: Next,
) => void {
  return (error, req, res, next) => {
    if (error instanceof Error && answered.has(error)) return
    if (!(error instanceof SessionError) || res.headersSent) return next(error)
    sendAnswer(res, answerTo(error, { header: (name) => headerOf(req, name) }))
  }
}

function forbidStoring(res: ServerResponse, { retryAfter }: SessionError): void {
  res.setHeader('Cache-Control', 'no-store')
  if (retryAfter !== null) res.setHeader('Retry-After', String(retryAfter))
}
