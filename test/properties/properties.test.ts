/**
 * Random orders of whatever users, thieves and operators do, in whole HTTP exchanges: whatever the order, what was promised
 * holds. `HOLDFAST_RUNS=10000` for more of them; `HOLDFAST_SEED` and `HOLDFAST_PATH`, as a failure prints them, for the
 * same ones again.
 */

import { describe, test } from 'node:test'
import fc from 'fast-check'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { generateKey } from '../../src/index.ts'
import { HOUR, MINUTE, type Step, steps } from './actors.ts'
import { coreServer, webServer } from './servers.ts'
import { run } from './world.ts'

const RUNS = Number(process.env.HOLDFAST_RUNS ?? 150)
const { HOLDFAST_SEED: seed, HOLDFAST_PATH: path } = process.env
const KEYS = generateKey()

const parameters: fc.Parameters<[Step[]]> = {
  numRuns: RUNS,
  ...(seed !== undefined && { seed: Number(seed) }),
  ...(path !== undefined && { path, endOnFailure: true }),
}
const DAY = 24 * HOUR
/** The defaults, and limits that runs as short as these reach more often. */
const USUAL = {
  options: {},
  limits: { idle: 30 * MINUTE, absolute: 12 * HOUR },
  remembered: { idle: 14 * DAY, absolute: 30 * DAY },
}
const TIGHT = {
  options: { absolute: '45m', remembered: { idle: '40m', absolute: '80m' } },
  limits: { idle: 30 * MINUTE, absolute: 45 * MINUTE },
  remembered: { idle: 40 * MINUTE, absolute: 80 * MINUTE },
} as const

for (const [engineName, engine] of [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(':memory:')],
] as const) {
  for (const [serverName, server, policy] of [
    ['whole exchanges', webServer, USUAL],
    ['the core alone', coreServer, TIGHT],
  ] as const) {
    describe(`properties: ${serverName} on ${engineName}`, () => {
      test('P1 P2 P3 P4 P5 P6 P10 P11 P12 hold in any order', async () => {
        const holds = fc.asyncProperty(steps, (drawn) =>
          run(drawn, { engine, server, keys: KEYS, ...policy }),
        )
        await fc.assert(holds, parameters)
      })
    })
  }
}
