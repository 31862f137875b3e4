/** What can go wrong with a PostgreSQL besides, and with the clock of one of the servers that share it. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { Engine } from '../../../src/core/engine.ts'
import { postgres } from '../../../src/engines/postgres.ts'
import { Client, codeOf, type Server, serve } from '../../attacks/support.ts'
import { missing, PostgresServer } from './server.ts'
import { engineBy } from './support.ts'

const run = promisify(execFile)
const server = missing ? null! : await PostgresServer.start({ after }, [])

describe('postgres: what it refuses', { skip: missing, timeout: 120_000 }, () => {
  test('a standby, or a server that may only be read: sessions are read, and no write is believed', async () => {
    const url = await server.database()
    const app = serve({ engine: engineBy(server, 'pg', url) })
    const ada = new Client(app)
    await ada.login('ada')
    const reader = serve({
      engine: postgres(server.pool(url, { options: '-c default_transaction_read_only=on' })),
    })
    const moved = ada.copy().moveTo(reader)
    assert.equal(await moved.whoami(), 'ada')
    assert.equal(await codeOf(moved.send((session) => session.terminate())), 'ERR_ENGINE')
    assert.equal(await ada.whoami(), 'ada')
  })

  test('a full disk: writes are 503 and reads go on; with room again, all that was acknowledged is there', async (t) => {
    const disk = await smallDisk(t, 16)
    if (!disk) return
    await server.query(`CREATE TABLESPACE small LOCATION '${disk.folder}'`)
    await server.query('CREATE DATABASE full_disk TABLESPACE small')
    const pool = server.pool(server.url('full_disk'))
    const app = serve({ engine: postgres(pool) })
    const stored: Client[] = []
    let code = 'none'
    for (let n = 0; n < 2_000 && code === 'none'; n++) {
      const user = new Client(app)
      code = await codeOf(
        user.login(`user${n}`).then(() => user.send((session) => session.set('x', noise()))),
      )
      if (code === 'none') stored.push(user)
    }
    assert.equal(code, 'ERR_ENGINE', `${stored.length} users fit`)
    const causes = app.events.filter(({ name }) => name === 'engine_failure').map(({ reason }) => reason)
    assert.match(String(causes[0]), /No space left on device/)
    t.diagnostic(`full after ${stored.length} users`)
    assert.ok(stored.length > 10)
    for (const [n, user] of stored.entries()) assert.equal((await user.peek()).userId, `user${n}`)
    await disk.grow()
    await stored[0]!.send((session) => session.terminate())
    assert.equal(await stored[0]!.whoami(), null)
    for (const [n, user] of stored.entries()) {
      if (n === 0) continue
      const session = await user.peek()
      assert.deepEqual([session.userId, String(session.get('x')).length], [`user${n}`, NOISE])
    }
  })
})

describe("postgres: one of two servers' clock jumps", { skip: missing, timeout: 120_000 }, () => {
  async function twoServers(): Promise<[right: Server, wrong: Server, wrongEngine: Engine]> {
    const url = await server.database()
    const engines = [engineBy(server, 'pg', url), engineBy(server, 'pg', url)] as const
    return [serve({ engine: engines[0] }), serve({ engine: engines[1] }), engines[1]]
  }

  test('days ahead, it sweeps what others still use: they are logged out, and nothing comes back', async () => {
    const [right, wrong, wrongEngine] = await twoServers()
    const [ada, grace] = [new Client(right), new Client(right)]
    await ada.login('ada')
    await grace.login('grace')
    const thief = grace.copy()
    await grace.send((session) => session.terminate())
    const slow = await ada.begin()
    slow.session.set('late', true)

    wrong.clock.now += 40 * 24 * 3_600_000
    assert.ok((await wrongEngine.sweep(wrong.clock.now, 1_000)) >= 2)
    assert.equal(await codeOf(slow.end()), 'ERR_SESSION_ENDED')
    for (const app of [right, wrong]) {
      assert.equal(await ada.copy().moveTo(app).whoami(), null)
      assert.equal(await thief.copy().moveTo(app).whoami(), null)
    }
    await ada.login('ada')
    assert.equal(await ada.whoami(), 'ada')
  })

  test('twenty minutes ahead, its touches are not undone by the others, and prolong nothing beyond its own jump', async () => {
    const [right, wrong] = await twoServers()
    const ada = new Client(right)
    await ada.login('ada')
    // Less than the idle timeout, or the session would just have expired there.
    wrong.clock.now += 20 * 60_000
    assert.equal(await ada.copy().moveTo(wrong).whoami(), 'ada')
    right.clock.now += 5 * 60_000
    assert.equal(await ada.whoami(), 'ada')
    right.clock.now += 44 * 60_000
    assert.equal(
      await ada.copy().whoami(),
      'ada',
      'within 30 minutes of the latest use, by the clock that ran ahead',
    )
    right.clock.now += 31 * 60_000
    assert.equal(await ada.copy().whoami(), null)
  })

  test('an hour behind, it brings no ended session back', async () => {
    const [right, wrong] = await twoServers()
    const ada = new Client(right)
    await ada.login('ada')
    const thief = ada.copy()
    await ada.send((session) => session.terminate())
    wrong.clock.now -= 3_600_000
    assert.equal(await thief.copy().moveTo(wrong).whoami(), null)
    const late = thief.copy().moveTo(wrong)
    await late.send((session) => session.set('a', 1))
    assert.equal((await late.peek()).userId, null)
    assert.equal(await thief.copy().whoami(), null)
  })
})

/** What no compression makes smaller. */
const NOISE = 60_000
function noise(): string {
  return randomBytes(NOISE / 2).toString('hex')
}

/** A file system of its own, which only root may make. */
async function smallDisk(t: TestContext, megabytes: number) {
  const folder = join(server.folder, 'disk')
  try {
    mkdirSync(folder)
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'holdfast', folder])
  } catch (error) {
    console.log(
      `\n!!! SKIPPED: no full disk, for nothing can be mounted here (${(error as Error).message.trim()}) !!!\n`,
    )
    t.skip('nothing can be mounted here')
    return undefined
  }
  t.after(async () => {
    await server.query('DROP DATABASE IF EXISTS full_disk WITH (FORCE)')
    await server.query('DROP TABLESPACE IF EXISTS small')
    await run('umount', ['--lazy', folder])
  })
  server.own(folder)
  return { folder, grow: () => run('mount', ['-o', `remount,size=${8 * megabytes}m`, folder]) }
}
