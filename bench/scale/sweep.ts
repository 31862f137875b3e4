/** Sweeps a million expired sessions while requests go on, and looks at what becomes of their latency. @module */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Load, request } from '../load.ts'
import { range } from './fill.ts'
import { Progress } from './progress.ts'
import type { Population } from './records.ts'
import type { Store, StoreName } from './stores.ts'

/** How many are deleted at once: what `sessions.sweep()` takes by itself, and a tenth of that. Half of the sessions each. */
const LIMITS = [1_000, 100]
const CONNECTIONS = 8
/** How long a connection rests between two requests, on average. */
const REST = 8
const CALM = 5_000
const HOUR = 60 * 60 * 1000

/** Latencies in milliseconds. */
export interface Phase {
  readonly requests: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface Sweeping extends Phase {
  /** How many at once; null where the server decides. */
  readonly limit: number | null
  readonly count: number
  readonly seconds: number
}

export interface Swept {
  readonly before: Phase
  readonly during: readonly Sweeping[]
  readonly after: Phase
}

/** The sessions of the population expire; those of the requests, made here, are remembered and don't. */
export async function sweep(
  name: StoreName,
  store: Store,
  population: Population,
  size: number,
): Promise<Swept> {
  const server = spawn(
    process.execPath,
    ['--conditions=holdfast-source', join(import.meta.dirname, 'server.ts'), name, store.place],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  )
  try {
    const [port] = (await once(server, 'message')) as [number]
    const expired = name === 'redis' ? await expireInRedis(store, population, size) : null
    const loads = await Promise.all(range(0, CONNECTIONS).map(() => Load.connect(port, 1)))
    const traffic = new Traffic(loads)
    await traffic.login()
    await traffic.during(sleep(CALM / 2))
    const before = await traffic.during(sleep(CALM))
    const during: Sweeping[] = []
    for (const limit of expired ? [null] : LIMITS) {
      const began = performance.now()
      let count = 0
      const work = limit === null ? expired!() : sweepBy(server, population, limit, size / LIMITS.length)
      const phase = await traffic.during(work.then((swept) => void (count = swept)))
      during.push({ ...phase, limit, count, seconds: (performance.now() - began) / 1000 })
    }
    const after = await traffic.during(sleep(CALM))
    for (const load of loads) load.close()
    return { before, during, after }
  } finally {
    server.disconnect()
  }
}

async function sweepBy(
  server: ChildProcess,
  population: Population,
  limit: number,
  count: number,
): Promise<number> {
  // Later than the deadline of the population, earlier than that of sessions that are remembered.
  server.send({ now: population.record(0).expiresAt + HOUR, limit, count })
  const [swept] = (await once(server, 'message')) as [number]
  return swept
}

/** Redis forgets by itself: here, all at one moment, which comes when the returned function is called. */
async function expireInRedis(
  store: Store,
  population: Population,
  size: number,
): Promise<() => Promise<number>> {
  const client = new Redis(Number(store.place), '127.0.0.1')
  await client.call('debug', 'set-active-expire', '0')
  const progress = new Progress('redis: deadlines', size)
  const deadline = Date.now() + 500
  for (let from = 0; from < size; from += 5_000) {
    const ids = range(from, Math.min(size, from + 5_000)).map((index) => population.record(index).id)
    // A deadline that has passed would delete at once.
    const at = String(Math.max(deadline, Date.now() + 2_000))
    await client.pipeline(ids.map((id) => ['pexpireat', `holdfast:s:${id}`, at])).exec()
    progress.show(from + ids.length)
  }
  await sleep(2_500)
  return async () => {
    const left = async () => Number(await client.dbsize())
    const from = await left()
    await client.call('debug', 'set-active-expire', '1')
    while (from - (await left()) < size) await sleep(50)
    client.disconnect()
    return size
  }
}

/** Reads and writes, one after the other, on a few connections that rest in between. */
class Traffic {
  readonly #loads: readonly Load[]
  readonly #cookies: string[] = []

  constructor(loads: readonly Load[]) {
    this.#loads = loads
  }

  async login(): Promise<void> {
    for (let user = 0; user < 200; user++) {
      const { cookies } = await this.#loads[0]!.ask(request('POST', `/login/live-${user}`, null))
      this.#cookies.push(cookies.join('; '))
    }
  }

  /** Goes on until that is done. */
  async during(work: Promise<unknown>): Promise<Phase> {
    const times: number[] = []
    let done = false
    const ended = work.finally(() => {
      done = true
    })
    const each = async (load: Load, from: number) => {
      for (let index = from; !done; index += CONNECTIONS) {
        await sleep(Math.random() * 2 * REST)
        const cookie = this.#cookies[index % this.#cookies.length]!
        const text = index % 4 === 0 ? request('POST', '/write', cookie) : request('GET', '/read', cookie)
        const began = performance.now()
        const { status } = await load.ask(text)
        times.push(performance.now() - began)
        if (status !== 200) throw new Error(`an answer of ${status} to ${text}`)
      }
    }
    await Promise.all([ended, ...this.#loads.map((load, index) => each(load, index * 25))])
    times.sort((a, b) => a - b)
    const at = (part: number) => times[Math.min(times.length - 1, Math.floor(part * times.length))]!
    return { requests: times.length, p50: at(0.5), p99: at(0.99), max: at(1) }
  }
}
