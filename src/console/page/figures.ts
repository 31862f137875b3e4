/** From a point each second to what a chart has room for. @module */

import type { Millis } from '../../core/duration.ts'
import type { FiguresPoint } from '../api.ts'

export interface Buckets {
  /** When each begins; the last one is still filling. */
  readonly from: readonly Millis[]
  readonly live: readonly (number | null)[]
  readonly logins: readonly number[]
  readonly renewals: readonly number[]
  /** By the event's name, the commonest first. */
  readonly refusals: readonly {
    readonly name: string
    readonly counts: readonly number[]
    readonly total: number
  }[]
}

/** @param size of a bucket; counts are summed up in it, and of the live sessions the last number counts */
export function bucketsOf(points: readonly FiguresPoint[], now: Millis, span: Millis, size: Millis): Buckets {
  const last = Math.floor(now / size) * size
  const length = Math.floor(span / size)
  const from = Array.from({ length }, (_, index) => last - (length - 1 - index) * size)
  const zeros = () => from.map(() => 0)
  const live: (number | null)[] = from.map(() => null)
  const logins = zeros()
  const renewals = zeros()
  const refusals = new Map<string, number[]>()
  for (const point of points) {
    const index = Math.floor((point.at - from[0]!) / size)
    if (index < 0 || index >= length) continue
    live[index] = point.live ?? live[index]!
    logins[index]! += point.logins
    renewals[index]! += point.renewals
    for (const [name, count] of Object.entries(point.refusals)) {
      const counts = refusals.get(name) ?? zeros()
      counts[index]! += count
      refusals.set(name, counts)
    }
  }
  const named = [...refusals].map(([name, counts]) => ({ name, counts, total: sum(counts) }))
  const common = named.filter(({ total }) => total > 0).sort((a, b) => b.total - a.total)
  return { from, live, logins, renewals, refusals: common }
}

export function sum(counts: readonly (number | null)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0)
}
