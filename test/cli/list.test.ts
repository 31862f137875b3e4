/** `holdfast list` and `show`: on a store that a real application made. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { App, FIREFOX, holdfast, KEY, linesOf } from './support.ts'

const MINUTE = 60_000

describe('list', () => {
  test('live sessions as a table, most recently used first; nothing that proves anything', async (t) => {
    const app = new App(t)
    const first = await app.login('ada', { now: Date.now() - 5 * MINUTE })
    const second = await app.login('bob', { ip: '198.51.100.9' })
    await app.ask({ cookie: second.token, ip: '198.51.100.9' }, (session) => session.set('note', 'sesame'))
    const { exit, stdout, stderr } = await holdfast(['list', '--store', app.store])
    assert.equal(exit, 0)
    const rows = stdout.trimEnd().split('\n')
    assert.equal(rows.length, 3)
    assert.match(rows[0]!, /^ID +USER +STATE +CREATED +USED +ENDS +FROM +DEVICE$/)
    assert.match(rows[1]!, new RegExp(`^${second.id} +bob +live .*Z +198.51.100.9 +Firefox on Linux$`))
    assert.match(rows[2]!, new RegExp(`^${first.id} +ada +live `))
    assert.match(stderr, /^2 sessions\.\nJudged by the default limits: idle 30m/)
    assert.doesNotMatch(stdout + stderr, /sesame/)
  })

  test('--json: one object a line, and nothing else', async (t) => {
    const app = new App(t)
    const { id } = await app.login('ada')
    const { exit, stdout, stderr } = await holdfast(['list', '--store', app.store, '--json'])
    assert.deepEqual([exit, stderr], [0, ''])
    const [session, ...others] = linesOf(stdout)
    assert.deepEqual(others, [])
    const { createdAt, authenticatedAt, seenAt, idleExpiresAt, expiresAt, ...rest } = session
    assert.deepEqual(rest, {
      id,
      userId: 'ada',
      state: 'live',
      endedAt: null,
      remembered: false,
      methods: ['pwd'],
      ip: '192.0.2.1',
      userAgent: FIREFOX,
    })
    assert.deepEqual([authenticatedAt, seenAt], [createdAt, createdAt])
    assert.deepEqual([idleExpiresAt - createdAt, expiresAt - createdAt], [30 * MINUTE, 720 * MINUTE])
  })

  test("one user's; and all, with those that ended or expired", async (t) => {
    const app = new App(t)
    const out = await app.login('ada')
    await app.ask({ method: 'POST', cookie: out.token }, (session) => session.terminate())
    const old = await app.login('ada', { now: Date.now() - 40 * MINUTE })
    const live = await app.login('ada')
    await app.login('bob')
    const ids = async (...args: string[]) => {
      const { stdout } = await holdfast(['list', '--store', app.store, '--json', ...args])
      return linesOf(stdout).map(({ id, state }) => `${id} ${state}`)
    }
    assert.deepEqual(await ids('--user', 'ada'), [`${live.id} live`])
    assert.deepEqual(
      (await ids('--user', 'ada', '--all')).sort(),
      [`${out.id} logout`, `${old.id} expired (idle)`, `${live.id} live`].sort(),
    )
    assert.equal((await ids('--all')).length, 4)
    assert.deepEqual(await ids('--user', 'Ada'), [])
  })

  test('--limit keeps the ones used last, and says what it leaves out', async (t) => {
    const app = new App(t)
    const made = []
    for (let n = 0; n < 7; n++) made.push(await app.login(`user${n}`, { now: Date.now() - n * MINUTE }))
    const { stdout, stderr } = await holdfast(['list', '--store', app.store, '--json', '--limit', '2'])
    assert.deepEqual(
      linesOf(stdout).map(({ id }) => id),
      made.slice(0, 2).map(({ id }) => id),
    )
    assert.equal(stderr, '7 sessions; the 2 used last are shown (--limit).\n')
  })

  test("--config: the application's own limits", async (t) => {
    const app = new App(t, { idle: '2h' })
    await app.login('ada', { now: Date.now() - 60 * MINUTE })
    const config = app.module('sessions.ts', moduleOf(app, "idle: '2h'"))
    const byDefault = await holdfast(['list', '--store', app.store, '--json'])
    const byConfig = await holdfast(['list', '--config', config, '--json'])
    assert.equal(byConfig.exit, 0)
    assert.deepEqual([linesOf(byDefault.stdout).length, linesOf(byConfig.stdout).length], [0, 1])
    const sessions = app.module('made.ts', moduleOf(app, "idle: '2h'", true))
    const bySessions = await holdfast(['list', '--config', sessions])
    assert.match(bySessions.stdout, / ada +live /)
    assert.equal(bySessions.stderr, '1 session.\n')
  })

  test('ASVS 16.4.1 what a client sent moves no cursor and forges no line', async (t) => {
    const app = new App(t)
    const evil = 'curl\u001b[2J\u001b]0;x\u0007\r\nforged \u202egnp.exe\u009b1m\u2028'
    await app.login(`eve\nroot\u001b[31m`, { userAgent: evil })
    for (const args of [['list'], ['list', '--json'], ['show', 'ID'], ['show', 'ID', '--json']]) {
      const [{ id }] = linesOf((await holdfast(['list', '--store', app.store, '--json'])).stdout)
      const { stdout, stderr } = await holdfast([
        ...args.map((arg) => (arg === 'ID' ? id : arg)),
        '--store',
        app.store,
      ])
      assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/)
      assert.doesNotMatch(stdout, /^(forged|root)/m)
      if (args.includes('--json')) assert.equal(linesOf(stdout)[0].userAgent, evil)
    }
  })
})

describe('show', () => {
  test('one session; how much the application keeps in it, and not what', async (t) => {
    const app = new App(t)
    const { id, token } = await app.login('ada')
    await app.ask({ cookie: token }, (session) => session.set('note', 'sesame'))
    const { exit, stdout } = await holdfast(['show', id, '--store', app.store])
    assert.equal(exit, 0)
    assert.match(stdout, new RegExp(`^id +${id}\nuser +ada\nstate +live\n`))
    assert.match(stdout, /^data +17 bytes$/m)
    assert.match(stdout, /^user agent +Mozilla/m)
    assert.doesNotMatch(stdout, /sesame|secret/)
  })
  test('none: 1', async (t) => {
    const app = new App(t)
    const { exit, stdout, stderr } = await holdfast(['show', 'AAAAAAAAAAAAAAAAAAAAAA', '--store', app.store])
    assert.deepEqual([exit, stdout, stderr], [1, '', 'holdfast: there is no such session (any more)\n'])
  })
})

function moduleOf(app: App, rest: string, made = false): string {
  const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)
  const options = `{ engine: sqlite(${JSON.stringify(join(app.folder, 'sessions.db'))}), keys: '${KEY}', ${rest} }`
  const value = made ? `createSessions(${options})` : options
  return `import { sqlite } from ${source('engines/sqlite.ts')}
import { createSessions } from ${source('create-sessions.ts')}
export const ${made ? 'sessions' : 'options'} = ${value}
export type Unused = typeof createSessions
// What an application keeps open must not keep the command.
setTimeout(() => {}, 100_000)
`
}
