/** Opens and commits the session of each request; lists and revokes. What it does is decided elsewhere, by pure functions. @module */

import { AsyncLocalStorage } from 'node:async_hooks'
import { Committer } from './commit.ts'
import { withDeadline } from './deadline.ts'
import { Directory } from './directory.ts'
import type { Millis } from './duration.ts'
import { type Effects, effectsOf, effectsOfFailure } from './effects.ts'
import type { AssuranceLevel, Engine, MaybePromise, SessionRecord } from './engine.ts'
import { SessionError } from './errors.ts'
import { type EventListener, type Report, reportFailure, reportTo } from './events.ts'
import { Everybody } from './everybody.ts'
import { type Admission, guard } from './guard.ts'
import { judge } from './judge.ts'
import { isLater } from './later.ts'
import { isUserId } from './ledger.ts'
import type { Opened } from './plan.ts'
import { createPolicy, deadlines, type Policy, type SessionsOptions } from './policy.ts'
import {
  checkRenaming,
  type ListQuery,
  type RenameQuery,
  type RevokeEverybody,
  type RevokeQuery,
  readPage,
  readRevocation,
} from './queries.ts'
import { RateLimiter } from './rate-limits.ts'
import { Records } from './records.ts'
import { isSafe, type RequestContext } from './request.ts'
import { NO_TOKEN, nothingPending, Session, type SessionState, stateOf } from './session.ts'
import type { Standings } from './standings.ts'
import { isId, type Token, tokenReader } from './token.ts'

/** A session as its user and operators see it. */
export interface SessionInfo {
  readonly id: string
  readonly userId: string
  readonly createdAt: Millis
  readonly authenticatedAt: Millis
  readonly seenAt: Millis
  readonly expiresAt: Millis
  readonly idleExpiresAt: Millis
  readonly remembered: boolean
  readonly methods: readonly string[]
  /** What its user calls it, for his own eyes; null where he calls it nothing. Text like any other: escape it. */
  readonly name: string | null
  /** null where no authentication said what it was worth. */
  readonly level: AssuranceLevel | null
  readonly ip: string | null
  readonly userAgent: string | null
}

/** A page of sessions. */
export interface SessionPage {
  /** In any order. Some of those looked at may have ended: a page can be short, or empty, and not the last. */
  readonly sessions: SessionInfo[]
  /** The `cursor` of the next page; null when this was the last. */
  readonly next: string | null
}

/** Reaches the engine of an application's sessions, for the command line and the console alone. */
export let engineOf: (sessions: object) => Engine

/** Reaches what `Standings` looks with: sockets make one, and whoever has none needs none of its code. */
export let standingPartsOf: (sessions: object) => ConstructorParameters<typeof Standings>

/** `sessions.commit` for responses that need not wait where nothing is to be done: then its result is there at once. */
export let commitDirectly: <Data extends object>(
  sessions: Sessions<Data>,
  session: Session<Data>,
  status: number,
) => MaybePromise<Effects>

/** The sessions of an application: one of these for each process, shared by every request. */
export class Sessions<Data extends object = Record<string, unknown>> {
  /** The options, checked and filled in. */
  readonly policy: Policy
  readonly #engine: Engine
  readonly #records: Records
  readonly #everybody: Everybody
  readonly #directory: Directory
  readonly #limiter: RateLimiter
  readonly #committer: Committer
  readonly #readToken: (text: string) => Token | null
  readonly #listeners = new Set<EventListener>()
  readonly #report = reportTo(this.#listeners)
  readonly #storage = new AsyncLocalStorage<Session<Data>>()

  static {
    engineOf = (sessions) => (sessions as Sessions).#engine
    standingPartsOf = (sessions) => (sessions as Sessions).#standingParts()
    commitDirectly = (sessions, session, status) => {
      try {
        return sessions.#commit(session, status)
      } catch (error) {
        // A binding of the application's may throw: for whoever waits that is a failure like any other.
        return Promise.reject(error)
      }
    }
  }

  /** @throws {SessionError} `ERR_OPTION`, naming the option and the right form */
  constructor(options: SessionsOptions<Data>) {
    this.policy = createPolicy(options as unknown as SessionsOptions<never>)
    if (options.onEvent) this.#listeners.add(options.onEvent)
    this.#engine = withDeadline(options.engine, this.policy.engineTimeout)
    this.#records = new Records(this.#engine, this.policy)
    this.#everybody = new Everybody(this.#engine, this.policy)
    this.#directory = new Directory(this.#engine, this.#records, this.#everybody, this.policy, this.#report)
    this.#limiter = new RateLimiter(this.policy, this.#report)
    this.#readToken = tokenReader(this.policy.keys, this.policy.transport.name)
    this.#committer = new Committer(
      this.#engine,
      this.#records,
      this.#directory,
      this.#limiter,
      this.policy,
      this.#report,
    )
  }

  /**
   * Finds the session of a request: no I/O without a token of ours, one read with one.
   *
   * @returns a session, or a visitor's; one with a `refusal` is for error pages only
   * @throws {SessionError} `ERR_ENGINE`: a store that failed is never "anonymous"; `ERR_RATE_LIMITED`
   */
  async open(context: RequestContext): Promise<Session<Data>> {
    const openedAt = performance.now()
    const admission = guard(context, this.policy)
    const shown = admission.refusal ? null : this.#readShown(context)
    let opened = NO_TOKEN
    try {
      const token = shown === null ? null : this.#readToken(shown)
      if (token) {
        const moment = this.#everybody.notBefore()
        const loading = this.#records.load(token.id, false)
        // At once, where both must be read: a store that is far away is waited for once.
        const notBefore = typeof moment === 'number' ? moment : (await Promise.all([moment, loading]))[0]
        const judged = (record: SessionRecord | null): Opened => {
          return { token, record, verdict: judge(record, token, context, this.policy, notBefore) }
        }
        opened = judged(isLater(loading) ? await loading : loading)
        // A replica may lag: what ends a session, raises an alarm, or denies that there is one, is for the primary to say.
        if (['unknown', 'replayed'].includes(opened.verdict.kind) || this.#mustEnd(opened))
          opened = judged(await this.#records.load(token.id, true))
        this.#reportVerdict(context, opened)
        if (this.#mustEnd(opened)) await this.#end(context, opened)
      } else if (shown !== null) {
        this.#report('session_token_forged', context)
        await this.#limiter.takeForged(shown, context)
      }
    } catch (error) {
      reportFailure(this.#report, context, error)
      throw error
    }
    return this.#begin(context, admission, openedAt, opened)
  }

  #begin(context: RequestContext, admission: Admission, openedAt: number, opened: Opened): Session<Data> {
    const state: SessionState = {
      context,
      policy: this.policy,
      admission,
      passive: context.header('session-passive') === '1' && isSafe(context),
      openedAt,
      opened,
      refusal: admission.refusal,
      csrfVerified: false,
      bodyPending: false,
      data: null,
      pending: nothingPending(),
      terminated: false,
      accessed: false,
      closed: false,
      visitor: undefined,
      sessionHeader: null,
      clearSiteData: [],
      performing: null,
      commit: () => this.#perform(state),
      report: (name, details) => this.#report(name, context, details),
    }
    const session = new Session<Data>(state)
    if (state.refusal) this.#reportRefusal(state, state.refusal)
    else checkCsrf(session, state)
    return session
  }

  /**
   * Looks for the CSRF token in a body that was yet to be parsed when the session was opened. Until then the session
   * commits nothing; its `refusal` says what was found.
   */
  checkBody(session: Session<Data>): void {
    const state = stateOf(session)
    if (!state.bodyPending || state.refusal) return
    checkCsrf(session, state)
    if (state.refusal) this.#reportRefusal(state, state.refusal)
  }

  /**
   * Performs what the handler asked for: one write, or none. The response may leave when it is done, and not before.
   *
   * @param status - of the response: with 5xx everything is dropped but the session's end and its use; with 4xx, too, where
   *   the handler had authenticated somebody
   * @throws {SessionError} `ERR_SESSION_ENDED`, `ERR_SESSION_CHANGED`, `ERR_SESSION_LIMIT`, `ERR_SESSION_DATA`, `ERR_SESSION_DATA_TOO_LARGE`,
   * `ERR_CSRF_TOKEN_MISSING`, `ERR_RATE_LIMITED`, `ERR_ENGINE`, `ERR_ENGINE_FULL`: the whole response must then give way to the error
   */
  async commit(session: Session<Data>, status = 200): Promise<Effects> {
    return this.#commit(session, status)
  }

  #commit(session: Session<Data>, status: number): MaybePromise<Effects> {
    const state = stateOf(session)
    const { login, reauthenticate, terminate } = state.pending
    // A login without its data would be half a login, and bypass a second factor; one that is answered by an error, none.
    const dropped = status >= 500 || (status >= 400 && (login !== null || reauthenticate !== null))
    if (dropped) state.pending = { ...nothingPending(), terminate }
    state.closed = true
    const turn = this.#perform(state)
    return turn ? turn.then(() => effectsOf(state)) : effectsOf(state)
  }

  /** What a response carries that says that the store or the commit failed. */
  failed(context: RequestContext): Effects {
    return effectsOfFailure(context, this.policy)
  }

  /** Runs a handler so that `current()` finds its session anywhere below. */
  run<Result>(session: Session<Data>, handler: () => Result): Result {
    return this.#storage.run(session, handler)
  }

  /**
   * The session of the request that is being handled.
   *
   * @throws {SessionError} `ERR_NO_SESSION` outside of one
   */
  current(): Session<Data> {
    const session = this.#storage.getStore()
    if (session) return session
    throw new SessionError(
      'ERR_NO_SESSION',
      'There is no request here: is the adapter mounted before this handler?',
    )
  }

  /** Lists a user's live sessions, most recently used first: one read of his ledger, and one for each session. */
  async list(userId: string): Promise<SessionInfo[]> {
    const records = isUserId(userId) ? await this.#directory.list(userId, Date.now()) : []
    return records.sort((a, b) => b.seenAt - a.seenAt).map((record) => infoOf(record, this.policy))
  }

  /** Finds a live session, of any user, by its id: one read. @returns null where there is none */
  async find(id: string): Promise<SessionInfo | null> {
    const record = isId(id) ? await this.#directory.find(id, Date.now()) : null
    return record && infoOf(record, this.policy)
  }

  /**
   * Lists live sessions in pages: a user's, or everybody's, by the engine's `scan`. Visitors' are not among them.
   *
   * @throws {SessionError} `ERR_UNSUPPORTED` for everybody's, on an engine that can't
   * @throws {TypeError} for a query that is wrong
   */
  async listPage(query: ListQuery = {}): Promise<SessionPage> {
    const page = readPage(query)
    if (page.userId !== null && !isUserId(page.userId)) return { sessions: [], next: null }
    const { records, next } = await this.#directory.page(page, Date.now())
    return { sessions: records.map((record) => infoOf(record, this.policy)), next }
  }

  /**
   * Calls one of a user's sessions something, for lists of his devices: two reads at most, and one write.
   *
   * @returns whether he has that session
   * @throws {TypeError} for a query that is wrong
   */
  async rename(query: RenameQuery): Promise<boolean> {
    checkRenaming(query)
    const { id, userId, name } = query
    const now = Date.now()
    const record = isId(id) ? await this.#directory.find(id, now) : null
    return record?.userId === userId && this.#records.rename(record, name, now)
  }

  /**
   * Ends sessions: from the next request on, on every server. Of all of a user's, the logins under way are refused, too.
   *
   * @returns how many were ended
   * @throws {TypeError} for a query that is wrong
   * @see ASVS 7.4.2, 7.4.3, 7.4.5
   */
  async revoke(query: RevokeQuery): Promise<number>
  /**
   * Ends everybody's sessions, by one write: in this process from the next request on, in others within a second.
   *
   * @returns null: nobody counts them
   */
  async revoke(query: RevokeEverybody): Promise<null>
  async revoke(query: RevokeQuery | RevokeEverybody): Promise<number | null> {
    const now = Date.now()
    const before = readRevocation(query, now)
    const { by = null } = query
    if ('everybody' in query) return this.#revokeEverybody(before ?? now, by)
    if (!('id' in query)) {
      const { userId, except = null } = query
      return isUserId(userId) ? this.#directory.revokeAll(userId, except, before, now, by) : 0
    }
    const { id, userId } = query
    const { tombstone, ours } = await this.#records.end(id, 'revoked', now, { userId })
    // Told before the ledger is written: that may fail, and then nobody would end it once more, and tell.
    if (ours) {
      const ended = { sessionId: id, userId: tombstone!.userId, actor: by, reason: 'revoked' }
      this.#report('session_revoked', null, ended)
    }
    // Dismissed whoever ended it, for he may have failed half-way.
    if (tombstone && (userId === undefined || tombstone.userId === userId))
      await this.#directory.dismiss(tombstone, now)
    return ours ? 1 : 0
  }

  #standingParts(): ConstructorParameters<typeof Standings> {
    return [this.#engine, this.#records, this.#everybody, this.policy, this.#report]
  }

  async #revokeEverybody(before: Millis, by: string | null): Promise<null> {
    await this.#everybody.revoke(before)
    this.#report('session_revoked', null, { actor: by, reason: 'everybody' })
    return null
  }

  /** Hears of this process's events from now on, as `onEvent` does. @returns what ends that */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Deletes what ended longest ago, and is past being remembered. @returns how many records and ledgers */
  async sweep(limit = 1_000): Promise<number> {
    return this.#engine.sweep(Date.now(), limit)
  }

  /** Closes the engine. */
  async close(): Promise<void> {
    await this.#engine.close?.()
  }

  /** @returns null without a token, and where it can't be told which */
  #readShown(context: RequestContext): string | null {
    const { transport } = this.policy
    const shown = transport.read(context)
    // Under a __Host- name a browser holds one cookie: a second one was smuggled in.
    if (shown.length > 1 && transport.name.startsWith('__Host-')) {
      this.#report('session_token_ambiguous', context)
      return null
    }
    return shown[0] ?? null
  }

  #mustEnd({ verdict }: Opened): boolean {
    if (verdict.kind === 'replayed') return this.policy.onReplay === 'revoke'
    return verdict.kind === 'mismatch' && verdict.action === 'revoke'
  }

  async #end(context: RequestContext, { token, record, verdict }: Opened): Promise<void> {
    const reason = verdict.kind === 'replayed' ? 'replayed' : 'mismatch'
    const holds = (latest: SessionRecord) => judge(latest, token!, context, this.policy).kind === verdict.kind
    const options = { holds, known: record! }
    const { tombstone, ours } = await this.#records.end(token!.id, reason, context.now, options)
    if (!tombstone || !ours) return
    this.#report('session_revoked', context, { sessionId: tombstone.id, userId: tombstone.userId, reason })
    await this.#directory.dismiss(tombstone, context.now)
  }

  /** @returns undefined when there is nothing to do */
  #perform(state: SessionState): Promise<void> | undefined {
    // One after another: what an early commit that nobody awaits has begun must be durable, too, before the response leaves.
    const { performing } = state
    const perform = () => this.#committer.perform(state)
    const turn = performing ? performing.then(perform, perform) : perform()
    if (turn) state.performing = turn
    return turn
  }

  #reportVerdict(context: RequestContext, { token, record, verdict }: Opened): void {
    const details = { sessionId: token!.id, userId: record?.userId ?? null }
    const report = (name: Parameters<Report>[0], reason: string | null = null) =>
      this.#report(name, context, { ...details, reason })
    if (verdict.kind === 'unknown') report('session_unknown')
    else if (verdict.kind === 'superseded') report('session_superseded')
    else if (verdict.kind === 'replayed') report('authn_token_reuse')
    else if (verdict.kind === 'expired') report('session_expired', verdict.reason)
    else if (verdict.kind === 'ended') report('session_use_after_expire', verdict.reason)
    else if (verdict.kind === 'mismatch') {
      report('session_binding_mismatch', verdict.reason)
      if (verdict.action === 'reauthenticate') report('session_suspended', verdict.reason)
    } else if ('drifted' in verdict) {
      for (const name of verdict.drifted) report('session_binding_mismatch', name)
    }
  }

  #reportRefusal({ context, opened: { record } }: SessionState, { code }: SessionError): void {
    const name = code === 'ERR_INSECURE_TRANSPORT' ? 'insecure_transport' : 'malicious_csrf'
    this.#report(name, context, { sessionId: record?.id ?? null, userId: record?.userId ?? null, code })
  }
}

/** Looks at the CSRF token, once it is known whose it must be. One that is present and wrong is refused in every mode. */
function checkCsrf(session: Session<never>, state: SessionState): void {
  const { context, policy, admission } = state
  if (isSafe(context) || !policy.transport.ambient || policy.csrf.insecureExempt.has(context.path)) return
  // Never from the URL, which is logged, and sent on as a referrer.
  const value = context.header('x-csrf-token') ?? context.field('csrf_token')
  state.bodyPending = value === undefined
  if (value === undefined) return
  if (value === null && admission.token !== 'required') return
  try {
    session.verifyCsrf(value)
  } catch (error) {
    // It stands in the session's `refusal` now, for the adapter to answer with.
    if (!(error instanceof SessionError)) throw error
  }
}

function infoOf(record: SessionRecord, policy: Policy): SessionInfo {
  const { id, createdAt, seenAt, remembered, methods, name = null, level = null, client } = record
  const { idle, absolute } = deadlines(record, policy)
  return {
    id,
    userId: record.userId!,
    createdAt,
    authenticatedAt: record.authenticatedAt!,
    seenAt,
    expiresAt: absolute,
    idleExpiresAt: Math.min(idle, absolute),
    remembered,
    methods,
    name,
    level,
    ip: client.ip ?? null,
    userAgent: client.userAgent ?? null,
  }
}
