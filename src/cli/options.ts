/** The options that commands share: one name, one meaning. @module */

import { InvalidArgumentError, Option } from 'commander'

export interface StoreOptions {
  readonly store?: string
  readonly config?: string
}

export const storeOption = () =>
  new Option(
    '-s, --store <url>',
    'where the sessions are: sqlite:FILE, redis://…, redis+cluster://…, postgres://…',
  ).env('HOLDFAST_STORE')

export const configOption = () =>
  new Option(
    '-c, --config <module>',
    "the application's module that exports options or sessions: its limits, its store",
  ).env('HOLDFAST_CONFIG')

export const auditOption = (what: string) =>
  new Option('-a, --audit <url>', `${what}: sqlite:FILE or postgres://…`).env('HOLDFAST_AUDIT')

export const jsonOption = () => new Option('--json', 'JSON, for programs')

/** A whole number from 1 on. */
export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Expected a whole number above 0.')
  return Number(text)
}

/** A moment in ISO 8601. */
export function readTime(text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new InvalidArgumentError('Expected a time such as 2026-01-02T03:04:05Z.')
  return time
}
