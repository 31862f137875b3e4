/**
 * What the scenarios ask: an application with options by name, and what can be done to it and its engine from outside. It
 * runs in the test's process, or in that of a framework's server, where `siteOfProcess` finds it.
 */

import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import {
  bearer,
  createSessions,
  type Engine,
  generateKey,
  type MaybePromise,
  type Session,
  type SessionEvent,
  type Sessions,
} from 'holdfast'
import { memory } from 'holdfast/memory'
import { rateLimits } from 'holdfast/rate-limit'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { application, type Reply } from './application.ts'

export type AnySession = Session<Record<string, unknown>>
export type AnySessions = Sessions<Record<string, unknown>>
type Options = Partial<SessionsOptions<Record<string, unknown>>>

/** A request, as every adapter can show it. */
export interface Exchange {
  readonly session: AnySession
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly text: () => Promise<string>
}

export type Handler = (exchange: Exchange) => MaybePromise<Reply>

export const KEY = generateKey()

/** The proxy that `proxied` pretends to be: the tests themselves. */
export const PROXY = ['127.0.0.1', '::1']
export const TRUSTED_ORIGIN = 'https://trusted.example'

const csrf = {
  trustedOrigins: [TRUSTED_ORIGIN],
  insecureExempt: ['/hook', '/only/1'],
  verifiedByHandler: ['/upload'],
}

const configurations = {
  plain: () => ({}),
  brief: () => ({ idle: '10s', absolute: '1h', httpsPort: 8443 }),
  limited: () => ({
    rateLimits: rateLimits({ newSessions: { max: 2, per: '1h' }, forgedTokens: { max: 1, per: '1h' } }),
  }),
  proxied: () => ({ proxy: PROXY, csrf }),
  tokens: () => ({ proxy: PROXY, csrf: { ...csrf, requireToken: true } }),
  bearer: () => ({ transport: bearer(), renewal: '500ms', grace: '100ms', late: '100ms' }),
} satisfies Record<string, () => Options>

export type Configuration = keyof typeof configurations

/** What can be done to a site from outside, with JSON for arguments and results. */
export interface Control {
  /** Forgets everything, faults included. */
  reset(): MaybePromise<null>
  events(): MaybePromise<readonly SessionEvent[]>
  list(userId: string): MaybePromise<readonly { readonly ip: string | null }[]>
  /** The data of every session that lives, as the engine keeps them. */
  stored(): MaybePromise<readonly string[]>
  /** How many requests reached the application. */
  handled(): MaybePromise<number>
  /** How often the engine was called. */
  calls(verb: Verb): MaybePromise<number>
  /** From now on these calls of the engine fail; `[]`: none. */
  fail(verbs: readonly Verb[]): MaybePromise<null>
  /** From now on this call of the engine takes that much longer. */
  delay(verb: Verb, milliseconds: number): MaybePromise<null>
  /** Settles when a request of `/wait` has come. */
  arrived(): MaybePromise<null>
  /** Lets it go on. */
  release(): MaybePromise<null>
  /** The code of what `current()` throws outside of any request. */
  outside(): MaybePromise<string>
}

export interface ScenarioSite {
  readonly sessions: AnySessions
  readonly handler: Handler
  readonly control: Control
}

/** What the application needs of its site. */
export interface Surroundings {
  readonly sessions: AnySessions
  stored(): Promise<string[]>
  /** Says that a request of `/wait` has come, and waits until it may go on. */
  wait(): Promise<void>
}

export function createSite(
  configuration: Configuration,
  createEngine: () => Engine = () => memory(),
): ScenarioSite {
  let inner = createEngine()
  let events: SessionEvent[] = []
  let failing: readonly Verb[] = []
  let delays: Partial<Record<Verb, number>> = {}
  let calls: Partial<Record<Verb, number>> = {}
  let handled = 0
  let gates = [signal(), signal()] as const

  const around = async (verb: Verb, call: () => MaybePromise<unknown>) => {
    calls[verb] = (calls[verb] ?? 0) + 1
    if (failing.includes(verb)) throw new Error('disk full at /var/lib/secret')
    if (delays[verb]) await pause(delays[verb])
    return call()
  }
  const sessions: AnySessions = createSessions({
    engine: wrapEngine(() => inner, around),
    keys: KEY,
    onEvent: (event) => void events.push(event),
    ...(configurations[configuration]() as Options),
  })
  const stored = async () => {
    const { records } = await inner.scan!({ limit: 1_000 })
    return records.filter(({ ended }) => ended === null).map(({ data }) => data)
  }
  const wait = async () => {
    gates[0].give()
    await gates[1].given
  }
  const answer = application({ sessions, stored, wait })

  return {
    sessions,
    handler(exchange) {
      handled++
      return answer(exchange)
    },
    control: {
      reset() {
        inner = createEngine()
        gates[1].give()
        gates = [signal(), signal()]
        ;[events, failing, delays, calls, handled] = [[], [], {}, {}, 0]
        return null
      },
      events: () => events,
      list: (userId) => sessions.list(userId),
      stored,
      handled: () => handled,
      calls: (verb) => calls[verb] ?? 0,
      fail(verbs) {
        failing = verbs
        return null
      },
      delay(verb, milliseconds) {
        delays = { ...delays, [verb]: milliseconds }
        return null
      },
      arrived: () => gates[0].given.then(() => null),
      release() {
        gates[1].give()
        return null
      },
      outside() {
        try {
          sessions.current()
          return 'none'
        } catch (error) {
          return (error as { code: string }).code
        }
      },
    },
  }
}

const PLACE = Symbol.for('holdfast.scenarios')

/**
 * The one site of a framework's server, however often it bundles this: made as `HOLDFAST_SITE` says, and driven by the test
 * through `HOLDFAST_CONTROL_PORT`.
 */
export function siteOfProcess(): ScenarioSite {
  const place = globalThis as { [PLACE]?: ScenarioSite }
  place[PLACE] ??= serveControl(createSite(process.env.HOLDFAST_SITE as Configuration))
  return place[PLACE]
}

/** `POST /name` with a JSON array of arguments. */
function serveControl(site: ScenarioSite): ScenarioSite {
  const control = site.control as unknown as Record<string, (...args: unknown[]) => unknown>
  const server = createServer(async (req, res) => {
    const result = await control[req.url!.slice(1)]!(...((await json(req)) as unknown[]))
    res.end(JSON.stringify(result ?? null))
  })
  server.listen(Number(process.env.HOLDFAST_CONTROL_PORT), '127.0.0.1').unref()
  return site
}

const VERBS = ['load', 'create', 'replace', 'touch', 'loadUser', 'replaceUser', 'sweep'] as const

export type Verb = (typeof VERBS)[number]

/** Whose ledger holds the moment that counts for everybody; as in `src/core/ledger.ts`. */
const EVERYBODY = '\0everybody'

/**
 * Stands between the core and an engine; but for the one read a second of the moment that counts for everybody, which any
 * request may be the one to do.
 *
 * @param around - runs a call, or does something else in its place
 */
export function wrapEngine(
  engine: Engine | (() => Engine),
  around: (verb: Verb, call: () => MaybePromise<unknown>) => MaybePromise<unknown>,
): Engine {
  const current = typeof engine === 'function' ? engine : () => engine
  const wrapped = VERBS.map((verb) => {
    const past = (...args: unknown[]) => {
      const inner = current()
      const call = () => (inner[verb] as (...args: unknown[]) => MaybePromise<unknown>).apply(inner, args)
      return args[0] === EVERYBODY ? call() : around(verb, call)
    }
    return [verb, past]
  })
  return { ...current(), ...Object.fromEntries(wrapped) }
}

/** A promise, and what settles it. */
export function signal(): { readonly given: Promise<string>; give(text?: string): void } {
  let give: (text?: string) => void = () => {}
  const given = new Promise<string>((resolve) => {
    give = (text = '') => resolve(text)
  })
  return { given, give }
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))
