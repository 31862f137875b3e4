/** Sessions for Koa 3. @module */

import type { Context, Middleware } from 'koa'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import { answerTo, forgetHeaders, prepareAnswer } from './answer.ts'
import { anonymousContext, headerOf, nodeContext } from './context.ts'
import { applyEffects, headersOf } from './effects.ts'
import { commitOnce } from './respond.ts'
import { servedOf } from './served.ts'

/** What the middleware adds to `ctx.state`. */
export interface SessionState<Data extends object = Record<string, unknown>> {
  session: Session<Data>
}

/**
 * Gives each request its session: `ctx.state.session`, with its type where the application is built as a chain, and
 * `sessions.current()`. The response leaves when the session has been committed, `ctx.res` and streams included.
 *
 * What is refused, and a commit that failed, is thrown like any other error, with `status` and `expose`, to whatever
 * middleware catches it above, and what had been prepared of the response is gone. Koa itself answers with the message.
 *
 * Mount it after a body parser, so that it finds `csrf_token` in `ctx.request.body`. Mounted twice, the first counts. Koa's
 * `app.proxy` has no say here: the option `proxy` does.
 *
 * @example app.use(bodyParser()).use(protect(sessions))
 */
export function protect<Data extends object>(sessions: Sessions<Data>): Middleware<SessionState<Data>> {
  const trust = trustProxies(sessions.policy.proxy)
  const served = servedOf(sessions)

  return async (ctx, next) => {
    if (served.has(ctx.req)) return next()
    served.set(ctx.req, null)
    let context: RequestContext | undefined
    let session: Session<Data>
    try {
      const { body } = ctx.request as { body?: unknown }
      context = nodeContext(ctx.req, trust, { originalUrl: ctx.originalUrl, body })
      session = await sessions.open(context)
    } catch (error) {
      // Koa unsets headers when it answers an error: these are for whoever else answers it.
      applyEffects(sessions.failed(context ?? anonymousContext(ctx.req)), headersOf(ctx.res))
      throw error
    }
    ctx.state.session = session
    let failure: number | null = null
    // What was thrown is answered above, in the session still: then its response commits it.
    const commit = commitOnce(sessions, session, context, ctx.res, (status) => Math.max(status, failure ?? 0))
    try {
      const { refusal } = session
      if (refusal?.location) return answer(ctx, refusal)
      if (refusal) throw refusal
      await sessions.run(session, next)
    } catch (error) {
      failure = statusOf(error)
      throw error
    }
    try {
      await commit(ctx.status)
    } catch (error) {
      forget(ctx)
      throw error
    }
  }
}

/**
 * Answers every `SessionError` as the other adapters do, with JSON to scripts and a line of text to people. To be mounted
 * first.
 *
 * @example app.use(answerErrors()).use(bodyParser()).use(protect(sessions))
 */
export function answerErrors(): Middleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      if (!(error instanceof SessionError) || ctx.headerSent) throw error
      answer(ctx as Context, error)
    }
  }
}

function answer(ctx: Pick<Context, 'body' | 'status' | 'req' | 'res'>, error: SessionError): void {
  const made = answerTo(error, { header: (name) => headerOf(ctx.req, name) })
  prepareAnswer(ctx.res, made)
  ctx.status = made.status
  ctx.body = made.body
}

/** Forgets what was prepared, a stream included; what speaks of the host or the resource stays. */
function forget(ctx: Pick<Context, 'body' | 'res'>): void {
  ctx.body = null
  forgetHeaders(ctx.res)
}

/** As Koa takes it from an error. */
function statusOf(error: unknown): number {
  const { status } = (error ?? {}) as { status?: unknown }
  return typeof status === 'number' && status >= 400 ? status : 500
}
