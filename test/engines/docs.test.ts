import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Engine } from '../../src/core/engine.ts'
import { engineContract } from '../../src/testing/engine-contract.ts'

const page = readFileSync(new URL('../../docs/engines.md', import.meta.url), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-docs-'))

after(() => rmSync(folder, { recursive: true }))

const example = /```ts\n(import type \{ Engine.*?)```/s.exec(page)?.[1]
assert.ok(example, 'docs/engines.md shows a whole engine')
const file = join(folder, 'unbounded.ts')
writeFileSync(file, example)
const { unbounded } = (await import(pathToFileURL(file).href)) as { unbounded: () => Engine }

engineContract({ test, create: () => unbounded() })
