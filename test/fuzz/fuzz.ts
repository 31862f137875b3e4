/** Runs a target on one input after another until its time is over. @module */

import { Random } from './random.ts'

/** All targets together take about as long. */
const SECONDS = Number(process.env.HOLDFAST_FUZZ_SECONDS ?? 27)
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 4_294_967_296)
/** The one input of the one target that a failure names. */
const ONLY = process.env.HOLDFAST_INPUT

/** How many targets share the time. */
const TARGETS = 9

/**
 * An input that takes longer is a defect: the slowest one here takes a few milliseconds. A machine that is busy may
 * stretch one, so that it is tried again before it counts.
 */
const LONGEST = 1_000

interface Context {
  after(work: () => void): void
  diagnostic(message: string): void
}

/**
 * Feeds a target. Each input comes from a seed of its own, so that a failure needs no more than that to be seen again.
 *
 * @param target - throws when something is wrong; what it returns is shown with the failure
 */
export async function fuzz(t: Context, target: (random: Random) => unknown): Promise<void> {
  const until = performance.now() + (SECONDS * 1_000) / TARGETS
  let inputs = 0
  let slowest = 0
  const run = async (input: number) => {
    const started = performance.now()
    try {
      await target(new Random(SEED + Math.imul(input, 0x9e3779b1)))
    } catch (error) {
      const again = `HOLDFAST_SEED=${SEED} HOLDFAST_INPUT=${input}`
      throw new Error(`${(error as Error).message}\nto see it again: ${again}`, { cause: error })
    }
    return performance.now() - started
  }
  if (ONLY !== undefined) return void (await run(Number(ONLY)))
  do {
    let took = await run(inputs)
    for (let again = 0; took > LONGEST && again < 3; again++) took = Math.min(took, await run(inputs))
    if (took > LONGEST) throw new Error(`input ${inputs} of seed ${SEED} takes ${took.toFixed()} ms`)
    slowest = Math.max(slowest, took)
    inputs++
    // Whoever else runs in this process gets his turn.
    if (inputs % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
  } while (performance.now() < until)
  t.diagnostic(`${inputs} inputs, the slowest ${slowest.toFixed(1)} ms; HOLDFAST_SEED=${SEED}`)
}
