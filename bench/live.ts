/**
 * What it costs to hold sessions without a channel: each is read every half second. `node --conditions=holdfast-source
 * bench/live.ts`; `REDIS=redis://…` and `POSTGRES=postgres://…` add those.
 */

import { rmSync } from 'node:fs'
import { createSessions } from '../src/create-sessions.ts'
import { openEngine } from '../src/engines/open.ts'
import { createLive } from '../src/live/live.ts'
import { Browser, KEY, login } from '../test/core/fixtures.ts'

const SECONDS = 5
const file = '/tmp/holdfast-live-bench.db'
const stores = ['memory', `sqlite:${file}`, process.env.REDIS, process.env.POSTGRES]
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

for (const url of stores.filter((each) => each !== undefined)) {
  for (const count of [1_000, 10_000]) {
    const engine = await openEngine(url)
    let reads = 0
    const load: typeof engine.load = (id, options) => {
      reads++
      return engine.load(id, options)
    }
    const counting = { ...engine, load }
    const sessions = createSessions({ engine: counting, keys: KEY })
    const opened = []
    for (let user = 0; user < count; user++) {
      const browser = new Browser()
      await login(sessions, browser, `user ${user}`, { now: Date.now() })
      opened.push(await sessions.open(browser.request({ now: Date.now() })))
    }
    const live = createLive(sessions)
    for (const session of opened) live.hold(session, () => {})
    await pause(1_500)
    reads = 0
    const [cpu, from] = [process.cpuUsage(), performance.now()]
    await pause(SECONDS * 1_000)
    const { user, system } = process.cpuUsage(cpu)
    const seconds = (performance.now() - from) / 1_000
    const share = ((user + system) / 1e4 / seconds).toFixed(1)
    const every = ((count * seconds) / reads).toFixed(2)
    const name = url.split(':')[0]
    console.log(`${name}, ${count} sessions: ${share} % of a core, each read every ${every} s`)
    await live.close()
    await sessions.close()
    rmSync(file, { force: true })
  }
}
