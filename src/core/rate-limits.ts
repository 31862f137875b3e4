import type { Millis } from './duration.ts'
import type { MaybePromise } from './engine.ts'
import { SessionError } from './errors.ts'
import type { Report } from './events.ts'
import { flat } from './flat.ts'
import type { Policy } from './policy.ts'
import type { RequestContext } from './request.ts'

/** Counts what comes from one address. `holdfast/rate-limit` makes them of a library. */
export interface RateLimit {
  /** Counts one more. @returns how long until it may come again; null while it may */
  take(context: RequestContext): MaybePromise<Millis | null>
}

/** What can be limited. What is left out is not. */
export interface RateLimits {
  /** Sessions made: a visitor's first value, a login. Asked before anything is stored. */
  readonly newSessions?: RateLimit
  /** Tokens that are not ours, and were not shown a short while ago: a browser repeats its dead cookie for ever. */
  readonly forgedTokens?: RateLimit
}

const WORDS = { newSessions: 'new sessions', forgedTokens: 'invalid tokens' } as const

/** How many forged tokens are remembered, so that none counts twice. */
const REMEMBERED = 1_000
/** No longer one is ever ours. */
const LONGEST = 256

/** Refuses what exceeds a limit, before it costs anything. */
export class RateLimiter {
  readonly #policy: Policy
  readonly #report: Report
  readonly #seen = new Set<string>()

  constructor(policy: Policy, report: Report) {
    this.#policy = policy
    this.#report = report
  }

  /**
   * Counts a token that is not ours.
   *
   * @throws {SessionError} `ERR_RATE_LIMITED`; `ERR_ENGINE` where the limit fails
   */
  async takeForged(token: string, context: RequestContext): Promise<void> {
    if (this.#policy.rateLimits.forgedTokens === undefined || this.#seen.has(token)) return
    // All at once: texts come from clients, who may send a new one each time.
    if (this.#seen.size >= REMEMBERED) this.#seen.clear()
    if (token.length <= LONGEST) this.#seen.add(flat(token))
    await this.take('forgedTokens', context)
  }

  /** @throws {SessionError} `ERR_RATE_LIMITED`; `ERR_ENGINE` where the limit fails */
  async take(kind: keyof RateLimits, context: RequestContext): Promise<void> {
    const limit = this.#policy.rateLimits[kind]
    const wait = limit ? await this.#ask(limit, context) : null
    if (wait === null) return
    const code = 'ERR_RATE_LIMITED'
    this.#report('excess_rate_limit_exceeded', context, { reason: kind, code })
    const retryAfter = Math.max(1, Math.ceil(wait / 1000))
    const message = `Too many ${WORDS[kind]} come from your network: try again in ${retryAfter} s.`
    throw new SessionError(code, message, { retryAfter })
  }

  /** Limits may lie in a store, and hang or fail as stores do. */
  async #ask(limit: RateLimit, context: RequestContext): Promise<Millis | null> {
    const { engineTimeout } = this.#policy
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${engineTimeout} ms`)), engineTimeout)
    })
    try {
      return await Promise.race([limit.take(context), late])
    } catch (cause) {
      throw new SessionError('ERR_ENGINE', 'The rate limit failed. Try again in a moment.', { cause })
    } finally {
      clearTimeout(timer)
    }
  }
}
