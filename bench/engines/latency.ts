import { median, type Run } from '../measure.ts'
import type { Kind } from '../systems/tasks.ts'

/** Enough that the server process never waits for a request. */
export const SATURATION = 64
const MILLISECONDS = 150
const MEASURED = ['read', 'write'] as const satisfies readonly Kind[]

/** Milliseconds: half, and ninety-nine in a hundred, are answered within; medians over rounds. */
export interface Latency {
  readonly name: string
  readonly kind: (typeof MEASURED)[number]
  readonly connections: number
  readonly p50: number
  readonly p99: number
  readonly perSecond: number
}

/** As the costs are: all systems in turn, each for a moment, many times over. */
export async function measureLatencies(
  runs: readonly Run[],
  rounds: number,
  say: (text: string) => void,
): Promise<Latency[]> {
  const found: Latency[] = []
  for (const kind of MEASURED) {
    for (const connections of [1, SATURATION]) {
      say(`${kind}: latency at ${connections}`)
      const samples = runs.map(() => [] as { p50: number; p99: number; perSecond: number }[])
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < runs.length; turn++) {
          const index = (turn + round) % runs.length
          const began = performance.now()
          const times = await runs[index]!.latencies(kind, connections, MILLISECONDS)
          const perSecond = times.length / ((performance.now() - began) / 1000)
          times.sort((a, b) => a - b)
          const at = (part: number) => times[Math.floor(part * (times.length - 1))]!
          samples[index]!.push({ p50: at(0.5), p99: at(0.99), perSecond })
        }
      }
      for (const [index, run] of runs.entries()) {
        const of = (name: 'p50' | 'p99' | 'perSecond') =>
          median(samples[index]!.map((sample) => sample[name]))
        const { name } = run.subject
        found.push({ name, kind, connections, p50: of('p50'), p99: of('p99'), perSecond: of('perSecond') })
      }
    }
  }
  return found
}
