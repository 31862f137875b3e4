/** Makes the example of a framework ready: its own packages, and holdfast among them as it would be published. */

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '../..')

/** Frameworks tell their makers who uses them, unless they are told not to. */
const QUIET = {
  NEXT_TELEMETRY_DISABLED: '1',
  NUXT_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  CI: '1',
}

/** What children see: not the condition under which the tests run, which would have them load sources. */
export function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env
  return { ...env, ...QUIET, ...more }
}

/**
 * Installs what an example's lockfile names, and puts the built holdfast in its place. Needs `npm run build` before.
 *
 * @param name - of a folder of `examples`
 * @returns that folder
 */
export function prepare(name: string): string {
  const folder = join(root, 'examples', name)
  const stamp = join(folder, 'node_modules', '.holdfast-stamp')
  const wanted = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    runIn(folder, 'npm', ['ci', '--ignore-scripts', '--loglevel=error'])
    writeFileSync(stamp, wanted)
  }
  const installed = join(folder, 'node_modules', 'holdfast')
  rmSync(join(installed, 'dist'), { recursive: true, force: true })
  for (const each of ['dist', 'package.json'])
    cpSync(join(root, each), join(installed, each), { recursive: true })
  return folder
}

/**
 * Puts an application of the tests into an example, where it finds the framework, and beside it `site.js`: what the
 * scenarios ask of it.
 *
 * @returns its folder there
 */
export async function plant(name: string, folder: string): Promise<string> {
  const target = join(folder, '.flow')
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target)
  cpSync(join(import.meta.dirname, name), target, { recursive: true })
  await build({
    entryPoints: [join(import.meta.dirname, 'site.ts')],
    outfile: join(target, 'site.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['holdfast', 'holdfast/*'],
    logLevel: 'error',
  })
  // The example limits nothing.
  const limiter = join('node_modules', 'rate-limiter-flexible')
  cpSync(join(root, limiter), join(folder, limiter), { recursive: true })
  return target
}

/** Runs a command to its end. @throws {Error} with what it printed, when it failed */
export function runIn(folder: string, command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    env: environment(),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
}

export interface RunningApp extends AsyncDisposable {
  readonly origin: string
}

/**
 * Starts an example by a command, and waits until it answers.
 *
 * @param env - what tells it the port
 */
export async function startApp(
  folder: string,
  [command, ...args]: readonly [string, ...string[]],
  port: number,
  env: NodeJS.ProcessEnv = {},
): Promise<RunningApp> {
  const child = spawn(command, args, {
    cwd: folder,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(String(chunk)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const origin = `http://localhost:${port}`
  const deadline = Date.now() + 60_000
  while (!(await fetch(origin, { redirect: 'manual' }).catch(() => null))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`${command} ${args.join(' ')} does not answer:\n${printed.join('')}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return {
    origin,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(timer)
    },
  }
}
