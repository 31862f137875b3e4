/** What happens to sessions when a Redis is killed, frozen, cut off or cut in the middle, through each kind of client. */

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Redis as Valkey } from 'iovalkey'
import { createClient } from 'redis'
import type { Engine } from '../../../src/core/engine.ts'
import { createSessions } from '../../../src/create-sessions.ts'
import { openEngine } from '../../../src/engines/open.ts'
import { redis } from '../../../src/engines/redis.ts'
import { KEY } from '../../core/fixtures.ts'
import { Load } from '../load.ts'
import { Wire } from '../wire.ts'
import { available, type RedisServer, startRedis } from './server.ts'

/** Each as its library makes it, and the one that `holdfast/open` makes. */
const ENGINES: Record<string, (t: TestContext, port: number) => Promise<Engine>> = {
  'holdfast/open': async (t, port) => {
    const engine = await openEngine(`redis://127.0.0.1:${port}`)
    t.after(() => engine.close!())
    return engine
  },
  ioredis: async (t, port) => {
    const client = new Redis(port, '127.0.0.1')
    client.on('error', () => {})
    t.after(() => client.disconnect())
    return redis(client)
  },
  iovalkey: async (t, port) => {
    const client = new Valkey(port, '127.0.0.1')
    client.on('error', () => {})
    t.after(() => client.disconnect())
    return redis(client)
  },
  'node-redis': async (t, port) => {
    const client = createClient({ socket: { host: '127.0.0.1', port } })
    client.on('error', () => {})
    await client.connect()
    t.after(() => client.destroy())
    return redis(client)
  },
}

interface Scene {
  readonly server: RedisServer
  readonly wire: Wire
  readonly load: Load
}

/**
 * A server that has each write on its disk before it answers, a wire to it, and users at work. With `everysec` it answers
 * first where the disk is slow, and a kill takes up to two seconds back.
 */
async function stage(t: TestContext, open: (typeof ENGINES)[string]): Promise<Scene> {
  const server = await startRedis(t, 'redis', '--appendonly', 'yes', '--appendfsync', 'always')
  const wire = await Wire.open(t, server.port)
  const sessions = createSessions<{ count: number }>({ engine: await open(t, wire.port), keys: KEY })
  const load = new Load(sessions)
  await load.start()
  await load.answers(300)
  return { server, wire, load }
}

async function finish(t: TestContext, load: Load): Promise<void> {
  await load.answers(300)
  await load.stop()
  await load.check()
  t.diagnostic(JSON.stringify(load.totals))
}

if (available('redis').length > 0) {
  for (const [name, open] of Object.entries(ENGINES)) {
    describe(`faults through ${name}`, () => {
      test('killed with SIGKILL and restarted: nothing acknowledged is lost, nothing is revived', async (t) => {
        const { server, load } = await stage(t, open)
        for (let kill = 0; kill < 3; kill++) {
          await server.process.kill()
          await load.refusals(5)
          await server.process.restart()
          await load.answers(100)
        }
        await finish(t, load)
      })

      test('frozen for 5 s: 503 within the deadline, then on as before, without a storm', async (t) => {
        const { server, load } = await stage(t, open)
        await server.ask('CONFIG', 'RESETSTAT')
        const before = load.totals.done + load.totals.refused
        server.process.freeze()
        await sleep(5_000)
        assert.ok(load.totals.refused > 0, 'nobody was refused')
        server.process.thaw()
        await finish(t, load)
        const requests = load.totals.done + load.totals.refused - before
        const stats = String(await server.ask('INFO', 'commandstats'))
        const calls = [...stats.matchAll(/cmdstat_(?:get|getex|evalsha):calls=(\d+)/g)]
        const sent = calls.reduce((sum, [, count]) => sum + Number(count), 0)
        t.diagnostic(`${sent} commands for ${requests} requests`)
        // A login takes six and a logout four, and each tenth request is one of them.
        assert.ok(sent < 4 * requests, `${sent} commands for ${requests} requests`)
      })

      test('connections cut in the middle of commits: nothing is lost, and nothing done twice', async (t) => {
        const { wire, load } = await stage(t, open)
        let answers = 0
        for (let cut = 0; cut < 20; cut++) {
          const wanted = answers + 1 + ((cut * 7) % 23)
          const done = load.answers(20)
          wire.onAnswer = () => {
            // The server has done it, and the client isn't told.
            if (++answers === wanted) wire.cut()
          }
          await done
        }
        await finish(t, load)
      })

      test('half open: a connection that swallows everything is given up for another', async (t) => {
        const { wire, load } = await stage(t, open)
        wire.stallOpen()
        await load.refusals(5)
        // Only a client that was told how long to wait for its socket notices by itself.
        if (name !== 'holdfast/open') wire.cut()
        await finish(t, load)
      })

      test('nobody listens for a while: refused at once or by the deadline, then on as before', async (t) => {
        const { wire, load } = await stage(t, open)
        wire.refuse()
        await load.refusals(10)
        wire.restore()
        await finish(t, load)
      })
    })
  }
}
