/** `npm run bench:scale`: fills each engine with up to a million sessions, measures, and writes `docs/scale.md`. @module */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import type { Scope } from '../../test/servers/process.ts'
import { fill } from './fill.ts'
import { type Costs, measure, type Sized } from './measure.ts'
import { populate } from './records.ts'
import { chart, document } from './report.ts'
import { STORES, type StoreName } from './stores.ts'
import { type Swept, sweep } from './sweep.ts'

/** What is found on one engine; each list has an entry for each size. */
export interface Found {
  readonly sizes: readonly number[]
  readonly rounds: number
  readonly machine: string
  readonly costs: readonly Costs[]
  readonly bytes: readonly Readonly<Record<string, number>>[]
  readonly seconds: readonly number[]
  readonly swept: Swept
}

export type Figures = Readonly<Record<StoreName, Found>>

const { values } = parseArgs({
  options: {
    engines: { type: 'string', default: 'sqlite,redis,postgres' },
    sizes: { type: 'string', default: '1000,100000,1000000' },
    rounds: { type: 'string', default: '15' },
    /** Writes the page again from the figures that are kept. */
    report: { type: 'boolean', default: false },
  },
})
const kept = new URL('figures.json', import.meta.url)
const names = values.engines.split(',') as StoreName[]
const sizes = values.sizes.split(',').map(Number)
const rounds = Number(values.rounds)

if (values.report) write(read() as Figures)
else {
  for (const name of names) {
    const found = await look(name)
    console.log(JSON.stringify(found, null, 2))
    // A glance leaves no figures to keep.
    if (rounds < 9 || sizes.at(-1)! < 1_000_000) continue
    const figures = { ...(existsSync(kept) ? read() : {}), [name]: found }
    writeFileSync(kept, `${JSON.stringify(figures, null, 2)}\n`)
    if (Object.keys(STORES).every((each) => each in figures)) write(figures as Figures)
  }
}

async function look(name: StoreName): Promise<Found> {
  const population = await populate()
  const works: (() => unknown)[] = []
  const scope: Scope = { after: (work) => works.unshift(work) }
  try {
    const stores: Sized[] = []
    const seconds: number[] = []
    const bytes: Record<string, number>[] = []
    for (const size of sizes) {
      const store = await STORES[name](scope)
      const empty = await store.bytes()
      seconds.push(await fill(store, `${name}: ${size.toLocaleString('en')} sessions`, population, size))
      const full = await store.bytes()
      bytes.push(
        Object.fromEntries(Object.entries(full).map(([part, value]) => [part, value - empty[part]!])),
      )
      stores.push({ size, store })
    }
    const costs = await measure(name, stores, population, rounds)
    const { size, store } = stores.at(-1)!
    const swept = await sweep(name, store, population, size)
    const load = loadavg()[0]!.toFixed(0)
    const machine = `Node ${process.versions.node}, ${cpus().length} shared cores, load average ${load}`
    return { sizes, rounds, machine, costs, bytes, seconds, swept }
  } finally {
    for (const work of works) await work()
  }
}

function read(): Partial<Figures> {
  return JSON.parse(readFileSync(kept, 'utf8')) as Partial<Figures>
}

function write(figures: Figures): void {
  const docs = new URL('../../docs/', import.meta.url)
  writeFileSync(new URL('scale.md', docs), document(figures))
  writeFileSync(new URL('images/scale.svg', docs), chart(figures))
  console.error('written: docs/scale.md, docs/images/scale.svg')
}
