/** Counts events by the second, for an hour. @module */

import type { Millis } from '../core/duration.ts'
import type { ConsoleEvent, FiguresPoint } from './api.ts'

const EVERY = 1_000
/** Seconds that are kept one by one, and how many are put together before that. */
const FINE = 300
const COARSE = 10
const HOUR = 3_600

/** What of an hour is remembered. */
export const SPAN: Millis = HOUR * EVERY

/** What says that a request was refused. */
const REFUSALS = new Set<ConsoleEvent['name']>([
  'session_expired',
  'session_use_after_expire',
  'session_unknown',
  'session_superseded',
  'session_suspended',
  'session_token_forged',
  'session_token_ambiguous',
  'session_write_refused',
  'excess_rate_limit_exceeded',
  'authn_login_fail',
  'authn_token_reuse',
  'authz_fail',
  'malicious_csrf',
  'insecure_transport',
  'engine_failure',
])

type Counts = { -readonly [Name in keyof FiguresPoint]: FiguresPoint[Name] } & {
  refusals: Record<string, number>
}

/** Bounded: a slot for each second of the last hour in which something happened. */
export class Tally {
  readonly #slots = new Map<number, Counts>()
  readonly #live = new Map<number, number>()

  add(event: Pick<ConsoleEvent, 'name' | 'at' | 'userId'>): void {
    const slot = this.#slot(Math.floor(event.at / EVERY))
    if (!slot) return
    if (event.name === 'authn_login_success') slot.logins++
    else if (event.name === 'session_renewed') slot.renewals++
    else if (event.name === 'session_created') slot.created++
    else if (event.name === 'session_logout' || event.name === 'session_revoked') slot.ended++
    else if (REFUSALS.has(event.name)) slot.refusals[event.name] = (slot.refusals[event.name] ?? 0) + 1
  }

  /** Notes how many sessions are live now. */
  note(at: Millis, live: number): void {
    this.#live.set(Math.floor(at / EVERY), live)
    trim(this.#live, Math.floor(at / EVERY))
  }

  /** One second, that has passed. */
  at(second: number): FiguresPoint {
    return this.#sum(second, 1)
  }

  /** The last hour: by seconds at its end, coarser before. */
  points(now: Millis): FiguresPoint[] {
    const end = Math.floor(now / EVERY)
    const points: FiguresPoint[] = []
    const first = this.#first(end)
    if (first === null) return points
    const fine = end - FINE
    for (let second = Math.floor(first / COARSE) * COARSE; second < end; ) {
      const length = second + COARSE <= fine ? COARSE : 1
      points.push(this.#sum(second, length))
      second += length
    }
    return points
  }

  #first(end: number): number | null {
    const seconds = [...this.#slots.keys(), ...this.#live.keys()].filter((second) => second > end - HOUR)
    return seconds.length === 0 ? null : Math.min(...seconds)
  }

  #sum(from: number, length: number): FiguresPoint {
    const sum = empty((from + length) * EVERY)
    for (let second = from; second < from + length; second++) {
      sum.live = this.#live.get(second) ?? sum.live
      const slot = this.#slots.get(second)
      if (!slot) continue
      sum.logins += slot.logins
      sum.renewals += slot.renewals
      sum.created += slot.created
      sum.ended += slot.ended
      for (const [name, count] of Object.entries(slot.refusals))
        sum.refusals[name] = (sum.refusals[name] ?? 0) + count
    }
    return sum
  }

  #slot(second: number): Counts | null {
    const now = Math.floor(Date.now() / EVERY)
    // Other servers' clocks differ a little; what is further off belongs to no second of ours.
    if (second <= now - HOUR || second > now + 60) return null
    let slot = this.#slots.get(second)
    if (!slot) {
      slot = empty(second * EVERY)
      this.#slots.set(second, slot)
      trim(this.#slots, now)
    }
    return slot
  }
}

function empty(at: Millis): Counts {
  return { at, live: null, logins: 0, renewals: 0, created: 0, ended: 0, refusals: {} }
}

/** At the price of a look at all of them, once in ten minutes. */
function trim(map: Map<number, unknown>, now: number): void {
  if (map.size < HOUR + 600) return
  for (const second of map.keys()) if (second <= now - HOUR) map.delete(second)
}
