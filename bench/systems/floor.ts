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

const IDLE = 30 * 60 * 1000
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

type Stored = Record<string, unknown> & { expiresAt: number }

function serve(store: Store): Promise<System> {
  function read(req: IncomingMessage): { id: string; data: Stored } | null {
    const token = /(?:^|; )session=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]
    if (!token) return null
    const [id, tag] = token.split('.') as [string, string]
    if (!timingSafeEqual(Buffer.from(tag, 'base64url'), sign(id))) return null
    const text = store.get(id)
    if (text === undefined) return null
    const data = JSON.parse(text) as Stored
    return data.expiresAt > Date.now() ? { id, data } : null
  }

  function create(res: ServerResponse, fields: object): void {
    const id = randomBytes(16).toString('base64url')
    store.put(id, JSON.stringify({ expiresAt: Date.now() + IDLE, ...fields }))
    const token = `${id}.${sign(id).toString('base64url')}`
    res.setHeader('Set-Cookie', `session=${token}; Path=/; HttpOnly; Secure; SameSite=Lax`)
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
