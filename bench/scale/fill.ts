/** Fills stores, and proves that what is in them is what the engine itself would have written. @module */

import assert from 'node:assert/strict'
import { Progress } from './progress.ts'
import { PER_USER, type Population } from './records.ts'
import type { Store } from './stores.ts'

/** Large: what a batch changes all over an index is written once. */
const BATCH = 20_000
const SAMPLES = 200

/** @returns seconds that it took */
export async function fill(
  store: Store,
  what: string,
  population: Population,
  size: number,
): Promise<number> {
  const progress = new Progress(what, size)
  const began = performance.now()
  for (let from = 0; from < size; from += BATCH) {
    const to = Math.min(size, from + BATCH)
    const records = range(from, to).map(population.record)
    await store.write(
      records,
      range(Math.ceil(from / PER_USER), Math.ceil(to / PER_USER)).map(population.ledger),
    )
    progress.show(to)
  }
  const seconds = (performance.now() - began) / 1000
  await store.settle()
  await prove(store, population, size)
  return seconds
}

/** Bulk writes go past the engine, so what they leave must come back by it, and by it be refused a second time. */
async function prove({ engine }: Store, population: Population, size: number): Promise<void> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const index = Math.floor((sample * size) / SAMPLES)
    const record = population.record(index)
    assert.deepEqual(await engine.load(record.id), record)
    assert.equal(await engine.create(record), false)
    const ledger = population.ledger(Math.floor(index / PER_USER))
    assert.deepEqual(await engine.loadUser(ledger.userId), ledger)
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}
