/** Times in words, by the server's clock. @module */

import type { Millis } from '../../core/duration.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

let ahead = 0

/** @param serverNow what the server's clock showed just now */
export function setClock(serverNow: Millis): void {
  ahead = serverNow - Date.now()
}

export function clock(): Millis {
  return Date.now() + ahead
}

const timeOfDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const minuteOfDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const whole = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

/** The time of day; with the day when it is another one than `now`'s. */
export function short(at: Millis, now: Millis): string {
  return day.format(at) === day.format(now)
    ? timeOfDay.format(at)
    : `${day.format(at)}, ${minuteOfDay.format(at)}`
}

export function full(at: Millis): string {
  return whole.format(at)
}

export function secondOf(at: Millis): string {
  return timeOfDay.format(at)
}

/** A length in its largest unit, rounded down: `12 s`, `5 min`, `3 h`, `2 days`. */
export function length(millis: Millis): string {
  const size = Math.abs(millis)
  if (size < MINUTE) return `${Math.floor(size / SECOND)} s`
  if (size < HOUR) return `${Math.floor(size / MINUTE)} min`
  if (size < 2 * DAY) return `${Math.floor(size / HOUR)} h`
  return `${Math.floor(size / DAY)} days`
}

/** How far from now: `now`, `5 min ago`, `in 3 h`. */
export function distance(at: Millis, now: Millis): string {
  if (Math.abs(now - at) < 2 * SECOND) return 'now'
  return at < now ? `${length(now - at)} ago` : `in ${length(at - now)}`
}

/** Round moments between two, at most `most` of them, with what to write beside each. */
export function roundMoments(from: Millis, to: Millis, most: number): { at: Millis; label: string }[] {
  const step = STEPS.find((each) => (to - from) / each <= most) ?? Math.ceil((to - from) / most / DAY) * DAY
  const zone = new Date(from).getTimezoneOffset() * MINUTE
  const first = Math.ceil((from - zone) / step) * step + zone
  const moments: { at: Millis; label: string }[] = []
  for (let at = first; at <= to; at += step) moments.push({ at, label: labelOf(at, step) })
  return moments
}

const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14].map((n) => n * DAY),
]

function labelOf(at: Millis, step: Millis): string {
  if (step >= DAY) return day.format(at)
  if (step < MINUTE) return timeOfDay.format(at)
  return minuteOfDay.format(at) === '00:00' ? day.format(at) : minuteOfDay.format(at)
}
