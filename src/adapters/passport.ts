/** Passport 0.7 on Express: `req.session` as it needs it, over Holdfast's session. @module */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuthenticateOptions, Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { beforeCommit } from './respond.ts'

export interface PassportOptions<Request extends IncomingMessage = IncomingMessage> {
  /**
   * What a login is worth: `methods`, `level`, `credential`, `remember`. Passport doesn't say which strategy it was.
   * @defaultValue no methods: nobody said how the user proved who he is
   */
  readonly login?: (req: Request, user: unknown) => AuthenticateOptions
  /** The user's id, of what `serializeUser` made of him. @defaultValue a string or a number as it is */
  readonly userId?: (user: unknown) => string
}

type Done = (error?: unknown) => void
type Anything = Record<string, unknown>

/** Under this name Passport keeps the user, and we what `serializeUser` made of him, where that isn't his id. */
const NAME = 'passport'

/**
 * Gives Passport the `req.session` that it needs. `req.logIn` ends in `authenticate`: a new id, and the end of what was
 * there before; `req.logOut` in `terminate`. What strategies and handlers set on `req.session` is stored with the response,
 * each name by itself. After a logout nothing can be kept: `ERR_SESSION_ENDED`.
 *
 * @example
 * app.use(protect(sessions), passportSession(sessions, { login: () => ({ methods: ['pwd'] }) }), passport.session())
 */
export function passportSession<Data extends object, Request extends IncomingMessage = IncomingMessage>(
  sessions: Sessions<Data>,
  options: PassportOptions<Request> = {},
): (req: Request, res: ServerResponse, next: Done) => void {
  return (req, _res, next) => {
    const session = sessions.current() as unknown as Session
    const bridge = new Bridge(session, req, options as PassportOptions)
    beforeCommit.set(session, () => bridge.flush())
    next()
  }
}

/** What Passport takes for a session: properties, and what `express-session` has of methods. */
class PassportSession {
  readonly #bridge: Bridge

  constructor(bridge: Bridge, properties: Anything) {
    this.#bridge = bridge
    // Defined, not set: `__proto__` is a name like any other, and by it a visitor's data would pass for Passport's user.
    Object.defineProperties(this, Object.getOwnPropertyDescriptors(properties))
  }

  get id(): string | null {
    return this.#bridge.session.id
  }

  /** Goes on with nothing. What comes after that decides what becomes of the session. */
  regenerate(done: Done): void {
    this.#bridge.regenerate()
    done()
  }

  save(done: Done = () => {}): void {
    this.#bridge.save().then(() => done(), done)
  }

  destroy(done: Done = () => {}): void {
    this.#bridge.regenerate()
    this.save(done)
  }
}

/** Keeps one request's `req.session` and our session the same. */
class Bridge {
  readonly session: Session
  readonly #req: IncomingMessage & { session?: PassportSession }
  readonly #options: PassportOptions
  /** What is stored, as JSON text. */
  #known: ReadonlyMap<string, string> = new Map()
  /** The user that is stored, as JSON text; undefined without one. */
  #user: string | undefined
  #regenerated = false
  #failed = false

  constructor(session: Session, req: IncomingMessage, options: PassportOptions) {
    this.session = session
    this.#req = req
    this.#options = options
    this.#read()
  }

  regenerate(): void {
    this.#regenerated = true
    this.#req.session = new PassportSession(this, {})
  }

  async save(): Promise<void> {
    this.flush()
    await this.session.commit()
  }

  /** Asks of our session what `req.session` has become. Where that failed once, the answer is an error's, and asks no more. */
  flush(): void {
    if (this.#failed) return
    this.#failed = true
    this.#flush()
    this.#failed = false
  }

  #flush(): void {
    const { [NAME]: passport, ...properties } = this.#req.session as unknown as Anything
    const user = (passport as { user?: unknown } | undefined)?.user
    if (user === undefined && this.#user !== undefined) {
      this.#logOut()
    } else if (user !== undefined && (this.#regenerated || JSON.stringify(user) !== this.#user)) {
      if (this.#logIn(user)) this.#write(properties)
      else this.#read()
    } else {
      this.#write(properties)
    }
  }

  #write(properties: Anything): void {
    this.#regenerated = false
    const given = new Map(Object.entries(properties))
    for (const name of this.#known.keys()) if (given.get(name) === undefined) this.session.delete(name)
    for (const [name, value] of given) {
      if (value !== undefined && JSON.stringify(value) !== this.#known.get(name))
        this.session.set(name, value)
    }
    this.#known = textsOf(properties)
  }

  #logOut(): void {
    this.session.terminate()
    this.#known = new Map()
    this.#user = undefined
    this.regenerate()
  }

  /** @returns whether what was there before may stay: another user's may not */
  #logIn(user: unknown): boolean {
    const { session } = this
    const userId = idOf(user, this.#options)
    const stays = session.userId === null || session.userId === userId
    session.authenticate(userId, { methods: [], ...this.#options.login?.(this.#req, user) })
    if (user !== userId) session.set(NAME, { of: userId, user })
    else if (session.has(NAME)) session.delete(NAME)
    this.#user = JSON.stringify(user)
    return stays
  }

  #read(): void {
    const { session } = this
    const names = session.keys().filter((name) => name !== NAME)
    const properties = Object.fromEntries(names.map((name) => [name, structuredClone(session.get(name))]))
    const stored = session.get(NAME) as { of: string; user: unknown } | undefined
    // What was stored for another user is nobody's.
    const user = stored?.of === session.userId ? structuredClone(stored.user) : session.userId
    this.#known = textsOf(properties)
    this.#user = session.userId === null ? undefined : JSON.stringify(user)
    this.#regenerated = false
    const passport = session.userId === null ? {} : { [NAME]: { user } }
    this.#req.session = new PassportSession(this, { ...properties, ...passport })
  }
}

function textsOf(properties: Anything): ReadonlyMap<string, string> {
  return new Map(Object.entries(properties).map(([name, value]) => [name, JSON.stringify(value)]))
}

function idOf(user: unknown, { userId }: PassportOptions): string {
  if (userId) return userId(user)
  if (typeof user === 'string' || typeof user === 'number') return String(user)
  throw new TypeError(
    'passportSession: serializeUser made no string and no number: say by userId what the user is called',
  )
}
