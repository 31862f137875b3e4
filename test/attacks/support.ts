/** What the attacks share: clients with a cookie jar, and real engines that are watched, held up or broken. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EVERYBODY } from '../../src/core/ledger.ts'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import {
  createSessions,
  type Effects,
  type Engine,
  generateKey,
  type RequestContext,
  type Session,
  type SessionEvent,
  type Sessions,
  type SessionsOptions,
} from '../../src/index.ts'

export type Data = Record<string, unknown>
export type AnySession = Session<Data>

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

export const SESSION = '__Host-Http-session'
export const VISITOR = '__Host-Http-visitor'

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
export const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36'

/** What the tests advance; it begins at the real time, which `revoke` goes by. */
export interface Clock {
  now: number
}

export interface Ask {
  readonly method?: string
  readonly origin?: string
  readonly path?: string
  readonly ip?: string | null
  readonly now?: number
  /** null takes a default one away. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly fields?: Readonly<Record<string, string>>
}

export function contextOf(ask: Ask = {}): RequestContext {
  const headers: Record<string, string | null> = {
    'user-agent': FIREFOX,
    'sec-fetch-site': 'same-origin',
    ...ask.headers,
  }
  return {
    method: ask.method ?? 'POST',
    origin: ask.origin ?? 'https://app.example',
    path: ask.path ?? '/',
    search: '',
    ip: ask.ip === undefined ? '192.0.2.1' : ask.ip,
    now: ask.now ?? Date.now(),
    header: (name) => headers[name] ?? null,
    field: (name) => ask.fields?.[name] ?? null,
  }
}

/** One server's view: sessions, and what their listener heard. */
export interface Server {
  readonly sessions: Sessions<Data>
  readonly events: SessionEvent[]
  readonly clock: Clock
}

export const KEYS = [generateKey()]

export function serve(
  options: Partial<SessionsOptions<Data>> = {},
  clock: Clock = { now: Date.now() },
): Server {
  const events: SessionEvent[] = []
  const sessions = createSessions<Data>({
    engine: memory(),
    keys: KEYS,
    onEvent: (event) => events.push(event),
    ...options,
  })
  return { sessions, events, clock }
}

export function namesOf(server: Server): string[] {
  return server.events.map(({ name }) => name)
}

/** What a client was sent. */
export interface Answer {
  readonly effects: Effects
  /** Names and values; null where a cookie was cleared. */
  readonly cookies: ReadonlyMap<string, string | null>
  readonly session: AnySession
}

/** A request whose handler is at work. */
export interface Exchange {
  readonly session: AnySession
  /** Ends the request; the client hasn't received the answer yet. */
  end(status?: number): Promise<Answer>
}

/** A browser, as far as the core can see one: a cookie jar, and the right to be slow. */
export class Client {
  jar = new Map<string, string>()
  #server: Server
  readonly #usual: Ask

  constructor(server: Server, usual: Ask = {}) {
    this.#server = server
    this.#usual = usual
  }

  get token(): string | undefined {
    return this.jar.get(SESSION)
  }

  /** The same jar's copy, in a thief's hands. */
  copy(usual: Ask = this.#usual): Client {
    const thief = new Client(this.#server, usual)
    thief.jar = new Map(this.jar)
    return thief
  }

  /** Goes on with another server of the same application. */
  moveTo(server: Server): this {
    this.#server = server
    return this
  }

  /** Sends a request, whose cookies are those of now. */
  async begin(ask: Ask = {}): Promise<Exchange> {
    const { sessions, clock } = this.#server
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie && { cookie }), ...this.#usual.headers, ...ask.headers }
    const session = await sessions.open(contextOf({ now: clock.now, ...this.#usual, ...ask, headers }))
    return {
      session,
      async end(status) {
        const effects = await sessions.commit(session, status)
        return { effects, cookies: cookiesOf(effects), session }
      },
    }
  }

  receive({ cookies }: Answer): void {
    for (const [name, value] of cookies) {
      if (value === null) this.jar.delete(name)
      else this.jar.set(name, value)
    }
  }

  /** Sends a request, has it handled, and receives its answer. */
  async send(
    handler: (session: AnySession) => unknown = () => undefined,
    ask: Ask = {},
    status = 200,
  ): Promise<Answer> {
    const exchange = await this.begin(ask)
    await handler(exchange.session)
    const answer = await exchange.end(status)
    this.receive(answer)
    return answer
  }

  async login(userId: string, options: Parameters<AnySession['authenticate']>[1] = {}): Promise<Answer> {
    return this.send((session) => session.authenticate(userId, options))
  }

  /** Whom the server takes it for. */
  async whoami(ask: Ask = {}): Promise<string | null> {
    const { session } = await this.send((session) => void session.userId, { method: 'GET', ...ask })
    return session.userId
  }

  /** The same, by a request that leaves no trace in jar or store unless the token itself does. */
  async peek(ask: Ask = {}): Promise<AnySession> {
    return (await this.begin({ method: 'GET', ...ask })).session
  }
}

export function cookiesOf({ headers }: Pick<Effects, 'headers'>): Map<string, string | null> {
  const cookies = new Map<string, string | null>()
  for (const [name, line] of headers) {
    if (name.toLowerCase() !== 'set-cookie') continue
    const [pair = '', ...attributes] = line.split('; ')
    const split = pair.indexOf('=')
    const gone = attributes.some((attribute) => attribute.toLowerCase() === 'max-age=0')
    cookies.set(pair.slice(0, split), gone ? null : pair.slice(split + 1))
  }
  return cookies
}

/** A token's parts. */
export function partsOf(token: string) {
  const [id = '', era = '', parent = '', secret = '', issued = '', tag = ''] = token.split('.')
  return { id, era, parent, secret, issued, tag }
}

export type Verb = 'load' | 'create' | 'replace' | 'touch' | 'loadUser' | 'replaceUser' | 'sweep'
const VERBS: readonly Verb[] = ['load', 'create', 'replace', 'touch', 'loadUser', 'replaceUser', 'sweep']
type Call = (verb: Verb, run: () => unknown, args: readonly unknown[]) => unknown

/**
 * Puts something around every verb of a real engine; but not around the one read a second of the moment that counts for
 * everybody, which any request may be the one to do: `revoking-everybody.test.ts` attacks that.
 */
export function around(engine: Engine, call: Call): Engine {
  const wrapped = Object.fromEntries(
    VERBS.map((verb) => {
      const run = engine[verb].bind(engine) as (...args: unknown[]) => unknown
      const past = (...args: unknown[]) =>
        args[0] === EVERYBODY ? run(...args) : call(verb, () => run(...args), args)
      return [verb, past]
    }),
  )
  return { ...engine, ...wrapped } as Engine
}

/** Counts calls by verb. */
export function counting(engine: Engine) {
  const calls: Partial<Record<Verb, number>> = {}
  const watched = around(engine, (verb, run) => {
    calls[verb] = (calls[verb] ?? 0) + 1
    return run()
  })
  return {
    engine: watched,
    /** What was counted since the last time. */
    take(): Partial<Record<Verb, number>> {
      const taken = { ...calls }
      for (const verb of VERBS) delete calls[verb]
      return taken
    },
  }
}

/** Holds the next calls of a verb, before or after they take effect. */
export function pausing(engine: Engine) {
  interface Hold {
    readonly verb: Verb
    readonly when: 'before' | 'after'
    readonly reached: () => void
    readonly open: Promise<void>
    readonly matches: (args: readonly unknown[]) => boolean
  }
  const holds: Hold[] = []
  const held = around(engine, async (verb, run, args) => {
    const index = holds.findIndex((hold) => hold.verb === verb && hold.matches(args))
    const [hold] = index < 0 ? [] : holds.splice(index, 1)
    if (hold?.when === 'before') {
      hold.reached()
      await hold.open
    }
    const result = await run()
    if (hold?.when === 'after') {
      hold.reached()
      await hold.open
    }
    return result
  })
  return {
    engine: held,
    /** Stops the next call of `verb`; `reached` settles when somebody stands there, `release` lets him go on. */
    hold(verb: Verb, when: 'before' | 'after' = 'before', matches: Hold['matches'] = () => true) {
      const reached = Promise.withResolvers<void>()
      const waited = setTimeout(() => reached.reject(new Error(`nobody has called ${verb}`)), 3_000)
      reached.promise.finally(() => clearTimeout(waited)).catch(() => {})
      const open = Promise.withResolvers<void>()
      holds.push({ verb, when, reached: reached.resolve, open: open.promise, matches })
      return { reached: reached.promise, release: open.resolve }
    },
  }
}

/** Fails the verbs named in `broken`, as a store does that has gone away. */
export function breaking(engine: Engine) {
  const broken = new Set<Verb>()
  const fragile = around(engine, (verb, run) => {
    if (broken.has(verb)) throw new Error('connect ECONNREFUSED 10.0.0.7:5432')
    return run()
  })
  return { engine: fragile, broken, breakAll: () => VERBS.forEach((verb) => void broken.add(verb)) }
}

/** A file for SQLite, deleted with the test. */
export function temporaryFile(t: { after(work: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-attack-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'sessions.db')
}

/** Two servers on one file, as two processes have it: an engine each, the same keys. */
export function twoServers(
  t: { after(work: () => void): void },
  options: Partial<SessionsOptions<Data>> = {},
): [Server, Server] {
  const file = temporaryFile(t)
  const clock = { now: Date.now() }
  const engines = [sqlite(file), sqlite(file)] as const
  t.after(() => engines.forEach((engine) => void engine.close?.()))
  return [serve({ ...options, engine: engines[0] }, clock), serve({ ...options, engine: engines[1] }, clock)]
}

/** Both engines, for attacks on which they might differ. */
export const ENGINES: readonly (readonly [name: string, make: () => Engine])[] = [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(':memory:')],
]

/** The code a promise is rejected with. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'none'
}
