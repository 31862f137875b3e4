/**
 * Servers, as functions of what has happened to them. A server's log is what it was given since it was last idle: the
 * requests, and the results of its engine calls, in their order. The real `Sessions` is run on the log, and what comes
 * out is remembered: the calls that it is waiting for now, and the answers that it gave.
 * @module
 */

import type { Engine } from '../../src/core/engine.ts'
import { EVERYBODY } from '../../src/core/ledger.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import type { RequestContext } from '../../src/core/request.ts'
import type { Sessions } from '../../src/core/sessions.ts'
import { contextOf, type Data, handle, type Task, tokenIn } from './application.ts'
import { running, setClock } from './clock.ts'
import type { Core } from './sut.ts'

/** A request arrives. */
export interface Start {
  readonly kind: 'start'
  readonly request: number
  readonly task: Task
  readonly cookie: string | null
  /** By the server's clock. */
  readonly wall: number
  readonly at: number
  readonly text: string
}

/** An engine call returns. */
export interface Result {
  readonly kind: 'result'
  readonly request: number
  readonly call: number
  readonly value: unknown
  readonly wall: number
  readonly at: number
  readonly text: string
}

export type LogEvent = Start | Result

/** An engine call that waits for its result. */
export interface Call {
  readonly request: number
  readonly index: number
  readonly verb: Verb
  readonly args: readonly unknown[]
}

export type Verb = 'load' | 'create' | 'replace' | 'touch' | 'loadUser' | 'replaceUser'

/** What a response says, so far as the client cares. */
export interface Answer {
  /** Of the error; null when all went well. */
  readonly code: string | null
  /** A token to keep, `''` for the end of the one it has, null when nothing is said. */
  readonly token: string | null
}

/** How far a request has come. */
export interface Progress {
  readonly request: number
  readonly calls: readonly Call[]
  /** Once it is open: what its token was found to be, and whose. */
  readonly opened: {
    readonly verdict: string
    readonly userId: string | null
    readonly found: boolean
  } | null
  readonly answer: Answer | null
  readonly events: readonly string[]
}

export type Outcome = ReadonlyMap<number, Progress>

export const IDLE: Outcome = new Map()

/** Runs logs. */
export class Servers {
  readonly core: Core
  readonly options: Omit<SessionsOptions<Data>, 'engine'>
  /** How many logs were run, and how many were known. */
  readonly counts = { ran: 0, known: 0 }
  readonly #known = new Map<string, Outcome | null>()
  #spare: Instance[] = []

  constructor(core: Core, options: Omit<SessionsOptions<Data>, 'engine'>) {
    this.core = core
    this.options = options
  }

  /** @returns null for a log that can't have happened; at once what is known */
  run(log: readonly LogEvent[]): Outcome | null | Promise<Outcome | null> {
    if (log.length === 0) return IDLE
    const key = log.map(({ text }) => text).join('\n')
    const known = this.#known.get(key)
    if (known !== undefined) {
      this.counts.known++
      return known
    }
    return this.#run(log, key)
  }

  async #run(log: readonly LogEvent[], key: string): Promise<Outcome | null> {
    this.counts.ran++
    const instance = this.#spare.pop() ?? new Instance(this.core, this.options)
    const outcome = await instance.run(log)
    this.#known.set(key, outcome)
    this.#spare.push(instance)
    return outcome
  }
}

interface Waiting extends Call {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

interface Run {
  readonly request: number
  draws: number
  made: number
  readonly calls: Map<number, Waiting>
  opened: Progress['opened']
  answer: Answer | null
  readonly events: string[]
}

/** One real `Sessions`, over an engine whose calls wait to be told their results. */
class Instance {
  readonly #core: Core
  readonly #sessions: Sessions<Data>
  readonly #runs = new Map<number, Run>()
  #abandoned = false

  constructor(core: Core, options: Omit<SessionsOptions<Data>, 'engine'>) {
    this.#core = core
    this.#sessions = new core.Sessions<Data>({
      ...options,
      engine: this.#engine(),
      onEvent: ({ name }) => (running.getStore() as Run | undefined)?.events.push(name),
    })
  }

  async run(log: readonly LogEvent[]): Promise<Outcome | null> {
    try {
      for (const event of log) {
        setClock({ wall: event.wall, monotonic: event.at })
        if (event.kind === 'start') this.#start(event)
        else if (!this.#result(event)) return null
        await settled()
      }
      return new Map([...this.#runs].map(([request, run]) => [request, progressOf(run)]))
    } finally {
      await this.#abandon()
      setClock(null)
    }
  }

  #start({ request, task, cookie, wall }: Start): void {
    const run: Run = { request, draws: 0, made: 0, calls: new Map(), opened: null, answer: null, events: [] }
    this.#runs.set(request, run)
    running.run(run, () => this.#serve(run, task, contextOf(task, cookie, wall)))
  }

  #result({ request, call, value }: Result): boolean {
    const calls = this.#runs.get(request)?.calls
    const waiting = calls?.get(call)
    calls?.delete(call)
    waiting?.resolve(value)
    return waiting !== undefined
  }

  async #serve(run: Run, task: Task, context: RequestContext): Promise<void> {
    try {
      if (task === 'revoke') {
        await this.#sessions.revoke({ userId: 'ada' })
        run.answer = { code: null, token: null }
        return
      }
      const session = await this.#sessions.open(context)
      const { opened } = this.#core.stateOf(session)
      const record = opened.record
      run.opened = { verdict: opened.verdict.kind, userId: record?.userId ?? null, found: record !== null }
      handle(session, task, run.request)
      run.answer = { code: null, token: tokenIn(await this.#sessions.commit(session)) }
    } catch (error) {
      const { code = `threw ${error}` } = error as { code?: string }
      run.answer = { code, token: null }
    }
  }

  #engine(): Engine {
    const call = (verb: Verb, args: readonly unknown[]): Promise<never> => {
      const run = running.getStore() as Run
      if (this.#abandoned) return Promise.reject(new Error('abandoned'))
      return new Promise((resolve, reject) => {
        const index = run.made++
        const waiting = {
          request: run.request,
          index,
          verb,
          args,
          resolve: resolve as Waiting['resolve'],
          reject,
        }
        run.calls.set(index, waiting)
      })
    }
    return {
      name: 'model',
      shared: true,
      load: (id) => call('load', [id]),
      create: (record) => call('create', [record]),
      replace: (next, version) => call('replace', [next, version]),
      touch: (id, version, seenAt, expiresAt) => call('touch', [id, version, seenAt, expiresAt]),
      // Nobody revokes everybody here, which would only double the reads to choose among.
      loadUser: (userId) => (userId === EVERYBODY ? undefined : call('loadUser', [userId])),
      replaceUser: (next, version) => call('replaceUser', [next, version]),
      sweep: () => 0,
    }
  }

  /** Unwinds what is under way, so that the queues are empty for the next log. */
  async #abandon(): Promise<void> {
    this.#abandoned = true
    for (const { calls } of this.#runs.values()) {
      for (const { reject } of calls.values()) reject(new Error('abandoned'))
    }
    await settled()
    this.#abandoned = false
    this.#runs.clear()
  }
}

function progressOf({ request, calls, opened, answer, events }: Run): Progress {
  const waiting = [...calls.values()].map(({ request, index, verb, args }) => ({
    request,
    index,
    verb,
    args,
  }))
  return { request, calls: waiting, opened, answer, events }
}

/** Lets everything happen that can happen without a result: all microtasks run before the next turn of the loop. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
