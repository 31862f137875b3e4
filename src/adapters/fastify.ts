/** Sessions for Fastify 5. @module */

import type {
  FastifyError,
  FastifyInstance,
  FastifyPluginCallback,
  FastifyReply,
  FastifyRequest,
} from 'fastify'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import { type Answer, answerTo, outlives } from './answer.ts'
import { anonymousContext, fieldOf, headerOf, nodeContext } from './context.ts'
import { applyEffects, headersOf } from './effects.ts'
import { commitOnce } from './respond.ts'

/**
 * Names the application's sessions, once, so that `request.session` has their type:
 *
 * @example
 * declare module 'holdfast/fastify' {
 *   interface Register { sessions: typeof sessions }
 * }
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications fill it
export interface Register {}

/** The type of `request.session`: as `Register` says, else with any data. */
export type RegisteredSession = Register extends { sessions: Sessions<infer Data> } ? Session<Data> : Session

declare module 'fastify' {
  interface FastifyRequest {
    /** This request's session. Where it could not be opened, looking at it throws why. */
    readonly session: RegisteredSession
  }
}

export interface HoldfastOptions {
  /** What `createSessions` made. */
  // biome-ignore lint/suspicious/noExplicitAny: of any data; `Register` says which
  readonly sessions: Sessions<any>
}

/** What a request has of ours. */
interface State {
  readonly context: RequestContext
  readonly session: Session
  bodyParsed: boolean
  /** Commits, once. */
  readonly commit: (status: number) => MaybePromise<void>
}

const STATE = Symbol('holdfast')

type Ours = FastifyRequest & { [STATE]: State | SessionError | null }

/**
 * Gives each request of its context, and of those below, its session: `request.session`, from `onRequest` on, and
 * `sessions.current()`. The response leaves when the session has been committed, whichever way it is written: returned or
 * sent, a stream, by `reply.raw`, hijacked.
 *
 * What is refused, and a commit that failed, is an error like any other, with `statusCode` and `code`: it goes to the
 * application's error handler, and what had been prepared of the response is gone. Hijacked responses have no such handler:
 * a line of text, or JSON, takes their place.
 *
 * A CSRF token is looked for in the header `X-CSRF-Token`, and as `csrf_token` in a body, when that has been parsed: forms
 * need `@fastify/formbody`. For multipart forms name the path in `csrf.verifiedByHandler` and call `session.verifyCsrf`.
 * Fastify's `trustProxy` has no say here: the option `proxy` does.
 *
 * @example await app.register(holdfast, { sessions })
 */
export const holdfast: FastifyPluginCallback<HoldfastOptions> = Object.assign(
  (app: FastifyInstance, { sessions: given }: HoldfastOptions, done: (error?: Error) => void) => {
    const sessions: Sessions = given
    const trust = trustProxies(sessions.policy.proxy)

    async function open(request: FastifyRequest, reply: FastifyReply): Promise<State | SessionError> {
      let context: RequestContext | undefined
      let state: State | undefined
      try {
        const field = (name: string) => (state?.bodyParsed ? fieldOf(request.body, name) : undefined)
        context = { ...nodeContext(request.raw, trust), field }
        const session = await sessions.open(context)
        const commit = commitOnce(sessions, session, context, reply.raw)
        state = { context, session, bodyParsed: false, commit }
        return state
      } catch (error) {
        applyEffects(sessions.failed(context ?? anonymousContext(request.raw)), headersOf(reply.raw))
        if (error instanceof SessionError) return error
        throw error
      }
    }

    app.decorateRequest(STATE, null)
    app.decorateRequest('session', {
      getter(this: FastifyRequest) {
        const state = (this as Ours)[STATE]
        if (state instanceof SessionError) throw state
        return (state?.session ?? sessions.current()) as never
      },
    })

    app.addHook('onRequest', (request, reply, next) => {
      open(request, reply).then((state) => {
        ;(request as Ours)[STATE] = state
        if (state instanceof SessionError) return next(state)
        const { refusal } = state.session
        if (refusal?.location) return void sendAnswer(reply, answerTo(refusal, state.context))
        sessions.run(state.session, () => next(refusal ?? undefined))
      }, next)
    })

    app.addHook('preValidation', (request, _reply, next) => {
      const state = (request as Ours)[STATE] as State
      state.bodyParsed = true
      sessions.checkBody(state.session)
      // Parsing the body may have lost whose request this is.
      sessions.run(state.session, () => next(state.session.refusal ?? undefined))
    })

    app.addHook('onSend', (request, reply, payload, next) => {
      const state = (request as Ours)[STATE]
      if (!state || state instanceof SessionError) return next(null, payload)
      const committing = state.commit(reply.statusCode)
      if (!committing) return next(null, payload)
      committing.then(
        () => next(null, payload),
        (error) => {
          discard(payload)
          for (const name of Object.keys(reply.getHeaders())) if (!outlives(name)) reply.removeHeader(name)
          if (error instanceof SessionError) reply.code(error.status)
          next(error)
        },
      )
    })

    done()
  },
  {
    // As fastify-plugin does: hooks and decorators are those of whoever registers it.
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'holdfast',
    [Symbol.for('plugin-meta')]: { name: 'holdfast', fastify: '5.x' },
  },
)

/**
 * An error handler that answers every `SessionError` as the other adapters do, with JSON to scripts and a line of text to
 * people, and leaves other errors to the one above. Fastify's own is good for an API.
 *
 * @example app.setErrorHandler(answerErrors())
 */
export function answerErrors(): (
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
) => FastifyReply {
  return (error, request, reply) => {
    if (!(error instanceof SessionError)) throw error
    return sendAnswer(reply, answerTo(error, { header: (name) => headerOf(request.raw, name) }))
  }
}

function sendAnswer(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  return reply.code(status).headers(Object.fromEntries(headers)).send(body)
}

/** A stream that nobody will read must not stay open. */
function discard(payload: unknown): void {
  if (typeof payload !== 'object' || payload === null) return
  if ('destroy' in payload && typeof payload.destroy === 'function') payload.destroy()
  else if (payload instanceof ReadableStream && !payload.locked) payload.cancel().catch(() => {})
}
