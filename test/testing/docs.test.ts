import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')

test('the example of docs/testing.md is the one that runs', () => {
  const page = readFileSync(join(root, 'docs/testing.md'), 'utf8')
  const example = readFileSync(join(import.meta.dirname, 'example.test.ts'), 'utf8')
  assert.equal(/```ts\n(.*?)```/s.exec(page)?.[1], example)
})
