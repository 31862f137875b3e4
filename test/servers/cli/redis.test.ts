/** The command line on a Redis that holds an application's sessions. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEngine } from '../../../src/engines/open.ts'
import { App, holdfast, linesOf } from '../../cli/support.ts'
import { available, startRedis } from '../redis/server.ts'

for (const flavour of available('redis')) {
  test(`${flavour}: list, show, stats, revoke, and a server that is down`, {
    timeout: 120_000,
  }, async (t) => {
    const { port, process } = await startRedis(t, flavour)
    const store = `redis://127.0.0.1:${port}`
    const engine = await openEngine(store)
    const app = new App(t, {}, () => engine)
    const { id, token } = await app.login('ada')
    for (let n = 0; n < 40; n++) await app.login(`user${n}`)
    const env = { HOLDFAST_STORE: store }
    const { stdout } = await holdfast(['list', '--json', '--limit', '500'], { env })
    assert.equal(new Set(linesOf(stdout).map((session) => session.id)).size, 41)
    assert.equal(linesOf(stdout).length, 41, 'a scan may repeat some, and the list must not')
    assert.match((await holdfast(['show', id], { env })).stdout, /^user +ada$/m)
    assert.equal(JSON.parse((await holdfast(['stats', '--json'], { env })).stdout).users, 41)
    assert.equal((await holdfast(['revoke', '--user', 'ada', '--yes'], { env })).stdout, '1 session ended\n')
    await app.ask({ cookie: token }, (session) => assert.equal(session.userId, null))
    await process.kill()
    const down = await holdfast(['list'], { env })
    assert.deepEqual([down.exit, down.stdout], [3, ''])
    assert.match(down.stderr, new RegExp(`no server answers at 127\\.0\\.0\\.1:${port}`))
  })
}
