/** The floor beside a server: as in `floor.ts`, and each request one GET or one prepared SELECT of the bare client. @module */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { IDLE, idOf, issue, parse } from './floor.ts'
import { listen } from './listen.ts'
import { postgresPool, redisClient } from './servers.ts'
import { BODY, nextVisit, profile, type System, userOf } from './tasks.ts'

interface Store {
  get(id: string): Promise<string | null | undefined>
  put(id: string, text: string): Promise<unknown>
}

export function redis(): Promise<System> {
  const client = redisClient()
  return serve({
    get: (id) => client.get(`floor:${id}`),
    put: (id, text) => client.set(`floor:${id}`, text, 'PX', IDLE),
  })
}

export async function postgres(): Promise<System> {
  const pool = postgresPool()
  await pool.query('CREATE TABLE IF NOT EXISTS floor (id text COLLATE "C" PRIMARY KEY, text text NOT NULL)')
  const get = { name: 'get', text: 'SELECT text FROM floor WHERE id = $1', rowMode: 'array' as const }
  const put = {
    name: 'put',
    text: 'INSERT INTO floor VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET text = excluded.text',
  }
  return serve({
    get: async (id) => (await pool.query({ ...get, values: [id] })).rows[0]?.[0],
    put: (id, text) => pool.query({ ...put, values: [id, text] }),
  })
}

function serve(store: Store): Promise<System> {
  const create = (res: ServerResponse, fields: object) =>
    store.put(issue(res), JSON.stringify({ expiresAt: Date.now() + IDLE, ...fields }))

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<string> {
    const url = req.url ?? '/'
    if (url === '/none') return BODY
    if (url === '/anon') await create(res, { visits: nextVisit() })
    else if (url.startsWith('/login/')) await create(res, { userId: userOf(url), ...profile() })
    else {
      const id = idOf(req)
      const data = id === null ? null : parse(await store.get(id))
      if (!data?.userId || !data.name) res.statusCode = 401
      else if (url === '/value') return String(data.visits)
      else if (url === '/write') {
        data.visits = nextVisit()
        data.expiresAt = Date.now() + IDLE
        await store.put(id!, JSON.stringify(data))
      }
    }
    return BODY
  }

  return listen(createServer(async (req, res) => res.end(await handle(req, res))))
}
