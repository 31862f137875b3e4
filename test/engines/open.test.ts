/** Engines by URL, as far as they need no server. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
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
