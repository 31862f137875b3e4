/** What the verbs cost the server, and what they do when others are at work. */

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, QueryResult } from 'pg'
import type { SessionRecord } from '../../../src/core/engine.ts'
import { type PgPool, postgres } from '../../../src/engines/postgres.ts'
import { Client, serve } from '../../attacks/support.ts'
import { HOUR, MINUTE, recordOf } from '../../core/fixtures.ts'
import { CARELESS, databaseOf, missing, PostgresServer } from './server.ts'

const watched = [...CARELESS, '-c', 'shared_preload_libraries=pg_stat_statements']
const server = missing ? null! : await PostgresServer.start({ after }, watched)
const START = Math.ceil(Date.now() / HOUR) * HOUR

describe('postgres: what requests cost, counted at the server', { skip: missing }, () => {
  for (const client of ['pg', 'postgres.js'] as const) {
    test(`${client}: one statement to read, two to touch as well, one more to write`, async () => {
      const url = await server.database()
      await server.query('CREATE EXTENSION pg_stat_statements', databaseOf(url))
      const app = serve({ engine: postgres(client === 'pg' ? server.pool(url) : server.sql(url)) })
      const ada = new Client(app)
      await ada.login('ada')

      assert.deepEqual(await statements(url, () => ada.whoami()), ['SELECT'])
      assert.deepEqual(await statements(url, () => ada.whoami({ headers: { cookie: '' } })), [])
      assert.deepEqual(await statements(url, () => ada.send((session) => session.set('a', 1))), [
        'SELECT',
        'UPDATE',
      ])
      app.clock.now += 2 * MINUTE
      assert.deepEqual(await statements(url, () => ada.whoami()), ['SELECT', 'UPDATE'])
      assert.deepEqual(await statements(url, () => ada.whoami()), ['SELECT'])
      const ended = await statements(url, () => ada.send((session) => session.terminate()))
      assert.deepEqual(ended, ['SELECT', 'UPDATE', 'SELECT', 'UPDATE'].sort())
    })
  }

  for (const client of ['pg', 'postgres.js'] as const) {
    test(`${client}: reads that are asked for at once are one statement, and each has an outcome of its own`, async () => {
      const url = await server.database()
      await server.query('CREATE EXTENSION pg_stat_statements', databaseOf(url))
      const engine = postgres(client === 'pg' ? server.pool(url) : server.sql(url, { fetch_types: false }))
      const ids = ['plain', 'with"quote', 'back\\slash', '{braces},', 'NULL', '"', '\0', '\ud800', '', ' ']
      for (const id of ids) await engine.create(recordOf({ id }))
      await engine.create(recordOf({ id: 'broken' }))
      await server.query("UPDATE holdfast_sessions SET record = '{' WHERE id = 'broken'", databaseOf(url))
      let found: PromiseSettledResult<SessionRecord | undefined>[] = []
      const sent = await statements(url, async () => {
        found = await Promise.allSettled([...ids, 'absent', 'plain', 'broken'].map((id) => engine.load(id)))
      })
      assert.deepEqual(sent, ['SELECT'])
      const outcomes = found.map((each) => (each.status === 'fulfilled' ? each.value?.id : each.status))
      assert.deepEqual(outcomes, [...ids, undefined, 'plain', 'rejected'])
    })
  }

  test('an id that the database has no place for fails nobody who reads at the same moment', async () => {
    await server.query(
      "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    const engine = postgres(server.pool(server.url('latin')))
    for (const id of ['a', 'b']) await engine.create(recordOf({ id }))
    const found = await Promise.allSettled(['a', '€', 'b'].map((id) => engine.load(id)))
    const outcomes = found.map((each) => (each.status === 'fulfilled' ? each.value?.id : each.status))
    assert.deepEqual(outcomes, ['a', 'rejected', 'b'])
  })

  test('a read goes by the primary key, and is planned once for each connection', async () => {
    const pool = server.pool(await server.database(), { max: 1 })
    const engine = postgres(pool)
    for (let n = 0; n < 300; n++) {
      await engine.load('x')
      await engine.create(recordOf({ id: `session-${n}` }))
    }
    const prepared = await pool.query("SELECT * FROM pg_prepared_statements WHERE name ~ '_load_'")
    const { name, generic_plans } = prepared.rows[0]
    assert.equal(generic_plans, '295')
    for (const before of ['SELECT 1', 'ANALYZE']) {
      await pool.query(before)
      const { rows } = await pool.query(`EXPLAIN EXECUTE ${name} ('["a","b"]')`)
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      assert.match(plan, /Index Scan using holdfast_sessions_pkey/)
    }
  })

  test('each statement is prepared once for each connection, and not at all with prepare: false', async () => {
    for (const [prepare, expected] of [
      [true, ['holdfast_load', 'holdfast_touch']],
      [false, []],
    ] as const) {
      const pool = server.pool(await server.database(), { max: 1 })
      const engine = postgres(pool, { prepare })
      for (let n = 0; n < 3; n++) {
        await engine.load('x')
        await engine.touch('x', 1, 1, 1)
      }
      const { rows } = await pool.query('SELECT name FROM pg_prepared_statements ORDER BY name')
      assert.deepEqual(
        rows.map(({ name }) => name.replace(/_[0-9a-f]{16}$/, '')),
        expected,
      )
    }
  })

  test('touching stays HOT: no index changes but once an hour', async (t) => {
    const pool = server.pool(await server.database(), { max: 1 })
    const engine = postgres(pool)
    const records = Array.from({ length: 100 }, (_, n) =>
      recordOf({ id: `session-${n}`, version: 1, seenAt: START, expiresAt: START + HOUR / 2 + n * 1_000 }),
    )
    for (const record of records) await engine.create(record)
    for (let minute = 1; minute <= 40; minute++) {
      for (const { id, seenAt, expiresAt } of records)
        assert.equal(await engine.touch(id, 1, seenAt + minute * MINUTE, expiresAt + minute * MINUTE), true)
    }
    const { updates, hot } = await updatesOf(pool, 4_000)
    t.diagnostic(`${hot} of ${updates} touches were HOT`)
    // Each session enters a new hour once: those 100 can't be. Few of the others find their page full.
    assert.ok(hot <= updates - 99 && hot >= 0.93 * updates, `${hot} of ${updates}`)
  })

  test('a first touch stays HOT, too: a page that was filled with new sessions has room', async (t) => {
    const pool = server.pool(await server.database(), { max: 1 })
    const engine = postgres(pool)
    const ids = Array.from({ length: 300 }, (_, n) => `session-${n}`)
    const [seenAt, expiresAt] = [START, START + HOUR / 2]
    for (const id of ids)
      await engine.create(recordOf({ id, version: 1, seenAt, expiresAt, data: `"${'x'.repeat(300)}"` }))
    for (const id of ids) await engine.touch(id, 1, seenAt + MINUTE, expiresAt + MINUTE)
    const { updates, hot } = await updatesOf(pool, 300)
    t.diagnostic(`${hot} of ${updates} first touches were HOT`)
    // Without that room, the first one on each page is not: one in eleven.
    assert.ok(hot >= 0.97 * updates, `${hot} of ${updates}`)
  })

  test('within an hour a sweep deletes what has expired, and what has not takes none of its limit', async () => {
    const engine = postgres(server.pool(await server.database()))
    for (const [name, expiresAt] of Object.entries({ live: START + 30 * MINUTE, dead: START + MINUTE })) {
      for (let n = 0; n < 5; n++) await engine.create(recordOf({ id: `${name}-${n}`, expiresAt }))
    }
    assert.equal(await engine.sweep(START + 2 * MINUTE, 5), 5)
    assert.equal((await engine.load('live-0'))?.id, 'live-0')
  })

  test('a sweep goes by the index of hours', async () => {
    const url = await server.database()
    const pool = server.pool(url, { max: 1 })
    await postgres(pool).load('x')
    await pool.query('SET enable_seqscan = off')
    const plans = await plansOf(pool, (watched) => postgres(watched).sweep(START, 10))
    assert.match(plans, /Index Scan using holdfast_sessions_sweep_at/)
    assert.match(plans, /Index Scan using holdfast_users_sweep_at/)
  })
})

describe('postgres: what others do at the same moment', { skip: missing }, () => {
  test('a serialization failure at the commit is tried again, and the answer is the truth', async () => {
    for (const client of ['pg', 'postgres.js'] as const) {
      const url = await server.database()
      const engine = postgres(client === 'pg' ? server.pool(url) : server.sql(url))
      await engine.load('x')
      await refuseCommits(url, 3)
      assert.equal(await engine.create(recordOf({ version: 1 })), true)
      const attempts = await server.query('SELECT last_value::int AS n FROM attempts', databaseOf(url))
      assert.deepEqual(attempts, [{ n: 4 }], client)
      assert.equal((await engine.load(recordOf().id))?.version, 1)
    }
  })

  test('one that never ends is an error, after a bounded number of attempts, and has written nothing', async () => {
    const url = await server.database()
    const engine = postgres(server.pool(url))
    await engine.load('x')
    await refuseCommits(url, Number.MAX_SAFE_INTEGER)
    await assert.rejects(async () => engine.create(recordOf()), { code: 'ERR_ENGINE', message: /try again/ })
    const [row] = await server.query('SELECT last_value::int AS n FROM attempts', databaseOf(url))
    // Two seconds of pauses that grow to 32 ms at most, 16 on average.
    assert.ok(Number(row!.n) > 10 && Number(row!.n) < 400, `${row!.n} attempts`)
    assert.equal(await engine.load(recordOf().id), undefined)
  })

  test('any other refusal is an error at once, and nothing of the record is in its message', async () => {
    const url = await server.database()
    const engine = postgres(server.pool(url))
    await engine.load('x')
    await refuseCommits(url, Number.MAX_SAFE_INTEGER, '23514')
    const record = recordOf({ data: '{"card":"4111"}' })
    await assert.rejects(
      async () => engine.create(record),
      (error: Error) => {
        assert.doesNotMatch(error.message, /4111|current/)
        return true
      },
    )
    assert.deepEqual(await server.query('SELECT last_value::int AS n FROM attempts', databaseOf(url)), [
      { n: 1 },
    ])
  })

  test('a sweep skips what others hold, and takes it the next time', async () => {
    const url = await server.database()
    const pool = server.pool(url)
    const engine = postgres(pool)
    for (const id of ['a', 'b', 'c']) await engine.create(recordOf({ id, expiresAt: START }))
    const holder = await pool.connect()
    await holder.query("BEGIN; UPDATE holdfast_sessions SET version = version WHERE id = 'b'")
    assert.equal(await engine.sweep(START, 10), 2)
    await holder.query('COMMIT')
    holder.release()
    assert.equal(await engine.sweep(START, 10), 1)
  })

  test('two who sweep at once share the work: nothing is counted twice, no limit is passed', async () => {
    const url = await server.database()
    const engines = [postgres(server.pool(url)), postgres(server.pool(url))]
    for (let n = 0; n < 60; n++) await engines[0]!.create(recordOf({ id: `s${n}`, expiresAt: START - n }))
    let swept = 0
    for (let round = 0; round < 20 && swept < 60; round++) {
      const counts = await Promise.all(engines.map((engine) => engine.sweep(START, 7)))
      for (const count of counts) assert.ok(count <= 7)
      swept += counts.reduce((sum, count) => sum + count, 0)
    }
    assert.equal(swept, 60)
    assert.deepEqual(await server.query('SELECT id FROM holdfast_sessions', databaseOf(url)), [])
  })

  test('closed, the engine answers no more, and the pool is still its owner\u2019s', async () => {
    const pool = server.pool(await server.database())
    const engine = postgres(pool)
    await engine.create(recordOf())
    await engine.close?.()
    await engine.close?.()
    await assert.rejects(async () => engine.load(recordOf().id), { code: 'ERR_ENGINE', message: /closed/ })
    assert.equal((await pool.query('SELECT 1 AS one')).rows[0].one, 1)
  })
})

/** The statements that ran in a database while `work` did, by their first words, sorted. */
async function statements(url: string, work: () => Promise<unknown>): Promise<string[]> {
  const database = databaseOf(url)
  await server.query('SELECT pg_stat_statements_reset()', database)
  await work()
  const rows = await server.query(
    `SELECT upper(split_part(query, ' ', 1)) AS word, calls::int FROM pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query NOT LIKE '%pg_stat_statements%'`,
    database,
  )
  return rows.flatMap(({ word, calls }) => Array.from({ length: Number(calls) }, () => String(word))).sort()
}

/** What the server counted, once it has counted all that came by the pool's one connection. */
async function updatesOf(pool: Pool, expected: number): Promise<{ updates: number; hot: number }> {
  await pool.query('SELECT pg_stat_force_next_flush()')
  for (;;) {
    const { rows } = await pool.query(
      `SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables
       WHERE relname = 'holdfast_sessions'`,
    )
    if (rows[0].updates >= expected) return rows[0]
    await sleep(20)
  }
}

/** How the server would run whatever statements `work` sends. */
async function plansOf(pool: Pool, work: (watched: PgPool) => unknown): Promise<string> {
  const sent: { readonly text: string; readonly values: unknown[] }[] = []
  const connect: PgPool['connect'] = (done) =>
    pool.connect((error, client) => {
      if (!client) return done(error, undefined)
      const query = client.query.bind(client)
      const watched = Object.create(client, {
        query: {
          value: (statement: (typeof sent)[0], answered: (error: Error, result: QueryResult) => void) => {
            sent.push({ ...statement })
            query(statement, answered)
          },
        },
      })
      done(undefined, watched)
    })
  await work({ totalCount: 0, options: {}, connect })
  const plans = []
  for (const { text, values } of sent) {
    const { rows } = await pool.query(`EXPLAIN ${text}`, values)
    plans.push(...rows.map((row) => row['QUERY PLAN']))
  }
  return plans.join('\n')
}

/** The first `times` commits of new sessions fail as the isolation level `serializable` makes them fail: at the very end. */
async function refuseCommits(url: string, times: number, code = '40001'): Promise<void> {
  await server.query(
    `CREATE SEQUENCE attempts;
     CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF nextval('attempts') <= ${times} THEN RAISE EXCEPTION 'try again' USING ERRCODE = '${code}'; END IF;
       RETURN NULL;
     END $$;
     CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON holdfast_sessions
       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
    databaseOf(url),
  )
}
