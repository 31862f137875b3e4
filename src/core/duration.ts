import { SessionError, shown } from './errors.ts'

/** Milliseconds since the epoch, or a number of milliseconds. */
export type Millis = number

/** A length of time that carries its unit: seconds taken for milliseconds is this field's commonest bug. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/**
 * Reads a duration such as `'30m'`.
 *
 * @param value - what the user gave
 * @param option - the option's name, for the message
 * @returns whole milliseconds, more than 0
 * @throws {SessionError} `ERR_OPTION` when it is anything else, a bare number above all
 */
export function parseDuration(value: unknown, option: string): Millis {
  const match = typeof value === 'string' ? FORM.exec(value) : null
  const millis = match ? Math.round(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]) : 0
  if (millis <= 0 || !Number.isSafeInteger(millis)) {
    throw new SessionError(
      'ERR_OPTION',
      `${option}: expected a duration with its unit, such as '90s', '30m', '12h' or '14d', but got ${shown(value)}`,
    )
  }
  return millis
}

/** Writes milliseconds as the largest unit that divides them: `1800000` is `'30m'`. */
export function formatDuration(millis: Millis): Duration {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (millis >= UNITS[unit] && millis % UNITS[unit] === 0) return `${millis / UNITS[unit]}${unit}`
  }
  return `${millis}ms`
}
