/** Time, timers and the request at hand, as the core sees them while the checker runs it. @module */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Millis } from '../../src/core/duration.ts'

/** A request that is being run, for whoever needs to know whose call it is. */
export interface Running {
  readonly request: number
  draws: number
}

export const running = new AsyncLocalStorage<Running>()

interface Clock {
  /** What the server's clock shows. */
  readonly wall: Millis
  readonly monotonic: Millis
}

/** Longer than any pause before a retry, shorter than every deadline. */
const PAUSE = 100

let clock: Clock | null = null

/** Sets the time; null hands the process its own time back. */
export function setClock(next: Clock | null): void {
  clock = next
}

const dateNow = Date.now
const performanceNow = performance.now.bind(performance)
const start = globalThis.setTimeout
const random = Math.random

Date.now = () => clock?.wall ?? dateNow()
performance.now = () => clock?.monotonic ?? performanceNow()
Math.random = () => (clock ? 0 : random())
// Pauses are over at once, deadlines never come: a store that hangs is another test's business.
globalThis.setTimeout = Object.assign((callback: () => void, delay?: number, ...rest: never[]) => {
  if (!clock) return start(callback as never, delay, ...rest)
  if ((delay ?? 0) < PAUSE) queueMicrotask(callback)
  return undefined
}, start) as typeof setTimeout
