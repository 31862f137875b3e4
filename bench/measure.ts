/** Measures systems, in turn, round after round. @module */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { Load, request } from './load.ts'
import type { Parts } from './profile.ts'
import { BODY, KINDS, type Kind } from './systems/tasks.ts'

/** A system to be measured. */
export interface Subject {
  readonly name: string
  /** Where it is: a file of `systems/`, and a name that it exports. */
  readonly from: readonly [file: string, name: string]
  /** The bare framework that it runs on, whose time is subtracted; its own name for a bare one. */
  readonly above: string
}

export interface Effort {
  readonly rounds: number
  /** How long each kind of request is sent, each time. */
  readonly milliseconds: number
  /** How many requests of each kind come before, for the compiler. */
  readonly warmUp: number
  readonly sessions: number
  readonly connections: number
}

/** Processor time of the server process per request, in µs: every round's. */
export type Figures = Record<Kind, number[]>

/** Where that time goes, for some kinds of requests. */
export type Profile = Partial<Record<Kind, Parts>>

/** What is profiled, besides, when all has been measured: sampling costs time itself. */
export const PROFILED: readonly Kind[] = ['none', 'read', 'write']

/** Milliseconds of each turn that are not counted: what the others have done meanwhile has left the caches cold. */
export const LEAD = 100

/** A kind's path and method. */
const ROUTES = {
  none: ['GET', '/none'],
  read: ['GET', '/read'],
  write: ['POST', '/write'],
  anon: ['POST', '/anon'],
} as const

/**
 * Starts every system in a process of its own, and then has each answer for a moment, in turn, many times over: what else
 * the machine does meanwhile falls on all of them alike. Differences are taken within a round, and medians over rounds.
 *
 * @param further - what else is to be done with the systems before they end
 */
export async function measure(
  subjects: readonly Subject[],
  effort: Effort,
  say: (text: string) => void,
  profiled: string | null,
  further: (runs: readonly Run[]) => Promise<void> = async () => {},
): Promise<{ figures: Map<string, Figures>; profile: Profile }> {
  const figures = new Map(subjects.map(({ name }) => [name, emptyFigures()]))
  const runs: Run[] = []
  const profile: Profile = {}
  try {
    for (const subject of subjects) {
      say(`starting ${subject.name}`)
      const run = new Run(subject)
      runs.push(run)
      await run.start(effort)
    }
    for (const kind of KINDS) {
      for (let round = 0; round < effort.rounds; round++) {
        if (round % 5 === 0) say(`${kind}: round ${round + 1} of ${effort.rounds}`)
        // Turned by one each time, so that nobody always runs after the same neighbour.
        for (let index = 0; index < runs.length; index++) {
          const run = runs[(index + round) % runs.length]!
          figures.get(run.subject.name)![kind].push(await run.measure(kind, effort.milliseconds))
        }
      }
    }
    for (const run of runs.filter(({ subject }) => subject.name === profiled)) {
      for (const kind of PROFILED) {
        say(`${kind}: profile`)
        profile[kind] = await run.profile(kind, effort.rounds * effort.milliseconds)
      }
    }
    await further(runs)
  } finally {
    for (const run of runs) run.stop()
  }
  return { figures, profile }
}

/** What a system adds to its framework: the differences within each round. */
export function above(figures: Map<string, Figures>, subject: Subject): Figures {
  const own = figures.get(subject.name)!
  const bare = figures.get(subject.above)!
  const differences = emptyFigures()
  for (const kind of KINDS) differences[kind] = own[kind].map((value, round) => value - bare[kind][round]!)
  return differences
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function emptyFigures(): Figures {
  return { none: [], read: [], write: [], anon: [] }
}

/** One system in its process, warm. */
export class Run {
  readonly subject: Subject
  readonly #server: ChildProcess
  readonly #texts: Record<Kind, Buffer[]> = { none: [], read: [], write: [], anon: [] }
  #load: Load | undefined
  #port = 0

  constructor(subject: Subject) {
    this.subject = subject
    this.#server = spawn(process.execPath, [join(import.meta.dirname, 'server.ts'), ...subject.from], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  async start({ sessions, connections, warmUp }: Effort): Promise<void> {
    this.#port = await heard<number>(this.#server)
    const load = await Load.connect(this.#port, connections)
    this.#load = load
    const cookies: string[] = []
    for (let user = 0; user < sessions; user++) cookies.push(await login(load, `user-${user}`))
    if (this.subject.name !== this.subject.above) await prove(load, this.subject, cookies[0]!)
    for (const kind of KINDS) {
      const [method, path] = ROUTES[kind]
      const shown = kind === 'read' || kind === 'write' ? cookies : [null]
      this.#texts[kind] = shown.map((cookie) => Buffer.from(request(method, path, cookie)))
    }
    for (const kind of KINDS) await load.run(this.#texts[kind], warmUp, 0)
  }

  /** @returns processor time per request, in µs */
  async measure(kind: Kind, milliseconds: number): Promise<number> {
    await this.#load!.run(this.#texts[kind], 0, LEAD)
    const before = await this.#ask<number>('cpu')
    const answered = await this.#load!.run(this.#texts[kind], 0, milliseconds)
    return ((await this.#ask<number>('cpu')) - before) / answered
  }

  async profile(kind: Kind, milliseconds: number): Promise<Parts> {
    await this.#ask('profile')
    await this.#load!.run(this.#texts[kind], 0, milliseconds)
    return this.#ask<Parts>('parts')
  }

  /** @returns how many milliseconds each answer took, over connections of its own */
  async latencies(kind: Kind, connections: number, milliseconds: number): Promise<number[]> {
    const load = await Load.connect(this.#port, connections)
    const times: number[] = []
    await load.run(this.#texts[kind], 0, milliseconds, times)
    load.close()
    return times
  }

  stop(): void {
    this.#load?.close()
    if (this.#server.connected) this.#server.send('exit')
  }

  #ask<T>(question: string): Promise<T> {
    const answer = heard<T>(this.#server)
    this.#server.send(question)
    return answer
  }
}

async function login(load: Load, user: string): Promise<string> {
  const { cookies } = await load.ask(request('POST', `/login/${user}`, null))
  return cookies.join('; ')
}

/** A figure of a system that doesn't do its work is worth nothing: what is written must be there, and only where it was. */
async function prove(load: Load, { name }: Subject, cookie: string): Promise<void> {
  const read = await load.ask(request('GET', '/read', cookie))
  const written = await load.ask(request('POST', '/write', cookie))
  const value = await load.ask(request('GET', '/value', written.cookies.join('; ') || cookie))
  const visitor = await load.ask(request('GET', '/none', null))
  const created = await load.ask(request('POST', '/anon', null))
  const proven =
    cookie !== '' &&
    read.status === 200 &&
    read.body === BODY &&
    read.cookies.length === 0 &&
    Number(value.body) > 1_000_000 &&
    visitor.cookies.length === 0 &&
    created.cookies.length > 0
  if (!proven)
    throw new Error(
      `${name} does not do its work: ${JSON.stringify({ read, written, value, visitor, created })}`,
    )
}

function heard<T>(server: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the server has ended'))
    server.once('exit', gone)
    server.once('message', (message) => {
      server.off('exit', gone)
      resolve(message as T)
    })
  })
}
