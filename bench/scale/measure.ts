/** Measures what each verb costs in stores of several sizes, in turn, round after round. @module */

import type { MaybePromise, SessionRecord } from '../../src/core/engine.ts'
import { generateKey } from '../../src/core/keys.ts'
import type { Sessions } from '../../src/core/sessions.ts'
import { createSessions } from '../../src/create-sessions.ts'
import { median } from '../measure.ts'
import { range } from './fill.ts'
import { Progress } from './progress.ts'
import { PER_USER, type Population } from './records.ts'
import type { Store, StoreName } from './stores.ts'

export const VERBS = ['load', 'touch', 'replace', 'list', 'sweep'] as const
export type Verb = (typeof VERBS)[number]

/** How often a verb is asked for in one round. */
const COUNTS: Readonly<Record<Verb, number>> = { load: 1_500, touch: 250, replace: 250, list: 250, sweep: 5 }
/** How many records one sweep deletes here, as the core asks for now and then. */
export const SWEPT = 200
/** Rounds that nobody counts, for the compiler. */
const WARM_UP = 3
const DAY = 24 * 60 * 60 * 1000

/** In µs: medians over rounds. A sweep's are for each record that it deletes. */
export interface Cost {
  /** Processor time of the client's process and of the server's. */
  readonly cpu: number
  /** The server's share of it. */
  readonly server: number
  /** From the call to its answer, one at a time: half of them are faster. */
  readonly latency: number
}

export interface Sized {
  readonly size: number
  readonly store: Store
}

/** Each verb's; of Redis no sweep's, for there the server forgets by itself. */
export type Costs = Readonly<Partial<Record<Verb, Cost>>>

/** @returns for each size what the verbs cost there */
export async function measure(
  name: StoreName,
  stores: readonly Sized[],
  population: Population,
  rounds: number,
): Promise<Costs[]> {
  const verbs = VERBS.filter((verb) => name !== 'redis' || verb !== 'sweep')
  const runs = stores.map((sized) => new Run(sized, population))
  const found = runs.map(() => ({ load: [], touch: [], replace: [], list: [], sweep: [] }) as Rounds)
  const progress = new Progress(`${name}: rounds`, rounds + WARM_UP)
  for (let round = 0; round < rounds + WARM_UP; round++) {
    for (const verb of verbs) {
      // Turned by one each time, so that nobody always runs after the same neighbour.
      for (let turn = 0; turn < runs.length; turn++) {
        const index = (turn + round) % runs.length
        const cost = await runs[index]!.measure(verb)
        if (round >= WARM_UP) found[index]![verb].push(cost)
      }
    }
    progress.show(round + 1)
  }
  return found.map((costs) => {
    const medians = verbs.map((verb) => [
      verb,
      {
        cpu: median(costs[verb].map(({ cpu }) => cpu)),
        server: median(costs[verb].map(({ server }) => server)),
        latency: median(costs[verb].map(({ latency }) => latency)),
      },
    ])
    return Object.fromEntries(medians) as Costs
  })
}

type Rounds = Record<Verb, Cost[]>

class Run {
  readonly #store: Store
  readonly #size: number
  readonly #population: Population
  readonly #sessions: Sessions
  readonly #versions = new Map<number, number>()
  #later = 0
  #expired = 0

  constructor({ size, store }: Sized, population: Population) {
    this.#store = store
    this.#size = size
    this.#population = population
    this.#sessions = createSessions({ engine: store.engine, keys: generateKey() })
  }

  async measure(verb: Verb): Promise<Cost> {
    const calls = await this.#prepare(verb)
    const times: number[] = []
    const [client, server] = [process.cpuUsage(), this.#store.cpu()]
    for (const call of calls) {
      const began = performance.now()
      if (!(await call())) throw new Error(`${verb} has failed in a store of ${this.#size}`)
      times.push(performance.now() - began)
    }
    const { user, system } = process.cpuUsage(client)
    const served = this.#store.cpu() - server
    const each = verb === 'sweep' ? SWEPT : 1
    return {
      cpu: (user + system + served) / calls.length / each,
      server: served / calls.length / each,
      latency: (1000 * median(times)) / each,
    }
  }

  /** All that the measured call needs is made before. */
  async #prepare(verb: Verb): Promise<(() => MaybePromise<unknown>)[]> {
    const { engine } = this.#store
    const chosen = range(0, COUNTS[verb]).map(() => Math.floor(Math.random() * this.#size))
    if (verb === 'sweep') return this.#prepareSweeps(chosen.length)
    if (verb === 'list') {
      const users = chosen.map((index) => this.#population.userId(Math.floor(index / PER_USER)))
      return users.map((userId) => async () => (await this.#sessions.list(userId)).length > 0)
    }
    return chosen.map((index) => {
      const record = this.#population.record(index)
      if (verb === 'load') return () => engine.load(record.id)
      const version = this.#versions.get(index) ?? record.version
      const later = ++this.#later
      const next: SessionRecord = {
        ...record,
        seenAt: record.seenAt + later,
        expiresAt: record.expiresAt + later,
      }
      if (verb === 'touch') return () => engine.touch(record.id, version, next.seenAt, next.expiresAt)
      this.#versions.set(index, version + 1)
      return () => engine.replace({ ...next, version: version + 1 }, version)
    })
  }

  async #prepareSweeps(count: number): Promise<(() => MaybePromise<boolean>)[]> {
    const { engine } = this.#store
    const records = range(0, count * SWEPT).map(() => {
      const record = this.#population.record(this.#size + ++this.#expired)
      return { ...record, expiresAt: record.expiresAt - 3 * DAY }
    })
    if (records.length > 0) await this.#store.write(records, [])
    const now = records[0]!.expiresAt + DAY
    return range(0, count).map(() => async () => (await engine.sweep(now, SWEPT)) === SWEPT)
  }
}
