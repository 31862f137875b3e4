/** The packed package in a blank project, as its users' tools see it: ESM, `require(esm)`, esbuild, Vite, and both resolutions. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '../..')
const VITE = '8.3.8'
const versions: Record<string, string> = manifest.devDependencies

/** Each adapter in use, by code that a user writes. */
const uses: Record<string, { readonly packages: readonly string[]; readonly code: string }> = {
  express: {
    packages: ['express', '@types/express'],
    code: `import express from 'express'
import { protect } from 'holdfast/express'
export const app = express().use(protect(sessions))`,
  },
  fastify: {
    packages: ['fastify'],
    code: `import Fastify from 'fastify'
import { holdfast } from 'holdfast/fastify'
declare module 'holdfast/fastify' { interface Register { sessions: typeof sessions } }
export const app = Fastify()
await app.register(holdfast, { sessions })
app.get('/', (request) => request.session.get('cart')?.join() ?? '')
// @ts-expect-error: it is typed
app.get('/wrong', (request) => request.session.get('card'))`,
  },
  hono: {
    packages: ['hono'],
    code: `import { Hono } from 'hono'
import { protect } from 'holdfast/hono'
export const app = new Hono().use(protect(sessions)).get('/', (c) => c.text(c.var.session.get('cart')?.join() ?? ''))
// @ts-expect-error: it is typed
app.use(protect(sessions)).get('/wrong', (c) => c.json(c.var.session.get('card')))`,
  },
  koa: {
    packages: ['koa', '@types/koa'],
    code: `import Koa from 'koa'
import { protect } from 'holdfast/koa'
export const app = new Koa().use(protect(sessions)).use((ctx) => { ctx.body = ctx.state.session.get('cart')?.join() })
// @ts-expect-error: it is typed
app.use((ctx) => { ctx.body = ctx.state.session.get('card') })`,
  },
}
const START = `import { createSessions } from 'holdfast'
import { memory } from 'holdfast/memory'
export const sessions = createSessions<{ cart: string[] }>({ engine: memory() })
`

for (const [name, { packages, code }] of Object.entries(uses)) {
  describe(`the package with ${name}, and no other framework`, { timeout: 500_000 }, () => {
    let project = ''

    before(async () => {
      project = mkdtempSync(join(tmpdir(), 'holdfast-package-'))
      const [tarball] = JSON.parse(
        await exec(root, 'npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project]),
      )
      writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
      const wanted = [...packages, '@types/node', 'esbuild'].map((each) => `${each}@${versions[each]}`)
      const flags = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
      await exec(project, 'npm', ['install', ...flags, `./${tarball.filename}`, ...wanted, `vite@${VITE}`])
      writeFileSync(join(project, 'app.ts'), START + code)
      writeFileSync(
        join(project, 'main.ts'),
        `import { app } from './app.ts'\nif (!app) throw new Error('none')\nprocess.exit()\n`,
      )
    })

    after(() => rmSync(project, { recursive: true, force: true }))

    test('types resolve and infer, by node16 and by bundler', async () => {
      for (const [module, resolution] of [
        ['node16', 'node16'],
        ['nodenext', 'nodenext'],
        ['preserve', 'bundler'],
      ] as const) {
        const options = ['--strict', '--noEmit', '--target', 'es2023', '--types', 'node', '--skipLibCheck']
        const how = ['--module', module, '--moduleResolution', resolution]
        const tsc = join(root, 'node_modules/typescript/bin/tsc')
        await exec(project, process.execPath, [tsc, ...options, ...how, 'app.ts'])
      }
    })

    test('it runs as ESM, and in CommonJS by require', async () => {
      await exec(project, process.execPath, ['main.ts'])
      const cjs = `const { createSessions } = require('holdfast')
const { memory } = require('holdfast/memory')
const adapter = require('holdfast/${name}')
if (Object.keys(adapter).length === 0) throw new Error('nothing')
createSessions({ engine: memory() })`
      writeFileSync(join(project, 'main.cjs'), cjs)
      await exec(project, process.execPath, ['main.cjs'])
    })

    test('esbuild and Vite bundle it, and what they make runs', async () => {
      const esbuild = join(project, 'node_modules/esbuild/bin/esbuild')
      const banner = `--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`
      const how = ['--bundle', '--platform=node', '--format=esm', '--outfile=bundled.mjs', banner]
      await exec(project, esbuild, ['main.ts', ...how])
      await exec(project, process.execPath, ['bundled.mjs'])
      // Left out, our `cookie` would be looked for beside the bundle, where Express has put an older one.
      const config = `export default { ssr: { noExternal: ['holdfast', 'cookie'] } }`
      writeFileSync(join(project, 'vite.config.js'), config)
      await exec(project, process.execPath, [
        'node_modules/vite/bin/vite.js',
        'build',
        '--ssr',
        'main.ts',
        '--outDir',
        'made',
      ])
      assert.match(
        readFileSync(join(project, 'made/main.js'), 'utf8'),
        /ERR_CROSS_ORIGIN/,
        'bundled, not left out',
      )
      await exec(project, process.execPath, ['made/main.js'])
    })
  })
}

/** Runs a program as if by hand: without what an npm script around us left in the environment. */
async function exec(cwd: string, file: string, args: readonly string[]): Promise<string> {
  const inherited =
    /^(npm_(package|lifecycle|command|execpath|node_execpath)|npm_config_(local_prefix|prefix|workspace)|NODE_OPTIONS|INIT_CWD)/
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !inherited.test(name)))
  try {
    return (await promisify(execFile)(file, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })).stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${[file, ...args].join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}
