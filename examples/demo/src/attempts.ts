/** Limits guesses at passwords. @module */

import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** What became of an attempt: its result, or how many seconds to wait. */
export type Attempt<T> = { readonly result: T | null } | { readonly retryAfter: number }

/**
 * Counts failures: of one account from one address, so that nobody can lock another out; and of one address, against
 * those who try one password on many accounts.
 */
export class Attempts {
  readonly #byAccount = new RateLimiterMemory({ points: 5, duration: 15 * 60 })
  readonly #byAddress = new RateLimiterMemory({ points: 50, duration: 15 * 60 })
  readonly #queues = new Map<string, Promise<unknown>>()

  /**
   * Runs an attempt, unless there were too many. Those at one account come one after the other: a hundred guesses at
   * once would else all be under way before the first has failed.
   *
   * @param attempt - returns null when it failed
   */
  async run<T>(account: string, address: string, attempt: () => Promise<T | null>): Promise<Attempt<T>> {
    const key = `${address} ${account.slice(0, 100)}`
    const before = this.#queues.get(key)
    const work = (async () => {
      await before?.catch(() => {})
      return this.#limited(key, address, attempt)
    })()
    this.#queues.set(key, work)
    try {
      return await work
    } finally {
      if (this.#queues.get(key) === work) this.#queues.delete(key)
    }
  }

  async #limited<T>(key: string, address: string, attempt: () => Promise<T | null>): Promise<Attempt<T>> {
    const counts = [
      [this.#byAccount, key],
      [this.#byAddress, address],
    ] as const
    for (const [limiter, name] of counts) {
      const count = await limiter.get(name)
      if (count !== null && count.remainingPoints <= 0)
        return { retryAfter: Math.ceil(count.msBeforeNext / 1000) }
    }
    const result = await attempt()
    if (result !== null) await this.#byAccount.delete(key)
    else await Promise.all(counts.map(([limiter, name]) => limiter.consume(name).catch(ignoreExcess)))
    return { result }
  }
}

/** `consume` rejects with its count when it goes beyond; the next attempt will see that. */
function ignoreExcess(reason: unknown): void {
  if (!(reason instanceof RateLimiterRes)) throw reason
}
