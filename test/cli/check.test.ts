/** `holdfast check`: what each check finds, what it leaves alone, and what the exit status says. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ip } from '../../src/bindings/ip.ts'
import { userAgent } from '../../src/bindings/user-agent.ts'
import { CHECKS } from '../../src/cli/checks.ts'
import type { Engine } from '../../src/core/engine.ts'
import { generateKey } from '../../src/core/keys.ts'
import { createPolicy, type SessionsOptions } from '../../src/core/policy.ts'
import { bearer } from '../../src/core/transport.ts'
import { withDefaults } from '../../src/create-sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { App, folderOf, holdfast } from './support.ts'

type Options = Partial<SessionsOptions<never>>

/** A store that everybody shares, with keys and a listener: what is left to find is what a row changes. */
const shared = { ...memory(), name: 'shared', shared: true } as Engine
const sound: Options = { engine: shared, keys: [generateKey()], onEvent: () => {} }
const schema = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } }

const limit = { take: () => true }
const rateLimits = { newSessions: limit, forgedTokens: limit }

function found(change: Options): string[] {
  const options = withDefaults({ ...sound, ...change } as SessionsOptions<never>)
  const config = { policy: createPolicy(options), engine: options.engine }
  return CHECKS.filter((check) => check.find(config) !== null).map(({ id }) => id)
}

const keys = (count: number) => Array.from({ length: count }, generateKey)
const usual = ['HF016', 'HF022', 'HF023']

describe('what is found, beside what is said of every configuration', () => {
  const rows: [what: string, change: Options, ids: string[]][] = [
    ['the defaults', {}, []],
    ['insecureHttp', { insecureHttp: true }, ['HF001']],
    ['no HSTS', { hsts: false }, ['HF002']],
    ['short HSTS', { hsts: { maxAge: '364d' } }, ['HF002']],
    ['HSTS of a year', { hsts: { maxAge: '365d' } }, []],
    ['HSTS without subdomains', { hsts: { includeSubDomains: false } }, ['HF002']],
    ['a proxy', { proxy: ['10.0.0.7', '192.168.0.0/16', '10.0.0.0/8', 'fd00::/8'] }, []],
    ['half of the world, by IPv6', { proxy: ['::1', '2000::/3'] }, ['HF003']],
    ['half of the world, mapped', { proxy: ['::ffff:128.0.0.0/97'] }, ['HF003']],
    ['half of the world', { proxy: ['128.0.0.0/1'] }, ['HF003']],
    ['a domain cookie', { cookie: { domain: 'example.com' } }, ['HF004']],
    ['a path cookie', { cookie: { path: '/app' } }, ['HF004']],
    ['SameSite none', { cookie: { sameSite: 'none' } }, ['HF005']],
    ['SameSite strict', { cookie: { sameSite: 'strict' } }, []],
    ['a bearer token', { transport: bearer() }, ['HF006']],
    ['idle of an hour', { idle: '1h' }, []],
    ['longer', { idle: '61m' }, ['HF007']],
    ['absolute of a day', { absolute: '24h' }, []],
    ['longer', { absolute: '25h' }, ['HF008']],
    ['remembered for a month', { remembered: { absolute: '30d' } }, []],
    ['longer', { remembered: { absolute: '31d' } }, ['HF009']],
    ['late renewal', { renewal: '1h' }, ['HF010']],
    ['long grace', { renewal: '40m', grace: '10m' }, ['HF010']],
    ['replays reported', { onReplay: 'report' }, ['HF011']],
    ['no bindings', { bindings: [] }, ['HF012']],
    ['bindings that report', { bindings: [ip(), userAgent({ onMismatch: 'report' })] }, ['HF012']],
    ['one that revokes', { bindings: [ip({ onMismatch: 'revoke' })] }, []],
    ['a trusted origin', { csrf: { trustedOrigins: ['https://app.example.com'] } }, []],
    ['one without TLS', { csrf: { trustedOrigins: ['http://app.example.com'] } }, ['HF013']],
    ['an exempt path', { csrf: { insecureExempt: ['/hook'] } }, ['HF014']],
    ['a handler that verifies', { csrf: { verifiedByHandler: ['/upload'] } }, ['HF015']],
    ['memory', { engine: memory() }, ['HF017']],
    ['three keys', { keys: keys(3) }, []],
    ['four', { keys: keys(4) }, ['HF019']],
    ['one rate limit of two', { rateLimits: { newSessions: limit } } as unknown as Options, []],
    ['1000 sessions a user', { maxSessionsPerUser: 1_000 }, []],
    ['more', { maxSessionsPerUser: 1_001 }, ['HF021']],
  ]
  for (const [what, change, ids] of rows) {
    test(`${what}: ${ids.join(', ') || 'nothing'}`, () => {
      const left = change.transport ? ['HF022', 'HF023'] : usual
      assert.deepEqual(found(change), [...ids, ...left].sort())
    })
  }
  test('tokens demanded, and a schema: nothing at all', () => {
    assert.deepEqual(found({ csrf: { requireToken: true }, schema, rateLimits } as unknown as Options), [])
    assert.deepEqual(
      found({ preset: 'aal2', remembered: { idle: '1h' }, schema, rateLimits } as unknown as Options),
      [],
    )
  })
  test('memory without keys, and nobody who listens', () => {
    const options = withDefaults({ engine: memory() }) as SessionsOptions<never>
    const config = { policy: createPolicy(options), engine: options.engine }
    const ids = CHECKS.filter((check) => check.find(config) !== null).map(({ id }) => id)
    assert.deepEqual(ids, ['HF016', 'HF017', 'HF018', 'HF020', 'HF022', 'HF023'])
  })
  test('every check has an id of its own, in order, a requirement and a mend', () => {
    CHECKS.forEach(({ id, requirement, mend }, n) => {
      assert.equal(id, `HF${String(n + 1).padStart(3, '0')}`)
      assert.match(requirement, /ASVS|NIST|OWASP|WSTG/)
      assert.match(mend, /^[A-Z].*\.$/)
    })
  })
})

const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)

function moduleText(rest: string, made: boolean): string {
  const options = `{ engine: sqlite('sessions.db'), keys: process.env.SESSION_KEYS, onEvent: () => {}, ${rest} }`
  return `import { sqlite } from ${source('engines/sqlite.ts')}
import { createSessions } from ${source('create-sessions.ts')}
void createSessions
export default ${made ? `createSessions(${options})` : options}
`
}

describe('the command', () => {
  for (const made of [false, true]) {
    const what = made ? 'sessions' : 'options'
    test(`a module that exports ${what}`, async (t) => {
      const app = new App(t)
      const weak = app.module('weak.ts', moduleText("hsts: false, insecureHttp: true, idle: '2h'", made))
      const env = { SESSION_KEYS: generateKey() }
      const { exit, stdout, stderr } = await holdfast(['check', weak], { cwd: app.folder, env })
      assert.equal(exit, 1)
      assert.deepEqual(
        [...stdout.matchAll(/^(HF\d{3} [a-z]+)/gm)].map(([, id]) => id),
        ['HF001 error', 'HF002 warning', 'HF007 warning', 'HF016 info', 'HF022 info', 'HF023 info'],
      )
      assert.match(stdout, /HF007 warning: idle is 2h; AAL2 asks for at most 1h\n {2}Rests on ASVS 7\.3\.1/)
      assert.match(stderr, /6 findings of 23 checks\.\n$/)
      const sound = app.module('sound.ts', moduleText('', made))
      const passed = await holdfast(['check', sound, '--json'], { cwd: app.folder, env })
      assert.equal(passed.exit, 0)
      const { failed, findings } = JSON.parse(passed.stdout)
      assert.deepEqual([failed, findings.map(({ id }: { id: string }) => id)], [false, usual])
    })
  }

  test('--fail-on and --accept decide the exit status', async (t) => {
    const app = new App(t)
    const file = app.module('app.ts', moduleText('hsts: false', false))
    const run = async (...args: string[]) =>
      (await holdfast(['check', file, ...args], { cwd: app.folder, env: { SESSION_KEYS: generateKey() } }))
        .exit
    assert.deepEqual(
      [
        await run(),
        await run('--fail-on', 'error'),
        await run('--accept', 'HF002'),
        await run('--accept', 'HF002', '--fail-on', 'info'),
        await run('--accept', 'HF002, HF016', '--accept', 'HF022,HF023', '--fail-on', 'info'),
        await run('--accept', 'HF999'),
        await run('--fail-on', 'nothing'),
      ],
      [1, 0, 0, 1, 0, 2, 2],
    )
  })

  test('keys that a configuration lacks are a refusal, in words, and no key is shown', async (t) => {
    const app = new App(t)
    const file = app.module('app.ts', moduleText('', false))
    const none = await holdfast(['check', file], { cwd: app.folder })
    assert.equal(none.exit, 2)
    assert.match(none.stderr, /app\.ts: keys: the sqlite engine outlives this process/)
    const short = await holdfast(['check', file], {
      cwd: app.folder,
      env: { SESSION_KEYS: 'c2VzYW1lLW9wZW4' },
    })
    assert.equal(short.exit, 2)
    assert.match(short.stderr, /keys\[0\] is 11 bytes long/)
    assert.doesNotMatch(short.stderr, /c2VzYW1l/)
    const wide = app.module('wide.ts', moduleText("proxy: ['0.0.0.0/0']", false))
    const everybody = await holdfast(['check', wide], {
      cwd: app.folder,
      env: { SESSION_KEYS: generateKey() },
    })
    assert.equal(everybody.exit, 2)
    assert.match(everybody.stderr, /wide\.ts: proxy: "0\.0\.0\.0\/0" names every address/)
  })

  test('--list', async (t) => {
    const { exit, stdout } = await holdfast(['check', '--list', '--json'], { cwd: folderOf(t) })
    assert.equal(exit, 0)
    assert.equal(stdout.trimEnd().split('\n').length, CHECKS.length)
    const { exit: without } = await holdfast(['check'], { cwd: folderOf(t) })
    assert.equal(without, 2)
  })
})
