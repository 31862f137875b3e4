import type { Millis } from './duration.ts'
import type { Engine, MaybePromise, UserLedger } from './engine.ts'
import { SessionError } from './errors.ts'
import { EVERYBODY, emptyLedger, revokeEverybody } from './ledger.ts'
import type { Policy } from './policy.ts'
import { Patience } from './records.ts'

/** How long another process may go by what it has read: the one revocation that doesn't bite with the very next request. */
const LAG = 1_000

/**
 * The moment before which no authentication counts, whoever's: one ledger, under a name that is no user's. So revoking
 * everybody costs one write, however many sessions there are, and a request nothing but a comparison: each process
 * reads the moment anew at most once a second, and only when somebody shows a token.
 */
export class Everybody {
  readonly #engine: Engine
  readonly #policy: Policy
  readonly #clock: () => number
  #notBefore: Millis = 0
  #readAt = Number.NEGATIVE_INFINITY
  #reading: { readonly began: number; readonly result: Promise<Millis> } | null = null

  /** @param clock - milliseconds, by a clock that no one sets: one set back would stretch the second */
  constructor(engine: Engine, policy: Policy, clock = () => performance.now()) {
    this.#engine = engine
    this.#policy = policy
    this.#clock = clock
  }

  /**
   * The moment, as it was at some time within the last second.
   *
   * @param lag - less, for whoever can't wait that long
   * @throws {SessionError} `ERR_ENGINE`: who can't find out lets nobody in
   */
  notBefore(lag: Millis = LAG): MaybePromise<Millis> {
    const now = this.#clock()
    if (now - this.#readAt < lag) return this.#notBefore
    // A store that hangs must not stretch the second: who joined a read that began before it, would go by older news.
    if (!this.#reading || now - this.#reading.began >= lag)
      this.#reading = { began: now, result: this.#read(now) }
    return this.#reading.result
  }

  /** Ends every session that was authenticated by then, at once in this process. */
  async revoke(by: Millis): Promise<void> {
    const patience = new Patience(this.#policy.engineTimeout)
    for (;;) {
      const ledger = await this.#load()
      const next = revokeEverybody(ledger, by)
      if (!next || (await this.#engine.replaceUser(next, ledger.version))) break
      await patience.pause()
    }
    this.#notBefore = Math.max(this.#notBefore, by)
  }

  async #read(began: number): Promise<Millis> {
    try {
      const { notBefore } = await this.#load()
      this.#notBefore = Math.max(this.#notBefore, notBefore)
      this.#readAt = Math.max(this.#readAt, began)
      return this.#notBefore
    } finally {
      if (this.#reading?.began === began) this.#reading = null
    }
  }

  async #load(): Promise<UserLedger> {
    const ledger = (await this.#engine.loadUser(EVERYBODY)) ?? emptyLedger(EVERYBODY)
    if (ledger.userId === EVERYBODY) return ledger
    throw new SessionError('ERR_ENGINE', 'The session store returned another ledger than was asked for.')
  }
}
