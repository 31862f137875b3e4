/** A PostgreSQL of its own for each test file: in a temporary folder, on a free port, with all its processes in hand. @module */

import { execFile } from 'node:child_process'
import { chownSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client, Pool, type PoolConfig } from 'pg'
import postgresJs from 'postgres'
import { findProgram, freePort, type Scope, ServerProcess, temporaryFolder } from '../process.ts'

const run = promisify(execFile)
const root = process.getuid?.() === 0

/** Where Debian keeps it: not in `PATH`, for there may be several. */
const folders = installed('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`)
const program = findProgram('postgres', ...folders)
const initdb = findProgram('initdb', ...folders)
const setpriv = findProgram('setpriv', '/usr/bin')
const account = root ? await accountOf('postgres') : null

/** Why no PostgreSQL can be started here; false where one can. For `skip`. */
export const missing: string | false = missingParts()
if (missing) console.log(`\n!!! SKIPPED: ${missing}. NOTHING IS TESTED ON POSTGRESQL. !!!\n`)

/** Fast, and forgetful in a power cut: for tests that prove nothing about durability. */
export const CARELESS = ['-c', 'fsync=off', '-c', 'full_page_writes=off']

let databases = 0

export class PostgresServer {
  readonly port: number
  readonly folder: string
  readonly #process: ServerProcess
  /** Ends before the server does. */
  readonly #scope: Scope

  private constructor(scope: Scope, port: number, folder: string, server: ServerProcess) {
    this.#scope = scope
    this.port = port
    this.folder = folder
    this.#process = server
  }

  /** @param settings - arguments of `postgres`, such as `-c fsync=off` */
  static async start(outer: Scope, settings: readonly string[] = CARELESS): Promise<PostgresServer> {
    // Last begun, first ended: pools before their server, the server before its folder.
    const endings: (() => unknown)[] = []
    const scope: Scope = { after: (work) => endings.unshift(work) }
    outer.after(async () => {
      for (const end of endings) await end()
    })
    const folder = temporaryFolder(scope, 'postgres')
    if (account) chownSync(folder, account.uid, account.gid)
    const data = join(folder, 'data')
    const made = asAccount(initdb!, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'])
    // A locale that folds and sorts as people do, which keys must not.
    await run(made.file, [...made.args, '--locale=C.UTF-8'])
    const port = await freePort()
    const own = ['listen_addresses=127.0.0.1', `unix_socket_directories=`, 'log_min_messages=fatal']
    const args = ['-D', data, '-p', String(port), ...own.flatMap((each) => ['-c', each]), ...settings]
    const server = await ServerProcess.start(scope, {
      ...asAccount(program!, args),
      cwd: folder,
      ready: () => query(port, 'SELECT 1'),
    })
    return new PostgresServer(scope, port, folder, server)
  }

  /** A new, empty database, over the server's port or a wire's. @returns a connection string */
  async database(): Promise<string> {
    const name = `test_${process.pid}_${++databases}`
    await this.query(`CREATE DATABASE ${name}`)
    return this.url(name)
  }

  url(database: string, port = this.port): string {
    return `postgres://postgres@127.0.0.1:${port}/${database}`
  }

  /** By a connection of its own. @returns rows as objects */
  query(text: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    return query(this.port, text, database)
  }

  /** A pool of pg that ends with the scope. Errors of idle connections are what the tests provoke. */
  pool(connectionString: string, options: PoolConfig = {}): Pool {
    const pool = new Pool({ connectionString, max: 10, ...options })
    pool.on('error', () => {})
    this.#scope.after(() => pool.end())
    return pool
  }

  /** A `sql` of postgres.js that ends with the scope. */
  sql<T extends Record<string, postgresJs.PostgresType>>(
    connectionString: string,
    options: postgresJs.Options<T> = {},
  ): postgresJs.Sql<{ [name in keyof T]: never }> {
    const sql = postgresJs(connectionString, { onnotice: () => {}, ...options })
    this.#scope.after(() => sql.end({ timeout: 1 }))
    return sql as never
  }

  /** The postmaster and all its backends at once, as when the machine dies. */
  async kill(): Promise<void> {
    const backends = this.#backends()
    await this.#process.kill()
    for (const pid of backends) signal(pid, 'SIGKILL')
    while (backends.some((pid) => signal(pid, 0))) await sleep(10)
  }

  restart(): Promise<void> {
    return this.#process.restart()
  }

  /** All its processes, so that connections stay open and nobody answers. */
  freeze(): void {
    for (const pid of [this.#process.pid, ...this.#backends()]) signal(pid, 'SIGSTOP')
  }

  thaw(): void {
    for (const pid of [...this.#backends(), this.#process.pid]) signal(pid, 'SIGCONT')
  }

  #backends(): number[] {
    const { pid } = this.#process
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  }
}

/** The name in a connection string. */
export function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1)
}

async function query(port: number, text: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
  const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** PostgreSQL refuses to run as root. */
function asAccount(file: string, args: readonly string[]): { file: string; args: string[] } {
  if (!account) return { file, args: [...args] }
  const drop = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--']
  return { file: setpriv!, args: [...drop, file, ...args] }
}

async function accountOf(name: string): Promise<{ uid: number; gid: number } | null> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => (await run('id', [flag, name])).stdout),
    )
    return { uid: Number(uid), gid: Number(gid) }
  } catch {
    return null
  }
}

function missingParts(): string | false {
  if (!program || !initdb) return 'no PostgreSQL is installed (Debian: postgresql-15)'
  if (root && !setpriv) return 'PostgreSQL does not run as root, and there is no setpriv'
  if (root && !account) return 'PostgreSQL does not run as root, and there is no account postgres'
  if (process.platform !== 'linux')
    return 'the processes of PostgreSQL are found in /proc, which only Linux has'
  return false
}

/** Newest first. */
function installed(folder: string): string[] {
  try {
    return readdirSync(folder).sort((a, b) => Number(b) - Number(a))
  } catch {
    return []
  }
}

/** @returns whether there is such a process */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
