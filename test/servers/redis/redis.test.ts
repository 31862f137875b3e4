/** What the Redis engine promises beyond the contract: what it costs, what it writes, and when a replica has it. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { Engine, SessionRecord } from '../../../src/core/engine.ts'
import { createSessions } from '../../../src/create-sessions.ts'
import { redis } from '../../../src/engines/redis.ts'
import { Browser, KEY, login, post, recordOf, refusal, visit } from '../../core/fixtures.ts'
import { Wire } from '../wire.ts'
import { available, startRedis, startReplica, until } from './server.ts'

const HOUR = 3_600_000

/** What connections, and the test itself, send besides. */
const ASIDE = /^(info|config|client|hello|ping|command|select|replconf|psync|script)\b/

function open(t: TestContext, port: number, options: object = {}): Redis {
  const client = new Redis(port, '127.0.0.1', options)
  client.on('error', () => {})
  t.after(() => client.disconnect())
  return client
}

/** The calls of each command since the last time, those that scripts made not counted. */
async function callsOf(client: Redis): Promise<Record<string, number>> {
  const text = await client.info('commandstats')
  await client.config('RESETSTAT')
  const lines = [...text.matchAll(/cmdstat_([\w|-]+):calls=(\d+)/g)]
  const counts = lines.map(([, name, calls]) => [name!, Number(calls)] as const)
  return Object.fromEntries(counts.filter(([name]) => !ASIDE.test(name)))
}

function fresh(id: string, changes: Parameters<typeof recordOf>[0] = {}) {
  const now = Date.now()
  return recordOf({ id, version: 1, createdAt: now, seenAt: now, expiresAt: now + HOUR, ...changes })
}

for (const flavour of available('redis', 'valkey')) {
  describe(flavour, () => {
    test('P8 a read-only request is one command and one round trip; so is a swap', async (t) => {
      const { port } = await startRedis(t, flavour)
      const wire = await Wire.open(t, port)
      const [client, observer] = [open(t, wire.port), open(t, port)]
      const sessions = createSessions({ engine: redis(client), keys: KEY })
      const browser = new Browser()
      const at = { now: Date.now() }
      await login(sessions, browser, 'ada', at)
      // Each script is sent whole once, when the server says that it doesn't know it.
      await visit(sessions, browser, post(at), (session) => session.set('a', 1))
      await visit(sessions, browser, { now: at.now + 120_000 }, () => {})
      await callsOf(observer)

      let trips = 0
      wire.onRequest = () => trips++
      await visit(sessions, browser, at, (session) => assert.equal(session.get('a'), 1))
      assert.deepEqual(await callsOf(observer), { mget: 1 })
      assert.equal(trips, 1)

      await visit(sessions, browser, post(at), (session) => session.set('a', 2))
      // What the script runs inside is counted by the server as well.
      const write = { evalsha: 1, getrange: 1, set: 1 }
      assert.deepEqual(await callsOf(observer), { mget: 1, ...write })
      assert.equal(trips, 3)

      await visit(sessions, browser, { now: at.now + 240_000 }, () => {})
      const touch = { evalsha: 1, getrange: 1, setrange: 1, pexpireat: 1 }
      assert.deepEqual(await callsOf(observer), { mget: 1, ...touch })
      assert.equal(trips, 5)
    })

    test('reads that are asked for at once are one command, and each has an outcome of its own', async (t) => {
      const { port } = await startRedis(t, flavour)
      const wire = await Wire.open(t, port)
      const [client, observer] = [open(t, wire.port, { maxRetriesPerRequest: 0 }), open(t, port)]
      const nodeRedis = await createClient({ url: `redis://127.0.0.1:${wire.port}` })
        .on('error', () => {})
        .connect()
      t.after(() => nodeRedis.destroy())
      const ids = Array.from({ length: 120 }, (_, n) => `session-${n}`)
      for (const id of ids) await redis(client).create(fresh(id))
      await observer.set('holdfast:s:session-7', 'rubbish')
      await observer.del('holdfast:s:session-8')
      for (const engine of [redis(client), redis(nodeRedis)]) {
        await callsOf(observer)
        const found = await Promise.allSettled(ids.map((id) => engine.load(id)))
        assert.deepEqual(await callsOf(observer), { mget: 2 })
        for (const [n, outcome] of found.entries()) {
          if (n === 7) assert.equal(outcome.status, 'rejected')
          else assert.equal(outcome.status === 'fulfilled' && outcome.value?.id, n === 8 ? undefined : ids[n])
        }
        // What fails for all fails for nobody who comes later.
        wire.onAnswer = () => wire.cut()
        const cut = await Promise.allSettled([engine.load('session-1'), engine.load('session-2')])
        assert.deepEqual(
          cut.map((each) => each.status),
          ['rejected', 'rejected'],
        )
        wire.onAnswer = null
        await until(async () => (await engine.load('session-1'))?.id === 'session-1')
      }
    })

    test('writes that are asked for at once are one script, and each has an outcome of its own', async (t) => {
      const { port } = await startRedis(t, flavour)
      const wire = await Wire.open(t, port)
      const [client, observer] = [open(t, wire.port), open(t, port)]
      const engine = redis(client)
      const ids = Array.from({ length: 120 }, (_, n) => `session-${n}`)
      const visitor = { userId: null }
      assert.ok((await Promise.all(ids.map((id) => engine.create(fresh(id, visitor))))).every(Boolean))
      await observer.del('holdfast:s:session-4', 'holdfast:s:session-5', 'holdfast:s:session-6')
      await observer.set('holdfast:s:session-4', `${'0'.repeat(15)}1${'rubbish '.repeat(10)}`)
      await observer.hset('holdfast:s:session-5', 'a', 'b')
      const replace = (expected: number) =>
        ids.map((id, n) =>
          engine.replace(
            fresh(id, { ...visitor, version: n === 7 ? 4 : expected + 1 }),
            n === 7 ? 3 : expected,
          ),
        )
      await callsOf(observer)
      const written = await Promise.allSettled(replace(1))
      assert.equal((await callsOf(observer)).evalsha, 2)
      for (const [n, outcome] of written.entries()) {
        if (n === 4 || n === 5) assert.equal(outcome.status, 'rejected')
        else assert.equal(outcome.status === 'fulfilled' && outcome.value, n !== 6 && n !== 7, ids[n])
      }
      // Sent again where the connection broke before the answer, each finds that it was written.
      wire.onAnswer = () => {
        wire.onAnswer = null
        wire.cut()
      }
      const again = await Promise.allSettled(replace(2))
      assert.equal(wire.onAnswer, null)
      assert.equal(again.filter((each) => each.status === 'fulfilled' && each.value).length, 116)
      assert.equal((await engine.load('session-0'))?.version, 3)
    })

    test('a server of a Cluster whose client knows of none is asked for each key alone', async (t) => {
      const { port, ask } = await startRedis(t, flavour, '--cluster-enabled', 'yes')
      await ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      await until(async () => String(await ask('CLUSTER', 'INFO')).includes('cluster_state:ok'))
      const [client, observer] = [open(t, port), open(t, port)]
      const engine = redis(client)
      const ids = ['a', 'b', 'c']
      for (let version = 1; version <= 3; version++) {
        const write = (id: string) => {
          const record = fresh(id, { userId: null, version })
          return version === 1 ? engine.create(record) : engine.replace(record, version - 1)
        }
        assert.deepEqual(await Promise.all(ids.map(write)), [true, true, true])
        const found = await Promise.all(ids.map((id) => engine.load(id)))
        assert.deepEqual(
          found.map((record) => record?.version),
          [version, version, version],
        )
      }
      // One for the first who wrote, and one for the first who read.
      assert.match(await observer.info('errorstats'), /errorstat_CROSSSLOT:count=2\b/)
    })

    test('what the server may not do for us is said as the server says it', async (t) => {
      const { port, ask } = await startRedis(t, flavour)
      await ask('ACL', 'SETUSER', 'app', 'on', 'nopass', '~*', '+@all', '-getrange')
      const engine = redis(open(t, port, { username: 'app', password: 'any' }))
      await assert.rejects(
        async () => engine.replace(fresh('a', { version: 2 }), 1),
        refusal('ERR_ENGINE', /ACL|permission|can't run/i),
      )
    })

    test('a full server refuses new sessions and what grows, and nothing else', async (t) => {
      const { port } = await startRedis(t, flavour)
      const client = open(t, port)
      const engine = redis(client)
      const big = { data: JSON.stringify({ text: 'x'.repeat(1_000) }) }
      for (const id of ['read', 'grows', 'shrinks', 'renews', 'ends', 'touched'])
        assert.equal(await engine.create(fresh(id, big)), true)
      const ledger = { userId: 'ada', version: 1, notBefore: 0, credential: null, sessions: [], ending: [] }
      assert.equal(await engine.replaceUser({ ...ledger, expiresAt: Date.now() + HOUR }, 0), true)
      await client.config('SET', 'maxmemory', '1')

      for (const userId of ['ada', null])
        await assert.rejects(async () => engine.create(fresh('new', { userId })), refusal('ERR_ENGINE_FULL'))
      const grown = fresh('grows', { version: 2, data: JSON.stringify({ text: 'x'.repeat(2_000) }) })
      await assert.rejects(async () => engine.replace(grown, 1), refusal('ERR_ENGINE_FULL'))
      assert.equal((await engine.load('grows'))?.version, 1)

      assert.equal((await engine.load('read'))?.data, big.data)
      const [shrunk, refused] = await Promise.allSettled([
        engine.replace(fresh('shrinks', { version: 2 }), 1),
        engine.replace(grown, 1),
      ])
      assert.equal(shrunk.status === 'fulfilled' && shrunk.value, true)
      assert.equal(refused.status, 'rejected')
      const renewed = { current: 'c'.repeat(43), parent: 'p'.repeat(43) }
      assert.equal(await engine.replace(fresh('renews', { ...big, version: 2, secrets: renewed }), 1), true)
      assert.equal(await engine.touch('touched', 1, Date.now() + 5, Date.now() + 2 * HOUR), true)
      const ended = { reason: 'logout', at: Date.now() } as const
      assert.equal(await engine.replace(fresh('ends', { version: 2, ended }), 1), true)
      assert.equal((await engine.load('ends'))?.ended?.reason, 'logout')
      const revoked = { ...ledger, version: 2, notBefore: Date.now(), expiresAt: Date.now() + HOUR }
      assert.equal(await engine.replaceUser(revoked, 1), true)
      await client.config('SET', 'maxmemory', '0')
      assert.equal(await engine.create(fresh('new')), true)
    })

    test('scripts that the server has forgotten are sent again', async (t) => {
      const { port, ask } = await startRedis(t, flavour)
      const engine = redis(open(t, port))
      for (let version = 1; version <= 3; version++) {
        await ask('SCRIPT', 'FLUSH')
        const record = fresh('a', { version })
        assert.equal(
          await (version === 1 ? engine.create(record) : engine.replace(record, version - 1)),
          true,
        )
      }
      await ask('SCRIPT', 'FLUSH')
      assert.equal(await engine.touch('a', 3, Date.now(), Date.now() + HOUR), true)
    })

    test('a write that the client sends again was written once, and is told so', async (t) => {
      const { port } = await startRedis(t, flavour)
      const wire = await Wire.open(t, port)
      // The default: what was unanswered when a connection broke is sent again on the next.
      const client = open(t, wire.port)
      const engine = redis(client)
      await engine.create(fresh('a', { userId: null }))
      let version = 1
      for (const write of ['replace', 'replace', 'tombstone'] as const) {
        let cuts = 0
        wire.onAnswer = () => {
          if (cuts++ === 0) wire.cut()
        }
        const ended = write === 'tombstone' ? ({ reason: 'logout', at: Date.now() } as const) : null
        assert.equal(await engine.replace(fresh('a', { version: version + 1, ended }), version), true)
        assert.ok(cuts > 1, 'no connection was cut')
        version++
      }
      wire.onAnswer = null
      assert.equal((await engine.load('a'))?.version, 4)
      assert.equal(await engine.replace(fresh('a', { version: 4 }), 3), false)
    })

    test("each key lives as long as its record's deadline, which moves forward only", async (t) => {
      const { port } = await startRedis(t, flavour)
      const client = open(t, port)
      const engine = redis(client, { prefix: 'my-app/' })
      const at = Date.now() + HOUR
      const deadline = () => client.pexpiretime('my-app/s:a')
      await engine.create(fresh('a', { expiresAt: at }))
      assert.equal(await deadline(), at)
      await engine.touch('a', 1, Date.now(), at + 5)
      assert.equal(await deadline(), at + 5)
      await engine.touch('a', 1, Date.now(), at)
      assert.equal(await deadline(), at + 5)
      const ended = { reason: 'logout', at: Date.now() } as const
      await engine.replace(fresh('a', { version: 2, ended, expiresAt: at - 5 }), 1)
      assert.equal(await deadline(), at + 5)
      assert.deepEqual(await client.keys('*'), ['my-app/s:a'])
    })

    test('another value than was asked for is a failure, and no session', async (t) => {
      const { port } = await startRedis(t, flavour)
      const client = open(t, port)
      const engine = redis(client)
      await engine.create(fresh('a'))
      await client.rename('holdfast:s:a', 'holdfast:s:b')
      await assert.rejects(async () => engine.load('b'), refusal('ERR_ENGINE', /another record/))
      await client.set('holdfast:s:c', 'rubbish with a secret')
      await assert.rejects(async () => engine.load('c'), refusal('ERR_ENGINE', /^(?!.*secret)/))
      await client.set('holdfast:s:e', `${'0'.repeat(68)}{"id":"e"}`)
      await assert.rejects(async () => engine.load('e'), refusal('ERR_ENGINE', /none of this package/))
      await client.del('holdfast:s:e')
      await client.hset('holdfast:s:d', 'a', 'b')
      // MGET takes it for nothing; whoever is told that there is no session reads once more before he believes it.
      await assert.rejects(async () => engine.load('d', { fresh: true }), refusal('ERR_ENGINE', /WRONGTYPE/))
      await client.hset('holdfast:u:eve', 'a', 'b')
      await assert.rejects(async () => engine.loadUser('eve'), refusal('ERR_ENGINE', /WRONGTYPE/))
      const ledger = { version: 1, notBefore: 0, credential: null, sessions: [], ending: [] }
      await engine.replaceUser({ userId: 'ada', ...ledger, expiresAt: Date.now() + HOUR }, 0)
      await client.rename('holdfast:u:ada', 'holdfast:u:bob')
      await assert.rejects(async () => engine.loadUser('bob'), refusal('ERR_ENGINE', /another ledger/))
    })
  })
}

/** As the engine has it, in milliseconds. */
const REPLICA_PATIENCE = 200

type Copied = SessionRecord | undefined

/** Waits until its replica answers so promptly that two logins in a row ask it. */
async function untilAsked(engine: Engine, observer: Redis): Promise<void> {
  let drawn = 0
  await until(async () => {
    await callsOf(observer)
    for (const part of ['a', 'b']) await engine.create(fresh(`asked-${drawn++}-${part}`))
    return (await callsOf(observer)).wait === 2
  })
}

describe('a primary with a replica', () => {
  const ended = { reason: 'logout', at: Date.now() } as const

  if (available('redis').length === 0) return

  test('logins and endings are answered when the replica has them, one round trip later; others at once', async (t) => {
    const primary = await startRedis(t, 'redis', '--repl-diskless-sync-delay', '0')
    const replicating = await Wire.open(t, primary.port)
    const replica = await startReplica(t, primary, replicating.port)
    replicating.delay(10)
    const wire = await Wire.open(t, primary.port)
    const [client, observer] = [open(t, wire.port), open(t, primary.port)]
    const engine = redis(client)
    const copy = redis(open(t, replica.port))
    await engine.create(fresh('first'))
    await engine.replace(fresh('first', { version: 2, ended }), 1)
    await callsOf(observer)
    const proven = { login: 0, ending: 0 }
    let drawn = 0
    const write = async (
      what: keyof typeof proven,
      id: string,
      work: () => unknown,
      check: (copied: Copied) => unknown,
    ) => {
      let trips = 0
      wire.onRequest = () => trips++
      const started = performance.now()
      assert.equal(await work(), true)
      const patient = performance.now() - started < REPLICA_PATIENCE
      const waits = (await callsOf(observer)).wait ?? 0
      // On a machine that does other things besides, a replica may be too late, and is not asked for a while.
      if (!patient || waits === 0) return
      assert.equal(waits, 1)
      assert.equal(trips, 2)
      assert.ok(check(await copy.load(id)))
      proven[what]++
    }
    await until(async () => {
      const id = `session-${drawn++}`
      await write(
        'login',
        id,
        () => engine.create(fresh(id)),
        (copied) => copied?.version === 1,
      )
      await write(
        'ending',
        id,
        () => engine.replace(fresh(id, { version: 2, ended }), 1),
        (copied) => copied?.ended?.reason === 'logout',
      )
      return proven.login >= 10 && proven.ending >= 10
    })
    await engine.create(fresh('visitor', { userId: null }))
    await engine.replace(fresh('visitor', { userId: null, version: 2 }), 1)
    await engine.load('visitor')
    assert.equal((await callsOf(observer)).wait, undefined)
  })

  test('a frozen replica delays few, and nobody for long; one that comes back is waited for again', async (t) => {
    const primary = await startRedis(t, 'redis', '--repl-diskless-sync-delay', '0')
    const replica = await startReplica(t, primary)
    const [client, observer] = [open(t, primary.port), open(t, primary.port)]
    const engine = redis(client)
    await untilAsked(engine, observer)
    replica.process.freeze()
    const many = Array.from({ length: 50 }, (_, index) => engine.create(fresh(`session-${index}`)))
    assert.ok((await Promise.all(many)).every(Boolean))
    for (let i = 0; i < 50; i++) assert.equal(await engine.create(fresh(`late-${i}`)), true)
    assert.equal((await callsOf(observer)).wait, 1, 'the first one waited in vain, and the others no more')
    replica.process.thaw()
    let drawn = 0
    await until(async () => {
      await engine.create(fresh(`later-${drawn++}`))
      return (await callsOf(observer)).wait === 1
    })
  })

  test('the permissions that docs/engines.md names are enough', async (t) => {
    const primary = await startRedis(t, 'redis', '--repl-diskless-sync-delay', '0')
    await startReplica(t, primary)
    const page = readFileSync(new URL('../../../docs/engines.md', import.meta.url), 'utf8')
    const rules = /`(~holdfast:\* [^`]+)`/.exec(page)![1]!.split(' ')
    await primary.ask('ACL', 'SETUSER', 'app', 'on', '>secret', ...rules)
    const engine = redis(open(t, primary.port, { username: 'app', password: 'secret' }))
    const observer = open(t, primary.port)
    assert.equal(await engine.create(fresh('a')), true)
    assert.equal(await engine.touch('a', 1, Date.now(), Date.now() + 2 * HOUR), true)
    assert.equal(await engine.replace(fresh('a', { version: 2, ended }), 1), true)
    assert.equal((await engine.load('a', { fresh: true }))?.version, 2)
    assert.equal((await engine.scan!({ limit: 100 })).records.length, 1)
    assert.ok(Number((await callsOf(observer)).wait) >= 1)
    assert.doesNotMatch(String(await primary.ask('ACL', 'LOG')), /reason/)
  })

  test('many at once share what they wait for', async (t) => {
    const primary = await startRedis(t, 'redis', '--repl-diskless-sync-delay', '0')
    const replicating = await Wire.open(t, primary.port)
    await startReplica(t, primary, replicating.port)
    replicating.delay(10)
    const [engine, observer] = [redis(open(t, primary.port)), open(t, primary.port)]
    await untilAsked(engine, observer)
    const ids = Array.from({ length: 200 }, (_, index) => `session-${index}`)
    await Promise.all(ids.map((id) => engine.create(fresh(id))))
    const waits = (await callsOf(observer)).wait ?? 0
    assert.ok(waits >= 1 && waits < 50, `${waits} waits`)
  })

  test('without a replica nobody waits', async (t) => {
    const { port } = await startRedis(t)
    const [client, observer] = [open(t, port), open(t, port)]
    const engine = redis(client)
    for (let i = 0; i < 5; i++) await engine.create(fresh(`session-${i}`))
    assert.equal((await callsOf(observer)).wait, undefined)
  })

  test('a fresh read is refused by a server that is no primary any more', async (t) => {
    const primary = await startRedis(t, 'redis', '--repl-diskless-sync-delay', '0')
    const replica = await startReplica(t, primary)
    const engine = redis(open(t, replica.port))
    await redis(open(t, primary.port)).create(fresh('a'))
    // A replica has it in its own time: nobody waited for this one.
    await until(async () => (await engine.load('a'))?.id === 'a')
    await assert.rejects(async () => engine.load('a', { fresh: true }), refusal('ERR_ENGINE', /READONLY/))
  })
})

test('a reply that is another command’s is a failure for all who asked', async () => {
  const outcomesOf = (reply: unknown, ask: (engine: Engine, id: string) => unknown) => {
    const engine = redis({ sendCommand: async () => reply })
    return Promise.allSettled(['a', 'b'].map((id) => ask(engine, id)))
  }
  const load = (engine: Engine, id: string) => engine.load(id)
  const write = (engine: Engine, id: string) => engine.replace(fresh(id, { version: 2 }), 1)
  const short = [['1'], [], '1', null]
  const strange = [
    [null, null],
    ['one', 'other'],
    ['a'.repeat(40), 'b'.repeat(40)],
  ]
  const outcomes = [
    ...short.map((reply) => outcomesOf(reply, load)),
    ...[...short, ...strange].map((reply) => outcomesOf(reply, write)),
  ]
  for (const outcome of (await Promise.all(outcomes)).flat()) {
    assert.equal(outcome.status, 'rejected')
    assert.match(String(outcome.reason), /none of this package/)
  }
})

test('options and clients that make no sense are refused', async () => {
  const client = createClient()
  for (const prefix of ['{a}', 'a*', 'a b', 5 as never])
    assert.throws(() => redis(client, { prefix }), refusal('ERR_OPTION', /prefix/))
  assert.throws(() => redis(client, { prefx: 'a' } as never), refusal('ERR_OPTION', /no option prefx/))
  for (const nothing of [undefined, null, 'redis://localhost', {}])
    assert.throws(() => redis(nothing as never), refusal('ERR_OPTION', /expected a client/))
})
