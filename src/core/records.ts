import type { Millis } from './duration.ts'
import type { EndReason, Engine, SessionRecord } from './engine.ts'
import { SessionError } from './errors.ts'
import { expiry } from './judge.ts'
import { tombstone } from './plan.ts'
import type { Policy } from './policy.ts'

const SWEEP_EVERY = 64
const SWEEP_LIMIT = 200

/** How the end of a record went: the tombstone, null when it is gone or lives on, and whether it was us who ended it. */
export interface Ending {
  readonly tombstone: SessionRecord | null
  readonly ours: boolean
}

/** The records of an engine: read with suspicion, ended for good. */
export class Records {
  readonly #engine: Engine
  readonly #policy: Policy
  #inserted = 0

  constructor(engine: Engine, policy: Policy) {
    this.#engine = engine
    this.#policy = policy
  }

  /** @param fresh - read from the primary, for a decision that ends something */
  async load(id: string, fresh: boolean): Promise<SessionRecord | null> {
    const record = await this.#engine.load(id, { fresh })
    // A store that mixes up its replies must never make one user another.
    if (record && record.id !== id) {
      throw new SessionError('ERR_ENGINE', 'The session store returned another record than was asked for.')
    }
    return record ?? null
  }

  /** Loads those that are neither ended nor expired. */
  async loadLive(ids: readonly string[], now: Millis): Promise<SessionRecord[]> {
    const records = await Promise.all(ids.map((id) => this.load(id, true)))
    return records.filter((record) => record !== null).filter((record) => isAlive(record, now, this.#policy))
  }

  /** Inserts a record, and now and then sweeps: whoever makes sessions also makes the work of forgetting them. */
  async insert(record: SessionRecord): Promise<void> {
    if (!(await this.#engine.create(record))) {
      throw new SessionError(
        'ERR_ENGINE',
        'The session store says that a freshly drawn id of 128 bits is taken.',
      )
    }
    this.#inserted++
    if (this.#inserted % SWEEP_EVERY === 0) await this.#engine.sweep(record.createdAt, SWEEP_LIMIT)
  }

  /**
   * Ends a record: a swap for a tombstone, so that nothing revives it.
   *
   * @param holds - whether the record, as it is now, may be ended
   * @param known - the record as last read, which saves a read
   * @returns what it found or made
   */
  async end(
    id: string,
    reason: EndReason,
    now: Millis,
    holds: (record: SessionRecord) => boolean = () => true,
    known: SessionRecord | null = null,
  ): Promise<Ending> {
    const patience = new Patience(this.#policy.engineTimeout)
    let record = known ?? (await this.load(id, true))
    while (record && !record.ended && holds(record)) {
      const next = tombstone(record, reason, now)
      if (await this.#engine.replace(next, record.version)) return { tombstone: next, ours: true }
      await patience.pause()
      record = await this.load(id, true)
    }
    return { tombstone: record?.ended ? record : null, ours: false }
  }
}

/** Whether a record is neither ended nor expired. */
export function isAlive(record: SessionRecord, now: Millis, policy: Policy): boolean {
  return record.ended === null && expiry(record, now, policy) === null
}

/** Paces those who lost a swap, from now until `timeout` has passed. */
export class Patience {
  readonly #timeout: Millis
  readonly #started = performance.now()
  #longest = 1

  constructor(timeout: Millis) {
    this.#timeout = timeout
  }

  /** @throws {SessionError} `ERR_ENGINE` when it has taken too long */
  check(): void {
    if (performance.now() - this.#started < this.#timeout) return
    throw new SessionError(
      'ERR_ENGINE',
      'Too many others were changing the same session. Try again in a moment.',
    )
  }

  /** Waits, at random and each time a little longer. @throws {SessionError} `ERR_ENGINE` when it has taken too long */
  async pause(): Promise<void> {
    this.check()
    await new Promise((resolve) => setTimeout(resolve, Math.random() * this.#longest))
    this.#longest = Math.min(this.#longest * 2, 32)
  }
}
