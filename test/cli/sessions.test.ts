/** `holdfast list`, `show`, `revoke`, `sweep`, `stats`, `migrate`: on a store that a real application made. */

import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { App, AUDIT_KEY, FIREFOX, folderOf, holdfast, KEY } from './support.ts'

const MINUTE = 60_000
const lines = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

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
    const [session, ...others] = lines(stdout)
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
      return lines(stdout).map(({ id, state }) => `${id} ${state}`)
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
      lines(stdout).map(({ id }) => id),
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
    assert.deepEqual([lines(byDefault.stdout).length, lines(byConfig.stdout).length], [0, 1])
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
      const [{ id }] = lines((await holdfast(['list', '--store', app.store, '--json'])).stdout)
      const { stdout, stderr } = await holdfast([
        ...args.map((arg) => (arg === 'ID' ? id : arg)),
        '--store',
        app.store,
      ])
      assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/)
      assert.doesNotMatch(stdout, /^(forged|root)/m)
      if (args.includes('--json')) assert.equal(lines(stdout)[0].userAgent, evil)
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

describe('revoke', () => {
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
      lines(tail.stdout).map(({ name, reason }) => `${name} ${reason}`),
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
      lines(left)
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
    assert.deepEqual(Object.fromEntries(lines(all).map(({ id, state }) => [id, state])), {
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

describe('sweep and stats', () => {
  test('what is past being remembered is deleted, all of it, and no more', async (t) => {
    const app = new App(t, { idle: '1m', absolute: '2m', remembrance: '1s', renewal: '15m' })
    for (let n = 0; n < 12; n++) await app.login(`old${n}`, { now: Date.now() - 60 * MINUTE })
    const { id } = await app.login('ada')
    const before = await holdfast(['stats', '--store', app.store, '--json'])
    assert.deepEqual(JSON.parse(before.stdout).sessions, 13)
    const { exit, stdout } = await holdfast(['sweep', '--store', app.store, '--json'])
    assert.deepEqual([exit, stdout], [0, '{"swept":12}\n'])
    const after = await holdfast(['list', '--store', app.store, '--all', '--json'])
    assert.deepEqual(
      lines(after.stdout).map((session) => session.id),
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

describe('wrong usage and stores that fail', () => {
  const folder = { path: '' }
  const rows: [args: string[], exit: number, words: RegExp][] = [
    [[], 2, /Usage: holdfast/],
    [['lsit'], 2, /unknown command 'lsit'/],
    [['list'], 2, /which store\?/],
    [['list', '--store', 'mongodb://x'], 2, /no engine for mongodb:; expected memory, sqlite:FILE/],
    [['list', '--store', 'memory'], 2, /in its own process alone/],
    [['list', '--store', 'redis://u:sesame@127.0.0.1:1'], 3, /no server answers at 127\.0\.0\.1:1/],
    [['list', '--store', 'postgres://u:sesame@127.0.0.1:1/x'], 3, /no server answers/],
    [['audit', 'tail', '--audit', 'postgres://u:sesame@127.0.0.1:1/x'], 3, /no server answers/],
    [['audit', 'tail', '--audit', 'redis://127.0.0.1:1'], 2, /sqlite:FILE or postgres/],
    [['list', '--store', 'sqlite:none.db'], 2, /no file none\.db; holdfast migrate makes one/],
    [['list', '--store', 'sqlite:a', '--config', 'b'], 2, /which of the two\?/],
    [['list', '--store', 'sqlite:text.db'], 2, /not a database/],
    [['list', '--config', 'none.ts'], 2, /can't load none\.ts: Cannot find module/],
    [['list', '--config', 'throws.mjs'], 2, /can't load throws\.mjs: on purpose/],
    [['list', '--config', 'empty.mjs'], 2, /empty\.mjs must export options/],
    [['list', '--config', 'wrong.mjs'], 2, /wrong\.mjs: engine: expected an engine/],
    [['list', '--config', 'down.mjs'], 3, /the store failed: .*on purpose/],
    [['list', '--config', 'unlisted.mjs'], 3, /the unlisted engine can't list its sessions/],
    [['show'], 2, /missing required argument/],
    [['migrate'], 2, /what\? Give --store, --config or --audit/],
    [['list', '--limit', '0'], 2, /whole number above 0/],
    [['audit', 'verify'], 2, /which audit log\?/],
    [['audit', 'verify', '--audit', 'sqlite:none.db'], 2, /no file none\.db/],
    [['audit', 'verify', '--audit', 'sqlite:empty.db'], 3, /holds no audit log/],
    [['audit', 'verify', '--anchor', '7'], 2, /expected SEQ:SEAL/],
  ]
  for (const [args, exit, words] of rows) {
    test(`holdfast ${args.join(' ')}: ${exit}, in words, without a stack`, async (t) => {
      folder.path = folderOf(t)
      const engine = (rest: string) =>
        `export default { engine: { name: 'unlisted', shared: false, replace() {}, loadUser() {}, ${rest} } }`
      const files = {
        'text.db': 'this is not a database, and long enough to be one that is broken',
        'empty.db': '',
        'throws.mjs': "throw new Error('on purpose')",
        'empty.mjs': 'export default {}',
        'wrong.mjs': 'export default { engine: {} }',
        'down.mjs': engine("scan() { throw new Error('on purpose') }"),
        'unlisted.mjs': engine(''),
      }
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
      const run = await holdfast(args, { cwd: folder.path })
      assert.equal(run.exit, exit, run.stderr)
      assert.equal(run.stdout, '')
      assert.match(run.stderr, words)
      assert.doesNotMatch(run.stderr, /^\s+at |sesame/m)
      assert.ok(!existsSync(join(folder.path, 'none.db')), 'looking makes nothing')
    })
  }

  test('HOLDFAST_DEBUG=1 shows the stack', async (t) => {
    const { stderr } = await holdfast(['list', '--config', 'none.ts'], {
      cwd: folderOf(t),
      env: { HOLDFAST_DEBUG: '1' },
    })
    assert.match(stderr, /^\s+at /m)
  })

  test('a reader that has enough is no error', async (t) => {
    const app = new App(t)
    for (let n = 0; n < 30; n++) await app.login(`user${n}`)
    const { exit } = await holdfast(['--help'])
    assert.equal(exit, 0)
  })

  test('the store and the module may stand in the environment', async (t) => {
    const app = new App(t)
    await app.login('ada')
    const { stdout } = await holdfast(['list', '--json'], { env: { HOLDFAST_STORE: app.store } })
    assert.equal(lines(stdout).length, 1)
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
setInterval(() => {}, 1_000)
`
}
