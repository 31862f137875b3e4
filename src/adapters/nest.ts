/** Sessions for NestJS, on Express. @module */

import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  createParamDecorator,
  type DynamicModule,
  type ExceptionFilter,
  type ExecutionContext,
  Inject,
  Module,
  type NestModule,
  UseGuards,
} from '@nestjs/common'
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core'
import { SessionError } from '../core/errors.ts'
import type { Requirement } from '../core/requirement.ts'
import { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { answerErrors, type ErrorOptions, protect } from './express.ts'
import { Notes } from './notes.ts'

export type { Answer } from './answer.ts'
export type { ErrorOptions } from './respond.ts'

/** What the application's sessions are injected by: `@Inject(SESSIONS) sessions: Sessions<Data>`. */
export const SESSIONS: unique symbol = Symbol('holdfast.sessions')
const OPTIONS = Symbol('holdfast.options')

/** The sessions of requests that are being handled. */
const bound = new Notes<Session>()

/**
 * Gives every request of the application its session, whatever its route and its prefix: `@CurrentSession()`, or
 * `sessions.current()` anywhere below. The response leaves when the session has been committed, and an error takes its
 * place where that fails. A `SessionError` is answered with its status and code by a filter that another one may precede.
 *
 * Nest's parsers come first, so `csrf_token` is found in the body. On Fastify register `holdfast/fastify` at the
 * application instead of importing this: the decorators find its sessions, too.
 *
 * @example
 * \@Module({ imports: [HoldfastModule.forRoot(sessions)], controllers: [AccountController] })
 * export class AppModule {}
 */
export class HoldfastModule implements NestModule {
  readonly #sessions: Sessions
  readonly #options: ErrorOptions
  readonly #host: HttpAdapterHost

  constructor(sessions: Sessions, options: ErrorOptions, host: HttpAdapterHost) {
    this.#sessions = sessions
    this.#options = options
    this.#host = host
  }

  /** @param sessions - what `createSessions` made */
  static forRoot<Data extends object>(sessions: Sessions<Data>, options: ErrorOptions = {}): DynamicModule {
    return {
      module: HoldfastModule,
      global: true,
      providers: [
        { provide: SESSIONS, useValue: sessions },
        { provide: OPTIONS, useValue: options },
        { provide: APP_FILTER, useClass: SessionErrorFilter },
      ],
      exports: [SESSIONS],
    }
  }

  /** By the adapter, not by the consumer: that would leave out what lies outside of a global prefix. */
  configure(): void {
    const sessions = this.#sessions
    const open = protect(sessions, this.#options)
    this.#host.httpAdapter.use((req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) =>
      open(req, res, (error) => {
        if (error === undefined) bound.set(req, sessions.current())
        next(error instanceof SessionError ? asItself(error) : error)
      }),
    )
  }
}

/** Nest on Express turns what looks like an error of http-errors into one of its own: then filters of ours would not see it. */
function asItself(error: SessionError): SessionError {
  return Object.create(error, { expose: { value: undefined } })
}

// Decorators without their syntax, which Node can't strip.
Module({})(HoldfastModule)
for (const [index, token] of [SESSIONS, OPTIONS, HttpAdapterHost].entries())
  Inject(token)(HoldfastModule, undefined, index)

/** Answers a `SessionError` as the other adapters do. `HoldfastModule` brings it along. */
export class SessionErrorFilter implements ExceptionFilter<SessionError> {
  catch(error: SessionError, host: ArgumentsHost): void {
    const http = host.switchToHttp()
    answerErrors()(error, http.getRequest(), http.getResponse(), () => {})
  }
}
Catch(SessionError)(SessionErrorFilter)

/**
 * Lets nobody but users in, and demands more if told so: a guard, for a controller or a route. What it throws is a
 * `SessionError`, answered with 401 and what would be enough.
 *
 * @example \@Authenticated({ level: 2, authenticatedWithin: '10m' })
 */
export function Authenticated(requirement: Requirement = {}): ClassDecorator & MethodDecorator {
  const guard: CanActivate = {
    canActivate(context) {
      sessionOf(context).require(requirement)
      return true
    },
  }
  return UseGuards(guard)
}

/** The session of the request, as a handler's parameter: `@CurrentSession() session: Session<Data>`. */
export const CurrentSession: () => ParameterDecorator = createParamDecorator((_: unknown, context) =>
  sessionOf(context),
)

function sessionOf(context: ExecutionContext): Session {
  const request = context.switchToHttp().getRequest<{ readonly raw?: object; readonly session?: unknown }>()
  const session = bound.get(request) ?? request.session
  if (session instanceof Session) return session as Session
  throw new SessionError(
    'ERR_NO_SESSION',
    'This request has no session: HoldfastModule.forRoot(sessions) must be imported by the application, and it serves HTTP alone.',
  )
}
