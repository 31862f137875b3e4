import type { Millis } from './duration.ts'

type Timer = ReturnType<typeof setTimeout>

/** A call that has yet to be answered. */
export interface Call {
  readonly place: number
  /** By `performance.now()`. */
  readonly until: number
  readonly giveUp: () => void
  /** Its own, where they can't share one. */
  timer: Timer | undefined
}

/** Timers may come this much early, in milliseconds. */
const EARLY = 2

/**
 * Calls under way, and one timer for all of them. They stand in places that are used again. Where each has a timer of its own,
 * or is added to a `Set` and taken out, what is thrown away holds on to what comes after it: V8 copies what each request
 * leaves behind, twice, and keeps it until its next full collection. That was a fifth of what a request to a server's
 * store cost.
 *
 * Where timers are numbers each call has its own: on Workers a timer ends with the request that made it.
 */
export class Calls {
  readonly #timeout: Millis
  readonly #places: (Call | null)[] = []
  readonly #free: number[] = []
  #timer: Timer | undefined

  constructor(timeout: Millis) {
    this.#timeout = timeout
  }

  /** @param giveUp - called once, unless the call ends before its time is over */
  begin(giveUp: () => void): Call {
    const place = this.#free.pop() ?? this.#places.length
    const call: Call = { place, until: performance.now() + this.#timeout, giveUp, timer: undefined }
    this.#places[place] = call
    if (!this.#timer) {
      const timer = setTimeout(() => this.#look(), this.#timeout)
      if (typeof timer === 'object') this.#timer = timer
      else call.timer = timer
    } else if (this.#underWay === 1) this.#timer.ref()
    return call
  }

  end(call: Call): void {
    const { place, timer } = call
    if (this.#places[place] !== call) return
    this.#places[place] = null
    this.#free.push(place)
    if (timer !== undefined) clearTimeout(timer)
    if (this.#underWay === 0) this.#timer?.unref()
  }

  get #underWay(): number {
    return this.#places.length - this.#free.length
  }

  #look(): void {
    const now = performance.now() + EARLY
    const calls = this.#places.filter((call) => call !== null)
    const late = calls.filter((call) => call.until <= now)
    for (const call of late) this.end(call)
    if (this.#timer) {
      const next = calls.reduce(
        (first, { until }) => (until > now ? Math.min(first, until) : first),
        Infinity,
      )
      this.#timer = next < Infinity ? setTimeout(() => this.#look(), next - now + EARLY) : undefined
    }
    for (const call of late) call.giveUp()
  }
}
