/** A Redis Cluster for the tests: three primaries with a replica each. @module */

import { freePort, type Scope } from '../process.ts'
import { type Flavour, type RedisServer, startRedis, until } from './server.ts'

const SLOTS = 16_384

export interface RedisCluster {
  /** First the three that began as primaries, then the three that began as their replicas, in the same order. */
  readonly nodes: readonly RedisServer[]
  /** Resolves when another node than `node` is the primary of its slots. */
  replaced(node: RedisServer): Promise<void>
  /** Which node is the primary of a key's slot, as `asked` sees it. */
  primaryOf(key: string, asked?: RedisServer): Promise<RedisServer>
}

/** @param nodeTimeout - after so many milliseconds of silence a primary counts as gone */
export async function startCluster(
  scope: Scope,
  flavour: Flavour,
  nodeTimeout = 2_000,
): Promise<RedisCluster> {
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-node-timeout': String(nodeTimeout),
    'cluster-require-full-coverage': 'no',
    // A new replica is served at once, or no failover could happen for the first five seconds.
    'repl-diskless-sync-delay': '0',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const nodes = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const bus = await freePort()
      return { bus, ...(await startRedis(scope, flavour, ...args, '--cluster-port', String(bus))) }
    }),
  )
  const [first] = nodes
  for (const { ask } of nodes)
    await ask('CLUSTER', 'MEET', '127.0.0.1', String(first!.port), String(first!.bus))
  const primaries = nodes.slice(0, 3)
  for (const [index, { ask }] of primaries.entries()) {
    const [from, to] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / 3))
    await ask('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to! - 1))
  }
  for (const [index, { ask }] of nodes.slice(3).entries()) {
    const id = String(await primaries[index]!.ask('CLUSTER', 'MYID'))
    await until(async () => (await ask('CLUSTER', 'REPLICATE', id)) === 'OK')
  }
  for (const { ask } of nodes) {
    await until(async () => {
      const shards = String(await ask('CLUSTER', 'NODES'))
        .trim()
        .split('\n')
      const replicas = shards.filter((line) => /slave/.test(line))
      const covered = /cluster_state:ok\r\n(.*\r\n)*cluster_slots_ok:16384/.test(
        String(await ask('CLUSTER', 'INFO')),
      )
      return shards.length === 6 && replicas.length === 3 && covered
    })
  }
  for (const { ask } of primaries) {
    await until(async () =>
      /state=online,offset=\d+,lag=[01]\b/.test(String(await ask('INFO', 'replication'))),
    )
  }

  async function primaryOf(key: string, asked = nodes[0]!): Promise<RedisServer> {
    const slot = Number(await asked.ask('CLUSTER', 'KEYSLOT', key))
    const ranges = (await asked.ask('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
    const range = ranges.find(([from, to]) => from <= slot && slot <= to)
    return nodes.find(({ port }) => port === range?.[2][1])!
  }

  return {
    nodes,
    primaryOf,
    async replaced(node) {
      const others = nodes.filter((each) => each !== node)
      await until(async () => {
        for (const other of others) {
          const shards = String(await other.ask('CLUSTER', 'NODES')).split('\n')
          const still = shards.some(
            (line) => line.includes(`:${node.port}@`) && /master/.test(line) && / \d+-\d+/.test(line),
          )
          if (still || !/cluster_slots_fail:0/.test(String(await other.ask('CLUSTER', 'INFO')))) return false
        }
        return true
      }, 60_000)
    },
  }
}
