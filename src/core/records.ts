import type { Millis } from './duration.ts'
import type { EndReason, Engine, MaybePromise, SessionRecord } from './engine.ts'
import { SessionError } from './errors.ts'
import { expiry } from './judge.ts'
import { isLater } from './later.ts'
import { tombstone } from './plan.ts'
import type { Policy } from './policy.ts'
import { Queue } from './queue.ts'

const SWEEP_EVERY = 64
const SWEEP_LIMIT = 200
/** How many versions that are to come an end tries at once, at most: about as many as other servers write meanwhile. */
const MOST_AHEAD = 32

/** How the end of a record went: the tombstone, null when it is gone or lives on, and whether it was us who ended it. */
export interface Ending {
  readonly tombstone: SessionRecord | null
  readonly ours: boolean
}

/** Which record may be ended: any, where both conditions are left out. */
export interface EndOptions {
  /** Whose it is, which no later version of a record changes. */
  readonly userId?: string | null | undefined
  /** What a later version can change, so that each is read before it is ended. */
  readonly holds?: (record: SessionRecord) => boolean
  /** The record as last read, which saves a read. */
  readonly known?: SessionRecord
}

/** The records of an engine: read with suspicion, written in turn, ended for good. */
export class Records {
  /** Of those who write to a session: in one process, nobody loses a swap to another, and an end goes first. */
  readonly queue = new Queue<SessionRecord>()
  readonly #engine: Engine
  readonly #policy: Policy
  #inserted = 0

  constructor(engine: Engine, policy: Policy) {
    this.#engine = engine
    this.#policy = policy
  }

  /** @param fresh - read from the primary, for a decision that ends something */
  load(id: string, fresh: boolean): MaybePromise<SessionRecord | null> {
    const found = this.#engine.load(id, { fresh })
    return isLater(found) ? found.then((record) => expected(record, id)) : expected(found, id)
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
   * Ends a record: a swap for a tombstone, so that nothing revives it. Whoever writes to the session without pause, here
   * or by other servers, must not be able to stop it: it goes ahead of its own process's queue, tries again at once, and
   * from the third time on tries several versions together.
   *
   * @returns what it found or made
   * @throws {SessionError} `ERR_ENGINE`, also when it has taken too long
   */
  async end(id: string, reason: EndReason, now: Millis, options: EndOptions = {}): Promise<Ending> {
    return this.queue.runAhead(id, () => this.#end(id, reason, now, options))
  }

  /**
   * Calls a record something else, or nothing, whoever writes to it meanwhile.
   *
   * @param known - the record as last read
   * @returns whether it was there to be called so: alive, and still its user's
   * @throws {SessionError} `ERR_ENGINE`, also when it has taken too long
   */
  async rename(known: SessionRecord, name: string | null, now: Millis): Promise<boolean> {
    const patience = new Patience(this.#policy.engineTimeout)
    for (let record: SessionRecord | null = known; ; record = await this.load(known.id, true)) {
      if (!record || record.userId !== known.userId || !isAlive(record, now, this.#policy)) return false
      const { name: _, ...rest } = record
      const next = { ...rest, version: record.version + 1, ...(name !== null && { name }) }
      if (await this.#engine.replace(next, record.version)) return true
      await patience.pause()
    }
  }

  async #end(
    id: string,
    reason: EndReason,
    now: Millis,
    { userId, holds, known }: EndOptions,
  ): Promise<Ending> {
    const patience = new Patience(this.#policy.engineTimeout)
    const mayEnd = (record: SessionRecord) =>
      (userId === undefined || record.userId === userId) && (holds?.(record) ?? true)
    let record = known ?? (await this.load(id, true))
    for (let lost = 0; record && !record.ended && mayEnd(record); lost++) {
      if (lost > 0) patience.check()
      const ahead = holds || lost < 2 ? 0 : Math.min(2 ** lost, MOST_AHEAD)
      const ended = await this.#bury(record, reason, now, ahead)
      if (ended) return { tombstone: ended, ours: true }
      record = await this.load(id, true)
    }
    return { tombstone: record?.ended ? record : null, ours: false }
  }

  /**
   * Swaps a record for its tombstone, whichever of the next versions it has reached. A tombstone that somebody else made
   * meanwhile may be replaced by this one, which is as dead.
   */
  async #bury(
    record: SessionRecord,
    reason: EndReason,
    now: Millis,
    ahead: number,
  ): Promise<SessionRecord | null> {
    // The highest version first: arriving in this order, none follows up on the one that succeeds.
    const tombstones = Array.from({ length: ahead + 1 }, (_, index) =>
      tombstone({ ...record, version: record.version + ahead - index }, reason, now),
    )
    const swaps = tombstones.map(async (next) => this.#engine.replace(next, next.version - 1))
    const results = await Promise.allSettled(swaps)
    const made = results.findIndex((result) => result.status === 'fulfilled' && result.value)
    if (made >= 0) return tombstones[made]!
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    return null
  }
}

/** A store that mixes up its replies must never make one user another. */
function expected(record: SessionRecord | undefined, id: string): SessionRecord | null {
  if (record && record.id !== id) {
    throw new SessionError('ERR_ENGINE', 'The session store returned another record than was asked for.')
  }
  return record ?? null
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
