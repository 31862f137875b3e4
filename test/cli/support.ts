/** The real command as a process, and a real application for it to look at. @module */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Audit, auditTo } from '../../src/audit/audit.ts'
import type { Engine } from '../../src/core/engine.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import type { RequestContext } from '../../src/core/request.ts'
import type { Session } from '../../src/core/session.ts'
import type { Sessions } from '../../src/core/sessions.ts'
import { createSessions } from '../../src/create-sessions.ts'
import { sqlite } from '../../src/engines/sqlite.ts'

export const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
export const SOURCE = '--conditions=holdfast-source'

export const KEY = 'f4Pq1hZtR8vYw2LkNs7JmXcB0dGeUaIoE5bVQ3yTn6M'
export const AUDIT_KEY = 'Zk3vR9qXw1LmT7bYc5NhJ2sPdGf8uEaKo4iVtQ6yB0s'
export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

export interface Scope {
  after(work: () => unknown): void
}

export interface Run {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `holdfast` with these arguments, in a folder of its own. */
export async function holdfast(
  args: readonly string[],
  { cwd, env = {}, input = '' }: { cwd?: string; env?: Record<string, string>; input?: string } = {},
): Promise<Run> {
  const child = spawn(process.execPath, [SOURCE, MAIN, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // One that doesn't end by itself has no exit status.
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const ended = once(child, 'close')
  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map(async (stream) => {
      return Buffer.concat(await stream.toArray()).toString()
    }),
  )
  await ended
  clearTimeout(timer)
  return { exit: child.exitCode, stdout: stdout!, stderr: stderr! }
}

/** What a command with `--json` printed, line by line. */
export function linesOf(text: string) {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

export function folderOf(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What a browser asks for. */
export interface Asked {
  readonly path?: string
  readonly method?: string
  readonly cookie?: string
  readonly ip?: string
  readonly userAgent?: string
  readonly now?: number
}

/** An application on one store, with an audit log beside it. */
export class App {
  readonly folder: string
  readonly store: string
  readonly audit: string
  readonly engine: Engine
  readonly sessions: Sessions
  readonly log: Audit

  constructor(
    scope: Scope,
    options: Partial<SessionsOptions<Record<string, unknown>>> = {},
    engine?: (file: string) => Engine,
  ) {
    this.folder = folderOf(scope)
    this.store = `sqlite:${join(this.folder, 'sessions.db')}`
    this.audit = `sqlite:${join(this.folder, 'audit.db')}`
    this.log = auditTo(join(this.folder, 'audit.db'), { server: 'web-1', key: AUDIT_KEY })
    const file = join(this.folder, 'sessions.db')
    this.engine = engine ? engine(file) : sqlite(file)
    this.sessions = createSessions({
      engine: this.engine,
      keys: [KEY],
      onEvent: this.log.onEvent,
      ...options,
    })
    scope.after(() => this.sessions.close())
    // Before the folder goes.
    scope.after(() => this.log.close())
  }

  /** One request. @returns the session's id and the cookie's new value, if there is one */
  async ask(
    asked: Asked,
    handler: (session: Session) => void = () => {},
  ): Promise<{ id: string; token: string }> {
    const session = await this.sessions.open(contextOf(asked))
    handler(session)
    const { headers } = await this.sessions.commit(session)
    const set = headers.find(([name, value]) => name === 'Set-Cookie' && value.includes('-session='))
    return { id: session.id ?? '', token: /=([^;]*)/.exec(set?.[1] ?? '')?.[1] ?? '' }
  }

  login(userId: string, asked: Asked = {}): Promise<{ id: string; token: string }> {
    return this.ask({ method: 'POST', path: '/login', ...asked }, (session) => session.authenticate(userId))
  }

  /** A visitor's request. @returns the pre-session */
  async visitor(handler: (session: Session) => void): Promise<string> {
    const session = await this.sessions.open(contextOf({}))
    handler(session)
    const { headers } = await this.sessions.commit(session)
    const set = headers.find(([name, value]) => name === 'Set-Cookie' && value.includes('visitor='))
    return /=([^;]*)/.exec(set?.[1] ?? '')![1]!
  }

  /** A login whose token travels in a header. @returns the token */
  async bearer(userId: string): Promise<string> {
    const session = await this.sessions.open(contextOf({ method: 'POST', path: '/login' }))
    session.authenticate(userId)
    const { headers } = await this.sessions.commit(session)
    return headers.map(([, value]) => value).find((value) => value.split('.').length === 6)!
  }

  /** Writes a module beside the store. @returns its path */
  module(name: string, text: string): string {
    const file = join(this.folder, name)
    writeFileSync(file, text)
    return file
  }
}

function contextOf({
  path = '/',
  method = 'GET',
  cookie,
  ip,
  userAgent = FIREFOX,
  now,
}: Asked): RequestContext {
  const headers: Record<string, string> = { origin: 'https://example.com', 'user-agent': userAgent }
  if (cookie !== undefined) headers.cookie = `__Host-Http-session=${cookie}`
  return {
    method,
    origin: 'https://example.com',
    path,
    search: '',
    ip: ip ?? '192.0.2.1',
    now: now ?? Date.now(),
    header: (name) => headers[name] ?? null,
    field: () => null,
  }
}
