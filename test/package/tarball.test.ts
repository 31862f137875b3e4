/** The packed tarball in a blank project: it installs, every subpath can be imported, and its types hold. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '../..')
const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json')

/** The subpaths that need a package of the user's; every other one must do without. */
const withPeers = ['./nunjucks', './ejs', './nest', './rate-limit', './testing']

describe('the tarball in a blank project', { timeout: 300_000 }, () => {
  let project = ''
  let packed: readonly string[] = []

  before(async () => {
    project = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-tarball-')))
    const [tarball] = JSON.parse(
      await npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', project),
    )
    packed = tarball.files.map((file: { path: string }) => file.path)
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
    await npm(
      project,
      'install',
      '--prefer-offline',
      '--ignore-scripts',
      '--omit=dev',
      `./${tarball.filename}`,
    )
  })

  after(() => rmSync(project, { recursive: true, force: true }))

  test('it holds code, sources and the papers, and nothing else', () => {
    const papers = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md']
    assert.deepEqual(
      packed.filter((file) => !/^(dist|src)\//.test(file) && !papers.includes(file)),
      [],
    )
    assert.deepEqual(
      papers.filter((file) => !packed.includes(file)),
      [],
      'missing papers',
    )
    assert.deepEqual(
      packed.filter((file) => /\.(test|spec)\.|\.db|\.env|\.pem$/.test(file)),
      [],
    )
  })

  test('it brings no Node, no test tool and no peer along', async () => {
    const { dependencies } = JSON.parse(await npm(project, 'ls', '--all', '--json'))
    assert.deepEqual(Object.keys(dependencies), [manifest.name])
    const listed: [string, { version?: string }][] = Object.entries(dependencies[manifest.name].dependencies)
    // An optional peer that is absent is listed without a version.
    const brought = listed.filter(([, { version }]) => version !== undefined).map(([name]) => name)
    assert.deepEqual(brought.sort(), Object.keys(manifest.dependencies).sort())
  })

  test("every subpath but those for a user's package can be imported as it is", async () => {
    for (const subpath of subpaths.filter((each) => !withPeers.includes(each)))
      await importIn(project, subpath)
  })

  test('npx holdfast keygen, and what needs a store and a module of the application', async () => {
    const holdfast = (...args: string[]) => npm(project, 'exec', '--offline', '--', 'holdfast', ...args)
    const key = await holdfast('keygen')
    assert.match(key, /^[\w-]{43}\n$/)
    await holdfast('migrate', '--store', 'sqlite:sessions.db', '--audit', 'sqlite:audit.db')
    assert.equal(JSON.parse(await holdfast('stats', '--store', 'sqlite:sessions.db', '--json')).sessions, 0)
    assert.match(await holdfast('audit', 'verify', '--audit', 'sqlite:audit.db'), /^whole: no rows/)
    writeFileSync(
      join(project, 'sessions.ts'),
      `import { createSessions } from 'holdfast'
import { auditTo } from 'holdfast/audit'
import { sqlite } from 'holdfast/sqlite'
const audit = auditTo('audit.db')
const keys: string = '${key.trim()}'
export const sessions = createSessions({ engine: sqlite('sessions.db'), keys, onEvent: audit.onEvent })
`,
    )
    const { failed } = JSON.parse(await holdfast('check', 'sessions.ts', '--json'))
    assert.equal(failed, false)
    assert.equal(await holdfast('list', '--config', 'sessions.ts', '--json'), '')
  })

  test('with the optional packages there, every subpath can be imported, and the types hold', async () => {
    const wanted = [
      // Next.js is there for its example alone, and loaded when it is first needed.
      ...Object.keys(manifest.peerDependencies).filter((name) => name !== 'next'),
      '@types/node',
      '@types/express',
      '@types/nunjucks',
      '@types/ejs',
    ]
    const versions: Record<string, string> = manifest.devDependencies
    const packages = wanted.map((name) => `${name}@${versions[name]}`)
    await npm(project, 'install', '--prefer-offline', '--ignore-scripts', ...packages)
    for (const subpath of subpaths) await importIn(project, subpath)

    // @types/koa does not hold beside the content-disposition of Express 5: `test/frameworks` has Koa alone. React Router's own
    // types do not hold without react-dom: its example has both.
    const typed = subpaths.filter((subpath) => !['./koa', './react-router'].includes(subpath))
    const imports = typed.map((subpath, n) => `import * as m${n} from '${specifierOf(subpath)}'`)
    const uses = typed.map((_, n) => `m${n}`).join(', ')
    writeFileSync(
      join(project, 'consumer.ts'),
      `import { createSessions } from 'holdfast'
import { memory } from 'holdfast/memory'
${imports.join('\n')}
interface Data { cart: string[] }
export const sessions = createSessions<Data>({ engine: memory() })
export const all: object[] = [${uses}]
`,
    )
    for (const resolution of ['nodenext', 'bundler']) {
      const module = resolution === 'bundler' ? 'preserve' : 'nodenext'
      const options = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noEmit']
      const target = ['--target', 'es2023', '--module', module, '--moduleResolution', resolution]
      await tsc(project, [...options, ...target, '--types', 'node', 'consumer.ts'])
    }
  })
})

function specifierOf(subpath: string): string {
  return subpath.replace(/^\./, manifest.name)
}

async function importIn(project: string, subpath: string): Promise<void> {
  const specifier = JSON.stringify(specifierOf(subpath))
  const code = `if (Object.keys(await import(${specifier})).length === 0) throw new Error('${subpath} exports nothing')`
  await exec(project, process.execPath, ['--input-type=module', '--eval', code])
}

async function tsc(project: string, args: readonly string[]): Promise<void> {
  await exec(project, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args])
}

function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  return exec(cwd, 'npm', ['--no-audit', '--no-fund', '--loglevel=error', ...args])
}

/** Runs a program as if by hand: without what an npm script around us left in the environment. */
async function exec(cwd: string, file: string, args: readonly string[]): Promise<string> {
  const inherited =
    /^(npm_(package|lifecycle|command|execpath|node_execpath)|npm_config_(local_prefix|prefix|workspace)|NODE_OPTIONS|INIT_CWD)/
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !inherited.test(name)))
  try {
    const shell = process.platform === 'win32'
    return (await promisify(execFile)(file, args, { cwd, env, shell, maxBuffer: 64 * 1024 * 1024 })).stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${[file, ...args].join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}
