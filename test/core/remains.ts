/** Says how many MiB of requests' remains only a full collection would free. Run by remains.test.ts, in a heap that needs none. */

import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics } from 'node:v8'
import { Notes } from '../../src/adapters/notes.ts'
import { createSessions } from '../../src/create-sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { Browser, KEY, login } from './fixtures.ts'

const REQUESTS = 40_000
const AT_ONCE = 16

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Requests that wait for a store, by a few browsers at once. */
async function serving(writes: boolean): Promise<(requests: number) => Promise<void>> {
  const shelf = memory()
  const engine = {
    ...shelf,
    load: (id: string) => turn().then(() => shelf.load(id)),
    // What is stored outlives its request: so nothing is.
    replace: () => turn().then(() => true),
  }
  const sessions = createSessions({ engine, keys: KEY })
  const browsers = Array.from({ length: AT_ONCE }, () => new Browser())
  for (const [user, browser] of browsers.entries())
    await login(sessions, browser, `user ${user}`, { now: Date.now() })

  return async (requests) => {
    const visit = async (browser: Browser) => {
      for (let i = 0; i < requests / AT_ONCE; i++) {
        const session = await sessions.open(browser.request({ now: Date.now() }))
        if (writes) session.set('visits', i)
        else session.get('visits')
        await sessions.commit(session)
      }
    }
    await Promise.all(browsers.map(visit))
  }
}

async function noting(requests: number): Promise<void> {
  const notes = new Notes<object>()
  for (let i = 0; i < requests; i++) {
    const request = { body: new Array(100).fill(i) }
    notes.set(request, { request })
    if (i % 1_000 === 0) await turn()
  }
}

const kept = () => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size

let full = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries() as (PerformanceEntry & { detail?: { kind: number } })[])
    if (entry.detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR) full++
}).observe({ entryTypes: ['gc'] })

const found: Record<string, number> = {}
for (const [name, work] of Object.entries({
  reads: await serving(false),
  writes: await serving(true),
  notes: noting,
})) {
  await work(REQUESTS / 4)
  const before = kept()
  await work(REQUESTS)
  await turn()
  found[name] = (kept() - before) / 2 ** 20
}
console.log(JSON.stringify({ found, full }))
