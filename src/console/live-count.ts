/** How many sessions are live: counted now and then in small pages, and moved by events in between. An estimate. @module */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Sessions } from '../core/sessions.ts'
import type { ConsoleEvent } from './api.ts'
import { timePage } from './pace.ts'

const PAGE = 250
/** Of the time, at most a tenth goes into counting. */
const REST = 9
const AGAIN = 5 * 60_000

/** Counts while it is asked. What expires is noticed when it is counted next. */
export class LiveCount {
  readonly #sessions: Pick<Sessions<never>, 'listPage'>
  #counted: number | null = null
  #moved = 0
  #countedAt = Number.NEGATIVE_INFINITY
  #counting = false
  #closed = false

  constructor(sessions: Pick<Sessions<never>, 'listPage'>) {
    this.#sessions = sessions
  }

  /** @returns null until they were counted */
  get value(): number | null {
    return this.#counted === null ? null : Math.max(0, this.#counted + this.#moved)
  }

  hear({ name, userId, reason }: Pick<ConsoleEvent, 'name' | 'userId' | 'reason'>): void {
    if (name === 'authn_login_success') this.#moved++
    else if (name === 'session_revoked' && reason === 'everybody') this.#reset()
    else if ((name === 'session_logout' || name === 'session_revoked') && userId !== null) this.#moved--
  }

  /** Begins to count, unless it is being done, or was a while ago. */
  refresh(): void {
    if (this.#counting || this.#closed || performance.now() - this.#countedAt < AGAIN) return
    this.#counting = true
    void this.#count().finally(() => {
      this.#counting = false
    })
  }

  /** Counts anew: nobody listened for a while. */
  forget(): void {
    this.#countedAt = Number.NEGATIVE_INFINITY
  }

  close(): void {
    this.#closed = true
  }

  #reset(): void {
    this.#counted = 0
    this.#moved = 0
    this.forget()
  }

  async #count(): Promise<void> {
    try {
      this.#countedAt = performance.now()
      const before = this.#moved
      let count = 0
      let cursor: string | null = null
      let limit = PAGE
      do {
        const began = performance.now()
        const bearable = timePage(limit)
        const page: Awaited<ReturnType<Sessions['listPage']>> = await this.#sessions.listPage({
          cursor,
          limit,
        })
        limit = Math.min(PAGE, bearable())
        count += page.sessions.length
        cursor = page.next
        if (cursor !== null) await sleep(REST * (performance.now() - began), undefined, { ref: false })
      } while (cursor !== null && !this.#closed)
      // Whoever came or went meanwhile was seen, or not: half of them, for all that is known.
      this.#counted = count
      this.#moved = Math.round((this.#moved - before) / 2)
    } catch (error) {
      console.error(`holdfast: the console can't count the sessions: ${(error as Error).message}`)
    }
  }
}
