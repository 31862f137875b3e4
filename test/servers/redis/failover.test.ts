/** What happens to sessions when a Cluster loses a primary, killed or hung, and a replica takes its place. */

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { Cluster } from 'ioredis'
import { Cluster as ValkeyCluster } from 'iovalkey'
import { createCluster } from 'redis'
import type { Engine } from '../../../src/core/engine.ts'
import { createSessions } from '../../../src/create-sessions.ts'
import { openEngine } from '../../../src/engines/open.ts'
import { redis } from '../../../src/engines/redis.ts'
import { KEY } from '../../core/fixtures.ts'
import { Load } from '../load.ts'
import { startCluster } from './cluster.ts'
import { available } from './server.ts'

type Open = (t: TestContext, port: number) => Promise<Engine>

const viaUrl: Open = async (t, port) => {
  const engine = await openEngine(`redis+cluster://127.0.0.1:${port}`)
  t.after(() => engine.close!())
  return engine
}

const viaIoredis: Open = async (t, port) => {
  const client = new Cluster([{ host: '127.0.0.1', port }])
  client.on('error', () => {})
  t.after(() => client.disconnect())
  return redis(client)
}

/** Without that option a client of this family goes on asking a primary that hangs. */
const viaIovalkey: Open = async (t, port) => {
  const client = new ValkeyCluster([{ host: '127.0.0.1', port }], { slotsRefreshInterval: 1_000 })
  client.on('error', () => {})
  t.after(() => client.disconnect())
  return redis(client)
}

/** Without these options it goes on asking the dead one for longer. */
const viaNodeRedis: Open = async (t, port) => {
  const client = createCluster({
    rootNodes: [{ socket: { host: '127.0.0.1', port } }],
    defaults: { disableOfflineQueue: true, socket: { socketTimeout: 1_500 } },
  })
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.destroy())
  return redis(client)
}

/** How each recovers from what; node-redis, whatever its options, doesn't leave a primary that hangs (docs/engines.md). */
const CASES: [
  flavour: 'redis' | 'valkey',
  name: string,
  open: Open,
  faults: readonly ('killed' | 'hung')[],
][] = [
  ['redis', 'holdfast/open', viaUrl, ['killed', 'hung']],
  ['redis', 'ioredis as it is', viaIoredis, ['killed']],
  ['redis', 'iovalkey', viaIovalkey, ['killed', 'hung']],
  ['redis', 'node-redis', viaNodeRedis, ['killed']],
  ['valkey', 'holdfast/open', viaUrl, ['killed', 'hung']],
]

const flavours = available('redis', 'valkey')

for (const [flavour, name, open, faults] of CASES) {
  if (!flavours.includes(flavour)) continue
  describe(`a Cluster of ${flavour} through ${name}`, () => {
    for (const fault of faults) {
      test(`a primary is ${fault}: a replica takes over, what has ended stays ended, nobody is logged out`, async (t) => {
        const cluster = await startCluster(t, flavour)
        const [first, second] = cluster.nodes
        // Not the node that the client asked first: it must find out by itself.
        const sessions = createSessions<{ count: number }>({ engine: await open(t, second!.port), keys: KEY })
        const load = new Load(sessions)
        await load.start()
        await load.answers(300)
        if (fault === 'killed') await first!.process.kill()
        else first!.process.freeze()
        const struck = performance.now()
        await cluster.replaced(first!)
        const replaced = performance.now()
        // All of them, and not only those whose keys lie elsewhere.
        await load.everybody()
        const recovered = performance.now()
        if (fault === 'hung') first!.process.thaw()
        await load.answers(300)
        await load.stop()
        await load.check({ mayLose: true })
        const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
        t.diagnostic(
          `replaced after ${seconds(replaced - struck)}, everybody served ${seconds(recovered - replaced)} later; ` +
            JSON.stringify(load.totals),
        )
        assert.ok(load.totals.refused > 0, 'nobody noticed: this proved nothing')
      })
    }
  })
}
