// What `npm start`, `npm test` and the other npm scripts run. Starts on any Node from 18, with nothing installed: it
// brings in what is missing (packages, the pinned Node, a Chromium for the tests) and then does the work.
// Its own words, and those of npm and tsc, go to standard error: standard output belongs to the demo and to the tests.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, pathOutside } from './programs.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const windows = process.platform === 'win32'
const [task = 'help', ...rest] = process.argv.slice(2)
const parents = lineage()
const attwFormat = ['--format', 'table-flipped', '--no-emoji', '--no-summary', '--no-color']
// Whatever hangs ends, and the files after it run all the same.
const testing = ['--conditions=holdfast-source', '--test', '--test-reporter=spec', '--test-timeout=600000']
const benches = { bench, 'bench:engines': benchEngines, 'bench:scale': benchScale }
const suites = { test, quick, deep, engines, frameworks, firefox, load }
const tasks = { start, example, ...suites, check, build, format, mutants, ...benches }

process.chdir(root)
if (Object.hasOwn(tasks, task)) await tasks[task](rest)
else stop(`usage: node tools/run.mjs ${Object.keys(tasks).join('|')}`, 2)

/** Builds if need be and runs the demo, with the arguments given. */
async function start(args) {
  install()
  build()
  const folder = join(root, 'examples', 'demo')
  const entry = join(folder, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).main)
  const demo = spawn(node(), [entry, ...args], { stdio: 'inherit', env: environment() })
  demo.on('error', (error) => stop(`cannot start the demo: ${error.message}`))
  // A terminal sends its Ctrl+C to the demo as well; twice would read as impatience.
  process.on('SIGINT', () => process.stdin.isTTY || demo.kill('SIGINT'))
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => demo.kill(signal))
  // A signal to npm ends npm or the shell between npm and us, and we would never hear of it.
  const orphaned = () => lineage() !== parents && demo.kill('SIGTERM')
  if (process.env.npm_lifecycle_event !== undefined) setInterval(orphaned, 200).unref()
  demo.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

/** Builds if need be and runs the example of that name, by its own `build` and `start`. */
function example([name, ...args]) {
  const scriptsOf = (folder) => {
    const manifest = join('examples', folder, 'package.json')
    return (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).scripts) || {}
  }
  const folders = readdirSync('examples').filter((folder) => scriptsOf(folder).start)
  if (!folders.includes(name)) stop(`usage: npm run example ${folders.join('|')}`, 2)
  const folder = join('examples', name)
  install()
  build()
  if (existsSync(join(folder, 'package-lock.json'))) install(folder)
  const options = { cwd: folder, stdio: 'inherit', env: environment(), shell: windows }
  const npm = (...given) => spawnSync('npm', given, options).status === 0
  if (scriptsOf(name).build && !npm('run', 'build', '--silent')) return finish(false)
  finish(npm('start', '--silent', ...(args.length > 0 ? ['--', ...args] : [])))
}

/** Our parent, and on Linux its parent too: they change when one of the two is gone. */
function lineage() {
  try {
    const parent = readFileSync(`/proc/${process.ppid}/stat`, 'utf8').split(') ').at(-1)
    return `${process.ppid} ${parent.split(' ')[1]}`
  } catch {
    return `${process.ppid}`
  }
}

/** Everything that must hold before a change goes in. All steps run; the summary says which failed. */
function test(args) {
  const began = Date.now()
  install()
  const browser = process.env.CHROMIUM || findProgram('Chromium')
  // The same draws each time: what fails here is what was changed. `npm run test:deep` draws anew.
  const env = {
    HOLDFAST_SEED: process.env.HOLDFAST_SEED ?? '1',
    ...(browser === undefined ? { HOLDFAST_BROWSER_SKIP: '1' } : { HOLDFAST_CHROMIUM: browser }),
  }
  const where = browser === undefined ? 'WITHOUT a browser' : `browser: ${browser}`
  const files = args.length > 0 ? args : ['test/!(deep|frameworks|servers)/**/*.test.ts']
  const steps = [
    ['types', types],
    ['lint and format', () => bin('biome', ['check', '--error-on-warnings', '.'])],
    ['build', () => build({ fresh: true })],
    [`tests (${where})`, () => run(node('tests'), [...testing, ...files], env)],
    ['publint', () => bin('publint', ['run', '--strict', '--pack', 'npm'])],
    ['types as published (attw)', () => bin('attw', ['--pack', '.', '--profile', 'esm-only', ...attwFormat])],
    ['size', () => bin('size-limit', [])],
    ['unused code and dependencies (knip)', () => bin('knip', [])],
  ]
  const results = steps.map(([name, step]) => {
    console.log(`\n━━━ ${name} ━━━`)
    const from = Date.now()
    const passed = step()
    return { name, passed, seconds: ((Date.now() - from) / 1000).toFixed(1) }
  })
  console.log(`\n━━━ summary ━━━`)
  for (const { name, passed, seconds } of results)
    console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name} (${seconds} s)`)
  if (browser === undefined) console.log('SKIPPED the browser tests: no Chromium found, see above')
  const failed = results.filter((result) => !result.passed).length
  const total = ((Date.now() - began) / 1000).toFixed(0)
  console.log(
    failed === 0
      ? `All ${results.length} steps passed in ${total} s.`
      : `${failed} of ${results.length} steps FAILED.`,
  )
  process.exitCode = failed === 0 ? 0 : 1
}

/** The tests that need neither a build nor a browser; or the files given. */
function quick(args) {
  install()
  const files =
    args.length > 0 ? args : ['test/!(browser|deep|frameworks|package|model|properties|servers)/**/*.test.ts']
  finish(run(node('tests'), [...testing, ...files]))
}

/** What searches instead of checking: every order of a few requests, and many orders of many. Takes minutes. */
function deep(args) {
  install()
  const files = args.length > 0 ? args : ['test/{deep,model,properties}/**/*.test.ts']
  finish(run(node('tests'), ['--conditions=holdfast-source', '--test', ...files]))
}

/** The browser tests once more, in Firefox: less what can't be driven there. */
function firefox() {
  install()
  const browser = findProgram('Firefox')
  if (browser === undefined) return
  finish(run(node('tests'), [...testing, 'test/browser/*.test.ts'], { HOLDFAST_FIREFOX: browser }))
}

/** The tests that need servers, which they start and end themselves; or the files given. */
function engines(args) {
  const began = Date.now()
  install()
  // The console's page is among what is built.
  build()
  const missing = bringServers()
  const files = args.length > 0 ? args : ['test/servers/**/*.test.ts']
  const passed = run(node('tests'), [...testing, ...files])
  console.log('\n━━━ summary ━━━')
  const total = ((Date.now() - began) / 1000).toFixed(0)
  console.log(`${passed ? 'ok    ' : 'FAILED'}  the engines on real servers (${total} s)`)
  for (const name of missing) console.log(`SKIPPED the tests on ${name}: it is not there, see above`)
  finish(passed)
}

/**
 * The scenarios through every framework, and each one's example, from the packed package on; or the files given. Those in
 * `test/frameworks` have servers of their own, which they build and end themselves.
 */
function frameworks(args) {
  const began = Date.now()
  install()
  build()
  const browser = process.env.CHROMIUM || findProgram('Chromium')
  const env = browser === undefined ? { HOLDFAST_BROWSER_SKIP: '1' } : { HOLDFAST_CHROMIUM: browser }
  const files = args.length > 0 ? args : ['test/{flow,frameworks}/**/*.test.ts']
  // One file at a time: each builds and starts whole frameworks, which would wait for one another.
  const passed = run(node('tests'), [...testing, '--test-concurrency=1', ...files], env)
  console.log('\n━━━ summary ━━━')
  const total = ((Date.now() - began) / 1000).toFixed(0)
  console.log(`${passed ? 'ok    ' : 'FAILED'}  the frameworks (${total} s)`)
  if (browser === undefined) console.log('SKIPPED the browser tests: no Chromium found, see above')
  finish(passed)
}

/** @returns those that can't be had */
function bringServers() {
  return ['Redis', 'Valkey', 'PostgreSQL'].filter((name) => findProgram(name) === undefined)
}

/** An hour's worth of traffic in ten minutes. `HOLDFAST_LOAD_SECONDS` and `HOLDFAST_LOAD_RATE` change that. */
function load() {
  install()
  finish(run(node('tests'), ['--conditions=holdfast-source', 'test/load/main.ts']))
}

function check() {
  install()
  finish([types(), bin('biome', ['check', '--error-on-warnings', '.'])].every(Boolean))
}

/** Of the sources, the tests and the rest; and of the console's page, which runs in browsers. */
function types() {
  return ['tsconfig.json', 'tsconfig.page.json'].map((project) => bin('tsc', ['-p', project])).every(Boolean)
}

function format() {
  install()
  finish(bin('biome', ['check', '--write', '.']))
}

/**
 * Breaks each rule, one at a time, and expects a test to fail: the pure ones in every way that Stryker knows, then those
 * of the lists. Arguments pick mutants of the lists by a part of their names; `--generated` has those of Stryker alone.
 */
function mutants(args) {
  const generated = args[0] === '--generated'
  const scripts = generated ? [] : [['tools/mutants.mjs', ...args]]
  install()
  if (generated || args.length === 0) {
    install('tools/stryker')
    scripts.unshift(['tools/stryker/main.mjs', ...args.slice(1)])
  }
  finish(scripts.map((script) => run(node('tests'), script)).every(Boolean))
}

/** Measures what a session costs, beside others, and writes `docs/cost.md`. Arguments go to `bench/main.ts`. */
function bench(args) {
  install()
  install('bench')
  build()
  finish(run(node(), [join('bench', 'main.ts'), ...args]))
}

/** Measures what a session costs on Redis and PostgreSQL, and writes `docs/cost-engines.md`. */
function benchEngines(args) {
  install()
  install('bench')
  bringServers()
  build()
  finish(run(node(), [join('bench', 'engines', 'main.ts'), ...args]))
}

/** Fills the engines with up to a million sessions, measures, and writes `docs/scale.md`. */
function benchScale(args) {
  install()
  bringServers()
  finish(run(node(), ['--conditions=holdfast-source', join('bench', 'scale', 'main.ts'), ...args]))
}

/**
 * src -> dist, unless dist was made from just these sources. It is made beside dist and then put in its place: a build
 * that fails leaves the old one whole.
 */
function build({ fresh = false } = {}) {
  if (task === 'build') install()
  const stamp = join(modules, '.holdfast-built')
  const made = hash([
    ...filesBelow('src'),
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    join('tools', 'page.mjs'),
  ])
  if (!fresh && existsSync('dist') && read(stamp) === made) return true
  say('building dist')
  const beside = `.holdfast-dist-${process.pid}`
  const compiled = bin('tsc', ['-p', 'tsconfig.build.json', '--outDir', beside], 2)
  const passed = compiled && run(node(), [join('tools', 'page.mjs'), join(beside, 'console', 'page')])
  if (passed) {
    rmSync('dist', { recursive: true, force: true })
    renameSync(beside, 'dist')
    writeFileSync(stamp, made)
  }
  rmSync(beside, { recursive: true, force: true })
  if (!passed && task !== 'test') stop('the build failed')
  return passed
}

/** `npm ci`, unless node_modules was made from just this lockfile. A folder that is no workspace has its own. */
function install(folder = '.') {
  const stamp = join(root, folder, 'node_modules', '.holdfast-stamp')
  const wanted = hash([join(folder, 'package-lock.json')])
  if (read(stamp) === wanted) return
  say('installing packages (npm ci), up to a minute or two')
  // No package here needs its install script, so none runs. The Node that npm runs on must not be the one it replaces.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--loglevel=error']
  const env = { ...environment(), PATH: pathOutside() }
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2], env, shell: windows })
  if (status !== 0) stop('npm ci failed: is the npm registry within reach?')
  writeFileSync(stamp, wanted)
}

/** The Node of the lockfile. `HOLDFAST_NODE` names another one to run the tests on, for a matrix. */
function node(purpose) {
  if (purpose === 'tests' && process.env.HOLDFAST_NODE) return process.env.HOLDFAST_NODE
  const platform = windows ? 'win' : process.platform
  const local = join(modules, `node-${platform}-${process.arch}`, 'bin', windows ? 'node.exe' : 'node')
  if (existsSync(local)) return local
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath
  return stop(
    `Node 22.18 or newer is needed, and npm has none for ${platform}-${process.arch}; this is ${process.version}`,
  )
}

/** What our children see: the Node and the tools of the lockfile first. */
function environment(more) {
  return { ...process.env, PATH: [join(modules, '.bin'), process.env.PATH].join(delimiter), ...more }
}

/** Runs a tool of node_modules; true when it succeeded. */
function bin(name, args, stdout = 'inherit') {
  const { status, error } = spawnSync(join(modules, '.bin', windows ? `${name}.cmd` : name), args, {
    stdio: ['ignore', stdout, 'inherit'],
    env: environment(),
    shell: windows,
  })
  if (error) say(`${name}: ${error.message}`)
  return status === 0
}

function run(file, args, env) {
  return (
    spawnSync(file, args, { stdio: ['ignore', 'inherit', 'inherit'], env: environment(env) }).status === 0
  )
}

function hash(files) {
  const digest = createHash('sha256')
  for (const file of files)
    digest.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0')
  return digest.digest('hex')
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
    )
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function say(text) {
  console.error(`holdfast: ${text}`)
}

function finish(passed) {
  process.exitCode = passed ? 0 : 1
}

function stop(text, code = 1) {
  say(text)
  process.exit(code)
}
