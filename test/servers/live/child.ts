/** One server of several: `node child.ts PORT redis|postgres URL push|poll`. */

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { postgres } from '../../../src/engines/postgres.ts'
import { postgresChannel } from '../../../src/engines/postgres-channel.ts'
import { redis } from '../../../src/engines/redis.ts'
import { redisChannel } from '../../../src/engines/redis-channel.ts'
import { serveLive } from '../../live/site.ts'

const [port, store, url, way] = process.argv.slice(2)
const { engine, channel } = store === 'redis' ? overRedis() : overPostgres()

await serveLive(
  { after() {} },
  {
    engine,
    port: Number(port),
    sessions: { engineTimeout: '1s' },
    live: { maxUnsure: '3s', ...(way === 'push' ? { channel: channel(), checkEvery: '10s' } : {}) },
  },
)

function overRedis() {
  const client = new Redis(url!, { maxRetriesPerRequest: 0, retryStrategy: () => 100 })
  client.on('error', () => {})
  return { engine: redis(client), channel: () => redisChannel(client) }
}

function overPostgres() {
  const pool = new Pool({ connectionString: url!, max: 6, connectionTimeoutMillis: 800 })
  pool.on('error', () => {})
  return { engine: postgres(pool), channel: () => postgresChannel(pool) }
}
