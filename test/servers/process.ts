/** Real servers for the tests: started on free loopback ports in temporary folders, and ended with the test. @module */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What `test` and `describe` of `node:test` give, as far as it is needed here. */
export interface Scope {
  after(work: () => unknown): void
}

/** How long a server may take until it answers. */
const STARTING = 30_000

export interface ServerCommand {
  readonly file: string
  readonly args: readonly string[]
  /** What the program is told that it is called. */
  readonly argv0?: string
  readonly cwd?: string
  /** Whether it answers yet; a rejection means no. */
  readonly ready: () => Promise<unknown>
}

/** A server as a process of its own. */
export class ServerProcess {
  readonly #command: ServerCommand
  #child: ChildProcess | undefined
  #words = ''

  private constructor(command: ServerCommand) {
    this.#command = command
  }

  /** Starts a server, waits until it answers, and ends it with the scope. */
  static async start(scope: Scope, command: ServerCommand): Promise<ServerProcess> {
    const server = new ServerProcess(command)
    scope.after(() => server.kill())
    await server.restart()
    return server
  }

  /** Starts it again, with the files that it left. */
  async restart(): Promise<void> {
    const { file, args, argv0, cwd, ready } = this.#command
    const child = spawn(file, args, { ...(argv0 && { argv0 }), cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#words = ''
    const hear = (chunk: Buffer) => {
      this.#words = (this.#words + chunk).slice(-4_000)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('error', (error) => hear(Buffer.from(String(error))))
    const deadline = performance.now() + STARTING
    for (;;) {
      try {
        await ready()
        return
      } catch (error) {
        const ended = child.exitCode !== null || child.signalCode !== null || child.pid === undefined
        if (ended || performance.now() > deadline)
          throw new Error(`${file} does not answer: ${error}\n${this.#words}`)
      }
      await sleep(50)
    }
  }

  /** Without a chance to finish anything. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** The way a server is meant to end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#end(signal)
  }

  /** Stops it from running, while its connections stay open. */
  freeze(): void {
    this.#child!.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child!.kill('SIGCONT')
  }

  get pid(): number {
    return this.#child!.pid!
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
}

/** A port of the loopback interface that nobody uses just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A folder that is deleted with the scope. */
export function temporaryFolder(scope: Scope, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${name}-`))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The path of a program, looked for in `PATH` and then in the folders given; undefined where there is none. */
export function findProgram(name: string, ...folders: string[]): string | undefined {
  const candidates = [...(process.env.PATH ?? '').split(delimiter), ...folders].map((each) =>
    join(each, name),
  )
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** A scope that ends with the suite whose `after` is given, whoever opens something in it, and whenever. */
export function scopeOf(after: (work: () => Promise<void>) => void): Scope {
  const works: (() => unknown)[] = []
  after(async () => {
    for (const work of works.reverse()) await work()
  })
  return { after: (work) => void works.push(work) }
}
