/** The engine by its URL, and the races of several server processes on it. */

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { openEngine } from '../../../src/engines/open.ts'
import { recordOf, refusal } from '../../core/fixtures.ts'
import { raceProcesses } from '../../races/processes.ts'
import { freePort } from '../process.ts'
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
  raceProcesses('PostgreSQL', () => `${database}?prefix=race${++races}`)
}
