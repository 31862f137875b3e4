/** The contract of an engine on real servers, through each client that it is promised for. */

import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { Redis as Valkey } from 'iovalkey'
import { createClient, createClientPool } from 'redis'
import { redis } from '../../../src/engines/redis.ts'
import type { RedisClient } from '../../../src/engines/redis-client.ts'
import { engineContract } from '../../../src/testing/engine-contract.ts'
import { type Scope, scopeOf } from '../process.ts'
import { available, type RedisServer, startRedis } from './server.ts'

/** Opens a client of each library. */
const CLIENTS: Record<string, (port: number, scope: Scope) => Promise<RedisClient>> = {
  ioredis: async (port, scope) => {
    const client = new Redis(port, '127.0.0.1')
    scope.after(() => client.disconnect())
    return client
  },
  'ioredis with automatic pipelines and a key prefix': async (port, scope) => {
    const client = new Redis(port, '127.0.0.1', { enableAutoPipelining: true, keyPrefix: 'my[app]*:' })
    scope.after(() => client.disconnect())
    return client
  },
  iovalkey: async (port, scope) => {
    const client = new Valkey(port, '127.0.0.1')
    scope.after(() => client.disconnect())
    return client
  },
  'node-redis': async (port, scope) => {
    const client = createClient({ socket: { host: '127.0.0.1', port } })
    await client.connect()
    scope.after(() => client.destroy())
    return client
  },
  'node-redis, a pool': async (port, scope) => {
    const pool = createClientPool({ socket: { host: '127.0.0.1', port } })
    await pool.connect()
    scope.after(() => pool.destroy())
    return pool
  },
}

for (const flavour of available('redis', 'valkey')) {
  for (const [name, open] of Object.entries(CLIENTS)) {
    describe(`${flavour} through ${name}`, () => {
      const scope = scopeOf(after)
      let server: RedisServer
      let client: RedisClient
      before(async () => {
        server = await startRedis(scope, flavour)
        client = await open(server.port, scope)
      })
      engineContract({
        test,
        nativeExpiry: true,
        async create() {
          await server.ask('FLUSHALL')
          return redis(client)
        },
      })
    })
  }
}
