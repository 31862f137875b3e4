/** `holdfast audit tail` and `verify`: what they print, and what they find. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { auditTo } from '../../src/audit/audit.ts'
import type { SessionEvent } from '../../src/core/events.ts'
import { eventOf } from '../audit/fixtures.ts'
import { AUDIT_KEY, folderOf, holdfast, MAIN, SOURCE } from './support.ts'

async function logOf(t: TestContext, events: readonly Partial<SessionEvent>[], key?: string) {
  const folder = folderOf(t)
  const file = join(folder, 'audit.db')
  const audit = auditTo(file, key === undefined ? {} : { key })
  events.forEach((event, n) => void audit.onEvent(eventOf({ id: `AAAAAAAAAAAA.${n + 1}`, ...event })))
  await audit.close()
  const env = { HOLDFAST_AUDIT: `sqlite:${file}`, ...(key === undefined ? {} : { AUDIT_KEY: key }) }
  const sql = (text: string) => {
    const database = new DatabaseSync(file)
    database.exec(text)
    database.close()
  }
  return { file, env, sql }
}

const seqs = (stdout: string) =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).seq as number)

describe('tail', () => {
  test('the last ones, by user, session, name; from far back, too', async (t) => {
    const events = Array.from(
      { length: 2_500 },
      (_, n): Partial<SessionEvent> => ({
        userId: n % 100 === 7 ? 'bob' : 'ada',
        sessionId: n === 8 ? 'S' : null,
        name: n === 9 || n === 2_400 ? 'authn_token_reuse' : 'session_created',
      }),
    )
    const { env } = await logOf(t, events)
    const tail = async (...args: string[]) =>
      seqs((await holdfast(['audit', 'tail', '--json', ...args], { env })).stdout)
    assert.deepEqual(await tail('-n', '3'), [2_498, 2_499, 2_500])
    assert.deepEqual(await tail('--user', 'bob', '-n', '2'), [2_308, 2_408])
    assert.deepEqual(await tail('--session', 'S'), [9])
    assert.deepEqual(await tail('--name', 'authn_token_reuse'), [10, 2_401])
    assert.deepEqual(await tail('--user', 'eve'), [])
    assert.equal((await tail('-n', '2000')).length, 2_000)
  })

  test('ASVS 16.4.1 what a client sent, or somebody wrote into the table, moves no cursor', async (t) => {
    const evil = 'a\r\n\u001b[2J\u202e\u009b'
    const { env, sql } = await logOf(t, [{ userId: evil, path: evil, reason: evil }, {}, {}])
    sql(
      "DROP TRIGGER holdfast_audit_update; UPDATE holdfast_audit SET entry = 'no JSON' || char(27) WHERE seq = 2",
    )
    sql("UPDATE holdfast_audit SET entry = '7' WHERE seq = 3")
    for (const args of [[], ['--json']]) {
      const { exit, stdout, stderr } = await holdfast(['audit', 'tail', ...args], { env })
      assert.equal(exit, 0)
      assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
      assert.equal(stdout.trimEnd().split('\n').length, args.length === 0 ? 4 : 3)
      if (args.length === 0) assert.match(stdout, /^2 +- +\(not readable\)/m)
    }
  })

  test('what is no string, in a row that somebody wrote, is printed as JSON', async (t) => {
    const { env, sql } = await logOf(t, [{}])
    const odd = { length: 1, toString: 1, '\u001b[2J': 1 }
    const names = [
      'seq',
      'at',
      'name',
      'userId',
      'sessionId',
      'ip',
      'method',
      'path',
      'reason',
      'code',
      '\u001b[2J',
    ]
    const entry = JSON.stringify({
      ...Object.fromEntries(names.map((name) => [name, odd])),
      id: 'AAAAAAAAAAAA.1',
    })
    sql(`DROP TRIGGER holdfast_audit_update; UPDATE holdfast_audit SET entry = '${entry}'`)
    for (const args of [
      ['audit', 'tail'],
      ['audit', 'tail', '--json'],
      ['explain', 'AAAAAAAAAAAA.1'],
    ]) {
      const { exit, stdout, stderr } = await holdfast(args, { env })
      assert.equal(exit, 0, stderr)
      assert.match(stdout, /\{"length":1,"toString":1,"\\u001b\[2J":1\}/)
      assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f]/)
    }
  })

  test('a number that somebody wrote makes nobody count up to it', async (t) => {
    const { env, sql } = await logOf(t, [{}, {}])
    sql("DROP TRIGGER holdfast_audit_insert; INSERT INTO holdfast_audit VALUES (9007199254740991, '{}', '')")
    sql("INSERT INTO holdfast_audit VALUES (-7, '{}', '')")
    const { stdout } = await holdfast(['audit', 'tail', '--json'], { env })
    assert.deepEqual(seqs(stdout), [-7, 1, 2, 9007199254740991])
    const found = await holdfast(['explain', 'AAAAAAAAAAAA.1', '--json'], { env })
    assert.equal(JSON.parse(found.stdout).event.seq, 1)
  })

  test('--follow prints what comes, until it is interrupted', { timeout: 60_000 }, async (t) => {
    const { env, file } = await logOf(t, [{}])
    const args = [SOURCE, MAIN, 'audit', 'tail', '--follow', '--json']
    const child = spawn(process.execPath, args, { env: { ...env, PATH: process.env.PATH } })
    t.after(() => child.kill())
    const audit = auditTo(file)
    let printed = ''
    for await (const chunk of child.stdout) {
      printed += chunk
      const { length } = seqs(printed)
      if (length === 1) audit.onEvent(eventOf({ id: 'AAAAAAAAAAAA.2' }))
      if (length === 2) break
    }
    assert.deepEqual(seqs(printed), [1, 2])
    const ended = once(child, 'exit')
    audit.onEvent(eventOf({ id: 'AAAAAAAAAAAA.3' }))
    assert.deepEqual(await ended, [0, null], 'or nobody reads it any more')
    await audit.close()
  })
})

describe('verify', () => {
  const verify = async (env: Record<string, string>, ...args: string[]) => {
    const { exit, stdout, stderr } = await holdfast(['audit', 'verify', '--json', ...args], { env })
    const { flaws, ...told } = JSON.parse(stdout)
    return { exit, stderr, ...told, flaws: flaws.map(({ kind, seq }: never) => `${kind} ${seq}`) }
  }

  test('whole, edited, taken out, cut off', async (t) => {
    const { env, sql } = await logOf(t, [{}, {}, {}, {}, {}], AUDIT_KEY)
    const whole = await verify(env)
    assert.deepEqual([whole.exit, whole.whole, whole.rows, whole.flaws], [0, true, 5, []])
    assert.equal((await verify(env, '--anchor', whole.head)).exit, 0)
    sql('DROP TRIGGER holdfast_audit_update; DROP TRIGGER holdfast_audit_delete')
    sql("UPDATE holdfast_audit SET entry = replace(entry, 'ada', 'eve') WHERE seq = 2")
    const edited = await verify(env)
    assert.deepEqual([edited.exit, edited.whole, edited.flaws], [1, false, ['changed 2']])
    sql('DELETE FROM holdfast_audit WHERE seq = 4')
    assert.deepEqual((await verify(env)).flaws, ['changed 2', 'missing 4'])
    sql('DELETE FROM holdfast_audit WHERE seq > 1')
    assert.deepEqual((await verify(env)).flaws, [])
    const cut = await verify(env, '--anchor', whole.head, '--anchor', `1:${'A'.repeat(43)}`)
    assert.deepEqual([cut.exit, cut.flaws], [1, ['anchor 1', 'missing 2']])
  })

  test('a key that is missing or another is asked after; one that is none is wrong usage', async (t) => {
    const { env } = await logOf(t, [{}, {}], AUDIT_KEY)
    const without = await verify({ HOLDFAST_AUDIT: env.HOLDFAST_AUDIT })
    assert.deepEqual([without.exit, without.flaws], [1, ['changed 1', 'changed 2']])
    assert.match(without.stderr, /Is this log sealed with a key\?/)
    const other = await verify({ ...env, AUDIT_KEY: AUDIT_KEY.replace('Z', 'Y') })
    assert.match(other.stderr, /Is AUDIT_KEY the key that this log is sealed with\?/)
    const none = await holdfast(['audit', 'verify'], { env: { ...env, AUDIT_KEY: 'sesame' } })
    assert.deepEqual([none.exit, none.stdout], [2, ''])
    assert.doesNotMatch(none.stderr, /sesame/)
  })

  test('of many flaws the first are told, and how many there are', async (t) => {
    const { env, sql } = await logOf(
      t,
      Array.from({ length: 60 }, () => ({})),
    )
    sql("DROP TRIGGER holdfast_audit_update; UPDATE holdfast_audit SET entry = '{}' WHERE seq > 10")
    const { flawCount, flaws, stderr } = await verify(env)
    assert.deepEqual([flawCount, flaws.length, flaws[0]], [50, 20, 'changed 11'])
    assert.equal(stderr, 'and 30 more\n')
  })

  test('looking changes nothing', async (t) => {
    const { env, sql } = await logOf(t, [{}])
    sql('PRAGMA wal_checkpoint(TRUNCATE)')
    await holdfast(['audit', 'tail'], { env })
    assert.deepEqual((await verify(env)).flaws, [])
  })
})
