/**
 * The runs that docs/cli.md and docs/audit.md show, done again: the same commands, in the same order, on a real application.
 * What is drawn or measured (ids, seals, times) differs each time, and is compared by its form.
 */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { App, AUDIT_KEY, holdfast, KEY } from './support.ts'

const MINUTE = 60_000

/** What was drawn, in the order in which it must be looked for. */
const DRAWN = {
  ANCHOR: /\b\d+:[\w-]{43}(?![\w-])/g,
  EVENT: /(?<![\w.-])[\w-]{12}\.[\da-z]{1,6}(?![\w.-])/g,
  SESSION: /(?<![\w-])[\w-]{22}(?![\w-])/g,
} as const

/** Ada logs in with two browsers and leaves one; Bob's token is copied, and shown after he has got the next. */
async function live(t: TestContext): Promise<App> {
  const app = new App(t)
  const from = Date.now() - 25 * MINUTE
  const leaving = await app.login('ada', { now: from })
  await app.ask({ method: 'POST', path: '/logout', cookie: leaving.token, now: from + MINUTE }, (session) => {
    session.terminate()
  })
  const bob = await app.login('bob', { now: from + 2 * MINUTE, ip: '198.51.100.7' })
  const asked = { cookie: bob.token, ip: '198.51.100.7', path: '/account' }
  const { token } = await app.ask({ ...asked, now: from + 18 * MINUTE })
  await app.ask({ ...asked, cookie: token, now: from + 19 * MINUTE })
  await app.ask({ ...asked, now: from + 24 * MINUTE, ip: '203.0.113.66' })
  await app.login('ada', { now: from + 24 * MINUTE })
  await app.log.flush()
  writeFileSync(join(app.folder, 'cookie.txt'), `__Host-Http-session=${bob.token}\n`)
  return app
}

for (const page of ['docs/cli.md', 'docs/audit.md']) {
  test(`${page}: each run is what its commands print`, { timeout: 240_000 }, async (t) => {
    const app = await live(t)
    const text = readFileSync(page, 'utf8')
    for (const [, name, code] of text.matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs))
      app.module(name!, resolved(code!))
    const known = new Map<string, string>()
    let exit: number | null = 0
    let runs = 0
    for (const [, block] of text.matchAll(/```console\n(.*?)```/gs)) {
      for (const step of block!.split(/^\$ /m).filter(Boolean)) {
        const [command, ...shown] = step.split('\n')
        const ran = await run(app, command!, known, exit)
        exit = ran.exit
        runs++
        const expected = shown.join('\n')
        assert.equal(formOf(ran.printed), formOf(expected), `$ ${command}\n${ran.printed}`)
        for (const form of Object.values(DRAWN)) {
          const drawn = ran.printed.match(form) ?? []
          expected.match(form)?.forEach((sample, n) => void known.set(sample, drawn[n]!))
        }
      }
    }
    assert.ok(runs >= 8, `${runs} runs`)
  })
}

async function run(app: App, line: string, known: ReadonlyMap<string, string>, before: number | null) {
  let command = line
  for (const [sample, drawn] of known) command = command.replaceAll(sample, drawn)
  if (command === 'echo $?') return { exit: 0, printed: `${before}\n` }
  const sql = /^sqlite3 (\S+) "(.*)"$/.exec(command)
  if (sql) {
    const database = new DatabaseSync(join(app.folder, sql[1]!))
    database.exec(sql[2]!)
    database.close()
    return { exit: 0, printed: '' }
  }
  const [, args, file] = /^holdfast (.*?)(?: < (\S+))?$/.exec(command)!
  const input = file === undefined ? '' : readFileSync(join(app.folder, file), 'utf8')
  const env = { SESSION_KEYS: KEY, AUDIT_KEY }
  const { exit, stdout, stderr } = await holdfast(args!.split(' '), { cwd: app.folder, env, input })
  return { exit, printed: stdout + stderr }
}

/** The package's own names lead to the sources. */
function resolved(code: string): string {
  const source = (path: string) => `'${new URL(`../../src/${path}`, import.meta.url).href}'`
  return code
    .replace("'holdfast'", source('index.ts'))
    .replace("'holdfast/sqlite'", source('engines/sqlite.ts'))
}

function formOf(text: string): string {
  const drawn = Object.entries(DRAWN).reduce((rest, [name, form]) => rest.replace(form, name), text)
  return drawn
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z/g, 'TIME')
    .replace(/ {2,}/g, '  ')
    .trimEnd()
}
