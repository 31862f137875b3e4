import type { Millis } from './duration.ts'
import type { Engine, MaybePromise } from './engine.ts'
import { SessionError } from './errors.ts'
import { detailsOf, type Report } from './events.ts'
import type { Everybody } from './everybody.ts'
import { expiry, isCutOff } from './judge.ts'
import { deadlines, forgetAt, type Policy, touchEvery } from './policy.ts'
import type { Records } from './records.ts'
import type { LostReason } from './session.ts'

/** What a session is worth that somebody holds without a request. */
export type Standing =
  | {
      readonly kind: 'live'
      /** Moves with a reauthentication, after which nothing from before it counts. */
      readonly authenticatedAt: Millis
      readonly seenAt: Millis
      readonly touchEvery: Millis
      /** When it ends, unless it is used before. */
      readonly endsAt: Millis
    }
  | { readonly kind: 'over'; readonly reason: LostReason | 'unknown' }

/** Looks at sessions for those who hold them open: sockets. They hold no token, so that there is none to judge. */
export class Standings {
  readonly #engine: Engine
  readonly #records: Records
  readonly #everybody: Everybody
  readonly #policy: Policy
  readonly #report: Report

  constructor(engine: Engine, records: Records, everybody: Everybody, policy: Policy, report: Report) {
    this.#engine = engine
    this.#records = records
    this.#everybody = everybody
    this.#policy = policy
    this.#report = report
  }

  /**
   * Reads one from the primary, and notes its use, where that is due: one read, and at times a touch.
   *
   * @param usedAt - when it was used last, other than by requests; null for never
   * @throws {SessionError} `ERR_ENGINE`
   */
  async read(id: string, now: Millis, usedAt: Millis | null): Promise<Standing> {
    const record = await this.#records.load(id, true)
    if (!record) return { kind: 'over', reason: 'unknown' }
    if (record.ended) return { kind: 'over', reason: record.ended.reason }
    if (isCutOff(record, await this.#everybody.notBefore())) return { kind: 'over', reason: 'revoked' }
    const expired = expiry(record, now, this.#policy)
    if (expired) return { kind: 'over', reason: expired }
    const interval = touchEvery(record, this.#policy)
    let { seenAt } = record
    if (usedAt !== null && usedAt - seenAt >= interval) {
      const expiresAt = forgetAt({ ...record, seenAt: usedAt }, this.#policy)
      // Refused where somebody wrote meanwhile: then it is due still, and the next look will do it.
      if (await this.#engine.touch(id, record.version, usedAt, expiresAt)) seenAt = usedAt
    }
    const { idle, absolute } = deadlines({ ...record, seenAt }, this.#policy)
    const authenticatedAt = record.authenticatedAt ?? record.createdAt
    return { kind: 'live', authenticatedAt, seenAt, touchEvery: interval, endsAt: Math.min(idle, absolute) }
  }

  /** The moment that everybody's sessions were revoked, as it was within the last half second. */
  notBefore(): MaybePromise<Millis> {
    return this.#everybody.notBefore(500)
  }

  /** Tells the listener that the store can't say what sessions are worth. */
  failed(error: unknown): void {
    if (!(error instanceof SessionError)) throw error
    this.#report('engine_failure', null, detailsOf(error))
  }
}
