/** The near cache over Redis and Valkey, by each client whose connections can be told of changes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster, Redis } from 'ioredis'
import { Redis as Valkey } from 'iovalkey'
import { createClient, createClientPool } from 'redis'
import { nearCache } from '../../../src/engines/near-cache.ts'
import { redis } from '../../../src/engines/redis.ts'
import { type DuplicableClient, redisChannel } from '../../../src/engines/redis-channel.ts'
import type { Scope } from '../process.ts'
import { available, startRedis, until } from '../redis/server.ts'
import { nearCacheSuite } from './suite.ts'

const CLIENTS: Record<string, (scope: Scope, port: number) => Promise<DuplicableClient>> = {
  ioredis: async (scope, port) => {
    const client = new Redis(port, '127.0.0.1', { keyPrefix: 'app:' })
    client.on('error', () => {})
    scope.after(() => client.disconnect())
    return client
  },
  iovalkey: async (scope, port) => {
    const client = new Valkey(port, '127.0.0.1')
    client.on('error', () => {})
    scope.after(() => client.disconnect())
    return client
  },
  'node-redis': async (scope, port) => {
    const client = createClient({ socket: { host: '127.0.0.1', port } })
    client.on('error', () => {})
    await client.connect()
    scope.after(() => client.destroy())
    return client
  },
}

for (const flavour of available('redis', 'valkey')) {
  for (const [name, open] of Object.entries(CLIENTS)) {
    // Each client where it is at home; what the servers do is the same.
    if (name === (flavour === 'redis' ? 'iovalkey' : 'ioredis')) continue
    nearCacheSuite(`${flavour} through ${name}`, true, async (scope) => {
      const server = await startRedis(scope, flavour, '--appendonly', 'yes', '--appendfsync', 'always')
      const prefix = name === 'ioredis' ? 'app:' : ''
      return {
        port: server.port,
        engine: async (inner, port) => redis(await open(inner, port)),
        channel: async (inner, port) => redisChannel(await open(inner, port)),
        empty: async () => void (await server.ask('FLUSHALL')),
        async remove(id) {
          const key = id.replace(
            /[^\w.@+-]/g,
            (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
          )
          assert.equal(await server.ask('DEL', `${prefix}holdfast:s:${key}`), 1)
        },
        async restart() {
          await server.process.kill()
          await server.process.restart()
        },
      }
    })
  }

  test(`${flavour}: a user who may not track is told why, and reads from the server`, async (t) => {
    const server = await startRedis(t, flavour)
    await server.ask('ACL', 'SETUSER', 'app', 'on', '>pass', '~*', '+@all', '-client')
    const client = new Redis(server.port, '127.0.0.1', { username: 'app', password: 'pass' })
    client.on('error', () => {})
    t.after(() => client.disconnect())
    const near = nearCache(redis(client), { channel: redisChannel(client) })
    t.after(() => near.close?.())
    await until(() => {
      near.stats()
      return /NOPERM.*client/i.test(near.stats().problem ?? '')
    })
    assert.equal(await near.load('a'), undefined)
  })
}

test('a pool, a cluster and what is no client are refused', (t) => {
  const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true })
  t.after(() => cluster.disconnect())
  for (const client of [createClientPool(), cluster, {}, null]) {
    assert.throws(() => redisChannel(client as unknown as DuplicableClient), {
      code: 'ERR_OPTION',
      message: /no pool, and no cluster/,
    })
  }
})
