/** `holdfast explain`: each way that a token or an event can go, told as the server would decide it. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { type Explanation, explainToken } from '../../src/cli/explain-token.ts'
import { generateKey } from '../../src/core/keys.ts'
import { bearer } from '../../src/core/transport.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { App, type Asked, FIREFOX, folderOf, holdfast, KEY } from './support.ts'

const MINUTE = 60_000
const NAME = '__Host-Http-session'
const CURL = 'curl/8.5.0'

/** Explains with the application's own policy and store. */
function explain(app: App, text: string, asked: Asked = {}): Promise<Explanation> {
  const request = {
    ip: asked.ip ?? '192.0.2.1',
    userAgent: asked.userAgent ?? FIREFOX,
    now: asked.now ?? Date.now(),
  }
  return explainToken(text, request, app.sessions.policy, (id) => app.engine.load(id, { fresh: true }))
}

function stepOf({ steps }: Explanation, wanted: string): string | undefined {
  return steps.find(({ step }) => step === wanted)?.result
}

describe('a token', () => {
  test('every verdict is the one that the server comes to, and a request with it goes that way', async (t) => {
    const app = new App(t)
    const start = Date.now() - 60 * MINUTE
    const { token } = await app.login('ada', { now: start })
    const at = (minutes: number) => start + minutes * MINUTE
    const check = async (text: string, minutes: number, kind: string, served: boolean, asked: Asked = {}) => {
      const found = await explain(app, text, { now: at(minutes), ...asked })
      assert.equal(found.verdict, kind, inspect(found))
      assert.equal(found.served, served)
      const went = await app.ask({ cookie: text, now: at(minutes), ...asked }, (session) => {
        assert.equal(session.userId !== null, served)
      })
      return went.token
    }
    const offered = await check(token, 16, 'current', true)
    const sibling = await check(token, 16, 'current', true)
    await check(offered, 16.1, 'offer', true)
    await check(sibling, 16.2, 'sibling', true)
    await check(token, 16.5, 'retired', true)
    await check(token, 18, 'superseded', false)
    await check(offered, 18, 'mismatch', false, { userAgent: CURL })
    await check(offered, 50, 'expired', false)
    const other = await app.login('ada', { now: at(30) })
    await app.ask({ cookie: other.token, now: at(31), method: 'POST' }, (session) => session.reauthenticate())
    await check(other.token, 32, 'superseded', false)
    const out = await app.login('ada', { now: at(30) })
    await app.ask({ cookie: out.token, now: at(31), method: 'POST' }, (session) => session.terminate())
    await check(out.token, 32, 'ended', false)
    const copied = await app.login('ada', { now: at(0) })
    const next = await check(copied.token, 16, 'current', true)
    await check(next, 16, 'offer', true)
    await check(copied.token, 20, 'replayed', false)
    await check(next, 20, 'ended', false)
  })

  test('no token, two of them, a visitor’s, a forged one, one of another key, one without a record', async (t) => {
    const app = new App(t)
    const { token } = await app.login('ada')
    let csrf = ''
    const visitor = await app.visitor((session) => {
      csrf = session.csrfToken()
    })
    assert.notEqual(csrf, '')
    const rows: [text: string, verdict: string][] = [
      ['theme=dark; lang=en', 'none'],
      [`${NAME}=${token}; ${NAME}=${token}`, 'ambiguous'],
      [visitor, 'visitor'],
      [`theme=dark; __Host-Http-visitor=${visitor}`, 'visitor'],
      [token.slice(0, -1), 'forged'],
      [token.replace(/\.(\d+)\./, (_, era) => `.${Number(era) + 1}.`), 'forged'],
      ['sesame', 'forged'],
      [token, 'current'],
      [`Cookie: theme=dark; ${NAME}=${token}`, 'current'],
      [`${NAME}=${token}`, 'current'],
    ]
    for (const [text, verdict] of rows) assert.equal((await explain(app, text)).verdict, verdict, text)
    const stranger = new App(t, { keys: [generateKey()] })
    assert.equal((await explain(stranger, token)).verdict, 'forged')
    const rolling = new App(t, { keys: [generateKey(), KEY] })
    const found = await explain(rolling, token)
    assert.deepEqual(
      [found.verdict, stepOf(found, 'tag')],
      ['unknown', 'genuine, by an older key: renewal is due'],
    )
    const header = new App(t, { transport: bearer() })
    const made = await header.bearer('ada')
    assert.equal((await explain(header, made)).verdict, 'current')
    assert.equal((await explain(header, `Authorization: Bearer ${made}`)).verdict, 'current')
  })

  test('a changed address is told, and served', async (t) => {
    const app = new App(t)
    const { token } = await app.login('ada')
    const found = await explain(app, token, { ip: '198.51.100.7' })
    assert.deepEqual(
      [found.served, stepOf(found, 'bindings')],
      [true, 'userAgent matches; ip has changed, and is only reported'],
    )
  })

  test('P6 neither the token nor a part that proves anything is ever said', async (t) => {
    const app = new App(t)
    const start = Date.now() - 20 * MINUTE
    const first = await app.login('ada', { now: start })
    const offer = await app.ask({ cookie: first.token, now: start + 16 * MINUTE })
    for (const token of [first.token, offer.token, `${NAME}=${first.token}`, `${first.token}x`]) {
      const said = JSON.stringify(await explain(app, token))
      for (const part of token
        .split('.')
        .slice(2)
        .filter((part) => part.length >= 20))
        assert.ok(!said.includes(part))
    }
  })
})

describe('the command', () => {
  test('reads the token from standard input, and changes nothing', async (t) => {
    const app = new App(t)
    const { id, token } = await app.login('ada', { now: Date.now() - 3 * MINUTE })
    const env = { SESSION_KEYS: KEY, HOLDFAST_STORE: app.store }
    const before = await app.engine.load(id)
    const { exit, stdout } = await holdfast(['explain', '--user-agent', FIREFOX], {
      env,
      input: `${token}\n`,
    })
    assert.equal(exit, 0)
    assert.match(stdout, new RegExp(`^session +${id}, issued 20`, 'm'))
    assert.match(stdout, /^record +of ada, created/m)
    assert.match(stdout, /^bindings +userAgent matches; not checked: ip$/m)
    assert.match(stdout, /\nThe request is the session's\./)
    assert.deepEqual(await app.engine.load(id), before)
    const refused = await holdfast(['explain', '--json', '--user-agent', CURL], { env, input: token })
    assert.equal(refused.exit, 1)
    const { verdict, served, outcome } = JSON.parse(refused.stdout)
    assert.deepEqual([verdict, served], ['mismatch', false])
    assert.match(outcome, /suspended until its user logs in again/)
    const later = ['explain', '--json', '--at', new Date(Date.now() + 60 * MINUTE).toISOString()]
    assert.equal(JSON.parse((await holdfast(later, { env, input: token })).stdout).verdict, 'expired')
    for (const run of [stdout, refused.stdout]) assert.ok(!run.includes(token.split('.').at(-1)!))
  })

  test('an argument works, with a warning', async (t) => {
    const app = new App(t)
    const { token } = await app.login('ada')
    const env = { SESSION_KEYS: KEY, HOLDFAST_STORE: app.store }
    const { exit, stdout, stderr } = await holdfast(['explain', token], { env })
    assert.equal(exit, 0)
    assert.match(stderr, /in your shell's history now/)
    assert.ok(!(stdout + stderr).includes(token))
  })

  test('an event, by its id: the event, its words and what to do', async (t) => {
    const app = new App(t)
    const { token, id } = await app.login('ada')
    await app.sessions.revoke({ id })
    await app.ask({ cookie: token, path: '/page' })
    await app.log.flush()
    const env = { HOLDFAST_AUDIT: app.audit }
    const tail = await holdfast(['audit', 'tail', '--json', '--name', 'session_use_after_expire'], { env })
    const event = JSON.parse(tail.stdout)
    const { exit, stdout } = await holdfast(['explain', event.id], { env })
    assert.equal(exit, 0)
    assert.match(stdout, /^name +session_use_after_expire$/m)
    assert.match(stdout, /^path +\/page$/m)
    assert.match(stdout, /\nA token was shown whose session had been ended before\./)
    const json = JSON.parse((await holdfast(['explain', event.id, '--json'], { env })).stdout)
    assert.deepEqual(json.event, event)
    const none = await holdfast(['explain', 'AAAAAAAAAAAA.1'], { env })
    assert.deepEqual([none.exit, none.stderr], [1, 'holdfast: the log holds no event AAAAAAAAAAAA.1\n'])
  })

  const rows: [what: string, args: string[], env: Record<string, string>, input: string, words: RegExp][] = [
    ['no keys', [], {}, 'x', /keys: give SESSION_KEYS, or --config/],
    [
      'short keys',
      [],
      { SESSION_KEYS: 'abcdefgh', HOLDFAST_STORE: 'sqlite:empty.db' },
      'x',
      /keys\[0\] is 6 bytes/,
    ],
    ['no input', [], { SESSION_KEYS: KEY }, '', /no token came/],
    ['much input', [], { SESSION_KEYS: KEY }, 'x'.repeat(70_000), /too long/],
    ['no event, no token', ['nonsense'], { SESSION_KEYS: KEY }, '', /no id of an event/],
    ['no time', ['--at', 'noon'], { SESSION_KEYS: KEY }, 'x', /Expected a time/],
    ['no log', ['AAAAAAAAAAAA.1'], {}, '', /which audit log/],
  ]
  for (const [what, args, env, input, words] of rows) {
    test(`${what}: 2`, async (t) => {
      const cwd = folderOf(t)
      sqlite(join(cwd, 'empty.db')).close?.()
      const run = await holdfast(['explain', ...args], { cwd, env, input })
      assert.deepEqual([run.exit, run.stdout], [2, ''])
      assert.match(run.stderr, words)
    })
  }
})
