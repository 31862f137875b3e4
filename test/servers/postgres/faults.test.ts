/**
 * What can happen to a PostgreSQL, done to a real one, with whole requests on it: each ends in an answer or a 503, what was
 * acknowledged is there afterwards, and nobody has to start anything again.
 */

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions } from '../../../src/index.ts'
import { Client, codeOf, KEYS, serve } from '../../attacks/support.ts'
import { Load } from '../load.ts'
import { Wire } from '../wire.ts'
import { databaseOf, missing, PostgresServer } from './server.ts'
import { answersAgain, CLIENTS, engineBy } from './support.ts'

/** It writes as it would in earnest: these tests are about what survives. */
const server = missing ? null! : await PostgresServer.start({ after }, [])

for (const client of CLIENTS) {
  describe(`postgres, by ${client}: faults`, { skip: missing, timeout: 120_000 }, () => {
    test('killed under load, all of it, three times: nothing acknowledged is lost, nothing is revived', async (t) => {
      const url = await server.database()
      const sessions = createSessions<{ count: number }>({
        engine: engineBy(server, client, url),
        keys: KEYS,
      })
      const load = new Load(sessions)
      await load.start()
      for (let kill = 0; kill < 3; kill++) {
        await load.answers(100)
        await server.kill()
        // A server of ours that starts while the store is down.
        const late = serve({ engine: engineBy(server, client, url) })
        assert.equal(await codeOf(new Client(late).login('late')), 'ERR_ENGINE')
        await load.refusals(10)
        await server.restart()
        await load.everybody()
        await answersAgain(late)
      }
      await load.stop()
      await load.check()
      t.diagnostic(JSON.stringify(load.totals))
    })

    test('frozen for five seconds: 503, no storm afterwards, and all is as it was', async (t) => {
      const url = await server.database()
      const app = serve({ engine: engineBy(server, client, url) })
      const users = Array.from({ length: 8 }, () => new Client(app))
      await Promise.all(users.map((user, n) => user.login(`user${n}`)))
      const before = await transactions(url)
      server.freeze()
      const frozen = performance.now()
      try {
        const codes = await Promise.all(
          users.flatMap((user) => Array.from({ length: 10 }, () => codeOf(user.copy().whoami()))),
        )
        assert.deepEqual(new Set(codes), new Set(['ERR_ENGINE']))
        await sleep(5_000 - (performance.now() - frozen))
      } finally {
        server.thaw()
      }
      await answersAgain(app)
      for (const [n, user] of users.entries()) assert.equal(await user.whoami(), `user${n}`)
      const since = (await transactions(url)) - before
      t.diagnostic(`${since} transactions, after 80 reads that were given up`)
      // What was given up runs once at most, and the checks of this test are some dozens.
      assert.ok(since < 80 + 40, `${since} transactions`)
    })

    test('cut between a commit and its answer: 503, it counts once, and the next request goes on', async (t) => {
      const wire = await Wire.open(t, server.port)
      const url = await server.database()
      const app = serve({ engine: engineBy(server, client, server.url(databaseOf(url), wire.port), 1) })
      const ada = new Client(app)
      await ada.login('ada')
      // By now its one connection has prepared the statement: the next answer is to the commit.
      await ada.send((session) => session.set('n', 0))
      const exchange = await ada.begin()
      exchange.session.update('n', (n) => Number(n ?? 0) + 1)
      wire.onAnswer = () => wire.cut()
      assert.equal(await codeOf(exchange.end()), 'ERR_ENGINE')
      wire.restore()
      await answersAgain(app)
      assert.equal((await ada.peek()).get('n'), 1, 'the server had it, and nobody did it twice')
      await ada.send((session) => session.update('n', (n) => Number(n) + 1))
      assert.equal((await ada.peek()).get('n'), 2)
      assert.equal(await ada.whoami(), 'ada')
    })

    test('cut before a commit arrives: 503, it counts not at all', async (t) => {
      const wire = await Wire.open(t, server.port)
      const url = await server.database()
      const app = serve({ engine: engineBy(server, client, server.url(databaseOf(url), wire.port)) })
      const ada = new Client(app)
      await ada.login('ada')
      const exchange = await ada.begin()
      exchange.session.terminate()
      wire.refuse()
      assert.equal(await codeOf(exchange.end()), 'ERR_ENGINE')
      wire.restore()
      await answersAgain(app)
      assert.equal(await ada.whoami(), 'ada', 'a logout that was answered by a 503 has not happened')
      await ada.send((session) => session.terminate())
      assert.equal(await ada.whoami(), null)
    })

    test('half open, bytes vanish and nobody is told: 503, and back when the wire is', async (t) => {
      const wire = await Wire.open(t, server.port)
      const url = await server.database()
      const app = serve({ engine: engineBy(server, client, server.url(databaseOf(url), wire.port)) })
      const ada = new Client(app)
      await ada.login('ada')
      wire.stall()
      const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(ada.copy().whoami())))
      assert.deepEqual(new Set(codes), new Set(['ERR_ENGINE']))
      wire.restore()
      await answersAgain(app)
      assert.equal(await ada.whoami(), 'ada')
    })
  })
}

/** How many transactions a database has seen. */
async function transactions(url: string): Promise<number> {
  const [row] = await server.query(
    `SELECT (xact_commit + xact_rollback)::int AS n FROM pg_stat_database WHERE datname = '${databaseOf(url)}'`,
  )
  return Number(row!.n)
}
