/** Dependencies point one way: `adapters -> core <- engines`, `bindings -> core`. Read off the sources. */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { test } from 'node:test'
import manifest from '../../package.json' with { type: 'json' }

interface Edge {
  readonly from: string
  readonly to: string
  /** Erased by the compiler: a dependency of the types alone. */
  readonly typeOnly: boolean
}

const root = join(import.meta.dirname, '../..')
const edges = globSync('src/**/*.{ts,tsx}', { cwd: root }).flatMap((file) =>
  edgesOf(file.replaceAll('\\', '/')),
)

const core = /^src\/core\//
const address = /^src\/address\.ts$/
const page = /^src\/console\/page\//
const crypto = /^#crypto$/
const builtin = /^node:/
const anyPackage = /^(?!node:|#|src\/)/

/** Who may import what; a folder that is not listed is free, but for the rules below. */
const allowed: Record<string, readonly RegExp[]> = {
  'src/core/': [core, crypto, /^node:async_hooks$/, /^cookie$/],
  'src/runtime/': [/^src\/runtime\//, core, builtin, anyPackage],
  'src/engines/': [/^src\/engines\//, core, crypto, builtin, anyPackage],
  'src/audit/': [
    /^src\/audit\//,
    /^src\/engines\/(sqlite-file|postgres-client)\.ts$/,
    core,
    crypto,
    builtin,
    anyPackage,
  ],
  'src/cli/': [
    /^src\/(cli|audit|bindings|engines)\//,
    /^src\/create-sessions\.ts$/,
    address,
    core,
    crypto,
    builtin,
    anyPackage,
  ],
  'src/console/': [
    /^src\/(console|audit)\//,
    /^src\/adapters\/(answer|mount|page)\.ts$/,
    /^src\/bindings\/user-agent\.ts$/,
    /^src\/templates\/escape\.ts$/,
    address,
    core,
    builtin,
  ],
  'src/bindings/': [/^src\/bindings\//, address, core, crypto, builtin, anyPackage],
  'src/devices/': [
    /^src\/(devices|bindings|templates)\//,
    /^src\/adapters\/(answer|mount|page)\.ts$/,
    core,
    crypto,
  ],
  'src/templates/': [/^src\/templates\//, core, crypto, anyPackage],
  'src/adapters/': [/^src\/adapters\//, /^src\/proxy\.ts$/, address, core, crypto, builtin, anyPackage],
  'src/console/page/': [/^src\/console\/page\//, /^preact(?:\/hooks)?$/, /^uplot$/],
  'src/address.ts': [core, builtin, anyPackage],
  'src/proxy.ts': [address, core, crypto, builtin, anyPackage],
  'src/create-sessions.ts': [/^src\/bindings\//, /^src\/proxy\.ts$/, core],
  'src/index.ts': [/^src\/create-sessions\.ts$/, core],
}

/** What may be imported for its types alone, besides. */
const allowedTypes: Record<string, readonly RegExp[]> = {
  'src/core/': [/^@standard-schema\/spec$/],
  'src/console/page/': [/^src\/console\/api\.ts$/, /^src\/core\/duration\.ts$/],
}

for (const [folder, patterns] of Object.entries(allowed)) {
  test(`${folder} keeps to its layer`, () => {
    const offending = edges.filter(({ from, to, typeOnly }) => {
      if (layerOf(from) !== folder) return false
      const types = typeOnly ? (allowedTypes[folder] ?? []) : []
      return ![...patterns, ...types].some((pattern) => pattern.test(to))
    })
    assert.deepEqual(offending.map(show), [])
  })
}

/** The closest folder that has rules: the console's page has its own. */
function layerOf(file: string): string | undefined {
  const folders = Object.keys(allowed).filter((folder) => file.startsWith(folder))
  return folders.sort((a, b) => b.length - a.length)[0]
}

test('core reaches the runtime through #crypto alone', () => {
  const direct = edges.filter(
    ({ from, to }) => !from.startsWith('src/runtime/') && to.startsWith('src/runtime/'),
  )
  assert.deepEqual(direct.map(show), [])
})

test('the runtime takes from core nothing but types', () => {
  const values = edges.filter(
    ({ from, to, typeOnly }) => from.startsWith('src/runtime/') && core.test(to) && !typeOnly,
  )
  assert.deepEqual(values.map(show), [])
})

test('nothing imports index.ts, a command or the test kit but themselves', () => {
  const outside = edges.filter(
    ({ from, to }) =>
      to === 'src/index.ts' ||
      (to.startsWith('src/cli/') && !from.startsWith('src/cli/')) ||
      (to.startsWith('src/testing/') && !from.startsWith('src/testing/')),
  )
  assert.deepEqual(outside.map(show), [])
})

test("nothing imports the console's page, which is bundled and runs in browsers", () => {
  const outside = edges.filter(({ from, to }) => page.test(to) && !page.test(from))
  assert.deepEqual(outside.map(show), [])
})

test('every package that is imported is one that users get or bring, and core needs no optional one', () => {
  const shipped = Object.keys(manifest.dependencies)
  const brought = Object.keys(manifest.peerDependencies)
  const offending = edges.filter(({ from, to, typeOnly }) => {
    // What the page imports is in its bundle.
    if (!anyPackage.test(to) || typeOnly || page.test(from)) return false
    const name = to.split('/', to.startsWith('@') ? 2 : 1).join('/')
    return !shipped.includes(name) && !(brought.includes(name) && !core.test(from))
  })
  assert.deepEqual(offending.map(show), [])
})

/** What each adapter may take of a framework, types included: its own, and nothing of another. */
const FRAMEWORKS: Record<string, readonly string[]> = {
  'src/adapters/fastify.ts': ['fastify'],
  'src/adapters/hono.ts': ['hono'],
  'src/adapters/koa.ts': ['koa'],
}

test("no adapter reaches another's framework, by code or by types", () => {
  const reach = (file: string, seen = new Set<string>()): Set<string> => {
    for (const { to } of edges.filter(({ from }) => from === file)) {
      if (seen.has(to)) continue
      seen.add(to)
      if (to.startsWith('src/')) reach(to, seen)
    }
    return seen
  }
  const known = new Set(Object.values(FRAMEWORKS).flat())
  const adapters = Object.values(manifest.exports)
    .flatMap((target) => (typeof target === 'string' ? [] : [target['holdfast-source'].slice(2)]))
    .filter((file) => file.startsWith('src/adapters/'))
  for (const file of adapters) {
    const found = [...reach(file)].filter((to) => known.has(to))
    assert.deepEqual(found, FRAMEWORKS[file] ?? [], file)
  }
  const others = globSync('src/{core,engines,bindings,templates}/**/*.ts', { cwd: root })
  assert.deepEqual(edges.filter(({ from, to }) => known.has(to) && others.includes(from)).map(show), [])
})

test('the sources that are imported exist', () => {
  const files = new Set(edges.map((edge) => edge.from).concat(globSync('src/**/*.{ts,tsx}', { cwd: root })))
  const missing = edges.filter(({ to }) => to.startsWith('src/') && !files.has(to))
  assert.deepEqual(missing.map(show), [])
})

/** The imports of a file. Statements begin at the start of a line, which examples in doc comments do not. */
function edgesOf(file: string): Edge[] {
  const text = readFileSync(join(root, file), 'utf8')
  const statements = text.matchAll(
    /^(?:import|export)\s+(?:(type)\s+)?(?:[^'"`;()=]*?\bfrom\s*)?['"]([^'"]+)['"]/gm,
  )
  const dynamic = text.matchAll(/^(?!\s*(?:\*|\/\/)).*?\bimport\(\s*['"]([^'"]+)['"]/gm)
  return [
    ...[...statements].map(([, type, to]) => ({
      from: file,
      to: resolve(file, to!),
      typeOnly: type !== undefined,
    })),
    ...[...dynamic].map(([, to]) => ({ from: file, to: resolve(file, to!), typeOnly: false })),
  ]
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier
}

function show({ from, to, typeOnly }: Edge): string {
  return `${from} -> ${to}${typeOnly ? ' (types)' : ''}`
}
