/** `holdfast revoke`: on a store that a real application made. */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { App, AUDIT_KEY, holdfast, KEY, linesOf } from './support.ts'

const MINUTE = 60_000

describe('revoke', () => {
  test("P12 by the application's own module: its audit log has the row when the command has ended", async (t) => {
    const app = new App(t)
    const { id } = await app.login('ada')
    await app.log.close()
    const source = (path: string) => JSON.stringify(join(import.meta.dirname, '../../src', path))
    const config = app.module(
      'sessions.ts',
      `import { auditTo } from ${source('audit/audit.ts')}
       import { createSessions } from ${source('create-sessions.ts')}
       import { sqlite } from ${source('engines/sqlite.ts')}
       const log = auditTo(${JSON.stringify(join(app.folder, 'audit.db'))}, { key: process.env.AUDIT_KEY })
       const engine = sqlite(${JSON.stringify(join(app.folder, 'sessions.db'))})
       export const sessions = createSessions({ engine, keys: ['${KEY}'], onEvent: log.onEvent })
       setInterval(() => {}, 60_000)`,
    )
    const { exit, stderr } = await holdfast(['revoke', '--config', config, '--id', id, '--yes'], {
      env: { AUDIT_KEY },
    })
    assert.equal(exit, 0, stderr)
    const tail = await holdfast(['audit', 'tail', '--audit', app.audit, '--session', id, '--json'])
    assert.equal(linesOf(tail.stdout).at(-1).name, 'session_revoked')
  })

  test('P12 by id: the next request is refused, and the audit log says so', async (t) => {
    const app = new App(t)
    const { id, token } = await app.login('ada')
    await app.log.flush()
    const args = ['revoke', '--store', app.store, '--id', id, '--yes', '--audit', app.audit]
    const env = { AUDIT_KEY }
    const { exit, stdout } = await holdfast(args, { env })
    assert.deepEqual([exit, stdout], [0, '1 session ended\n'])
    await app.ask({ cookie: token }, (session) => assert.equal(session.userId, null))
    assert.deepEqual((await holdfast(args, { env })).exit, 1, 'a second time there is nothing to end')
    await app.log.flush()
    const tail = await holdfast(['audit', 'tail', '--audit', app.audit, '--session', id, '--json'])
    assert.deepEqual(
      linesOf(tail.stdout).map(({ name, reason }) => `${name} ${reason}`),
      [
        'session_created null',
        'authn_login_success pwd',
        'session_revoked revoked',
        'session_use_after_expire revoked',
      ],
    )
    const verify = await holdfast(['audit', 'verify', '--audit', app.audit], { env })
    assert.equal(verify.exit, 0, verify.stdout)
  })

  for (const [what, env] of [
    ['no key', {}],
    ['another key', { AUDIT_KEY: AUDIT_KEY.replace('Z', 'Y') }],
  ] as const) {
    test(`an audit log that is sealed, and ${what}: 2, nothing is ended, and the log stays whole`, async (t) => {
      const app = new App(t)
      await app.login('ada')
      await app.log.flush()
      const args = ['revoke', '--store', app.store, '--user', 'ada', '--yes', '--audit', app.audit]
      const { exit, stdout, stderr } = await holdfast(args, { env })
      assert.deepEqual([exit, stdout], [2, ''])
      assert.match(stderr, /the audit log \(sqlite\) is (not )?sealed with/)
      assert.equal((await app.sessions.list('ada')).length, 1)
      const verify = await holdfast(['audit', 'verify', '--audit', app.audit], { env: { AUDIT_KEY } })
      assert.equal(verify.exit, 0, verify.stdout)
    })
  }

  test('no answer: no audit log is made', async (t) => {
    const app = new App(t)
    const log = join(app.folder, 'new.db')
    const args = ['revoke', '--store', app.store, '--user', 'ada', '--audit', `sqlite:${log}`]
    assert.equal((await holdfast(args)).exit, 2)
    assert.equal(existsSync(log), false)
  })

  test("a user's, all but one", async (t) => {
    const app = new App(t)
    const [kept, , other] = [await app.login('ada'), await app.login('ada'), await app.login('bob')]
    const args = [
      'revoke',
      '--store',
      app.store,
      '--user',
      'ada',
      '--others-than',
      kept.id,
      '--yes',
      '--json',
    ]
    const { exit, stdout } = await holdfast(args)
    assert.deepEqual([exit, stdout], [0, '{"ended":1}\n'])
    const { stdout: left } = await holdfast(['list', '--store', app.store, '--json'])
    assert.deepEqual(
      linesOf(left)
        .map(({ id }) => id)
        .sort(),
      [kept.id, other.id].sort(),
    )
  })

  test("everybody's, and a user's, by a moment", async (t) => {
    const app = new App(t)
    const long = await app.login('ada', { now: Date.now() - 20 * MINUTE })
    const short = await app.login('ada')
    const other = await app.login('bob', { now: Date.now() - 20 * MINUTE })
    const before = new Date(Date.now() - 10 * MINUTE).toISOString()
    const args = ['revoke', '--store', app.store, '--yes', '--before', before]
    assert.equal((await holdfast([...args, '--user', 'ada'])).stdout, '1 session ended\n')
    const { exit, stdout } = await holdfast([...args, '--everybody', '--json'])
    assert.deepEqual([exit, stdout], [0, '{"ended":null}\n'])
    const { stdout: all } = await holdfast(['list', '--store', app.store, '--all', '--json'])
    assert.deepEqual(Object.fromEntries(linesOf(all).map(({ id, state }) => [id, state])), {
      [long.id]: 'revoked',
      [short.id]: 'live',
      [other.id]: 'revoked',
    })
    assert.match((await holdfast(['show', other.id, '--store', app.store])).stdout, /^state +revoked$/m)
    assert.equal(JSON.parse((await holdfast(['stats', '--store', app.store, '--json'])).stdout).live, 1)
    const env = { SESSION_KEYS: KEY, HOLDFAST_STORE: app.store }
    const told = await holdfast(['explain', '--json'], { env, input: other.token })
    assert.deepEqual([told.exit, JSON.parse(told.stdout).verdict], [1, 'ended'])
  })

  test("--id with --user: not another's", async (t) => {
    const app = new App(t)
    const { id } = await app.login('ada')
    const { exit } = await holdfast(['revoke', '--store', app.store, '--id', id, '--user', 'bob', '--yes'])
    assert.equal(exit, 1)
    assert.equal((await app.sessions.list('ada')).length, 1)
  })

  for (const [what, args, words] of [
    ['nobody said which', ['--yes'], /which sessions\? Give --id, --user or --everybody/],
    ['nobody is there to ask', ['--user', 'ada'], /nobody is there to ask: give --yes/],
    [
      'everybody, and a user',
      ['--everybody', '--user', 'ada', '--yes'],
      /--everybody goes with --before alone/,
    ],
    [
      'a moment to come',
      ['--everybody', '--before', '2999-01-01T00:00:00Z', '--yes'],
      /moment that has passed/,
    ],
    ['no moment', ['--everybody', '--before', 'noon', '--yes'], /Expected a time/],
    [
      'others than what',
      ['--id', 'x', '--others-than', 'y', '--yes'],
      /--others-than and --before go with --user/,
    ],
  ] as const) {
    test(`${what}: 2, and nothing is ended`, async (t) => {
      const app = new App(t)
      await app.login('ada')
      const { exit, stdout, stderr } = await holdfast(['revoke', '--store', app.store, ...args])
      assert.deepEqual([exit, stdout], [2, ''])
      assert.match(stderr, words)
      assert.equal((await app.sessions.list('ada')).length, 1)
    })
  }
})
