/** How a command ends. Exit codes are for scripts: docs/cli.md lists them. @module */

import { SessionError } from '../core/errors.ts'

export const EXIT = {
  ok: 0,
  /** It was done, and the answer is no: something was found, or nothing was there. */
  negative: 1,
  usage: 2,
  store: 3,
  bug: 4,
} as const

export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command early, with words for people. */
export class Stop extends Error {
  readonly exit: Exit

  constructor(exit: Exit, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exit = exit
  }
}

/** Runs what needs a store; its failure is no bug of ours. */
export async function withStore<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Stop) throw error
    if (error instanceof SessionError && error.code === 'ERR_OPTION')
      throw new Stop(EXIT.usage, error.message)
    throw new Stop(EXIT.store, `${what}: ${messageOf(error)}`, { cause: error })
  }
}

/** What an error says, if it says anything: a refused connection has only causes. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  if (!(error instanceof Error)) return String(error)
  // The core tells clients no more than that the store failed; the operator asks why.
  const { cause } = error
  const why = error instanceof SessionError && cause instanceof Error ? ` (${messageOf(cause)})` : ''
  return (error.message || error.name) + why
}
