/** The contract on a Cluster, through each client that has one, and what only a Cluster does. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Cluster } from 'ioredis'
import { Cluster as ValkeyCluster } from 'iovalkey'
import { createCluster } from 'redis'
import { redis } from '../../../src/engines/redis.ts'
import type { RedisClient } from '../../../src/engines/redis-client.ts'
import { engineContract } from '../../../src/testing/engine-contract.ts'
import { recordOf } from '../../core/fixtures.ts'
import { type Scope, scopeOf } from '../process.ts'
import { type RedisCluster, startCluster } from './cluster.ts'
import { available, until } from './server.ts'

const HOUR = 3_600_000

const CLIENTS: Record<string, (port: number, scope: Scope) => Promise<RedisClient>> = {
  ioredis: async (port, scope) => {
    const client = new Cluster([{ host: '127.0.0.1', port }])
    scope.after(() => client.disconnect())
    return client
  },
  'ioredis that reads from replicas, with automatic pipelines and a key prefix': async (port, scope) => {
    const options = { scaleReads: 'slave', enableAutoPipelining: true, keyPrefix: 'app:' } as const
    const client = new Cluster([{ host: '127.0.0.1', port }], options)
    scope.after(() => client.disconnect())
    return client
  },
  iovalkey: async (port, scope) => {
    const client = new ValkeyCluster([{ host: '127.0.0.1', port }])
    scope.after(() => client.disconnect())
    return client
  },
  'node-redis that reads from replicas': async (port, scope) => {
    const client = createCluster({ rootNodes: [{ socket: { host: '127.0.0.1', port } }], useReplicas: true })
    client.on('error', () => {})
    await client.connect()
    scope.after(() => client.destroy())
    return client
  },
}

for (const flavour of available('redis', 'valkey')) {
  describe(`a Cluster of ${flavour}`, () => {
    const scope = scopeOf(after)
    let cluster: RedisCluster
    before(async () => {
      cluster = await startCluster(scope, flavour)
    })

    for (const [name, open] of Object.entries(CLIENTS)) {
      describe(`through ${name}`, () => {
        let client: RedisClient
        before(async () => {
          client = await open(cluster.nodes[0]!.port, scope)
        })
        engineContract({
          test,
          nativeExpiry: true,
          async create() {
            for (const { ask } of cluster.nodes.slice(0, 3)) await ask('FLUSHALL')
            return redis(client)
          },
        })

        test('keys are spread over the primaries, and a slot that moves is followed', async () => {
          const engine = redis(client)
          const now = Date.now()
          const ids = Array.from({ length: 60 }, (_, index) => `id-${index}`)
          const record = (id: string, version: number) =>
            recordOf({ id, version, seenAt: now, expiresAt: now + HOUR })
          await Promise.all(ids.map((id) => engine.create(record(id, 1))))
          for (const { ask } of cluster.nodes.slice(0, 3)) assert.ok(Number(await ask('DBSIZE')) > 0)

          const prefix = name.includes('prefix') ? 'app:' : ''
          const key = `${prefix}holdfast:s:${ids[0]}`
          const from = await cluster.primaryOf(key)
          const to = cluster.nodes.slice(0, 3).find((node) => node !== from)!
          const slot = String(await from.ask('CLUSTER', 'KEYSLOT', key))
          const [fromId, toId] = [
            String(await from.ask('CLUSTER', 'MYID')),
            String(await to.ask('CLUSTER', 'MYID')),
          ]
          await to.ask('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId)
          await from.ask('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId)
          const keys = (await from.ask('CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[]
          await from.ask('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys)
          // The slot is on its way: its old primary sends whoever asks for a key of it to the new one, once.
          assert.equal((await engine.load(ids[0]!))?.version, 1)
          assert.equal(await engine.replace(record(ids[0]!, 2), 1), true)
          for (const node of [to, from]) await node.ask('CLUSTER', 'SETSLOT', slot, 'NODE', toId)
          await until(async () => (await cluster.primaryOf(key, from)) === to)
          const ended = { reason: 'logout', at: now } as const
          assert.equal(await engine.replace({ ...record(ids[0]!, 3), ended }, 2), true)
          assert.equal((await engine.load(ids[0]!, { fresh: true }))?.version, 3)
        })
      })
    }
  })
}
