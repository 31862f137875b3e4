/** Wrong usage, and stores that fail: an exit status, one line of words, and no stack. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { App, AUDIT_KEY, folderOf, holdfast, KEY, linesOf, MAIN, SOURCE } from './support.ts'

describe('wrong usage and stores that fail', () => {
  const folder = { path: '' }
  const rows: [args: string[], exit: number, words: RegExp][] = [
    [[], 2, /Usage: holdfast/],
    [['lsit'], 2, /unknown command 'lsit'/],
    [['list'], 2, /which store\?/],
    [['list', '--store', 'mongodb://x'], 2, /no engine for mongodb:; expected memory, sqlite:FILE/],
    [['list', '--store', 'memory'], 2, /in its own process alone/],
    [['list', '--store', 'redis://u:sesame@127.0.0.1:1'], 3, /no server answers at 127\.0\.0\.1:1/],
    [['list', '--store', 'postgres://u:sesame@127.0.0.1:1/x'], 3, /postgres: .*ECONNREFUSED/],
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
        `export default { keys: '${KEY}', engine: { name: 'unlisted', shared: true, replace() {}, loadUser() {}, ${rest} } }`
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

  const commands = [
    ['list'],
    ['show', 'AAAAAAAAAAAAAAAAAAAAAA'],
    ['stats'],
    ['sweep'],
    ['explain'],
    ['revoke', '--everybody', '--yes'],
    ['revoke', '--user', 'ada', '--yes'],
  ]
  for (const args of commands) {
    test(`holdfast ${args.join(' ')}: a store without sessions of its own is refused, and stays as it is`, async (t) => {
      const cwd = folderOf(t)
      const file = (name: string) => join(cwd, name)
      const other = new DatabaseSync(file('other.db'))
      other.exec('CREATE TABLE mine (a)')
      other.close()
      writeFileSync(file('empty.db'), '')
      const memory = JSON.stringify(new URL('../../src/engines/memory.ts', import.meta.url).href)
      writeFileSync(
        file('memory.mjs'),
        `import { memory } from ${memory}\nexport default { engine: memory(), keys: '${KEY}' }`,
      )
      for (const [store, words] of [
        [['--store', 'sqlite:other.db'], /other\.db: it holds no sessions/],
        [['--store', 'sqlite:empty.db'], /empty\.db: it holds no sessions/],
        [['--config', 'memory.mjs'], /memory engine are in its own process alone/],
      ] as const) {
        const before = readdirSync(cwd).map((name) => [name, readFileSync(file(name), 'latin1')])
        const run = await holdfast([...args, ...store], { cwd, input: 'a.b', env: { SESSION_KEYS: KEY } })
        assert.deepEqual([run.exit, run.stdout], [2, ''], run.stderr)
        assert.match(run.stderr, words)
        assert.deepEqual(
          readdirSync(cwd).map((name) => [name, readFileSync(file(name), 'latin1')]),
          before,
        )
      }
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
    await app.login('ada')
    assert.deepEqual(await unread(['list', '--json'], { HOLDFAST_STORE: app.store }), 0)
  })

  test('nor does it change what is done, what is written down, and the exit status', async (t) => {
    const app = new App(t)
    await app.login('ada')
    await app.log.flush()
    const env = { HOLDFAST_STORE: app.store, HOLDFAST_AUDIT: app.audit, AUDIT_KEY }
    const revoke = ['revoke', '--user', 'ada', '--yes']
    assert.equal(await unread(revoke, env), 0)
    assert.equal((await app.sessions.list('ada')).length, 0)
    const { stdout } = await holdfast(['audit', 'tail', '--json', '--name', 'session_revoked'], { env })
    assert.equal(linesOf(stdout).length, 1)
    assert.equal(await unread(revoke, env), 1, 'nothing to end')
    assert.equal(await unread(['audit', 'verify'], { ...env, AUDIT_KEY: KEY }), 1, 'not whole')
  })

  test('the store and the module may stand in the environment', async (t) => {
    const app = new App(t)
    await app.login('ada')
    const { stdout } = await holdfast(['list', '--json'], { env: { HOLDFAST_STORE: app.store } })
    assert.equal(linesOf(stdout).length, 1)
  })
})

/** Runs a command whose standard output and error are closed before it writes. */
async function unread(args: readonly string[], env: Record<string, string>): Promise<number | null> {
  const child = spawn(process.execPath, [SOURCE, MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  child.stdout.destroy()
  child.stderr.destroy()
  await ended
  return child.exitCode
}
