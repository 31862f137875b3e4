/** The export map, the sources and the built files name the same things, and each can be imported as users will. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '../..')
const subpaths = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [{ subpath, target }],
)

for (const { subpath, target } of subpaths) {
  test(`${subpath}: source, code and types lie where the export map says, under one name`, () => {
    const name = /^\.\/src\/(.+)\.ts$/.exec(target['holdfast-source'])?.[1]
    assert.ok(name, `${target['holdfast-source']} is no source file`)
    assert.deepEqual(target, {
      'holdfast-source': `./src/${name}.ts`,
      types: `./dist/${name}.d.ts`,
      default: `./dist/${name}.js`,
    })
    assert.deepEqual(
      Object.keys(target),
      ['holdfast-source', 'types', 'default'],
      'types come before the code',
    )
    for (const file of Object.values(target))
      assert.ok(existsSync(join(root, file)), `${file} does not exist`)
  })

  test(`${subpath}: what is built has the same names as its source`, async () => {
    const specifier = subpath.replace(/^\./, manifest.name)
    const [built, source] = await Promise.all([
      names(specifier),
      names(specifier, '--conditions=holdfast-source'),
    ])
    assert.notEqual(built, '', `${specifier} exports nothing`)
    assert.equal(built, source)
  })
}

test('no export leaves out its types or its source, and nothing but the manifest is a bare file', () => {
  const bare = Object.entries(manifest.exports).filter(([, target]) => typeof target === 'string')
  assert.deepEqual(bare, [['./package.json', './package.json']])
})

test('#crypto: both implementations are there, with the same names', async () => {
  const files = [manifest.imports['#crypto'].node, manifest.imports['#crypto'].default].flatMap((target) =>
    Object.values(target),
  )
  for (const file of files) assert.ok(existsSync(join(root, file)), `${file} does not exist`)
  assert.equal(await names('./dist/runtime/crypto.node.js'), await names('./dist/runtime/crypto.web.js'))
})

test('holdfast keygen: 32 random bytes in base64url; anything unknown is refused', async () => {
  const command = join(root, manifest.bin.holdfast)
  const [one, other] = await Promise.all([run(command, 'keygen'), run(command, 'keygen')])
  assert.match(one, /^[\w-]{43}\n$/)
  assert.equal(Buffer.from(one.trim(), 'base64url').length, 32)
  assert.notEqual(one, other)
  assert.match(await run(command, '--help'), /keygen/)
  await assert.rejects(run(command, 'keygne'), { code: 2, stdout: '', stderr: /unknown command 'keygne'/ })
  await assert.rejects(run(command, 'keygen', '--bits=8'), { code: 2, stdout: '' })
})

/** The names a module exports, in a process of its own: without the condition that the tests run under. */
function names(specifier: string, ...options: string[]): Promise<string> {
  const code = `console.log(Object.keys(await import(${JSON.stringify(specifier)})).sort().join(' '))`
  return run(...options, '--input-type=module', '--eval', code).then((text) => text.trim())
}

async function run(...args: string[]): Promise<string> {
  const { NODE_OPTIONS: _, ...env } = process.env
  return (await promisify(execFile)(process.execPath, args, { cwd: root, env })).stdout
}
