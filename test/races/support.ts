/** What the races share: server processes on one store, clients that hold a token, and a look into the store. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { generateKey, type SessionsOptions } from 'holdfast'
import type { SessionRecord, UserLedger } from '../../src/core/engine.ts'
import { openEngine } from '../../src/engines/open.ts'
import type { ServerOptions } from './server.ts'

const ENTRY = join(import.meta.dirname, 'server.ts')
const COOKIE = '__Host-Http-session'
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0'

/** A process that serves. */
export interface Server {
  readonly adapter: ServerOptions['adapter']
  readonly port: number
  /** Without a chance to finish anything. @returns when it is gone */
  kill(): Promise<void>
}

/** What a test gives: everything ends with it. */
interface Scope {
  after(work: () => unknown): void
}

/** Makes an empty store for one test. @returns its URL, as `openEngine` takes it */
export type OpenStore = (t: Scope) => string | Promise<string>

/** A SQLite file in a folder of its own. */
export function openFile(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-races-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return `sqlite:${join(folder, 'sessions.db')}`
}

/** Servers on one store, and what happens to them. Everything ends with the test. */
export class Fleet {
  /** The store's URL. */
  readonly store: string
  readonly servers: Server[] = []
  readonly #children = new Set<ChildProcess>()
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  readonly #options: Partial<SessionsOptions<Record<string, unknown>>>
  readonly #keys = generateKey()
  /** What servers wrote to standard error. */
  readonly words: string[] = []

  constructor(t: Scope, options: Fleet['options'], store: string) {
    this.store = store
    this.#options = options
    t.after(() => {
      this.#agent.destroy()
      for (const child of this.#children) child.kill('SIGKILL')
    })
  }

  get options(): Partial<SessionsOptions<Record<string, unknown>>> {
    return this.#options
  }

  /** Starts one server for each adapter named. */
  async start(...adapters: ServerOptions['adapter'][]): Promise<void> {
    this.servers.push(...(await Promise.all(adapters.map((adapter) => this.launch(adapter)))))
  }

  async launch(adapter: ServerOptions['adapter']): Promise<Server> {
    const options: ServerOptions = { adapter, store: this.store, keys: this.#keys, sessions: this.#options }
    const child = spawn(
      process.execPath,
      ['--conditions=holdfast-source', '--no-warnings', ENTRY, JSON.stringify(options)],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    )
    this.#children.add(child)
    child.stderr!.on('data', (chunk: Buffer) => this.words.push(chunk.toString()))
    const gone = once(child, 'exit')
    const line = await Promise.race([once(createInterface({ input: child.stdout! }), 'line'), gone])
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(this.words.join(''))
    return {
      adapter,
      port: Number(line[0]),
      async kill() {
        child.kill('SIGKILL')
        await gone
      },
    }
  }

  client(): Client {
    return new Client(this, this.#agent)
  }

  /** Reads the store as another process does. */
  async look<T>(work: (store: Store) => T | Promise<T>): Promise<T> {
    const engine = await openEngine(this.store)
    try {
      const records = new Map<string, SessionRecord>()
      let cursor: string | undefined
      do {
        const page = await engine.scan!({ limit: 10_000, ...(cursor !== undefined && { cursor }) })
        for (const record of page.records) records.set(record.id, record)
        cursor = page.next
      } while (cursor !== undefined)
      return await work({
        records,
        ledger: async (userId) => await engine.loadUser(userId),
      })
    } finally {
      await engine.close?.()
    }
  }
}

interface Store {
  readonly records: ReadonlyMap<string, SessionRecord>
  ledger(userId: string): Promise<UserLedger | undefined>
}

/** What came back: status 0 when the connection broke, and nobody knows what became of the request. */
export interface Answer {
  readonly status: number
  readonly code: string | null
  readonly body: Readonly<Record<string, unknown>>
  /** The session's new token; null where it was cleared. */
  readonly token: string | null | undefined
}

/** Holds one token, and shows it to whichever server it is told to. */
export class Client {
  token: string | null = null
  readonly #fleet: Fleet
  readonly #agent: Agent

  constructor(fleet: Fleet, agent: Agent) {
    this.#fleet = fleet
    this.#agent = agent
  }

  copy(): Client {
    const copy = new Client(this.#fleet, this.#agent)
    copy.token = this.token
    return copy
  }

  get id(): string | null {
    return this.token?.split('.')[0] ?? null
  }

  /** Sends a request and keeps the token that comes back. @param on - which server, by its place in the fleet */
  async post(path: string, on = 0): Promise<Answer> {
    return this.#keep(await this.send('POST', path, on))
  }

  async get(path: string, on = 0): Promise<Answer> {
    return this.#keep(await this.send('GET', path, on))
  }

  /** The same, with nothing kept: one of several requests at once. */
  async send(method: string, path: string, on = 0): Promise<Answer> {
    const { port } = this.#fleet.servers[on % this.#fleet.servers.length]!
    const headers = {
      'user-agent': FIREFOX,
      'sec-fetch-site': 'same-origin',
      accept: 'application/json',
      ...(this.token !== null && { cookie: `${COOKIE}=${this.token}` }),
    }
    for (let attempt = 0; ; attempt++) {
      const answer = await exchange(port, method, path, headers, this.#agent)
      // A burst can overrun the queue of a socket that listens: such a request never reached the server.
      if (answer !== 'refused' || attempt === 3) return answer === 'refused' ? LOST : answer
    }
  }

  #keep(answer: Answer): Answer {
    if (answer.token !== undefined) this.token = answer.token
    return answer
  }
}

const LOST: Answer = { status: 0, code: null, body: {}, token: undefined }

async function exchange(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string>,
  agent: Agent,
): Promise<Answer | 'refused'> {
  try {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent })
    outgoing.end()
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
    const code = (body.error as { code?: string } | undefined)?.code ?? null
    return { status: message.statusCode!, code, body, token: tokenIn(message.headers['set-cookie'] ?? []) }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : LOST
  }
}

function tokenIn(lines: readonly string[]): string | null | undefined {
  const line = lines.find((each) => each.startsWith(`${COOKIE}=`))
  if (line === undefined) return undefined
  return /; max-age=0/i.test(line) ? null : line.slice(COOKIE.length + 1).split(';')[0]!
}

/** Counts answers by status and code: what a failing test shows. */
export function tally(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status, code } of answers) {
    const kind = code === null ? String(status) : `${status} ${code}`
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** Runs a task for each number below `count`, so many at a time. */
export async function inParallel<T>(
  count: number,
  at: number,
  task: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const work = async () => {
    while (next < count) {
      const index = next++
      results[index] = await task(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(at, count) }, work))
  return results
}
