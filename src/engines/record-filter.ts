/**
 * Writes a filter as SQL over the stored text of a record, so that what is not searched for never leaves the database.
 * The text is looked through, and not read as JSON: that takes a tenth of the time, and finds a little more than it
 * should, never less. The core looks again.
 * @module
 */

import type { RecordFilter } from '../core/filter.ts'

/** SQL that is true for whatever fits; and its values, whose places it holds. */
export interface Condition {
  readonly text: string
  readonly values: readonly (string | number)[]
}

export interface Dialect {
  /** Whether the record holds a text. @param place - of the text */
  holds(place: string): string
  /** The same in any case of the letters A to Z; the text is in lower case. */
  holdsInAnyCase(place: string): string
  /** The number that begins behind the text at `place`. */
  numberBehind(place: string): string
  /** How the value at the n-th place is written. */
  place(n: number): string
  /** A text as `holds` wants it. */
  pattern(text: string): string
}

/** What JSON writes as it is; other texts are left to the core. */
const PLAIN = /^[ !#-[\]-~]+$/

/** @param from - the number of the first place */
export function conditionOf(where: RecordFilter, dialect: Dialect, from: number): Condition {
  const { live, ipStarts = '', userAgentHas = [], createdFrom, createdUntil } = where
  const values: (string | number)[] = []
  const put = (value: string | number) => dialect.place(from - 1 + values.push(value))
  const holds = (text: string) => dialect.holds(put(dialect.pattern(text)))
  const created = () => dialect.numberBehind(put('"createdAt":'))
  const terms: string[] = []
  if (PLAIN.test(ipStarts)) terms.push(holds(`"ip":"${ipStarts}`))
  for (const any of userAgentHas.filter((texts) => texts.every((text) => PLAIN.test(text)))) {
    const each = any.map((text) => dialect.holdsInAnyCase(put(dialect.pattern(text.toLowerCase()))))
    terms.push(each.length === 0 ? 'FALSE' : `(${each.join(' OR ')})`)
  }
  if (createdFrom !== undefined) terms.push(`${created()} >= ${put(Math.floor(createdFrom))}`)
  if (createdUntil !== undefined) terms.push(`${created()} <= ${put(Math.ceil(createdUntil))}`)
  // Last, for it is true of most.
  if (live) terms.push('user_id IS NOT NULL', holds('"ended":null'))
  return { text: terms.length === 0 ? 'TRUE' : terms.join(' AND '), values }
}

const like = (text: string) => `%${text.replace(/[\\%_]/g, '\\$&')}%`

/** LIKE knows no case, and takes half the time of `instr`; unless the connection has the old pragma case_sensitive_like. */
export const SQLITE: Dialect = {
  place: () => '?',
  pattern: like,
  holds: (place) => `record LIKE ${place} ESCAPE '\\'`,
  holdsInAnyCase: (place) => `record LIKE ${place} ESCAPE '\\' OR 'a' NOT LIKE 'A'`,
  // A cast reads as many digits as there are.
  numberBehind: (place) => `CAST(substr(record, instr(record, ${place}) + 12, 16) AS INTEGER)`,
}

export const POSTGRES: Dialect = {
  place: (n) => `$${n}`,
  pattern: (text) => text,
  holds: (place) => `strpos(record, ${place}) > 0`,
  // `low` is what `searchOf` makes of the record, once for all texts.
  holdsInAnyCase: (place) => `strpos(low, ${place}) > 0`,
  numberBehind: (place) =>
    `substring(substr(record, strpos(record, ${place}) + 12, 20) from '^[0-9]+')::bigint`,
}
