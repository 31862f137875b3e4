/** Limits by address, counted by the package `rate-limiter-flexible`. @module */

import { RateLimiterMemory } from 'rate-limiter-flexible'
import { ip } from './bindings/ip.ts'
import { type Duration, parseDuration } from './core/duration.ts'
import { SessionError } from './core/errors.ts'
import type { RateLimit, RateLimits } from './core/rate-limits.ts'

export type { RateLimit, RateLimits } from './core/rate-limits.ts'

/** So many in so long a time. */
export interface Amount {
  readonly max: number
  readonly per: Duration
}

/** A limiter of `rate-limiter-flexible`, over whatever store, as far as it is used here. */
export interface Limiter {
  consume(key: string): Promise<unknown>
}

export interface RateLimitsOptions {
  /**
   * An amount, counted in this process's memory, at no I/O; or a limiter of your own, which other processes may share;
   * or false for none.
   * @defaultValue `{ max: 300, per: '1m' }`
   */
  readonly newSessions?: Amount | Limiter | false
  /** @defaultValue `{ max: 100, per: '1m' }` */
  readonly forgedTokens?: Amount | Limiter | false
  /** How many bits of an IPv4 address are one address, 1 to 32. @defaultValue 32 */
  readonly v4Prefix?: number
  /** The same of IPv6, 1 to 128. A client has 2^64 addresses of its own, at the least. @defaultValue 64 */
  readonly v6Prefix?: number
}

/** The longest timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1

const DEFAULTS = { newSessions: { max: 300, per: '1m' }, forgedTokens: { max: 100, per: '1m' } } as const

/**
 * Limits what one address may cost: new sessions, and invented tokens. An address is not a person: behind one may be an
 * office, a school, a mobile network. So the defaults stop a flood, and not a crowd; raise them for a crowd of your own.
 *
 * Behind a proxy that the option `proxy` doesn't name, every client has the proxy's address, and shares its limits.
 * Where the address can't be known (`context.ip` is null), nothing is limited.
 *
 * @throws {SessionError} `ERR_OPTION`
 * @example createSessions({ engine, keys, rateLimits: rateLimits() })
 * @see ASVS 2.4.1; OWASP Session Management Cheat Sheet, "Session ID Guessing and Brute Force Detection"
 */
export function rateLimits(options: RateLimitsOptions = {}): RateLimits {
  const { v4Prefix = 32, v6Prefix = 64 } = options
  for (const name of Object.keys(options)) {
    if (!['newSessions', 'forgedTokens', 'v4Prefix', 'v6Prefix'].includes(name))
      throw new SessionError('ERR_OPTION', `rateLimits: there is no option ${name}`)
  }
  const { capture: networkOf } = ip({ v4Prefix, v6Prefix })

  function limitOf(kind: keyof typeof DEFAULTS): RateLimit | null {
    const given = options[kind] ?? DEFAULTS[kind]
    if (given === false) return null
    if (typeof given !== 'object')
      throw new SessionError(
        'ERR_OPTION',
        `rateLimits.${kind}: expected { max: 300, per: '1m' }, a limiter, or false`,
      )
    const limiter = 'consume' in given ? given : createLimiter(given, kind)
    return {
      take(context) {
        const network = networkOf(context)
        return network === null ? null : take(limiter, `${kind} ${network}`)
      },
    }
  }

  const [newSessions, forgedTokens] = [limitOf('newSessions'), limitOf('forgedTokens')]
  return { ...(newSessions && { newSessions }), ...(forgedTokens && { forgedTokens }) }
}

function createLimiter({ max, per }: Amount, kind: string): Limiter {
  if (!Number.isSafeInteger(max) || max < 1)
    throw new SessionError('ERR_OPTION', `rateLimits.${kind}.max: expected a whole number above 0`)
  const duration = parseDuration(per, `rateLimits.${kind}.per`)
  // A timer that is longer fires at once, and what was counted would be forgotten at once.
  if (duration > LONGEST)
    throw new SessionError('ERR_OPTION', `rateLimits.${kind}.per: expected at most '24d'`)
  return new RateLimiterMemory({ points: max, duration: duration / 1000 })
}

async function take(limiter: Limiter, key: string): Promise<number | null> {
  try {
    await limiter.consume(key)
    return null
  } catch (refusal) {
    // The library rejects with an error where its store failed, and else with what it has counted.
    if (refusal instanceof Error) throw refusal
    return Number((refusal as { msBeforeNext?: number } | undefined)?.msBeforeNext ?? 0)
  }
}
