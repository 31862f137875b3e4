/**
 * The floor: hand-written code that does no more than find a session and store it again. One key, one expiry, no CSRF, no
 * renewal, no revocation; two writers lose one another's writes.
 * @module
 */

import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { temporaryFile } from './files.ts'
import { listen } from './listen.ts'
import { BODY, nextVisit, profile, type System, userOf } from './tasks.ts'

interface Store {
  get(id: string): string | undefined
  put(id: string, text: string): void
}

export const IDLE = 30 * 60 * 1000
const key = createSecretKey(randomBytes(32))

export function memory(): Promise<System> {
  const texts = new Map<string, string>()
  return serve({ get: (id) => texts.get(id), put: (id, text) => void texts.set(id, text) })
}

export function sqlite(): Promise<System> {
  const database = new DatabaseSync(temporaryFile())
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE sessions (id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT`)
  const get = database.prepare('SELECT text FROM sessions WHERE id = ?')
  const put = database.prepare(
    'INSERT INTO sessions VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET text = excluded.text',
  )
  return serve({
    get: (id) => get.get(id)?.text as string | undefined,
    put: (id, text) => void put.run(id, text),
  })
}

export type Stored = Record<string, unknown> & { expiresAt: number }

/** @returns the id in a cookie that we have signed */
export function idOf(req: IncomingMessage): string | null {
  const token = /(?:^|; )session=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]
  if (!token) return null
  const [id, tag] = token.split('.') as [string, string]
  return timingSafeEqual(Buffer.from(tag, 'base64url'), sign(id)) ? id : null
}

/** Draws an id and hands it to the client. */
export function issue(res: ServerResponse): string {
  const id = randomBytes(16).toString('base64url')
  const token = `${id}.${sign(id).toString('base64url')}`
  res.setHeader('Set-Cookie', `session=${token}; Path=/; HttpOnly; Secure; SameSite=Lax`)
  return id
}

export function parse(text: string | null | undefined): Stored | null {
  if (text === undefined || text === null) return null
  const data = JSON.parse(text) as Stored
  return data.expiresAt > Date.now() ? data : null
}

function serve(store: Store): Promise<System> {
  function read(req: IncomingMessage): { id: string; data: Stored } | null {
    const id = idOf(req)
    const data = id === null ? null : parse(store.get(id))
    return data && { id: id!, data }
  }

  function create(res: ServerResponse, fields: object): void {
    store.put(issue(res), JSON.stringify({ expiresAt: Date.now() + IDLE, ...fields }))
  }

  function handle(req: IncomingMessage, res: ServerResponse): string {
    const url = req.url ?? '/'
    if (url === '/none') return BODY
    if (url === '/anon') create(res, { visits: nextVisit() })
    else if (url.startsWith('/login/')) create(res, { userId: userOf(url), ...profile() })
    else {
      const session = read(req)
      if (!session?.data.userId || !session.data.name) res.statusCode = 401
      else if (url === '/value') return String(session.data.visits)
      else if (url === '/write') {
        session.data.visits = nextVisit()
        session.data.expiresAt = Date.now() + IDLE
        store.put(session.id, JSON.stringify(session.data))
      }
    }
    return BODY
  }

  return listen(createServer((req, res) => res.end(handle(req, res))))
}

function sign(id: string): Buffer {
  return createHmac('sha256', key).update(id).digest()
}
