/**
 * Keeps what the scenarios found of each adapter: `test/flow/results/NAME.json`, of which the README's table is made. A run
 * that finds anything else than what is kept there fails; with `HOLDFAST_RECORD=1` it writes it.
 */

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Adapter } from './harness.ts'

/** What became of one scenario. */
export interface Outcome {
  readonly feature: string
  readonly name: string
  /** Why it doesn't hold through this adapter; null where it must. */
  readonly reason: string | null
  passed: boolean
}

const folder = join(import.meta.dirname, 'results')

export function record({ name, unrecorded }: Adapter, outcomes: readonly Outcome[]): void {
  if (unrecorded) return
  // Whatever failed has said so, and what a pattern left out says nothing.
  if (outcomes.some(({ passed, reason }) => !passed && reason === null)) return
  const features: Record<string, { passed: number; except: Record<string, string> }> = {}
  for (const { feature, name, reason } of outcomes) {
    const entry = (features[feature] ??= { passed: 0, except: {} })
    if (reason === null) entry.passed++
    else entry.except[name] = reason
  }
  const text = `${JSON.stringify({ name, features }, null, 2)}\n`
  const file = join(folder, `${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.json`)
  if (process.env.HOLDFAST_RECORD) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, text)
    return
  }
  const kept = existsSync(file) ? readFileSync(file, 'utf8') : ''
  assert.equal(
    text,
    kept,
    `${file} says otherwise: run once with HOLDFAST_RECORD=1, then node tools/snippets.mjs`,
  )
}
