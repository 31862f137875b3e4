/** What the tests of faults share: engines set up as the documentation advises, and users who remember what they were told. @module */

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../../../src/core/engine.ts'
import { postgres } from '../../../src/engines/postgres.ts'
import { Client, codeOf, type Server } from '../../attacks/support.ts'
import type { PostgresServer } from './server.ts'

export const CLIENTS = ['pg', 'postgres.js'] as const
type ClientName = (typeof CLIENTS)[number]

/** As docs/engines.md advises. */
export function engineBy(server: PostgresServer, client: ClientName, url: string, max = 10): Engine {
  return client === 'pg'
    ? postgres(server.pool(url, { max, connectionTimeoutMillis: 2_000 }))
    : postgres(server.sql(url, { max, connect_timeout: 2, fetch_types: false, backoff: () => 0.5 }))
}

/** One user, one act after another, who remembers what was acknowledged. */
export class User {
  client: Client
  acts = 0
  readonly counts: Record<string, number> = {}
  readonly #app: Server
  readonly #name: string
  readonly #dead: Client[] = []
  #loggedIn = false
  #acknowledged = 0
  #unknown = 0

  constructor(app: Server, name: string) {
    this.#app = app
    this.#name = name
    this.client = new Client(app)
  }

  /** Who finds a fault stops the others, who would else go on for ever. */
  async actUntil(stop: AbortController): Promise<void> {
    try {
      while (!stop.signal.aborted) await this.act()
    } finally {
      stop.abort()
    }
  }

  async act(): Promise<void> {
    this.acts++
    if (!this.#loggedIn) {
      this.client = new Client(this.#app)
      this.#acknowledged = this.#unknown = 0
      this.#loggedIn = await this.#try(this.client.login(this.#name))
    } else if (this.acts % 12 === 0) {
      const thief = this.client.copy()
      if (await this.#try(this.client.send((session) => session.terminate()))) this.#dead.push(thief)
      this.#loggedIn = false
    } else {
      const write = this.client.send((session) => session.update('n', (n) => Number(n ?? 0) + 1))
      if (await this.#try(write)) this.#acknowledged++
      else this.#unknown++
    }
  }

  /** With the store up again, and nobody else at work on this user's sessions. */
  async check(): Promise<void> {
    for (const thief of this.#dead) assert.equal((await thief.peek()).userId, null, 'a session was revived')
    if (!this.#loggedIn) return
    const session = await this.client.peek()
    assert.equal(session.userId, this.#name)
    const n = Number(session.get('n') ?? 0)
    const told = `${n} increments, of ${this.#acknowledged} acknowledged and ${this.#unknown} unknown`
    assert.ok(n >= this.#acknowledged && n <= this.#acknowledged + this.#unknown, told)
    this.#acknowledged = n
    this.#unknown = 0
  }

  async #try(work: Promise<unknown>): Promise<boolean> {
    const code = await codeOf(work)
    assert.ok(code === 'none' || code === 'ERR_ENGINE', code)
    this.counts[code] = (this.counts[code] ?? 0) + 1
    // Nobody hammers at a door that is shut.
    if (code !== 'none') await sleep(20)
    return code === 'none'
  }
}

/** Ends when requests do what they do in good times, without anybody's help. */
export async function answersAgain(app: Server): Promise<void> {
  await until(async () => (await codeOf(new Client(app).login('prober'))) === 'none')
}

/** Patient, for other work is going on on this machine. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'it never came to that')
    await sleep(50)
  }
}
