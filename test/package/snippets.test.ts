/** The pages show the examples as they are, and the table what the scenarios found. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')

test('every snippet of README.md and docs/ is cut from an example, and the table made from the results', () => {
  const args = ['tools/snippets.mjs', '--check']
  try {
    execFileSync(process.execPath, args, { cwd: root, stdio: 'pipe', encoding: 'utf8' })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    assert.fail(`run node tools/snippets.mjs:\n${stdout}${stderr}`)
  }
})
