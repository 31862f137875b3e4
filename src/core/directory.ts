import type { Millis } from './duration.ts'
import type { Engine, SessionRecord, UserLedger } from './engine.ts'
import { SessionError } from './errors.ts'
import type { Report } from './events.ts'
import type { Everybody } from './everybody.ts'
import { fits, type RecordFilter } from './filter.ts'
import { isCutOff } from './judge.ts'
import { describeDevice, type Novelty, noveltyOf } from './known-devices.ts'
import {
  admit,
  dismiss,
  emptyLedger,
  endsOthers,
  excess,
  extend,
  isFormer,
  isTooLate,
  revokeAll,
  revokeSome,
} from './ledger.ts'
import type { Reauthentication } from './plan.ts'
import { deadlines, type Policy } from './policy.ts'
import { type Ending, isAlive, Patience, type Records } from './records.ts'
import type { RequestContext } from './request.ts'

/** What a login asks of its user's ledger. */
export interface Admittance {
  /** The session of the same user that this one replaces. */
  readonly replaced: string | null
  readonly revokeOthers: boolean
  readonly credential: string | null
  /** When its commit began. */
  readonly at: Millis
}

/** Whose records: one user's, or everybody's, in pages. */
export interface PageQuery {
  readonly userId: string | null
  /** Where the page before it ended; null for the first. */
  readonly cursor: string | null
  readonly limit: number
  readonly where: RecordFilter
}

interface RecordPage {
  readonly records: SessionRecord[]
  readonly next: string | null
}

interface EndedAll {
  readonly endings: Ending[]
  readonly done: ReadonlySet<string>
  readonly failure: SessionError | null
}

interface Swapped {
  readonly ledger: UserLedger
  readonly ended: UserLedger['ending']
  /** How many it ended that others had left unfinished. */
  readonly finished: number
}

/** Each user's sessions: performs what the pure functions of `ledger.ts` decide, by swaps. */
export class Directory {
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

  /** A user's live records, in any order. */
  async list(userId: string, now: Millis): Promise<SessionRecord[]> {
    const { sessions, ending } = await this.#load(userId)
    // What is being ended, and perhaps by somebody who failed, lives until it has been.
    return this.#loadLive(
      userId,
      [...sessions, ...ending].map(({ id }) => id),
      now,
    )
  }

  /** A live record, whosesoever. */
  async find(id: string, now: Millis): Promise<SessionRecord | null> {
    const record = await this.#records.load(id, true)
    return record && ((await this.#listed([record], now))[0] ?? null)
  }

  /** A page of a user's live records, or of every user's. It may hold fewer than `limit`, and none, and go on. */
  async page({ userId, cursor, limit, where }: PageQuery, now: Millis): Promise<RecordPage> {
    if (userId === null) return this.#scan(cursor, limit, where, now)
    const { sessions, ending } = await this.#load(userId)
    const ids = [...sessions, ...ending].map(({ id }) => id).sort()
    const rest = ids.filter((id) => cursor === null || id > cursor)
    const page = rest.slice(0, limit)
    return {
      records: await this.#loadLive(userId, page, now),
      next: rest.length > limit ? page.at(-1)! : null,
    }
  }

  async #scan(cursor: string | null, limit: number, filter: RecordFilter, now: Millis): Promise<RecordPage> {
    const { name, scan } = this.#engine
    if (!scan) {
      const message = `The ${name} engine can't list everybody's sessions, for it has no scan: list a user's.`
      throw new SessionError('ERR_UNSUPPORTED', message)
    }
    const where = { ...filter, live: true as const }
    const { records, next = null } = await scan({ limit, where, ...(cursor !== null && { cursor }) })
    // The engine may know nothing of the filter, or take it as a hint.
    const found = records.filter((record) => fits(record, where))
    return { records: await this.#listed(found, now), next }
  }

  /** Those that are live, and somebody's. */
  async #listed(records: readonly SessionRecord[], now: Millis): Promise<SessionRecord[]> {
    const notBefore = await this.#everybody.notBefore()
    return records.filter(
      (record) =>
        record.userId !== null && isAlive(record, now, this.#policy) && !isCutOff(record, notBefore),
    )
  }

  /**
   * Admits a freshly made record, ending what the limit displaces.
   *
   * @returns null when it was admitted; `ERR_SESSION_CHANGED` when the user's sessions were revoked after the login was
   * opened, `ERR_SESSION_LIMIT` when he has as many as he may have, and none gives way
   */
  async admit(
    record: SessionRecord,
    context: RequestContext,
    { replaced, revokeOthers, credential, at }: Admittance,
  ): Promise<'ERR_SESSION_CHANGED' | 'ERR_SESSION_LIMIT' | null> {
    const { now } = context
    const userId = record.userId!
    const { maxSessionsPerUser: max, onExceeded } = this.#policy
    const { devices } = this.#policy
    const device = devices && describeDevice(devices.identify(context), now + devices.rememberedFor)
    const until = deadlines(record, this.#policy).absolute
    const entry = { id: record.id, until, ...(device && { device: device.id }) }
    // A session's deadline moves when the policy does, by no more than its longest: until then its entry stays.
    const past = now - Math.max(this.#policy.limits.absolute, this.#policy.remembered.absolute)
    const everybody = { notBefore: await this.#everybody.notBefore() }
    let refusal: 'ERR_SESSION_CHANGED' | 'ERR_SESSION_LIMIT' | null = null
    let displaced = new Set<string>()
    let changed = false
    let novelty: Novelty | null = null
    const { ended } = await this.#swap(userId, now, async (ledger) => {
      const isLate = isTooLate(ledger, now) || isTooLate(everybody, now)
      refusal = isLate || isFormer(ledger, credential, now) ? 'ERR_SESSION_CHANGED' : null
      displaced = new Set()
      if (refusal) return null
      changed = ledger.credential !== null && endsOthers(ledger, credential)
      novelty = device && noveltyOf(ledger, device, now)
      const options = {
        at,
        credential,
        past,
        replaced,
        device,
        revokeOthers,
        dead: new Set<string>(),
        displaced: new Set<string>(),
      }
      if (!revokeOthers && !endsOthers(ledger, credential) && excess(ledger, replaced, past, max) > 0) {
        const others = ledger.sessions.map(({ id }) => id).filter((id) => id !== replaced)
        const live = await this.#loadLive(userId, others, now)
        // The ledger's own order is that of the logins.
        if (onExceeded === 'revoke-least-recent') live.sort((a, b) => a.seenAt - b.seenAt)
        const ids = live.map(({ id }) => id)
        const over = Math.max(0, ids.length + 1 - max)
        if (over > 0 && onExceeded === 'refuse') {
          refusal = 'ERR_SESSION_LIMIT'
          return null
        }
        options.dead = new Set(others.filter((id) => !ids.includes(id)))
        options.displaced = new Set(ids.slice(0, over))
      }
      displaced = options.displaced
      return admit(ledger, entry, options)
    })
    if (displaced.size > 0 || refusal === 'ERR_SESSION_LIMIT') {
      this.#report('excess_sessions_exceeded', context, { userId, reason: `more than ${max}`, code: refusal })
    }
    if (refusal) return refusal
    if (changed) this.#report('authn_password_change', context, { sessionId: record.id, userId })
    if (novelty) this.#report('authn_new_device', context, { sessionId: record.id, userId, reason: novelty })
    await this.#finish(userId, ended, now, context)
    return null
  }

  /**
   * Gives a session its new absolute deadline, and ends the others where the password was changed.
   *
   * @returns null when it lives on; `ERR_SESSION_CHANGED` when the password was changed since the request came
   */
  async extend(
    record: SessionRecord,
    { at: authenticatedAt, credential }: Pick<Reauthentication, 'at' | 'credential'>,
    context: RequestContext,
    at: Millis,
  ): Promise<'ERR_SESSION_ENDED' | 'ERR_SESSION_CHANGED' | null> {
    if (isCutOff(record, await this.#everybody.notBefore())) return 'ERR_SESSION_ENDED'
    const { id, userId } = record
    const entry = { id, until: deadlines({ ...record, authenticatedAt }, this.#policy).absolute }
    let changed = false
    let refusal: 'ERR_SESSION_CHANGED' | null = null
    const { ledger, ended } = await this.#swap(userId!, at, (ledger) => {
      changed = ledger.credential !== null && endsOthers(ledger, credential)
      refusal = isFormer(ledger, credential, context.now) ? 'ERR_SESSION_CHANGED' : null
      return refusal ? null : extend(ledger, entry, credential, at)
    })
    if (refusal || !ledger.sessions.some((session) => session.id === id))
      return refusal ?? 'ERR_SESSION_ENDED'
    if (changed) this.#report('authn_password_change', context, { sessionId: id, userId })
    await this.#finish(userId!, ended, at, context)
    return null
  }

  /**
   * Ends all of a user's sessions but one.
   *
   * @param before - only those that were authenticated by then; null for all
   * @returns how many
   */
  async revokeAll(
    userId: string,
    except: string | null,
    before: Millis | null,
    now: Millis,
    by: string | null,
  ): Promise<number> {
    const change = async (ledger: UserLedger) => {
      if (before === null) return revokeAll(ledger, except, 'revoked', now)
      // Expired ones, too: a longer limit may bring them back to life.
      const loading = ledger.sessions.map(({ id }) => this.#records.load(id, true))
      const old = (await Promise.all(loading)).flatMap((record) =>
        record && record.id !== except && isCutOff(record, before) ? [record.id] : [],
      )
      return revokeSome(ledger, new Set(old), before)
    }
    const { ledger, finished } = await this.#swap(userId, now, change, by)
    // Those that others left unfinished, too: whoever revokes is told that all have ended only when all have.
    return finished + (await this.#finish(userId, ledger.ending, now, null, by))
  }

  /** Takes a session that has ended off its user's ledger. */
  async dismiss({ userId, id, ended }: SessionRecord, now: Millis): Promise<void> {
    if (userId === null) return
    await this.#swap(userId, now, (ledger) => dismiss(ledger, new Set([id]), ended?.reason === 'revoked'))
  }

  /**
   * Makes sure that what a ledger has ended is ended in its records, too.
   *
   * @returns how many it ended
   * @throws {SessionError} `ERR_ENGINE` when one couldn't be; the others have been
   */
  async #finish(
    userId: string,
    ending: UserLedger['ending'],
    now: Millis,
    context: RequestContext | null,
    actor: string | null = null,
  ): Promise<number> {
    if (ending.length === 0) return 0
    const { endings, done, failure } = await this.#endAll(userId, ending, now)
    if (done.size > 0) await this.#swap(userId, now, (ledger) => dismiss(ledger, done))
    const ended = this.#tell(userId, endings, context, actor)
    if (failure) throw failure
    return ended
  }

  /** @returns how many of them it was us who ended */
  #tell(
    userId: string,
    endings: readonly Ending[],
    context: RequestContext | null,
    actor: string | null,
  ): number {
    const ours = endings.filter((ending) => ending.ours).map(({ tombstone }) => tombstone!)
    for (const { id, ended } of ours) {
      this.#report('session_revoked', context, { sessionId: id, userId, actor, reason: ended!.reason })
    }
    return ours.length
  }

  /**
   * Ends what can be ended. A ledger that names a stranger's session, by whatever mishap, must not end it.
   *
   * @returns `done`: those that need no more ending; `failure`: why others do, by the store's fault
   */
  async #endAll(userId: string, ending: UserLedger['ending'], now: Millis): Promise<EndedAll> {
    const ends = ending.map(({ id, reason }) => this.#records.end(id, reason, now, { userId }))
    const results = await Promise.allSettled(ends)
    const endings = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const done = ending.filter((_, index) => results[index]!.status === 'fulfilled').map(({ id }) => id)
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    const fault = failures.find((failure) => failure?.code !== 'ERR_ENGINE')
    if (fault) throw fault
    return { endings, done: new Set(done), failure: failures[0] ?? null }
  }

  async #loadLive(userId: string, ids: readonly string[], now: Millis): Promise<SessionRecord[]> {
    const notBefore = await this.#everybody.notBefore()
    const records = await this.#records.loadLive(ids, now)
    return records.filter((record) => record.userId === userId && !isCutOff(record, notBefore))
  }

  async #load(userId: string): Promise<UserLedger> {
    const ledger = (await this.#engine.loadUser(userId)) ?? emptyLedger(userId)
    if (ledger.userId === userId) return ledger
    throw new SessionError('ERR_ENGINE', 'The session store returned another ledger than was asked for.')
  }

  /**
   * Swaps a ledger. Whatever somebody left unfinished, by a crash, is finished before; what can't be, stays named for the
   * next one: a record that fights its end must not keep its user from logging in, or from ending others.
   *
   * @param change - pure, for it runs again when the swap is lost; null leaves the ledger as it is
   * @param actor - who asks for it, where that is not the user
   * @returns the ledger as it is then, and what the change ended
   */
  async #swap(
    userId: string,
    now: Millis,
    change: (ledger: UserLedger) => UserLedger | null | Promise<UserLedger | null>,
    actor: string | null = null,
  ): Promise<Swapped> {
    let finished = 0
    const patience = new Patience(this.#policy.engineTimeout)
    for (;;) {
      const ledger = await this.#load(userId)
      const next = await change(ledger)
      if (!next) return { ledger, ended: [], finished }
      const { endings, done } = await this.#endAll(userId, ledger.ending, now)
      finished += this.#tell(userId, endings, null, actor)
      const swept = { ...next, ending: next.ending.filter(({ id }) => !done.has(id)) }
      const left = new Set(ledger.ending.map(({ id }) => id))
      if (await this.#engine.replaceUser(swept, ledger.version))
        return { ledger: swept, ended: swept.ending.filter(({ id }) => !left.has(id)), finished }
      await patience.pause()
    }
  }
}
