/** What can go wrong, one class and one stable code each. @module */

import type { AssuranceLevel } from './engine.ts'

const STATUS = {
  ERR_OPTION: 500,
  ERR_REQUEST: 400,
  ERR_FORWARDED: 400,
  ERR_INSECURE_TRANSPORT: 403,
  ERR_CROSS_ORIGIN: 403,
  ERR_CSRF_TOKEN_MISSING: 403,
  ERR_CSRF_TOKEN_INVALID: 403,
  ERR_NOT_AUTHENTICATED: 401,
  ERR_NOT_RECENT: 401,
  ERR_METHODS: 401,
  ERR_LEVEL: 401,
  ERR_SESSION_SUSPENDED: 401,
  ERR_SESSION_ENDED: 409,
  ERR_SESSION_CHANGED: 409,
  ERR_SESSION_LIMIT: 409,
  ERR_RATE_LIMITED: 429,
  ERR_SESSION_COMMITTED: 500,
  ERR_NO_SESSION: 500,
  ERR_SESSION_DATA: 500,
  ERR_SESSION_DATA_TOO_LARGE: 413,
  ERR_ENGINE: 503,
  ERR_ENGINE_FULL: 503,
  ERR_UNSUPPORTED: 500,
} as const

/** Every code that a `SessionError` can carry. Codes are stable; messages are not. */
export type ErrorCode = keyof typeof STATUS

/** What an authentication must be like: what `session.require` demanded, and did not find. */
export interface StepUp {
  /** Seconds. */
  readonly maxAge?: number
  readonly methods?: readonly string[]
  readonly level?: AssuranceLevel
}

interface ErrorDetails {
  readonly cause?: unknown
  readonly location?: string
  readonly required?: StepUp
  readonly challenge?: string
  readonly retryAfter?: number
}

/** Says why a request was refused, or which option or call is wrong. Its message never holds a secret. */
export class SessionError extends Error {
  override readonly name = 'SessionError'
  readonly code: ErrorCode
  /** The HTTP status that an adapter answers with. */
  readonly status: number
  /** Where to go instead, for a safe request that came over plain HTTP (status 308). */
  readonly location: string | null
  /** What would be enough, where an authentication was not: all that was demanded, for one step-up to meet. */
  readonly required: StepUp | null
  /** The same, for the header `WWW-Authenticate`. */
  readonly challenge: string | null
  /** Seconds until it makes sense to try again; null where that would not help. */
  readonly retryAfter: number | null

  /** The same as `status`, by the name that http-errors, Fastify and h3 give it. */
  get statusCode(): number {
    return this.status
  }

  /** Whether the message is for clients, as http-errors and Koa ask: not where somebody must repair something. */
  get expose(): boolean {
    return this.status !== 500
  }

  /** What its answer must carry, whoever makes it: Express, Fastify, Koa and h3 take it from here, where nobody else does. */
  get headers(): Readonly<Record<string, string>> {
    return {
      'Cache-Control': 'no-store',
      ...(this.location !== null && { Location: this.location }),
      ...(this.challenge !== null && { 'WWW-Authenticate': this.challenge }),
      ...(this.retryAfter !== null && { 'Retry-After': String(this.retryAfter) }),
    }
  }

  /** A line of text that says what went wrong, for frameworks that ask an error for its response, as Hono does. */
  getResponse(): Response {
    const { status, code, message, headers } = this
    return new Response(`${status} ${code}: ${message}\n`, {
      status,
      headers: {
        'Content-Type': 'text/plain; charset=utf-8',
        'X-Content-Type-Options': 'nosniff',
        ...headers,
      },
    })
  }

  /**
   * @param code - decides the status
   * @param message - what happened, and what to do
   */
  constructor(code: ErrorCode, message: string, options: ErrorDetails = {}) {
    // A refusal is an answer, not a defect: no stack, which forged floods would pay for and frameworks print.
    const expected = STATUS[code] !== 500
    const limit = Error.stackTraceLimit
    if (expected) Error.stackTraceLimit = 0
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    if (expected) Error.stackTraceLimit = limit
    // What frameworks print of an error without a stack, in the form of Node's own.
    if (expected) this.stack = `SessionError [${code}]: ${message}`
    this.code = code
    this.location = options.location ?? null
    this.required = options.required ?? null
    this.challenge = options.challenge ?? null
    this.status = this.location === null ? STATUS[code] : 308
    this.retryAfter = options.retryAfter ?? (this.status === 503 ? 1 : null)
  }
}

/** Writes a wrong value for a message, whatever it is: JSON can't write them all. */
export function shown(value: unknown): string {
  if (value === null || ['string', 'number', 'boolean', 'undefined'].includes(typeof value)) {
    return typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : String(value)
  }
  return `something of the type ${typeof value}`
}
