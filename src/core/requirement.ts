/** What a handler demands of an authentication, and what the client is told where it falls short. Pure. @module */

import { type Duration, type Millis, parseDuration } from './duration.ts'
import type { AssuranceLevel } from './engine.ts'
import { SessionError, shown } from './errors.ts'

/** What a handler demands of whoever sends the request. */
export interface Requirement {
  /** The last authentication is not older. */
  readonly authenticatedWithin?: Duration
  /** Every one of these methods was used, at one time or another of the session. */
  readonly methods?: readonly string[]
  /** The last authentication was worth as much, or more. Together with `authenticatedWithin`: so much, so recently. */
  readonly level?: AssuranceLevel
}

/** What an authentication was like. */
export interface Authentication {
  readonly authenticatedAt: Millis
  readonly methods: readonly string[]
  readonly level: AssuranceLevel | null
}

/**
 * Demands of an authentication what a handler requires.
 *
 * @param scheme - of the challenge: `Bearer` where the client sends one; browsers ignore any that they don't know
 * @throws {SessionError} `ERR_NOT_RECENT`, `ERR_METHODS`, `ERR_LEVEL`, which name the whole requirement, so that one
 * step-up can meet all of it; `ERR_OPTION` for a wrong duration
 * @throws {TypeError} for a level that is none, a name that is unknown, and one that is there and undefined
 * @see RFC 9470, for the challenge
 */
export function demand(
  requirement: Requirement,
  authentication: Authentication,
  now: Millis,
  scheme: 'Bearer' | 'Session',
): void {
  checkNames(requirement, ['authenticatedWithin', 'methods', 'level'], 'require')
  const { authenticatedWithin, methods = [], level } = requirement
  const within =
    authenticatedWithin === undefined ? null : parseDuration(authenticatedWithin, 'authenticatedWithin')
  checkLevel(level, 'require')
  const fallShort = (code: 'ERR_NOT_RECENT' | 'ERR_METHODS' | 'ERR_LEVEL', message: string) => {
    const maxAge = within === null ? null : Math.floor(within / 1000)
    const challenge =
      `${scheme} error="insufficient_user_authentication"` +
      (maxAge === null ? '' : `, max_age="${maxAge}"`) +
      (level === undefined ? '' : `, acr_values="aal${level}"`)
    const required = {
      ...(maxAge !== null && { maxAge }),
      ...(methods.length > 0 && { methods: [...methods] }),
      ...(level !== undefined && { level }),
    }
    return new SessionError(code, message, { required, challenge })
  }
  if (within !== null && now - authentication.authenticatedAt > within) {
    const message = `This needs an authentication within the last ${authenticatedWithin}: authenticate again.`
    throw fallShort('ERR_NOT_RECENT', message)
  }
  const missing = methods.filter((method) => !authentication.methods.includes(method))
  if (missing.length > 0) {
    throw fallShort('ERR_METHODS', `This needs authentication by ${missing.join(' and ')}, too.`)
  }
  if (level !== undefined && (authentication.level ?? 0) < level) {
    throw fallShort('ERR_LEVEL', `This needs an authentication of level ${level}: authenticate again.`)
  }
}

/** A level that is none would compare as false, and so meet every requirement. */
export function checkLevel(level: unknown, call: string): void {
  if (level === undefined || level === 1 || level === 2 || level === 3) return
  throw new TypeError(`${call}: level must be 1, 2 or 3, but is ${shown(level)}`)
}

/** A misspelt demand, or one that is there and undefined, would demand nothing, and so be met by everybody. */
export function checkNames(options: object, names: readonly string[], call: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (!names.includes(name))
      throw new TypeError(`${call}: there is no ${name}; there are ${names.join(', ')}`)
    if (value === undefined)
      throw new TypeError(`${call}: ${name} is there and undefined: leave it out, or give it a value`)
  }
}
