/** A server on a store that was filled before: it answers requests, and sweeps when it is told to. @module */

import { createServer } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { protect } from '../../src/adapters/node.ts'
import { generateKey } from '../../src/core/keys.ts'
import { createSessions } from '../../src/create-sessions.ts'
import { postgres } from '../../src/engines/postgres.ts'
import { redis } from '../../src/engines/redis.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { listen } from '../systems/listen.ts'
import { nextVisit, profile, userOf } from '../systems/tasks.ts'

const [name, place = ''] = process.argv.slice(2)
const engine =
  name === 'sqlite'
    ? sqlite(place)
    : name === 'redis'
      ? redis(new Redis(Number(place), '127.0.0.1', { enableAutoPipelining: true }))
      : postgres(new Pool({ connectionString: place, max: 10 }))
const sessions = createSessions<Record<string, unknown>>({
  engine,
  keys: generateKey(),
  proxy: ['127.0.0.1'],
})

const app = protect(sessions, (req, res, session) => {
  const url = req.url ?? '/'
  if (url.startsWith('/login/')) {
    session.authenticate(userOf(url), { remember: true })
    for (const [field, value] of Object.entries(profile())) session.set(field, value)
  } else if (!session.userId) res.statusCode = 401
  else if (url === '/write') session.set('visits', nextVisit())
  res.end('done')
})

process.on('message', async ({ now, limit, count }: { now: number; limit: number; count: number }) => {
  let swept = 0
  for (let last = -1; last !== 0 && swept < count; ) {
    last = await engine.sweep(now, limit)
    swept += last
    await turn()
  }
  process.send!(swept)
})
process.on('disconnect', () => process.exit(0))
const { port } = await listen(createServer(app))
process.send!(port)
