/** Engines by URL, as far as they need no server. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openEngine } from '../../src/engines/open.ts'
import { recordOf, refusal } from '../core/fixtures.ts'

test('memory, and a file of SQLite', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-open-'))
  t.after(() => rmSync(folder, { recursive: true }))
  assert.equal((await openEngine('memory')).name, 'memory')
  const url = `sqlite:${join(folder, 'sessions.db')}`
  const engine = await openEngine(url)
  assert.equal(await engine.create(recordOf()), true)
  await engine.close!()
  const again = await openEngine(url)
  assert.deepEqual(await again.load(recordOf().id), recordOf())
  await again.close!()
})

test('what makes no sense is refused, without the password', async () => {
  const urls = ['', 'memory:', 'sessions.db', 'mongodb://u:secret@host', 'sqlite:', 'Redis://host']
  const redis = ['redis:', 'redis://', 'redis://u:secret@', 'redis://u:secret@a:1,b:2', 'redis://host/x']
  redis.push('redis://u:secret@host?prefix=a&db=3', 'redis://host:99999', 'redis+cluster://a:1,')
  for (const url of [...urls, ...redis])
    await assert.rejects(openEngine(url), refusal('ERR_OPTION', /^(?!.*secret)/), url)
  await assert.rejects(openEngine('redis://host?prefix={a}'), refusal('ERR_OPTION', /prefix/))
})

test('a client library that is not installed is asked for by its name', async () => {
  const hooks = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) { return next(name === 'ioredis' ? 'not-installed' : name, context) } })`
  const code = `import { openEngine } from 'holdfast/open'
    await openEngine('redis://127.0.0.1').catch(({ code, message }) => console.log(code, message))`
  const data = `data:text/javascript,${encodeURIComponent(hooks)}`
  const args = ['--conditions=holdfast-source', '--no-warnings', '--import', data]
  const cwd = join(import.meta.dirname, '../..')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...args, '--input-type=module', '--eval', code],
    { cwd },
  )
  assert.equal(stdout, 'ERR_OPTION This engine needs the package ioredis: npm install ioredis\n')
})
