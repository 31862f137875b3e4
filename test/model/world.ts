/** What a world becomes when something happens in it. @module */

import type { Millis } from '../../src/core/duration.ts'
import { memory } from '../../src/engines/memory.ts'
import { pendingCalls } from './choices.ts'
import { NOTHING_YET } from './ghost.ts'
import { type Facts, NO_FACTS, remember } from './remember.ts'
import { IDLE, type LogEvent, type Outcome, type Progress, Servers } from './server.ts'
import type { Before, Choice, Configuration, Request, Response, ServerState, State } from './state.ts'
import { perform, sweep } from './store.ts'
import type { Core } from './sut.ts'
import { textOf } from './text.ts'
import { type Known, know, splitToken } from './tokens.ts'

/** A state, and what happened on the way to it. */
export interface Transition {
  readonly state: State
  readonly facts: Facts
}

/** When the exploration begins. Times have 13 digits, by which the canonical form knows them. */
export const DAWN: Millis = 1_800_000_000_000
const KEY = 'q83vEjRWeJq83v7Kz0UuT1XHn2bQ5rYc9dLmWf0aVpI'

export class World {
  readonly config: Configuration
  readonly known: Known
  readonly servers: Servers

  constructor(core: Core, config: Configuration) {
    this.config = config
    const options = { keys: [KEY], engineTimeout: '1h', ...config.options } as const
    this.servers = new Servers(core, options as never)
    const { policy } = new core.Sessions({ ...options, engine: memory() } as never)
    this.known = know(core, policy)
  }

  /** @returns the transitions from an empty store to where the exploration begins */
  async dawn(): Promise<Transition[]> {
    const nobody = { browser: 0, thief: 0, device: 0, operator: 0 }
    const idle = Array.from({ length: this.config.servers }, () => ({ log: [], outcome: IDLE }))
    let state: State = {
      now: DAWN,
      records: new Map(),
      ledgers: new Map(),
      jars: { browser: null, device: null },
      stash: [],
      requests: [],
      responses: [],
      servers: idle,
      spent: { sent: 0, requests: nobody, steps: 0, crashes: 0, losses: 0, sweeps: 0 },
      ghost: NOTHING_YET,
    }
    const transitions: Transition[] = [{ state, facts: NO_FACTS }]
    for (const event of this.config.before) {
      let choice: Choice | null = event.kind === 'visit' ? visit(event) : event
      while (choice) {
        const more = await this.apply(state, choice, true)
        transitions.push(...more)
        state = more.at(-1)!.state
        const waiting: Response | undefined = state.responses[0]
        choice = waiting ? { kind: 'deliver', request: waiting.request.number } : null
      }
    }
    state = { ...state, spent: { ...state.spent, requests: nobody, steps: 0, losses: 0 } }
    return [...transitions, { state, facts: NO_FACTS }]
  }

  /** @param whole - runs a request from its arrival to its answer */
  async apply(state: State, choice: Choice, whole = this.config.atomic): Promise<Transition[]> {
    const transitions = [await this.#apply(state, choice)]
    for (;;) {
      const { state: latest } = transitions.at(-1)!
      const call = pendingCalls(latest).find(({ verb }) => whole || verb === 'create')
      if (!call) return transitions
      transitions.push(await this.#apply(latest, { kind: 'step', request: call.request, call: call.index }))
    }
  }

  async #apply(state: State, choice: Choice): Promise<Transition> {
    const { spent } = state
    switch (choice.kind) {
      case 'send':
        return this.#send(state, choice)
      case 'arrive':
        return this.#arrive(
          state,
          state.requests.find(({ number }) => number === choice.request)!,
          choice.server,
        )
      case 'step':
        return this.#step(state, choice.request, choice.call)
      case 'deliver': {
        const response = state.responses.find(({ request }) => request.number === choice.request)!
        const responses = state.responses.filter((other) => other !== response)
        const jars = { ...state.jars, [response.request.client]: response.answer.token || null }
        return this.#moved(state, { ...state, jars, responses }, { ...NO_FACTS, delivered: response })
      }
      case 'lose': {
        const responses = state.responses.filter(({ request }) => request.number !== choice.request)
        return this.#moved(state, {
          ...state,
          responses,
          spent: { ...spent, losses: count(spent.losses, this.config.losses) },
        })
      }
      case 'wait':
        return this.#moved(state, {
          ...state,
          now: state.now + choice.by,
          spent: { ...spent, steps: count(spent.steps, this.config.steps) },
        })
      case 'crash': {
        const servers = state.servers.with(choice.server, { log: [], outcome: IDLE })
        const requests = state.requests.filter(({ server }) => server !== choice.server)
        return this.#moved(state, {
          ...state,
          servers,
          requests,
          spent: { ...spent, crashes: spent.crashes + 1 },
        })
      }
      case 'steal':
        return this.#moved(
          state,
          { ...state, stash: [...state.stash, state.jars.browser!] },
          { ...NO_FACTS, stole: true },
        )
      case 'sweep': {
        const next = { ...state, ...sweep(state), spent: { ...spent, sweeps: spent.sweeps + 1 } }
        return this.#moved(state, next)
      }
    }
  }

  #send(
    state: State,
    { client, task, server, token }: Extract<Choice, { kind: 'send' }>,
  ): Promise<Transition> {
    const { spent, ghost } = state
    const sent = spent.sent + 1
    const cookie =
      client === 'operator' ? null : client === 'thief' ? state.stash[token]! : state.jars[client]
    const request: Request = {
      number: sent,
      client,
      task,
      server: null,
      sentAt: state.now,
      cookie,
      entitled: client === 'browser' ? ghost.entitled : null,
      covers: [],
    }
    const made = count(spent.requests[client], this.config.clients[client]?.requests ?? 0)
    const requests = { ...spent.requests, [client]: made }
    const next = { ...state, requests: [...state.requests, request], spent: { ...spent, sent, requests } }
    const moved = this.#moved(state, next, { ...NO_FACTS, sent: request })
    return server === null ? Promise.resolve(moved) : this.#arrive(moved.state, request, server, moved.facts)
  }

  #arrive(state: State, request: Request, server: number, facts = NO_FACTS): Promise<Transition> {
    const { number, task, cookie } = request
    const { now } = state
    const wall = this.wall(state, server)
    const arrived = { ...request, server, covers: task === 'revoke' ? Object.keys(state.ghost.handed) : [] }
    const requests = state.requests.map((other) => (other.number === number ? arrived : other))
    const text = `> #${number}# ${task} ${cookie} ${wall} ${now}`
    const event: LogEvent = { kind: 'start', request: number, task, cookie, wall, at: now, text }
    return this.#happen({ ...state, requests }, server, event, { ...facts, arrived })
  }

  #step(state: State, number: number, index: number): Promise<Transition> {
    const { server } = state.requests.find((request) => request.number === number)!
    const call = state.servers[server!]!.outcome.get(number)!.calls.find((call) => call.index === index)!
    const { records, ledgers, value, write } = perform(state, call, this.config.mutant)
    const text = `< #${number}# ${index} ${value === undefined ? '' : textOf(value)} ${state.now}`
    const wall = this.wall(state, server!)
    const event: LogEvent = { kind: 'result', request: number, call: index, value, wall, at: state.now, text }
    return this.#happen({ ...state, records, ledgers }, server!, event, {
      ...NO_FACTS,
      call: { ...call, value },
      write,
    })
  }

  /** Something reaches a server. */
  async #happen(state: State, index: number, event: LogEvent, facts: Facts): Promise<Transition> {
    const before = state.servers[index]!
    const log = [...before.log, event]
    const outcome = await this.servers.run(log)
    if (!outcome) throw new Error(`Not deterministic: ${event.text} can't follow when the log is run again`)
    const reached = (key: 'opened' | 'answer') =>
      [...outcome.values()].filter(
        (progress) => progress[key] && !before.outcome.get(progress.request)?.[key],
      )
    const requestOf = ({ request }: Progress) => state.requests.find(({ number }) => number === request)!
    const opened = reached('opened').map((progress) => ({ request: requestOf(progress), progress }))
    const finished = reached('answer').map((progress) => ({ request: requestOf(progress), progress }))
    const requests = state.requests.filter((request) => !finished.some((done) => done.request === request))
    const tokens = finished.flatMap(({ request, progress: { answer } }) =>
      answer!.token === null || request.client === 'operator' ? [] : [{ request, answer: answer! }],
    )
    const loot = tokens.filter(({ request, answer }) => request.client === 'thief' && answer.token !== '')
    const next = {
      ...state,
      requests,
      responses: [...state.responses, ...tokens.filter(({ request }) => request.client !== 'thief')],
      stash: [...state.stash, ...loot.map(({ answer }) => answer.token!)],
      servers: state.servers.with(index, await this.#forget(log, outcome)),
    }
    return this.#moved(state, next, { ...facts, opened, finished })
  }

  /**
   * Strikes finished requests from a server's log. They leave nothing behind but what they handed to the next in their
   * queue, and whoever took that shows it in the call that he makes.
   */
  async #forget(log: readonly LogEvent[], outcome: Outcome): Promise<ServerState> {
    const rest = log.filter(({ request }) => !outcome.get(request)!.answer)
    if (rest.length === 0) return { log: [], outcome: IDLE }
    if (rest.length === log.length) return { log, outcome }
    const without = await this.servers.run(rest)
    const same =
      without !== null &&
      [...without.values()].every(
        ({ request, calls, answer }) => !answer && textOf(calls) === textOf(outcome.get(request)!.calls),
      )
    return same ? { log: rest, outcome: without } : { log, outcome }
  }

  #moved(before: State, next: State, facts = NO_FACTS): Transition {
    const stash = this.config.unnoticed === null ? next.stash : this.#careful(next)
    return { state: { ...next, stash, ...remember(before, next, facts, this) }, facts }
  }

  /** A thief who won't be noticed shows nothing that is dead, for it stays so, and needs one offer of each parent. */
  #careful({ stash, records, now }: State): readonly string[] {
    if (stash.length < 2) return stash
    const parents = new Set<string>()
    return stash.filter((token) => {
      const { parent, secret } = splitToken(token)
      const name = parent || secret
      if (parents.has(name) || !this.known.isLive(this.known.verdict(token, records, now))) return false
      parents.add(name)
      return true
    })
  }

  /** What a server's clock shows. */
  wall({ now }: State, server: number): Millis {
    return now + server * this.config.skew
  }
}

/** What has no bound isn't counted, so that worlds that differ in nothing else are the same. */
function count(spent: number, bound: number): number {
  return bound === Infinity ? 0 : spent + 1
}

function visit({ task }: Before): Choice {
  return { kind: 'send', client: 'browser', task, server: 0, token: 0 }
}
