/** `holdfast sweep`, `stats`, `migrate`: on a store that a real application made. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { App, folderOf, holdfast, linesOf } from './support.ts'

const MINUTE = 60_000

describe('sweep and stats', () => {
  test('what is past being remembered is deleted, all of it, and no more', async (t) => {
    const app = new App(t, { idle: '1m', absolute: '2m', remembrance: '1s', renewal: '15m' })
    const old = await app.login('old', { now: Date.now() - 60 * MINUTE })
    const record = (await app.engine.load(old.id))!
    // More than one batch.
    for (let n = 1; n < 1_200; n++) await app.engine.create({ ...record, id: `${n}`.padStart(22, '0') })
    const { id } = await app.login('ada')
    const before = await holdfast(['stats', '--store', app.store, '--json'])
    assert.deepEqual(JSON.parse(before.stdout).sessions, 1_201)
    const { exit, stdout } = await holdfast(['sweep', '--store', app.store, '--json'])
    assert.deepEqual([exit, stdout], [0, '{"swept":1200}\n'])
    const after = await holdfast(['list', '--store', app.store, '--all', '--json'])
    assert.deepEqual(
      linesOf(after.stdout).map((session) => session.id),
      [id],
    )
  })

  test('stats count what is live, and what ended the rest', async (t) => {
    const app = new App(t)
    const out = await app.login('ada')
    await app.ask({ method: 'POST', cookie: out.token }, (session) => session.terminate())
    await app.login('ada', { now: Date.now() - 40 * MINUTE })
    await app.login('ada')
    await app.ask({ method: 'POST' }, (session) => session.authenticate('bob', { remember: true }))
    await app.ask({ method: 'POST' }, (session) => session.set('cart', 1))
    const { stdout } = await holdfast(['stats', '--store', app.store, '--json'])
    const { oldestAt, ...counted } = JSON.parse(stdout)
    assert.ok(Date.now() - oldestAt < MINUTE)
    assert.deepEqual(counted, {
      sessions: 5,
      live: 3,
      authenticated: 2,
      remembered: 1,
      users: 2,
      ended: { logout: 1, 'expired (idle)': 1 },
    })
    const words = (await holdfast(['stats', '--store', app.store])).stdout
    assert.match(words, /^live +3$/m)
    assert.match(words, /^logout +1$/m)
  })
})

describe('migrate', () => {
  test('makes a store and an audit log, and a second time changes nothing', async (t) => {
    const folder = folderOf(t)
    const args = ['migrate', '--store', `sqlite:${join(folder, 'new.db')}`, '--audit', 'sqlite:audit.db']
    for (let time = 0; time < 2; time++) {
      const { exit, stderr } = await holdfast(args, { cwd: folder })
      assert.deepEqual([exit, stderr], [0, 'The sqlite store is ready.\nThe audit log is ready.\n'])
    }
    const database = new DatabaseSync(join(folder, 'new.db'))
    assert.deepEqual(database.prepare('SELECT count(*) AS n FROM holdfast_sessions').get()!.n, 0)
    database.close()
    const audit = new DatabaseSync(join(folder, 'audit.db'))
    assert.deepEqual(audit.prepare('SELECT count(*) AS n FROM holdfast_audit').get()!.n, 0)
    audit.close()
  })
})
