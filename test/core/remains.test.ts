/**
 * What a request leaves behind does not outlive the next collection. Where it does, V8 copies it twice and keeps it until a full
 * one, which has cost a request as much as all its hashes.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const MOST = 2

test('the remains of 40,000 requests that wait for their store', (t) => {
  const program = join(import.meta.dirname, 'remains.ts')
  const flags = ['--conditions=holdfast-source', '--initial-heap-size=2048', '--max-semi-space-size=16']
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, program], { encoding: 'utf8' })
  const { found, full } = JSON.parse(stdout || JSON.stringify({ stderr })) as {
    found: Record<string, number>
    full: number
  }
  t.diagnostic(stdout)
  assert.equal(full, 0, 'a full collection has hidden what was left')
  for (const [name, size] of Object.entries(found)) assert.ok(size < MOST, `${name} left ${size} MiB`)
})
