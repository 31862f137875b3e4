/** Connections that hang or end while the server goes on. */

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'
import { postgres } from '../../../src/engines/postgres.ts'
import { Client, codeOf, serve } from '../../attacks/support.ts'
import { databaseOf, missing, PostgresServer } from './server.ts'
import { answersAgain, CLIENTS, engineBy } from './support.ts'

const server = missing ? null! : await PostgresServer.start({ after })

describe('postgres: connections that hang', { skip: missing, timeout: 120_000 }, () => {
  for (const client of CLIENTS) {
    const when = client === 'pg' ? 'while they still hang' : 'when they go on'
    test(`${client}: connections whose backends hang: 503, and back ${when}`, async () => {
      const url = await server.database()
      const app = serve({ engine: engineBy(server, client, url, 4) })
      const ada = new Client(app)
      await ada.login('ada')
      await Promise.all(Array.from({ length: 20 }, () => ada.copy().whoami()))
      const thaw = await server.freezeConnections(databaseOf(url))
      try {
        assert.equal(await codeOf(ada.copy().whoami()), 'ERR_ENGINE')
        if (client === 'pg') await answersAgain(app)
      } finally {
        thaw()
      }
      await answersAgain(app)
      assert.equal(await ada.whoami(), 'ada')
    })
  }

  test('pg: whoever waits long for a connection does it no harm', async (t) => {
    const pool = new Pool({ connectionString: await server.database(), max: 1, query_timeout: 300 })
    t.after(() => pool.end())
    const engine = postgres(pool)
    await engine.load('x')
    const held = await pool.connect()
    const waiting = Promise.all(Array.from({ length: 3 }, () => engine.load('x')))
    await sleep(500)
    held.release()
    assert.deepEqual(await waiting, [undefined, undefined, undefined])
    assert.deepEqual([pool.totalCount, pool.idleCount, pool.waitingCount], [1, 1, 0])
  })

  test('a first use that hangs is not waited for by the next one', async () => {
    const url = await server.database()
    const sql = server.sql(url, { max: 2, fetch_types: false })
    await sql`SELECT 1`
    const engine = postgres(sql)
    const thaw = await server.freezeConnections(databaseOf(url))
    try {
      const first = Promise.resolve(engine.load('x'))
      assert.equal(await Promise.race([first, sleep(2_500, 'hanging')]), 'hanging')
      assert.equal(await engine.load('x'), undefined)
      thaw()
      assert.equal(await first, undefined)
    } finally {
      thaw()
    }
  })

  test('every connection terminated by an operator: back by itself', async () => {
    for (const client of CLIENTS) {
      const url = await server.database()
      const app = serve({ engine: engineBy(server, client, url) })
      const ada = new Client(app)
      await ada.login('ada')
      for (let round = 0; round < 3; round++) {
        const load = Promise.all(Array.from({ length: 20 }, () => codeOf(ada.copy().whoami())))
        await server.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${databaseOf(url)}'`,
        )
        for (const code of await load) assert.ok(code === 'none' || code === 'ERR_ENGINE', code)
        await answersAgain(app)
      }
      assert.equal(await ada.whoami(), 'ada', client)
    }
  })
})
