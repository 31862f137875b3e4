import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')

for (const page of ['limits', 'step-up', 'revoking']) {
  test(`the example of docs/${page}.md is the one that runs`, () => {
    const text = readFileSync(join(root, `docs/${page}.md`), 'utf8')
    const example = readFileSync(join(import.meta.dirname, `${page}.test.ts`), 'utf8')
    assert.equal(/```ts\n(import assert.*?)```/s.exec(text)?.[1], example)
  })
}
