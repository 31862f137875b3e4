/** What the world is made of, as plain values that are never changed, and what bounds it. @module */

import type { Millis } from '../../src/core/duration.ts'
import type { SessionRecord, UserLedger } from '../../src/core/engine.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import type { Task } from './application.ts'
import type { Entitlement, Ghost } from './ghost.ts'
import type { Answer, LogEvent, Outcome } from './server.ts'
import type { Mutation } from './sut.ts'

/** Who sends requests: an honest browser, whoever copied its cookie, a second device of the same user, an operator. */
export type Client = 'browser' | 'thief' | 'device' | 'operator'

/** A server: its log since it was last idle, and what came of it. */
export interface ServerState {
  readonly log: readonly LogEvent[]
  readonly outcome: Outcome
}

/** A request under way. */
export interface Request {
  readonly number: number
  readonly client: Client
  readonly task: Task
  /** null while it travels. */
  readonly server: number | null
  readonly sentAt: Millis
  readonly cookie: string | null
  /** What the browser had every right to, when it sent this. */
  readonly entitled: Entitlement | null
  /** A revocation's: whatever had been handed out when it came. */
  readonly covers: readonly string[]
}

/** A response under way that carries a token, or the end of one. */
export interface Response {
  readonly request: Request
  readonly answer: Answer
}

export interface Spent {
  /** Requests ever sent: their names. */
  readonly sent: number
  readonly requests: Readonly<Record<Client, number>>
  readonly steps: number
  readonly crashes: number
  readonly losses: number
  readonly sweeps: number
}

export interface State {
  readonly now: Millis
  readonly records: ReadonlyMap<string, SessionRecord>
  readonly ledgers: ReadonlyMap<string, UserLedger>
  readonly jars: Readonly<Record<'browser' | 'device', string | null>>
  /** The tokens that the thief has, each of which he may show. */
  readonly stash: readonly string[]
  readonly requests: readonly Request[]
  readonly responses: readonly Response[]
  readonly servers: readonly ServerState[]
  readonly spent: Spent
  readonly ghost: Ghost
}

/** Something that can happen next. */
export type Choice =
  | {
      readonly kind: 'send'
      readonly client: Client
      readonly task: Task
      readonly server: number | null
      readonly token: number
    }
  | { readonly kind: 'arrive'; readonly request: number; readonly server: number }
  | { readonly kind: 'step'; readonly request: number; readonly call: number }
  | { readonly kind: 'deliver' | 'lose'; readonly request: number }
  | { readonly kind: 'wait'; readonly by: Millis }
  | { readonly kind: 'crash'; readonly server: number }
  | { readonly kind: 'steal' | 'sweep' }

/** One world to explore, and how far. */
export interface Configuration {
  readonly name: string
  /** What it is for, in a line. */
  readonly about: string
  readonly options: Partial<Omit<SessionsOptions<never>, 'engine'>>
  /** What each client does, and how often in all. */
  readonly clients: Partial<Record<Client, { readonly tasks: readonly Task[]; readonly requests: number }>>
  /** What happened before the exploration begins. */
  readonly before: readonly (Choice | Before)[]
  /** Requests of one client at the same time. */
  readonly concurrent: number
  /** Requests of all clients, in all. */
  readonly requests: number
  readonly servers: number
  /** By how much the second server's clock is ahead of the first one's. */
  readonly skew: Millis
  readonly crashes: number
  readonly losses: number
  readonly sweeps: number
  readonly steals: boolean
  /** By how much time moves, and how often in all. */
  readonly waits: readonly Millis[]
  readonly steps: number
  /** The browser has each answer so long after it sent the request, or never; null: answers take any time. */
  readonly patience: Millis | null
  /** Each of the browser and the thief shows a token at least this often; null: they pause as they like. */
  readonly pause: Millis | null
  /** Whether a request takes a time of its own to arrive. */
  readonly travel: boolean
  /** Whether a request is run from its arrival to its answer in one step. */
  readonly atomic: boolean
  /** Whether time may pass while a request is at a server. */
  readonly slowServers: boolean
  /** How long the browser and the thief may both go unnoticed; null: not watched. */
  readonly unnoticed: Millis | null
  /** Properties that are known not to hold here, by name: each must be found violated. `docs/model.md` says why. */
  readonly known: readonly string[]
  readonly mutant: Mutant | null
}

/** A whole request of the browser, from its sending to the answer in its jar. */
export type Before = { readonly kind: 'visit'; readonly task: Task }

/** A rule of the core broken, or a promise of the engine. */
export type Mutant =
  | (Mutation & { readonly kind: 'core' })
  | { readonly kind: 'engine'; readonly name: 'swap ignored' | 'replace inserts' }
