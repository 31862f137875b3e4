import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How many MiB are still held after some work, once all garbage is collected. */
export function retained(work: () => void): number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  const before = process.memoryUsage()
  work()
  collect()
  const after = process.memoryUsage()
  return (after.heapUsed + after.external - before.heapUsed - before.external) / 2 ** 20
}
