/**
 * What can happen to a PostgreSQL, done to a real one, with whole requests on it: each ends in an answer or a 503, what was
 * acknowledged is there afterwards, and nobody has to start anything again.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Engine } from '../../../src/core/engine.ts'
import { postgres } from '../../../src/engines/postgres.ts'
import { Client, codeOf, type Server, serve } from '../../attacks/support.ts'
import { Wire } from '../wire.ts'
import { databaseOf, missing, PostgresServer } from './server.ts'

const run = promisify(execFile)

/** It writes as it would in earnest: these tests are about what survives. */
const server = missing ? null! : await PostgresServer.start({ after }, [])

const CLIENTS = ['pg', 'postgres.js'] as const
type ClientName = (typeof CLIENTS)[number]

/** As docs/engines.md advises. */
function engineBy(client: ClientName, url: string, max = 10): Engine {
  return client === 'pg'
    ? postgres(server.pool(url, { max, connectionTimeoutMillis: 2_000 }))
    : postgres(server.sql(url, { max, connect_timeout: 2, fetch_types: false, backoff: () => 0.5 }))
}

for (const client of CLIENTS) {
  describe(`postgres, by ${client}: faults`, { skip: missing, timeout: 120_000 }, () => {
    test('killed under load, all of it, three times: nothing acknowledged is lost, nothing is revived', async (t) => {
      const url = await server.database()
      const app = serve({ engine: engineBy(client, url) })
      const users = Array.from({ length: 8 }, (_, n) => new User(app, `user${n}`))
      for (let kill = 0; kill < 3; kill++) {
        const stop = new AbortController()
        const load = Promise.all(users.map((user) => user.actUntil(stop)))
        load.catch(() => {})
        try {
          await until(() => stop.signal.aborted || users.every(({ acts }) => acts > 20 * (kill + 1)))
          await server.kill()
          // A server of ours that starts while the store is down.
          const late = serve({ engine: engineBy(client, url) })
          assert.equal(await codeOf(new Client(late).login('late')), 'ERR_ENGINE')
          await sleep(300)
          await server.restart()
          await answersAgain(app)
          await answersAgain(late)
        } finally {
          stop.abort()
          await load
        }
        for (const user of users) await user.check()
      }
      tell(t, users)
      assert.ok(
        users.some(({ counts }) => counts.ERR_ENGINE),
        'no kill ever met a request: this proved nothing',
      )
    })

    test('frozen for five seconds: 503, no storm afterwards, and all is as it was', async (t) => {
      const url = await server.database()
      const app = serve({ engine: engineBy(client, url) })
      const users = await Promise.all(
        Array.from({ length: 8 }, async (_, n) => {
          const user = new User(app, `user${n}`)
          for (let act = 0; act < 5; act++) await user.act()
          return user
        }),
      )
      const before = await transactions(url)
      server.freeze()
      const frozen = performance.now()
      try {
        const codes = await Promise.all(
          users.flatMap(({ client }) => Array.from({ length: 10 }, () => codeOf(client.copy().whoami()))),
        )
        assert.deepEqual(new Set(codes), new Set(['ERR_ENGINE']))
        await sleep(5_000 - (performance.now() - frozen))
      } finally {
        server.thaw()
      }
      await answersAgain(app)
      for (const user of users) await user.check()
      const since = (await transactions(url)) - before
      t.diagnostic(`${since} transactions, after 80 reads that were given up`)
      // What was given up runs once at most, and the checks of this test are some dozens.
      assert.ok(since < 80 + 80, `${since} transactions`)
    })

    test('cut between a commit and its answer: 503, it counts once, and the next request goes on', async (t) => {
      const wire = await Wire.open(t, server.port)
      const url = await server.database()
      const app = serve({ engine: engineBy(client, server.url(databaseOf(url), wire.port), 1) })
      const ada = new Client(app)
      await ada.login('ada')
      // By now its one connection has prepared the statement: the next answer is to the commit.
      await ada.send((session) => session.set('n', 0))
      const exchange = await ada.begin()
      exchange.session.update('n', (n) => Number(n ?? 0) + 1)
      wire.onAnswer = () => wire.cut()
      assert.equal(await codeOf(exchange.end()), 'ERR_ENGINE')
      wire.restore()
      await answersAgain(app)
      assert.equal((await ada.peek()).get('n'), 1, 'the server had it, and nobody did it twice')
      await ada.send((session) => session.update('n', (n) => Number(n) + 1))
      assert.equal((await ada.peek()).get('n'), 2)
      assert.equal(await ada.whoami(), 'ada')
    })

    test('cut before a commit arrives: 503, it counts not at all', async (t) => {
      const wire = await Wire.open(t, server.port)
      const url = await server.database()
      const app = serve({ engine: engineBy(client, server.url(databaseOf(url), wire.port)) })
      const ada = new Client(app)
      await ada.login('ada')
      const exchange = await ada.begin()
      exchange.session.terminate()
      wire.refuse()
      assert.equal(await codeOf(exchange.end()), 'ERR_ENGINE')
      wire.restore()
      await answersAgain(app)
      assert.equal(await ada.whoami(), 'ada', 'a logout that was answered by a 503 has not happened')
      await ada.send((session) => session.terminate())
      assert.equal(await ada.whoami(), null)
    })

    test('half open, bytes vanish and nobody is told: 503, and back when the wire is', async (t) => {
      const wire = await Wire.open(t, server.port)
      const url = await server.database()
      const app = serve({ engine: engineBy(client, server.url(databaseOf(url), wire.port)) })
      const ada = new Client(app)
      await ada.login('ada')
      wire.stall()
      const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(ada.copy().whoami())))
      assert.deepEqual(new Set(codes), new Set(['ERR_ENGINE']))
      wire.restore()
      await answersAgain(app)
      assert.equal(await ada.whoami(), 'ada')
    })
  })
}

describe('postgres: faults of the server alone', { skip: missing, timeout: 120_000 }, () => {
  for (const client of CLIENTS) {
    const when = client === 'pg' ? 'while they still hang' : 'when they go on'
    test(`${client}: connections whose backends hang: 503, and back ${when}`, async () => {
      const url = await server.database()
      const app = serve({ engine: engineBy(client, url, 4) })
      const ada = new Client(app)
      await ada.login('ada')
      await Promise.all(Array.from({ length: 20 }, () => ada.copy().whoami()))
      const thaw = await server.freezeConnections(databaseOf(url))
      try {
        assert.equal(await codeOf(ada.copy().whoami()), 'ERR_ENGINE')
        if (client === 'pg') await answersAgain(app)
      } finally {
        thaw()
      }
      await answersAgain(app)
      assert.equal(await ada.whoami(), 'ada')
    })
  }

  test('every connection terminated by an operator: back by itself', async () => {
    for (const client of CLIENTS) {
      const url = await server.database()
      const app = serve({ engine: engineBy(client, url) })
      const ada = new Client(app)
      await ada.login('ada')
      for (let round = 0; round < 3; round++) {
        const load = Promise.all(Array.from({ length: 20 }, () => codeOf(ada.copy().whoami())))
        await server.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${databaseOf(url)}'`,
        )
        for (const code of await load) assert.ok(code === 'none' || code === 'ERR_ENGINE', code)
        await answersAgain(app)
      }
      assert.equal(await ada.whoami(), 'ada', client)
    }
  })

  test('a standby, or a server that may only be read: sessions are read, and no write is believed', async () => {
    const url = await server.database()
    const app = serve({ engine: engineBy('pg', url) })
    const ada = new Client(app)
    await ada.login('ada')
    const reader = serve({
      engine: postgres(server.pool(url, { options: '-c default_transaction_read_only=on' })),
    })
    const moved = ada.copy().moveTo(reader)
    assert.equal(await moved.whoami(), 'ada')
    assert.equal(await codeOf(moved.send((session) => session.terminate())), 'ERR_ENGINE')
    assert.equal(await ada.whoami(), 'ada')
  })

  test('a full disk: writes are 503 and reads go on; with room again, all that was acknowledged is there', async (t) => {
    const disk = await smallDisk(t, 16)
    if (!disk) return
    await server.query(`CREATE TABLESPACE small LOCATION '${disk.folder}'`)
    await server.query('CREATE DATABASE full_disk TABLESPACE small')
    const pool = server.pool(server.url('full_disk'))
    const app = serve({ engine: postgres(pool) })
    const stored: Client[] = []
    let code = 'none'
    for (let n = 0; n < 2_000 && code === 'none'; n++) {
      const user = new Client(app)
      code = await codeOf(
        user.login(`user${n}`).then(() => user.send((session) => session.set('x', noise()))),
      )
      if (code === 'none') stored.push(user)
    }
    assert.equal(code, 'ERR_ENGINE', `${stored.length} users fit`)
    const causes = app.events.filter(({ name }) => name === 'engine_failure').map(({ reason }) => reason)
    assert.match(String(causes[0]), /No space left on device/)
    t.diagnostic(`full after ${stored.length} users`)
    assert.ok(stored.length > 10)
    for (const [n, user] of stored.entries()) assert.equal((await user.peek()).userId, `user${n}`)
    await disk.grow()
    await stored[0]!.send((session) => session.terminate())
    assert.equal(await stored[0]!.whoami(), null)
    for (const [n, user] of stored.entries()) {
      if (n === 0) continue
      const session = await user.peek()
      assert.deepEqual([session.userId, String(session.get('x')).length], [`user${n}`, NOISE])
    }
  })
})

describe("postgres: one of two servers' clock jumps", { skip: missing, timeout: 120_000 }, () => {
  async function twoServers(): Promise<[right: Server, wrong: Server, wrongEngine: Engine]> {
    const url = await server.database()
    const engines = [engineBy('pg', url), engineBy('pg', url)] as const
    return [serve({ engine: engines[0] }), serve({ engine: engines[1] }), engines[1]]
  }

  test('days ahead, it sweeps what others still use: they are logged out, and nothing comes back', async () => {
    const [right, wrong, wrongEngine] = await twoServers()
    const [ada, grace] = [new Client(right), new Client(right)]
    await ada.login('ada')
    await grace.login('grace')
    const thief = grace.copy()
    await grace.send((session) => session.terminate())
    const slow = await ada.begin()
    slow.session.set('late', true)

    wrong.clock.now += 40 * 24 * 3_600_000
    assert.ok((await wrongEngine.sweep(wrong.clock.now, 1_000)) >= 2)
    assert.equal(await codeOf(slow.end()), 'ERR_SESSION_ENDED')
    for (const app of [right, wrong]) {
      assert.equal(await ada.copy().moveTo(app).whoami(), null)
      assert.equal(await thief.copy().moveTo(app).whoami(), null)
    }
    await ada.login('ada')
    assert.equal(await ada.whoami(), 'ada')
  })

  test('an hour ahead, its touches are not undone by the others, and prolong nothing beyond its own jump', async () => {
    const [right, wrong] = await twoServers()
    const ada = new Client(right)
    await ada.login('ada')
    // Less than the idle timeout, or the session would just have expired there.
    wrong.clock.now += 20 * 60_000
    assert.equal(await ada.copy().moveTo(wrong).whoami(), 'ada')
    right.clock.now += 5 * 60_000
    assert.equal(await ada.whoami(), 'ada')
    right.clock.now += 44 * 60_000
    assert.equal(
      await ada.copy().whoami(),
      'ada',
      'within 30 minutes of the latest use, by the clock that ran ahead',
    )
    right.clock.now += 31 * 60_000
    assert.equal(await ada.copy().whoami(), null)
  })

  test('an hour behind, it brings no ended session back', async () => {
    const [right, wrong] = await twoServers()
    const ada = new Client(right)
    await ada.login('ada')
    const thief = ada.copy()
    await ada.send((session) => session.terminate())
    wrong.clock.now -= 3_600_000
    assert.equal(await thief.copy().moveTo(wrong).whoami(), null)
    const late = thief.copy().moveTo(wrong)
    await late.send((session) => session.set('a', 1))
    assert.equal((await late.peek()).userId, null)
    assert.equal(await thief.copy().whoami(), null)
  })
})

/** What no compression makes smaller. */
const NOISE = 60_000
function noise(): string {
  return randomBytes(NOISE / 2).toString('hex')
}

/** A file system of its own, which only root may make. */
async function smallDisk(t: TestContext, megabytes: number) {
  const folder = join(server.folder, 'disk')
  try {
    mkdirSync(folder)
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'holdfast', folder])
  } catch (error) {
    console.log(
      `\n!!! SKIPPED: no full disk, for nothing can be mounted here (${(error as Error).message.trim()}) !!!\n`,
    )
    t.skip('nothing can be mounted here')
    return undefined
  }
  t.after(async () => {
    await server.query('DROP DATABASE IF EXISTS full_disk WITH (FORCE)')
    await server.query('DROP TABLESPACE IF EXISTS small')
    await run('umount', ['--lazy', folder])
  })
  server.own(folder)
  return { folder, grow: () => run('mount', ['-o', `remount,size=${8 * megabytes}m`, folder]) }
}

/** One user, one act after another, who remembers what was acknowledged. */
class User {
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
async function answersAgain(app: Server): Promise<void> {
  await until(async () => (await codeOf(new Client(app).login('prober'))) === 'none')
}

/** Patient, for other work is going on on this machine. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'it never came to that')
    await sleep(50)
  }
}

/** How many transactions a database has seen. */
async function transactions(url: string): Promise<number> {
  const [row] = await server.query(
    `SELECT (xact_commit + xact_rollback)::int AS n FROM pg_stat_database WHERE datname = '${databaseOf(url)}'`,
  )
  return Number(row!.n)
}

function tell(t: TestContext, users: readonly User[]): void {
  const counts: Record<string, number> = {}
  for (const user of users)
    for (const [code, n] of Object.entries(user.counts)) counts[code] = (counts[code] ?? 0) + n
  t.diagnostic(`answers: ${JSON.stringify(counts)}`)
}
