/** The engine by its URL, and the races of several server processes on it. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openEngine } from '../../../src/engines/open.ts'
import { recordOf, refusal } from '../../core/fixtures.ts'
import { Client, startDemo } from '../../demo/demo-process.ts'
import { raceAllAtOnce, raceProcesses } from '../../races/processes.ts'
import { freePort, temporaryFolder } from '../process.ts'
import { databaseOf, missing, PostgresServer } from './server.ts'

const server = missing ? null! : await PostgresServer.start({ after })

describe('postgres: by its URL', { skip: missing }, () => {
  test('it names the server, the database, the role, the schema and the prefix, and what pg knows besides', async () => {
    const url = await server.database()
    const database = databaseOf(url)
    await server.query('CREATE SCHEMA "Mein Schema"', database)
    const engine = await openEngine(`${url}?schema=Mein%20Schema&prefix=app&application_name=shop`)
    assert.equal(await engine.create(recordOf()), true)
    const rows = await server.query('SELECT user_id FROM "Mein Schema".app_sessions', database)
    assert.deepEqual(rows, [{ user_id: 'ada' }])
    const connections = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'shop'`
    assert.deepEqual(await server.query(connections), [{ n: 1 }])
    await engine.close!()
    await assert.rejects(async () => engine.load('x'), { code: 'ERR_ENGINE' })
  })

  test('two demos share their sessions on it, and an end on one counts on the other', async (t) => {
    const url = await server.database()
    const args = ['--database', join(temporaryFolder(t, 'demo'), 'demo.db'), '--engine', url]
    const [one, other] = [await startDemo(...args), await startDemo(...args)]
    t.after(() => Promise.all([one.stop(), other.stop()]))
    const ada = new Client(one.url)
    assert.equal((await ada.logIn('ada', 'analytical-engine')).status, 303)
    const elsewhere = new Client(other.url, undefined, ada.cookies)
    assert.equal((await elsewhere.get('/account')).status, 200)
    const rows = await server.query('SELECT DISTINCT user_id FROM holdfast_users', databaseOf(url))
    assert.deepEqual(rows, [{ user_id: 'ada' }])
    assert.equal((await elsewhere.submit('/logout', {}, '/account')).status, 303)
    assert.notEqual((await ada.get('/account')).status, 200)
  })

  test('a server that is not there, or refuses, is an error that names no password', async () => {
    const port = await freePort()
    for (const place of [`127.0.0.1:${port}/x`, `127.0.0.1:${server.port}/none`])
      await assert.rejects(
        openEngine(`postgres://u:secret@${place}`),
        refusal('ERR_ENGINE', /postgres: (?!.*secret)/),
      )
  })

  test('a URL that makes no sense is refused, without repeating it', async () => {
    for (const url of ['postgres://u:secret@:x/y', 'postgres://u:secret@h/d?prefix=%22'])
      await assert.rejects(openEngine(url), refusal('ERR_OPTION', /^(?!.*secret)/))
  })
})

if (!missing) {
  let races = 0
  const database = await server.database()
  const openStore = () => `${database}?prefix=race${++races}`
  raceProcesses('PostgreSQL', openStore)
  raceAllAtOnce('PostgreSQL', openStore)
}
