/** A load of users on one server, who keep in mind what they were told: what a fault may not take back. @module */

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { SessionError } from '../../src/core/errors.ts'
import type { Sessions } from '../../src/core/sessions.ts'
import { Browser, login, post, visit } from '../core/fixtures.ts'

interface Data {
  count: number
}

/** What one user knows of his session. */
interface User {
  readonly name: string
  browser: Browser
  /** Increments that were acknowledged, and those that nobody knows about. */
  acknowledged: number
  unknown: number
  /** Requests of any kind. */
  answered: number
}

export interface Totals {
  /** Requests that were answered, and refused with 503. */
  done: number
  refused: number
  /** The longest that a request took, in milliseconds. */
  slowest: number
  /** Acknowledged increments that are gone. */
  lost: number
}

/** More than a request with all its calls may take, each up to its deadline, on a machine that does other things besides. */
const ENDLESS = 30_000

export class Load {
  readonly totals: Totals = { done: 0, refused: 0, slowest: 0, lost: 0 }
  readonly #sessions: Sessions<Data>
  readonly #users: User[]
  /** Copies of what logged out, each with its user. */
  readonly #dead: { readonly browser: Browser; readonly name: string }[] = []
  #running = false
  #failure: unknown
  #work: Promise<unknown> = Promise.resolve()

  constructor(sessions: Sessions<Data>, users = 12) {
    this.#sessions = sessions
    this.#users = Array.from({ length: users }, (_, index) => ({
      name: `user${index}`,
      browser: new Browser(),
      acknowledged: 0,
      unknown: 0,
      answered: 0,
    }))
  }

  /** Logs everybody in, and lets them work. */
  async start(): Promise<void> {
    for (const user of this.#users) await this.#login(user)
    this.#running = true
    this.#work = Promise.all(this.#users.map((user) => this.#act(user)))
    this.#work.catch((error) => {
      this.#failure = error
    })
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#work
  }

  /** Resolves when so many more requests were answered. */
  async answers(count: number): Promise<void> {
    await this.#reach('done', this.totals.done + count)
  }

  /** Resolves when so many more requests were refused. */
  async refusals(count: number): Promise<void> {
    await this.#reach('refused', this.totals.refused + count)
  }

  /** Resolves when each of the users was answered anew. */
  async everybody(): Promise<void> {
    for (const user of this.#users) {
      const { answered } = user
      await this.#wait(() => user.answered > answered)
    }
  }

  async #reach(what: 'done' | 'refused', enough: number): Promise<void> {
    await this.#wait(() => this.totals[what] >= enough)
  }

  async #wait(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + ENDLESS
    while (!condition()) {
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() > deadline)
        throw new Error(`waited in vain for ${condition}: ${JSON.stringify(this.totals)}`)
      await sleep(10)
    }
  }

  /**
   * Everybody looks at his session, and at those that he ended.
   *
   * @param mayLose - whether acknowledged increments may be gone: they are counted, then
   */
  async check({ mayLose = false } = {}): Promise<void> {
    for (const { browser, name, acknowledged, unknown } of this.#users) {
      await visit(this.#sessions, browser, { now: Date.now() }, (session) => {
        assert.equal(session.userId, name)
        const count = session.get('count') ?? 0
        assert.ok(count <= acknowledged + unknown, `${name}: ${count} of ${acknowledged} and ${unknown}`)
        if (!mayLose) assert.ok(count >= acknowledged, `${name}: ${count} of ${acknowledged}`)
        this.totals.lost += Math.max(0, acknowledged - count)
      })
    }
    assert.ok(this.#dead.length > 0, 'nobody logged out: this proved nothing')
    for (const { browser, name } of this.#dead) {
      await visit(this.#sessions, browser, { now: Date.now() }, (session) =>
        assert.equal(session.userId, null, `a session of ${name} was revived`),
      )
    }
    assert.ok(this.totals.slowest < ENDLESS, `a request took ${this.totals.slowest} ms`)
  }

  async #act(user: User): Promise<void> {
    for (let turn = 1; this.#running; turn++) {
      if (turn % 10 === 0) await this.#relogin(user)
      else await this.#increment(user)
      // A user that is refused doesn't hammer.
      await sleep(5)
    }
  }

  async #increment(user: User): Promise<void> {
    const acknowledged = await this.#try(user, () =>
      visit(this.#sessions, user.browser, post({ now: Date.now() }), (session) => {
        // Else the store forgot a session that it had acknowledged, or took it for another's.
        assert.equal(session.userId, user.name)
        session.update('count', (count) => (count ?? 0) + 1)
      }),
    )
    if (acknowledged) user.acknowledged++
    else user.unknown++
  }

  /** Logs out, and in again as somebody new. Who isn't told that he is logged out tries again. */
  async #relogin(user: User): Promise<void> {
    const thief = user.browser.copy()
    for (;;) {
      const ended = await this.#try(user, () =>
        visit(this.#sessions, user.browser, post({ now: Date.now() }), (session) => session.terminate()),
      )
      if (ended) break
      await sleep(20)
    }
    this.#dead.push({ browser: thief, name: user.name })
    await this.#login(user)
  }

  async #login(user: User): Promise<void> {
    while (
      !(await this.#try(user, () => login(this.#sessions, user.browser, user.name, { now: Date.now() })))
    ) {
      user.browser = new Browser()
      await sleep(20)
    }
    user.acknowledged = 0
    user.unknown = 0
  }

  /** @returns whether it was answered; a refusal can only be a 503 */
  async #try(user: User, request: () => Promise<unknown>): Promise<boolean> {
    const started = performance.now()
    try {
      await request()
      this.totals.done++
      user.answered++
      return true
    } catch (error) {
      if (!(error instanceof SessionError) || error.code !== 'ERR_ENGINE') throw error
      this.totals.refused++
      return false
    } finally {
      this.totals.slowest = Math.max(this.totals.slowest, Math.round(performance.now() - started))
    }
  }
}
