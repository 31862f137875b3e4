/**
 * SIGKILL of servers at random moments under load: whatever was acknowledged is there, what has ended stays ended, and
 * whatever was left half done is finished by the next call. `HOLDFAST_KILLS=50` for more, `HOLDFAST_SEED` for the same
 * moments again, as far as processes can be made to repeat themselves.
 */

import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Client, Fleet, openFile } from './support.ts'

const KILLS = Number(process.env.HOLDFAST_KILLS ?? 8)
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000)
const USERS = 12
const MAX = 3

test(`P1 P2 ${KILLS} servers killed under load: nothing acknowledged is lost, nothing is revived`, async (t) => {
  t.diagnostic(`HOLDFAST_SEED=${SEED}`)
  const random = randomBy(SEED)
  const fleet = new Fleet(t, { engineTimeout: '20s', maxSessionsPerUser: MAX }, openFile(t))
  await fleet.start('node', 'express')
  const users = Array.from({ length: USERS }, (_, index) => new User(fleet, `user${index}`, random))
  const counts: Record<string, number> = {}

  for (let kill = 0; kill < KILLS; kill++) {
    const stop = new AbortController()
    const work = users.map(async (user) => {
      // Who finds a fault stops the others, who would else go on for ever.
      try {
        while (!stop.signal.aborted) await user.act(counts)
      } finally {
        stop.abort()
      }
    })
    const load = Promise.all(work)
    load.catch(() => {})
    const victim = random(2)
    try {
      await sleep(50 + random(300))
      await fleet.servers[victim]!.kill()
      assert.equal(integrityOf(fleet), 'ok', 'right after the kill, while the other server writes')
      // The other one goes on alone for a while, and may meet what was left half done.
      await sleep(random(100))
    } finally {
      stop.abort()
      await load
    }
    fleet.servers[victim] = await fleet.launch(fleet.servers[victim]!.adapter)
    for (const user of users) {
      // First what finishes a revocation that was left half done: it may yet end what is alive.
      await user.checkLedger()
      await user.check()
    }
  }

  assert.equal(integrityOf(fleet), 'ok')
  t.diagnostic(`answers: ${JSON.stringify(Object.fromEntries(Object.entries(counts).sort()))}`)
  assert.ok(counts['write lost'] && counts['write 200'], 'no kill ever met a write: this proved nothing')
  assert.deepEqual(
    fleet.words.filter((words) => !/database is locked/.test(words)),
    [],
  )
})

/** @returns what SQLite itself finds: `ok` */
function integrityOf({ store }: Fleet): string {
  const database = new DatabaseSync(store.slice('sqlite:'.length))
  try {
    return String(database.prepare('PRAGMA integrity_check').get()!.integrity_check)
  } finally {
    database.close()
  }
}

/** What an application may keep in mind of one session: what it was told, and what it doesn't know. */
interface Known {
  readonly client: Client
  /** Increments that were acknowledged, and those that nobody answered. */
  acknowledged: number
  unknown: number
  names: Set<string>
  /** Whether an end was asked for that nobody answered. */
  doubtful: boolean
}

/** One user with some devices, who does everything that can be done, one thing after another. */
class User {
  readonly #fleet: Fleet
  readonly #name: string
  readonly #random: (below: number) => number
  #sessions: Known[] = []
  readonly #dead: Client[] = []
  #written = 0
  /** Sessions that may be in the ledger, and whose token nobody got: they count for the limit. */
  #orphans = 0

  constructor(fleet: Fleet, name: string, random: (below: number) => number) {
    this.#fleet = fleet
    this.#name = name
    this.#random = random
  }

  async act(counts: Record<string, number>): Promise<void> {
    const known = this.#sessions[this.#random(this.#sessions.length)]
    const on = this.#random(2)
    const dice = this.#random(20)
    const count = (what: string, { status, code }: Answer) => {
      const kind = `${what} ${status === 0 ? 'lost' : (code ?? status)}`
      counts[kind] = (counts[kind] ?? 0) + 1
    }
    if (!known || (dice === 0 && this.#sessions.length < MAX)) return count('login', await this.#login(on))
    if (dice === 1) return count('logout', await this.#end(known, '/logout', on, [known]))
    if (dice === 2) return count('revoke', await this.#end(known, '/revoke', on, [...this.#sessions]))
    if (dice === 3) return count('again', await this.#loginAgain(known, on))
    if (dice === 4) return count('prove', await this.#reauthenticate(known, on))
    for (const answer of await this.#write(known)) count('write', answer)
  }

  async #login(on: number): Promise<Answer> {
    const client = this.#fleet.client()
    this.#crowd(this.#sessions.length + 1)
    const answer = await client.post(`/login?user=${this.#name}`, on)
    if (answer.status === 200) {
      this.#sessions.push({ client, acknowledged: 0, unknown: 0, names: new Set(), doubtful: false })
    } else {
      assert.equal(answer.status, 0, `a login was refused: ${answer.code}`)
      this.#orphans++
    }
    return answer
  }

  /** A login may displace any of the others, once there are too many. */
  #crowd(sessions: number): void {
    if (sessions + this.#orphans <= MAX) return
    for (const each of this.#sessions) each.doubtful = true
  }

  /** Parallel writes: increments of one name, and a name of their own each. */
  async #write(known: Known): Promise<Answer[]> {
    const { client } = known
    return Promise.all(
      Array.from({ length: 3 }, async (_, on) => {
        const name = `n${this.#written++ % 200}`
        const path = on === 2 ? `/set?name=${name}&value=1` : '/increment'
        const answer = await client.send('POST', path, on)
        if (answer.status === 0) {
          if (on < 2) known.unknown++
        } else if (answer.status === 200) {
          if (on < 2) known.acknowledged++
          else known.names.add(name)
        } else {
          assert.ok(known.doubtful, `a write was refused: ${answer.status} ${answer.code}`)
        }
        // A visitor's session: the one shown has ended.
        if (answer.token !== undefined) {
          if (!known.doubtful) {
            const record = await this.#fleet.look(({ records }) => records.get(client.id!))
            assert.fail(
              `a session is gone that nobody ended: ${JSON.stringify(record?.ended)} by ${name}, ${answer.status}`,
            )
          }
          if (answer.status === 200 && on < 2) known.acknowledged--
        }
        return answer
      }),
    )
  }

  async #end(known: Known, path: string, on: number, ended: readonly Known[]): Promise<Answer> {
    const thief = known.client.copy()
    const answer = await known.client.post(path, on)
    if (answer.status === 200) {
      this.#sessions = this.#sessions.filter((each) => !ended.includes(each))
      if (path === '/revoke') this.#orphans = 0
      this.#dead.push(thief, ...ended.filter((each) => each !== known).map(({ client }) => client))
    } else {
      if (answer.status !== 0) assert.ok(known.doubtful, `${path}: ${answer.status} ${answer.code}`)
      for (const each of ended) each.doubtful = true
    }
    // A login of the same millisecond is refused (docs/decisions/not-before.md), and the answer can be faster.
    if (path === '/revoke') await sleep(2)
    return answer
  }

  /** A login from a token that is the same user's: a new session, and the data come along. */
  async #loginAgain(known: Known, on: number): Promise<Answer> {
    const old = known.client.copy()
    this.#crowd(this.#sessions.length)
    const answer = await known.client.post(`/login?user=${this.#name}`, on)
    if (answer.status !== 200) {
      assert.equal(answer.status, 0, `a login was refused: ${answer.code}`)
      known.doubtful = true
      this.#orphans++
      return answer
    }
    this.#dead.push(old)
    // Whatever is not known of the old one is not known of this one either.
    if (known.doubtful) {
      this.#sessions = this.#sessions.filter((each) => each !== known)
      this.#sessions.push({ ...known, acknowledged: 0, unknown: Infinity, names: new Set(), doubtful: false })
    }
    return answer
  }

  async #reauthenticate(known: Known, on: number): Promise<Answer> {
    const old = known.client.copy()
    const answer = await known.client.post('/reauthenticate', on)
    if (answer.status === 200) this.#dead.push(old)
    else if (answer.status === 0) {
      // The session may live on with a token that nobody got.
      known.doubtful = true
      this.#orphans++
    } else assert.ok(known.doubtful, `reauthenticate: ${answer.status} ${answer.code}`)
    return answer
  }

  /** With both servers up again, and nobody else at work on this user's sessions. */
  async check(): Promise<void> {
    const living: Known[] = []
    for (const known of this.#sessions) {
      const [one, other] = await Promise.all([
        known.client.send('GET', '/data', 0),
        known.client.send('GET', '/data', 1),
      ])
      assert.deepEqual(one.body, other.body, 'two servers tell of the same session what is not the same')
      const { user, data } = one.body as { user: string | null; data: Record<string, unknown> }
      if (user === null) {
        assert.ok(known.doubtful, `${this.#name}: a session is gone that nobody ended: ${one.body.lost}`)
        this.#dead.push(known.client)
        continue
      }
      assert.equal(user, this.#name)
      const { acknowledged, unknown } = known
      const count = Number(data.count ?? 0)
      const lost = `${this.#name}: ${count} increments, of ${acknowledged} acknowledged and ${unknown} unknown`
      assert.ok(count >= acknowledged && count <= acknowledged + unknown, lost)
      for (const name of known.names)
        assert.equal(data[name], '1', `the acknowledged write of ${name} is lost`)
      living.push(Object.assign(known, { acknowledged: count, unknown: 0, doubtful: false }))
    }
    this.#sessions = living
    for (const client of this.#dead) {
      const { body } = await client.send('GET', '/data', this.#random(2))
      assert.equal(body.user, null, `${this.#name}: a session was revived`)
    }
    this.#dead.splice(0, Math.max(0, this.#dead.length - 20))
  }

  /** The next call finishes whatever a crash left, and then ledger and records say the same. */
  async checkLedger(): Promise<void> {
    const answer = await this.#login(0)
    assert.equal(answer.status, 200)
    await this.#fleet.look(async ({ records, ledger }) => {
      const { sessions, ending } = (await ledger(this.#name))!
      for (const { id } of ending) assert.ok(!records.has(id) || records.get(id)!.ended, 'left unended')
      const named = new Set(sessions.map(({ id }) => id))
      const live = sessions.filter(({ id }) => records.get(id) && !records.get(id)!.ended)
      assert.ok(live.length <= MAX, `${live.length} sessions live, at a limit of ${MAX}`)
      for (const { client } of this.#sessions) {
        const record = records.get(client.id!)
        if (!record || record.ended) continue
        assert.ok(named.has(client.id!), 'somebody holds a live session that the ledger does not name')
      }
      for (const { id } of this.#dead) assert.ok(records.get(id!)?.ended !== null || named.has(id!))
    })
    const { body } = await this.#fleet.client().get(`/sessions?user=${this.#name}`)
    for (const id of body.ids as string[]) {
      await this.#fleet.look(({ records }) => assert.equal(records.get(id)!.ended, null))
    }
  }
}

/** Park and Miller's generator: the same numbers for the same seed. */
function randomBy(seed: number): (below: number) => number {
  let state = (seed % 2_147_483_646) + 1
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % Math.max(1, below)
  }
}
