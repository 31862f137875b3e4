import { sha256 } from '#crypto'
import { formatCsrfToken, isCsrfToken, sessionSubject, visitorSubject } from './csrf.ts'
import { type Change, CLEAR, DataMap, type DeepReadonly, EMPTY, freeze, parseData, toJson } from './data.ts'
import type { Millis } from './duration.ts'
import type { AssuranceLevel, EndReason, SessionRecord } from './engine.ts'
import { SessionError } from './errors.ts'
import type { EventDetails, EventName } from './events.ts'
import type { Admission } from './guard.ts'
import { isLive, isOutdated } from './judge.ts'
import { isUserId } from './ledger.ts'
import { carried, type Opened, type Reauthentication } from './plan.ts'
import { deadlines, type Policy, touchEvery } from './policy.ts'
import { type Header, isSafe, type RequestContext } from './request.ts'
import { checkLevel, checkNames, demand, type Requirement } from './requirement.ts'
import { drawId, drawSecret, parseVisitor, type VisitorToken } from './token.ts'

/** Why a client that shows a token of ours has no session (any more). */
export type LostReason = EndReason | 'idle' | 'absolute' | 'superseded'

const REAUTHENTICATE = ['methods', 'level', 'credential']
const AUTHENTICATE = [...REAUTHENTICATE, 'remember', 'revokeOthers']

/** What a login asks for. */
export interface AuthenticateOptions {
  /** How the user proved who he is, by the names of RFC 8176. @defaultValue `['pwd']` */
  readonly methods?: readonly string[]
  /** What the proof is worth, for `require({ level })`. @defaultValue none @see NIST SP 800-63B-4 §2 */
  readonly level?: AssuranceLevel
  /**
   * What tells this password from the one before it: a text of the application's that is drawn anew when the password
   * is changed, and never else. A login with another one than the logins before it ends the user's other sessions. To
   * be given at every login, whatever its methods. Not the password's hash: that changes with its cost, too.
   * @defaultValue none
   */
  readonly credential?: string
  /** Whether the session outlives the browser's closing, by the limits of `remembered`. @defaultValue false */
  readonly remember?: boolean
  /** Ends the user's other sessions in the same step: after a forgotten password was reset. @defaultValue false */
  readonly revokeOthers?: boolean
}

/** What a user who proves again who he is has shown. */
export interface ReauthenticateOptions {
  /** How, by the names of RFC 8176; those of before stay. @defaultValue `['pwd']` */
  readonly methods?: readonly string[]
  /**
   * What this proof is worth, together with what the session rests on already. Without it the session has no level any
   * more: a password alone must not pass for a fresh second factor. @defaultValue none
   */
  readonly level?: AssuranceLevel
  /** As for `authenticate`: when the user has just changed his password, his other sessions end. @defaultValue none */
  readonly credential?: string
}

interface Login extends Required<Omit<AuthenticateOptions, 'level' | 'credential'>> {
  readonly id: string
  readonly secret: string
  readonly userId: string
  readonly level: AssuranceLevel | null
  readonly credential: string | null
}

/** What the handler asked for and `commit` has yet to do. */
export interface Pending {
  changes: Change[]
  login: Login | null
  reauthenticate: Reauthentication | null
  renew: boolean
  terminate: { clearSiteData: readonly string[] } | null
}

/** What a session and its `Sessions` share about one request. Not for applications. */
export interface SessionState {
  readonly context: RequestContext
  readonly policy: Policy
  readonly admission: Admission
  readonly passive: boolean
  /** When `context.now` was taken, by a clock that no one sets. */
  readonly openedAt: number
  opened: Opened
  /** Why the request must not proceed; the session is then for looking at only. */
  refusal: SessionError | null
  /** Whether a CSRF token was verified. */
  csrfVerified: boolean
  /** Whether the body, which may hold the CSRF token, is yet to be parsed. */
  bodyPending: boolean
  /** The data as this request sees them, and the text that they were read from; null until somebody asks. */
  data: { readonly map: DataMap; readonly text: string } | null
  pending: Pending
  terminated: boolean
  /** Whether the response depends on the session. */
  accessed: boolean
  /** Whether the response's head has been decided. */
  closed: boolean
  /** The pre-session shown, or drawn for this response; undefined until somebody asks. */
  visitor: { token: VisitorToken; drawn: boolean } | null | undefined
  sessionHeader: Header | null
  clearSiteData: readonly string[]
  /** Settles when the commits begun so far are done. Null before the first. */
  performing: Promise<void> | null
  readonly commit: () => Promise<void> | undefined
  readonly report: (name: EventName, details: EventDetails) => void
}

/** What `open` finds where no token of ours is shown. */
export const NO_TOKEN: Opened = { token: null, record: null, verdict: { kind: 'none' } }

export function nothingPending(): Pending {
  return { changes: [], login: null, reauthenticate: null, renew: false, terminate: null }
}

/** Reaches a session's state, for `Sessions` alone. */
export let stateOf: (session: object) => SessionState

/**
 * One request's view of a session. Everything happens in memory, at once; the end of the request, or `commit`, makes it
 * last. Without a session the same calls serve a visitor, for whom nothing is stored until something is set.
 */
export class Session<Data extends object = Record<string, unknown>> {
  readonly #state: SessionState

  static {
    stateOf = (session) => (session as Session).#state
  }

  constructor(state: SessionState) {
    this.#state = state
  }

  /** The session's public name, for logs and device lists; null for a visitor. */
  get id(): string | null {
    return this.#state.pending.login?.id ?? this.#look()?.id ?? null
  }

  /** Whoever has authenticated; null for a visitor. */
  get userId(): string | null {
    return this.#state.pending.login?.userId ?? this.#look()?.userId ?? null
  }

  /** Milliseconds since the epoch; null without a session. */
  get createdAt(): Millis | null {
    return this.#state.pending.login ? this.#state.context.now : (this.#look()?.createdAt ?? null)
  }

  /** When the user last proved who he is; null for a visitor. */
  get authenticatedAt(): Millis | null {
    const record = this.#look()
    const { login, reauthenticate } = this.#state.pending
    return login ? this.#state.context.now : (reauthenticate?.at ?? record?.authenticatedAt ?? null)
  }

  /** How, by the names of RFC 8176. */
  get methods(): readonly string[] {
    const record = this.#look()
    const { login, reauthenticate } = this.#state.pending
    return login?.methods ?? [...new Set([...(record?.methods ?? []), ...(reauthenticate?.methods ?? [])])]
  }

  /** What the last authentication was worth; null where nobody said so, and for a visitor. */
  get level(): AssuranceLevel | null {
    const record = this.#look()
    const { login, reauthenticate } = this.#state.pending
    return login ? login.level : reauthenticate ? reauthenticate.level : (record?.level ?? null)
  }

  /** When the session ends, however it is used; null without one. */
  get expiresAt(): Millis | null {
    return this.#deadlines()?.absolute ?? null
  }

  /** When the session ends unless it is used before; null without one. */
  get idleExpiresAt(): Millis | null {
    const at = this.#deadlines()
    return at && Math.min(at.idle, at.absolute)
  }

  /** Whether a binding no longer matches: the request goes on as a visitor's until the same user has logged in again. */
  get suspended(): boolean {
    this.#state.accessed = true
    const { verdict } = this.#state.opened
    return verdict.kind === 'mismatch' && verdict.action === 'reauthenticate' && !this.#state.pending.login
  }

  /** Why the token that the client shows is worth nothing (any more); null when it is good, or there is none. */
  get lost(): LostReason | null {
    this.#state.accessed = true
    const { verdict } = this.#state.opened
    if (verdict.kind === 'expired' || verdict.kind === 'ended') return verdict.reason
    if (verdict.kind === 'mismatch') return 'mismatch'
    return verdict.kind === 'superseded' || verdict.kind === 'replayed' ? verdict.kind : null
  }

  /** Why this request was refused, for error pages; nothing can be changed in it then. */
  get refusal(): SessionError | null {
    return this.#state.refusal
  }

  /**
   * Reads a value, frozen all the way down: change it with `set` or `update`.
   *
   * @throws {SessionError} `ERR_SESSION_DATA` when what is stored doesn't fit the schema
   */
  get<Name extends keyof Data & string>(name: Name): DeepReadonly<Data[Name]> | undefined {
    return freeze(this.#data().get(name)) as DeepReadonly<Data[Name]> | undefined
  }

  /** The names that have a value. */
  keys(): (keyof Data & string)[] {
    return this.#data().keys() as (keyof Data & string)[]
  }

  /** Whether there is a value of that name. */
  has(name: keyof Data & string): boolean {
    return this.#data().has(name)
  }

  /**
   * Stores a copy of a JSON value. Of parallel requests that set different names, all succeed; of the same name, the last.
   *
   * @throws {SessionError} `ERR_SESSION_DATA` when JSON can't hold it, and the errors of every change:
   * `ERR_SESSION_COMMITTED`, `ERR_SESSION_ENDED`, `ERR_SESSION_CHANGED`, `ERR_SESSION_SUSPENDED`
   */
  set<Name extends keyof Data & string>(name: Name, value: Data[Name]): void {
    const copy = freeze(toJson(value, name))
    this.#change((data) => data.set(name, copy))
  }

  delete(name: keyof Data & string): void {
    this.#change((data) => data.delete(name))
  }

  /** Reads a value and deletes it: for messages that are shown once. */
  pop<Name extends keyof Data & string>(name: Name): DeepReadonly<Data[Name]> | undefined {
    const value = this.get(name)
    if (value !== undefined) this.delete(name)
    return value
  }

  /** Deletes all data; the session itself stays. Serves, too, where what is stored no longer fits the schema. */
  clear(): void {
    this.#writable()
    this.#state.data = { map: new DataMap(), text: '' }
    this.#state.pending.changes.push(CLEAR)
  }

  /**
   * Changes a value by a function, exactly: it runs again, on the newer value, when another request was faster. So it
   * must be pure, and may change the draft that it is given, or return another value.
   *
   * @example session.update('count', (count = 0) => count + 1)
   * @example session.update('cart', (cart) => void cart?.items.push(item))
   */
  update<Name extends keyof Data & string>(
    name: Name,
    change: (draft: Data[Name] | undefined) => Data[Name] | undefined | void,
  ): void {
    this.#change((data) => {
      const draft = structuredClone(data.get(name)) as Data[Name] | undefined
      const returned = change(draft)
      const result = returned === undefined ? draft : returned
      if (result !== undefined) data.set(name, freeze(toJson(result, name)))
    })
  }

  /**
   * Makes this the session of a user who has just proved who he is: a new id, a new token, a new CSRF token, and the end
   * of whatever was there before. A visitor's data come along; another user's never do. Call it last, when every factor
   * has been checked: there is no half-authenticated state.
   *
   * @param userId - the application's name for the user, not empty
   * @throws {SessionError} `ERR_CSRF_TOKEN_MISSING` on an unsafe request that neither shows where it comes from nor
   * carries a CSRF token; the errors of every change; at commit `ERR_SESSION_CHANGED` when the user's sessions were
   * revoked since the request came, be it by this request itself: that is what `revokeOthers` is for; and
   * `ERR_SESSION_LIMIT` when he has `maxSessionsPerUser`, and `onExceeded` says `'refuse'`
   * @see ASVS 7.2.4
   */
  authenticate(userId: string, options: AuthenticateOptions = {}): void {
    const state = this.#state
    this.#changeable()
    if (!isUserId(userId))
      throw new TypeError(
        'authenticate: userId must be a string of well-formed Unicode, not empty, without NUL',
      )
    // SameSite=Lax strips our cookie from a forged login, so that "carries our cookie" would miss it.
    if (!isSafe(state.context) && !state.admission.originProven && !state.csrfVerified) {
      throw new SessionError(
        'ERR_CSRF_TOKEN_MISSING',
        'Neither Sec-Fetch-Site nor Origin says where this login comes from: send one of them, as browsers do, or csrf_token.',
      )
    }
    const { methods = ['pwd'], level = null, remember = false, revokeOthers = false } = options
    checkNames(options, AUTHENTICATE, 'authenticate')
    checkLevel(options.level, 'authenticate')
    const credential = readCredential(options, 'authenticate')
    // What was written as another user stays his.
    const owner = this.userId
    if (owner !== null && owner !== userId) state.pending.changes = []
    state.pending.login = {
      id: drawId(),
      secret: drawSecret(),
      userId,
      methods,
      level,
      credential,
      remember,
      revokeOthers,
    }
    state.pending.reauthenticate = null
    state.data = null
  }

  /**
   * Notes that the session's user has proved again who he is: same id, new token, new CSRF token; absolute time begins
   * anew. Every token from before is dead, in other tabs' requests under way, too.
   *
   * @throws {SessionError} `ERR_NOT_AUTHENTICATED` without a user; the errors of every change
   */
  reauthenticate(options: ReauthenticateOptions = {}): void {
    const state = this.#state
    const { methods = ['pwd'], level = null } = options
    checkNames(options, REAUTHENTICATE, 'reauthenticate')
    checkLevel(options.level, 'reauthenticate')
    const { login, reauthenticate } = state.pending
    // Once it is told, a later call without it must not forget it.
    const credential =
      readCredential(options, 'reauthenticate') ?? (login ?? reauthenticate)?.credential ?? null
    this.#changeable()
    if (login) {
      state.pending.login = { ...login, credential }
      return
    }
    const record = this.#record()
    if (!record || record.userId === null) throw notAuthenticated(this.#state, this.lost)
    // Never the moment of the last authentication: what hangs on that moment must change.
    const at = Math.max(state.context.now, record.authenticatedAt! + 1)
    state.pending.reauthenticate = { secret: drawSecret(), methods, level, credential, at }
  }

  /** Renews the token of an authenticated session now, not when `renewal` has passed. Nothing, soon after a renewal. */
  renew(): void {
    this.#changeable()
    this.#state.pending.renew = true
  }

  /**
   * Ends the session: the user logs out. No request under way brings it back.
   *
   * @param options.clearSiteData - what the browser shall forget besides, such as `['cache', 'storage']`
   * @see ASVS 7.4.1, 14.3.1
   */
  terminate(options: { readonly clearSiteData?: readonly ('cache' | 'cookies' | 'storage')[] } = {}): void {
    this.#unrefused()
    if (this.#state.closed) throw committed()
    this.#state.pending = { ...nothingPending(), terminate: { clearSiteData: options.clearSiteData ?? [] } }
    this.#state.terminated = true
  }

  /**
   * Demands a user, and more if told so. Where it throws, a login that this request has begun is off, too: whoever
   * lacks a second factor is not half logged in.
   *
   * @returns the user's id
   * @throws {SessionError} `ERR_NOT_AUTHENTICATED`, `ERR_SESSION_SUSPENDED`; `ERR_NOT_RECENT`, `ERR_METHODS`,
   * `ERR_LEVEL`, whose `required` says what would be enough
   * @see ASVS 7.5.1, 7.5.3; RFC 9470
   */
  require(requirement: Requirement = {}): string {
    try {
      return this.#meet(requirement)
    } catch (error) {
      // With it goes what was written since, as that user.
      if (this.#state.pending.login) {
        this.#state.pending = nothingPending()
        this.#state.data = null
      } else if (this.userId !== null && error instanceof SessionError && error.status === 401) {
        // Of visitors every protected page would tell, and nobody listen any more.
        this.#state.report('authz_fail', { sessionId: this.id, userId: this.userId, code: error.code })
      }
      throw error
    }
  }

  /**
   * Refuses what this user may not do, and tells the listener: `authz_fail`, with the reason.
   *
   * @param reason - what was asked for, in the application's words; what is no string is none
   * @throws {SessionError} `ERR_FORBIDDEN`, always
   * @see ASVS 16.3.2
   */
  forbid(reason: string | null = null): never {
    const code = 'ERR_FORBIDDEN'
    const said = typeof reason === 'string' ? reason : null
    this.#state.report('authz_fail', { sessionId: this.id, userId: this.userId, reason: said, code })
    throw new SessionError(code, 'This user may not do that: ask whoever gives the rights.')
  }

  /**
   * Tells the listener that a login failed, as `authn_login_fail`: only the application knows.
   *
   * @param userId - the user whom the client claimed to be; null where there is none, as is whatever can't be a user's
   *   id. Not what was typed: that is, now and then, a password.
   * @param reason - such as `'password'`, `'otp'`, `'locked'`; what is no string is none
   * @see ASVS 16.3.1
   */
  loginFailed(userId: string | null, reason: string | null = null): void {
    // A body is what a client made of it: listeners are promised strings.
    this.#state.report('authn_login_fail', {
      sessionId: this.id,
      userId: isUserId(userId) ? userId : null,
      reason: typeof reason === 'string' ? reason : null,
    })
  }

  #meet(requirement: Requirement): string {
    const { userId, authenticatedAt, methods, level } = this
    const { context, policy } = this.#state
    if (userId === null) throw this.suspended ? suspended() : notAuthenticated(this.#state, this.lost)
    const scheme = policy.transport.ambient ? 'Session' : 'Bearer'
    demand(requirement, { authenticatedAt: authenticatedAt!, methods, level }, context.now, scheme)
    return userId
  }

  /** The token for this page's forms and scripts, masked differently at each call. Empty with a bearer transport. */
  csrfToken(): string {
    const state = this.#state
    const subject = this.#csrfSubject(true)
    return subject === null ? '' : formatCsrfToken(state.policy.keys, subject)
  }

  /**
   * Verifies a token that the library couldn't find by itself, from a multipart form.
   *
   * @throws {SessionError} `ERR_CSRF_TOKEN_MISSING`, `ERR_CSRF_TOKEN_INVALID`; the request then commits nothing
   */
  verifyCsrf(value: string | null | undefined): void {
    const state = this.#state
    // A bearer token is attached by nobody but its owner: there is nothing to verify.
    if (!state.policy.transport.ambient) return
    const subject = this.#csrfSubject(false)
    if (typeof value === 'string' && subject !== null && isCsrfToken(state.policy.keys, subject, value)) {
      state.csrfVerified = true
      return
    }
    const refusal = value
      ? new SessionError(
          'ERR_CSRF_TOKEN_INVALID',
          'The CSRF token is not of this session (any more): load the page again.',
        )
      : new SessionError(
          'ERR_CSRF_TOKEN_MISSING',
          'The CSRF token is missing: send csrf_token in the form, whose body must be parsed before, or X-CSRF-Token.',
        )
    state.refusal ??= refusal
    const { id = null, userId = null } = state.opened.record ?? {}
    state.report('malicious_csrf', { sessionId: id, userId, code: refusal.code })
    throw refusal
  }

  /**
   * Commits what was changed so far, early: before a long stream, or where others must find it done.
   *
   * @throws {SessionError} as the end of the request would
   */
  async commit(): Promise<void> {
    await this.#state.commit()
  }

  /** The record, as far as the request may act as its session. */
  #record(): SessionRecord | null {
    const { opened, terminated } = this.#state
    return !terminated && isLive(opened.verdict) ? opened.record : null
  }

  #look(): SessionRecord | null {
    this.#state.accessed = true
    return this.#record()
  }

  #deadlines(): { idle: Millis; absolute: Millis } | null {
    const { context, policy, passive, pending } = this.#state
    const record = this.#look()
    if (pending.login) {
      const remembered = pending.login.remember
      return deadlines(
        { remembered, seenAt: context.now, authenticatedAt: context.now, createdAt: context.now },
        policy,
      )
    }
    if (!record) return null
    const touched = !passive && context.now - record.seenAt >= touchEvery(record, policy)
    return deadlines(
      { ...record, seenAt: touched ? context.now : record.seenAt, authenticatedAt: this.authenticatedAt },
      policy,
    )
  }

  #data(): DataMap {
    const state = this.#state
    const { login, changes } = state.pending
    const record = login ? carried(state.opened, login.userId) : this.#look()
    if (!state.data) {
      const text = record?.data ?? EMPTY
      state.data = { map: parseData(text, state.policy.schema), text }
      for (const change of changes) change(state.data.map)
    }
    return state.data.map
  }

  #change(change: Change): void {
    this.#writable()
    change(this.#data())
    this.#state.pending.changes.push(change)
  }

  #writable(): void {
    this.#changeable()
    if (this.#state.pending.login) return
    if (this.suspended) throw suspended()
    // The client's cookie is newer than this request's: a session made now would overwrite it.
    if (isOutdated(this.#state.opened.verdict, this.#state.context.now, this.#state.policy)) {
      throw new SessionError(
        'ERR_SESSION_CHANGED',
        'The session was authenticated meanwhile: load the page again.',
      )
    }
  }

  #changeable(): void {
    this.#unrefused()
    if (this.#state.closed) throw committed()
    if (this.#state.terminated)
      throw new SessionError('ERR_SESSION_ENDED', 'The session was terminated by this request.')
    this.#state.accessed = true
  }

  #unrefused(): void {
    if (this.#state.refusal) throw this.#state.refusal
  }

  /** @param draw - whether to draw a pre-session for a visitor who has none */
  #csrfSubject(draw: boolean): string | null {
    const state = this.#state
    if (!state.policy.visitorTransport) return null
    const { id, userId, authenticatedAt } = this
    if (userId !== null) return sessionSubject(id!, authenticatedAt!)
    state.visitor ??= readVisitor(state)
    if (!state.visitor && draw) {
      if (state.closed) throw committed()
      state.visitor = { token: { id: drawId(), issued: state.context.now }, drawn: true }
    }
    return state.visitor ? visitorSubject(state.visitor.token) : null
  }
}

/** Finds the pre-session that a request shows. Two of them are none: one may be an intruder's. */
export function readVisitor({ context, policy }: SessionState): SessionState['visitor'] {
  const [text, second] = policy.visitorTransport?.read(context) ?? []
  const token =
    text && second === undefined ? parseVisitor(policy.keys, policy.visitorTransport!.name, text) : null
  const age = token ? context.now - token.issued : Infinity
  return token && age < policy.limits.absolute ? { token, drawn: false } : null
}

/** @returns a hash, for the application's own text is its own secret; null where there is none */
function readCredential(options: { readonly credential?: string }, call: string): string | null {
  if (!('credential' in options)) return null
  const { credential } = options
  // One that is there and undefined is a mistake, by which a changed password would end nothing.
  if (typeof credential !== 'string' || credential === '')
    throw new TypeError(`${call}: credential must be a text that changes with the password, not empty`)
  return sha256(`credential ${credential}`)
}

function committed(): SessionError {
  return new SessionError(
    'ERR_SESSION_COMMITTED',
    'The response has begun, so the session can no longer change: change it before, or call session.commit() first.',
  )
}

function suspended(): SessionError {
  return new SessionError(
    'ERR_SESSION_SUSPENDED',
    'The client has changed, so its user must log in again to go on.',
  )
}

function notAuthenticated(state: SessionState, lost: LostReason | null): SessionError {
  const why = lost ? ` The session has ended: ${lost}.` : ''
  const challenge = bearerChallenge(state)
  return new SessionError('ERR_NOT_AUTHENTICATED', `This needs a user who has logged in.${why}`, {
    ...(challenge && { challenge }),
  })
}

/** A 401 to a bearer token names its scheme, and says whether one was shown that is worth nothing (RFC 6750 §3). */
function bearerChallenge({ context, policy, opened }: SessionState): string | null {
  if (policy.transport.ambient) return null
  const worthless = !isLive(opened.verdict) && policy.transport.read(context).length > 0
  return worthless ? 'Bearer error="invalid_token"' : 'Bearer'
}
