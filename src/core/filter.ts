/** Which records a search is after. Pure. @module */

import type { Millis } from './duration.ts'
import type { SessionRecord } from './engine.ts'

/** What a record must be like: all of it. What isn't named doesn't matter. */
export interface RecordFilter {
  /** A user's, and not ended. */
  readonly live?: true
  /** What the client's address begins with, as it is stored: `192.0.2.`, `2001:db8:`. */
  readonly ipStarts?: string
  /** Texts in the client's `User-Agent`: of each of these lists at least one, in any case of the letters A to Z. */
  readonly userAgentHas?: readonly (readonly string[])[]
  /** Not created before this moment. */
  readonly createdFrom?: Millis
  /** Not created after it. */
  readonly createdUntil?: Millis
}

/** Whether a record is one of those that are searched for. */
export function fits(record: SessionRecord, filter: RecordFilter): boolean {
  const { userId, ended, createdAt, client } = record
  const { live = false, ipStarts = '', userAgentHas = [], createdFrom = createdAt } = filter
  const { createdUntil = createdAt } = filter
  if (live && (userId === null || ended !== null)) return false
  if (createdAt < createdFrom || createdAt > createdUntil) return false
  if (!(client.ip ?? '').startsWith(ipStarts)) return false
  const agent = toLowerCase(client.userAgent ?? '')
  return userAgentHas.every((any) => any.some((text) => agent.includes(toLowerCase(text))))
}

/** Only A to Z: so does SQL, in whatever language its server is. */
export function toLowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

const KINDS: Readonly<Record<keyof RecordFilter, (value: unknown) => boolean>> = {
  live: (value) => value === true,
  ipStarts: (value) => typeof value === 'string',
  userAgentHas: (value) => Array.isArray(value) && value.every(isTexts),
  createdFrom: Number.isFinite,
  createdUntil: Number.isFinite,
}

/** A misspelt name, or a value of another kind, would let all through, or none. @throws {TypeError} */
export function checkFilter(filter: RecordFilter, call: string): void {
  for (const [name, value] of Object.entries(filter)) {
    if (!Object.hasOwn(KINDS, name)) throw new TypeError(`${call}: where: there is no ${name}`)
    if (!KINDS[name as keyof RecordFilter](value)) throw new TypeError(`${call}: where: ${name} is wrong`)
  }
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}
