/** Performs what the handler asked for, by the order of writes: record first, ledger second, cookie last. @module */

import { EMPTY, formatData, replay } from './data.ts'
import type { Directory } from './directory.ts'
import type { Millis } from './duration.ts'
import type { Engine, MaybePromise, SessionRecord } from './engine.ts'
import { type ErrorCode, SessionError } from './errors.ts'
import { type Report, reportFailure } from './events.ts'
import { isLive, isOutdated } from './judge.ts'
import { carried, type Intent, newRecord, plan, planToken, type Reauthentication, tombstone } from './plan.ts'
import { deadlines, type Policy } from './policy.ts'
import type { RateLimiter } from './rate-limits.ts'
import { Patience, type Records } from './records.ts'
import { NO_TOKEN, nothingPending, type Pending, type SessionState } from './session.ts'
import { drawId, drawSecret, formatOffer, formatToken, type Token } from './token.ts'

const REFUSED = {
  ERR_SESSION_CHANGED: 'Your sessions were ended while you logged in: log in again.',
  ERR_SESSION_LIMIT: 'You are logged in as often as you may be: log out somewhere else first.',
} as const

const LOST = {
  ERR_SESSION_ENDED: 'The session ended while this request was under way, so what it changed was not stored.',
  ERR_SESSION_CHANGED:
    'The session was authenticated anew while this request was under way: load the page again.',
} as const

/** Commits requests. */
export class Committer {
  readonly #engine: Engine
  readonly #records: Records
  readonly #directory: Directory
  readonly #limiter: RateLimiter
  readonly #policy: Policy
  readonly #report: Report

  constructor(
    engine: Engine,
    records: Records,
    directory: Directory,
    limiter: RateLimiter,
    policy: Policy,
    report: Report,
  ) {
    this.#engine = engine
    this.#records = records
    this.#directory = directory
    this.#limiter = limiter
    this.#policy = policy
    this.#report = report
  }

  /**
   * Performs what is pending: one write, or none; for a login three, for a logout two.
   *
   * @returns undefined when there is nothing to do: neither visitors nor those who only read cost a promise
   */
  perform(state: SessionState): Promise<void> | undefined {
    return asksForAnything(state.pending) || !this.#isSettled(state) ? this.#perform(state) : undefined
  }

  /** Whether a session of which nothing is asked stays as it is, and so does its token. */
  #isSettled(state: SessionState): boolean {
    const { opened, pending } = state
    if (!isLive(opened.verdict)) return true
    const intent = this.#intentOf(state, pending)
    if (plan(opened, opened.record, intent, this.#policy).kind !== 'nothing') return false
    return planToken(opened, opened.record!, intent, this.#policy) === 'nothing'
  }

  async #perform(state: SessionState): Promise<void> {
    const { pending, closed } = state
    // In sight until it is done, for what the handler still reads; an early commit lets more be asked for meanwhile.
    if (!closed) state.pending = nothingPending()
    try {
      await this.#dispatch(state, pending)
    } catch (error) {
      reportFailure(this.#report, state.context, error)
      throw error
    } finally {
      if (closed) state.pending = nothingPending()
    }
  }

  #dispatch(state: SessionState, pending: Pending): MaybePromise<void> {
    const { opened } = state
    if (state.refusal) return
    const unverified = state.admission.token === 'by-handler' && !state.csrfVerified
    if ((unverified || state.bodyPending) && asksForAnything(pending)) {
      const message = state.bodyPending
        ? 'Nothing was committed, for the body, which may hold the CSRF token, was not parsed.'
        : 'Nothing was committed, for the handler of this path did not call session.verifyCsrf().'
      throw this.#refused(state, 'ERR_CSRF_TOKEN_MISSING', message)
    }
    if (pending.terminate) return this.#terminate(state, pending.terminate.clearSiteData)
    if (pending.login) return this.#login(state, pending, pending.login)
    if (isLive(opened.verdict)) return this.#update(state, pending, opened.record!)
    if (pending.changes.length > 0) return this.#create(state, pending)
  }

  /** Stores something for a visitor, whose session then has no user. */
  async #create(state: SessionState, pending: Pending): Promise<void> {
    const { context } = state
    const data = this.#replay(state, EMPTY, pending)
    if (data === EMPTY) return
    await this.#limiter.take('newSessions', context)
    const id = drawId()
    const secret = drawSecret()
    const record = newRecord(
      { id, secret, userId: null, methods: [], remembered: false, data },
      context,
      this.#policy,
    )
    await this.#records.insert(record)
    this.#hand(state, record, secret)
    this.#report('session_created', context, { sessionId: id })
  }

  #update(state: SessionState, pending: Pending, opened: SessionRecord): Promise<void> {
    const intent = this.#intentOf(state, pending)
    if (intent.reauthenticate) return this.#reauthenticate(state, intent, intent.reauthenticate, opened)
    return intent.replay ? this.#write(state, intent, opened) : this.#use(state, intent, opened)
  }

  async #use(state: SessionState, intent: Intent, opened: SessionRecord): Promise<void> {
    const step = plan(state.opened, opened, intent, this.#policy)
    const done =
      step.kind === 'touch'
        ? await this.#engine.touch(opened.id, opened.version, step.seenAt, step.expiresAt)
        : step.kind === 'nothing'
    if (!done) return this.#write(state, intent, opened)
    if (planToken(state.opened, opened, intent, this.#policy) === 'nothing') return
    // It may have taken its time: an offer against a secret that is no longer in force, arriving late, would take the
    // place of a good token. So whoever earned one is looked at again.
    const record = await this.#records.load(opened.id, true)
    if (record) this.#answer(state, intent, record)
  }

  async #reauthenticate(
    state: SessionState,
    intent: Intent,
    reauthenticate: Reauthentication,
    opened: SessionRecord,
  ): Promise<void> {
    // The one exception to "record first": a ledger that names a deadline too late is harmless, one that forgets a live
    // session is not.
    const refusal = await this.#directory.extend(opened, reauthenticate, state.context, intent.at)
    if (refusal) throw this.#refused(state, refusal, LOST[refusal])
    return this.#write(state, intent, opened)
  }

  #write(state: SessionState, intent: Intent, opened: SessionRecord): Promise<void> {
    const patience = new Patience(this.#policy.engineTimeout)
    return this.#records.queue.run(opened.id, (left) => this.#swap(state, intent, left ?? opened, patience))
  }

  /**
   * Swaps the record; whoever loses the race reads again, plans again, and replays.
   *
   * @returns the record as it is then; null when the session has gone, and nothing was to be written
   */
  async #swap(
    state: SessionState,
    intent: Intent,
    known: SessionRecord,
    patience: Patience,
  ): Promise<SessionRecord | null> {
    // Waiting for one's turn counts: of many requests that meet a store that hangs, each ends in time.
    patience.check()
    for (let latest: SessionRecord | null = known; ; latest = await this.#records.load(known.id, true)) {
      const step = plan(state.opened, latest, intent, this.#policy)
      if (step.kind === 'refuse') throw this.#refused(state, step.code, LOST[step.code])
      if (!latest || latest.ended) return null
      if (step.kind === 'nothing') return this.#answer(state, intent, latest)
      if (step.kind === 'touch') {
        if (await this.#engine.touch(latest.id, latest.version, step.seenAt, step.expiresAt))
          return this.#answer(state, intent, latest)
      } else if (await this.#engine.replace(step.next, latest.version)) {
        const details = { sessionId: latest.id, userId: latest.userId }
        if (step.kind === 'adopt') this.#report('session_renewed', state.context, details)
        if (step.kind === 'reauthenticate') this.#report('authn_reauthenticated', state.context, details)
        return this.#answer(state, intent, step.next)
      }
      await patience.pause()
    }
  }

  /** New record, ledger, old record, cookie: in this order no crash leaves a session that its user can't see and end. */
  async #login(state: SessionState, pending: Pending, login: NonNullable<Pending['login']>): Promise<void> {
    const { context, opened } = state
    const { id, userId, secret, methods, level, remember: remembered, revokeOthers, credential } = login
    const base = carried(opened, userId)
    const data = this.#replay(state, base?.data ?? EMPTY, pending)
    // The same browser, and the same user: it goes on being called what he called it.
    const name = base?.userId === userId ? base.name : undefined
    const fields = { id, secret, userId, methods, level, remembered, data, name }
    const record = newRecord(fields, context, this.#policy)
    await this.#limiter.take('newSessions', context)
    await this.#records.insert(record)

    const replaced = opened.record?.userId === userId ? opened.record.id : null
    const admittance = { replaced, revokeOthers, credential, at: commitTime(state) }
    const refusal = await this.#directory.admit(record, context, admittance)
    if (refusal) {
      const reason = refusal === 'ERR_SESSION_LIMIT' ? 'limit' : 'revoked'
      await this.#records.end(id, reason, context.now, { known: record })
      throw this.#refused(state, refusal, REFUSED[refusal])
    }
    const old = opened.record
    const handed = base ? await this.#takeOver(state, pending, record, base) : record
    if (old && !base) {
      const { ours } = await this.#records.end(old.id, 'replaced', context.now, { known: old })
      if (ours && old.userId !== userId) await this.#directory.dismiss(old, context.now)
    }
    this.#hand(state, handed, secret)
    this.#report('session_created', context, { sessionId: id, userId })
    this.#report('authn_login_success', context, { sessionId: id, userId, reason: methods.join(' ') })
  }

  /**
   * Ends what a login replaces, taking along what others wrote to it until the last moment.
   *
   * @returns the new record
   */
  #takeOver(
    state: SessionState,
    pending: Pending,
    record: SessionRecord,
    old: SessionRecord,
  ): Promise<SessionRecord> {
    return this.#records.queue.runAhead(old.id, async () => {
      const patience = new Patience(this.#policy.engineTimeout)
      let taken = old.data
      let latest: SessionRecord | null = old
      while (latest && !latest.ended) {
        if (latest.data !== taken) {
          const data = this.#replay(state, latest.data, pending)
          const next = { ...record, version: record.version + 1, data }
          // Nobody holds its token yet, so only a revoke can have been faster; and then it stays revoked.
          if (!(await this.#engine.replace(next, record.version))) return record
          record = next
          taken = latest.data
        }
        const ended = tombstone(latest, 'replaced', state.context.now)
        if (await this.#engine.replace(ended, latest.version)) return record
        patience.check()
        latest = await this.#records.load(old.id, true)
      }
      return record
    })
  }

  async #terminate(state: SessionState, clearSiteData: readonly string[]): Promise<void> {
    const { context, opened } = state
    const { record, verdict } = opened
    const suspended = verdict.kind === 'mismatch' && verdict.action === 'reauthenticate'
    let outdated = verdict.kind === 'ended' && isOutdated(verdict, context.now, this.#policy)
    if (record && (isLive(verdict) || suspended || verdict.kind === 'superseded')) {
      const { id, userId } = record
      const { tombstone, ours } = await this.#records.end(id, 'logout', context.now, {
        userId,
        known: record,
      })
      // Before the ledger is written, which may fail.
      if (ours) this.#report('session_logout', context, { sessionId: record.id, userId: record.userId })
      if (tombstone) await this.#directory.dismiss(tombstone, context.now)
      outdated = !ours && tombstone?.ended?.reason === 'replaced'
    }
    // The client has logged in anew meanwhile: that session is another one, which this request knows nothing of.
    if (outdated) throw this.#refused(state, 'ERR_SESSION_CHANGED', LOST.ERR_SESSION_CHANGED)
    if (opened.token) state.sessionHeader = this.#policy.transport.clear()
    state.clearSiteData = clearSiteData
    state.opened = NO_TOKEN
    state.data = null
  }

  /** Goes on as the record that is now stored, and hands out a token, where the request earned one. @returns the record */
  #answer(state: SessionState, intent: Intent, record: SessionRecord): SessionRecord {
    if (intent.reauthenticate) {
      this.#hand(state, record, intent.reauthenticate.secret)
      return record
    }
    const { keys, transport } = this.#policy
    const { token } = state.opened
    state.opened = { ...state.opened, record }
    state.data = null
    const answer = planToken(state.opened, record, intent, this.#policy)
    if (answer === 'nothing') return record
    const { name } = transport
    const text =
      answer === 'offer'
        ? formatOffer(keys, name, token!, state.context.now)
        : formatToken(keys, name, token!)
    state.sessionHeader = transport.write(text, this.#maxAge(record, state.context.now))
    return record
  }

  /** Gives the client the first token of a record's era, and goes on as that session. */
  #hand(state: SessionState, record: SessionRecord, secret: string): void {
    const { keys, transport } = this.#policy
    const { now } = state.context
    const { id, era, secrets } = record
    const token: Token = { id, era, parent: '', secret, proof: secrets.current, issued: now, oldKey: false }
    state.opened = { token, record, verdict: { kind: 'current', drifted: [] } }
    state.data = null
    state.sessionHeader = transport.write(formatToken(keys, transport.name, token), this.#maxAge(record, now))
  }

  /** @returns seconds until the absolute deadline, for a remembered session; null for until the browser closes */
  #maxAge(record: SessionRecord, now: Millis): number | null {
    if (!record.remembered) return null
    return Math.max(0, Math.floor((deadlines(record, this.#policy).absolute - now) / 1000))
  }

  #intentOf(state: SessionState, pending: Pending): Intent {
    const { context, passive } = state
    const { changes, reauthenticate, renew } = pending
    const replay = changes.length > 0 ? (data: string) => this.#replay(state, data, pending) : null
    return { context, at: commitTime(state), replay, reauthenticate, renew, passive }
  }

  /** What the request makes of `text`. Its own view is that already, unless another request changed the data meanwhile. */
  #replay({ data }: SessionState, text: string, { changes }: Pending): string {
    const { schema, maxDataBytes } = this.#policy
    if (changes.length === 0) return text
    return data?.text === text
      ? formatData(data.map, schema, maxDataBytes)
      : replay(text, changes, schema, maxDataBytes)
  }

  #refused(state: SessionState, code: ErrorCode, message: string): SessionError {
    const { record } = state.opened
    const details = { sessionId: record?.id ?? null, userId: record?.userId ?? null, code }
    this.#report('session_write_refused', state.context, details)
    return new SessionError(code, message)
  }
}

/** When the commit began, on the clock of the request, whose `now` was taken at its start. */
function commitTime({ context, openedAt }: SessionState): Millis {
  return context.now + Math.floor(performance.now() - openedAt)
}

function asksForAnything({ changes, login, reauthenticate, renew, terminate }: Pending): boolean {
  return changes.length > 0 || login !== null || reauthenticate !== null || renew || terminate !== null
}
