// Breaks one rule of the sources at a time, in a copy, and runs the tests that must notice: `npm run mutants`.
// The lists are tools/mutants/*.json, of entries { rule, file, search, replace, tests }: `search` occurs in `file` exactly
// once, and one of `tests` must fail when it has been replaced. Arguments pick mutants by a part of a rule's or file's name.

import { spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const TIMEOUT = 60_000
// That stripTypeScriptTypes is experimental is known, and would be said before everything else.
process.removeAllListeners('warning')
const LEFT_OUT = new Set(['.git', 'dist', 'node_modules'])

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const lists = join(root, 'tools', 'mutants')
const wanted = process.argv.slice(2).map((word) => word.toLowerCase())
const mutants = readdirSync(lists)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .flatMap((name) => JSON.parse(readFileSync(join(lists, name), 'utf8')))
  .filter(({ rule, file }) => wanted.every((word) => `${file} ${rule}`.toLowerCase().includes(word)))

const work = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'))
// Servers that don't run as root pass through it to their folders.
chmodSync(work, 0o711)
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(work, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

process.exitCode = await main()

async function main() {
  if (mutants.length === 0) return fail('no mutant has that name')
  const copies = Array.from({ length: Math.min(availableParallelism(), mutants.length) }, makeCopy)
  const started = performance.now()
  const failing = await findFailing(copies)
  for (const [test, why] of failing) fail(`${test} fails although nothing is broken: ${why}`)

  const survivors = []
  let next = 0
  let done = 0
  const worker = async (copy) => {
    for (let mutant = mutants[next++]; mutant; mutant = mutants[next++]) {
      const outcome = mutant.tests.some((test) => failing.has(test))
        ? { caught: false, word: 'UNPROVEN' }
        : await judge(copy, mutant)
      if (!outcome.caught) survivors.push(mutant)
      const count = `${String(++done).padStart(String(mutants.length).length)}/${mutants.length}`
      console.log(`${count}  ${outcome.word.padEnd(8)}  ${basename(mutant.file, '.ts')}: ${mutant.rule}`)
    }
  }
  await Promise.all(copies.map(worker))

  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  if (survivors.length === 0) {
    console.log(`\nAll ${mutants.length} mutants were caught, in ${seconds} s.`)
    return 0
  }
  console.log(`\n${survivors.length} of ${mutants.length} mutants were NOT caught, in ${seconds} s:`)
  for (const { rule, file, search, tests } of survivors)
    console.log(`  ${file}: ${rule}\n    ${JSON.stringify(search)} (${tests.join(', ')})`)
  return 1
}

/** A test that fails by itself would catch everything. */
async function findFailing(copies) {
  const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))]
  console.log(`${mutants.length} mutants; first, ${tests.length} test files as they are`)
  const failing = new Map()
  const worker = async (copy) => {
    for (let test = tests.pop(); test; test = tests.pop()) {
      const failure = await run(copy, test)
      if (failure) failing.set(test, failure)
    }
  }
  await Promise.all(copies.map(worker))
  return failing
}

async function judge(copy, { file, search, replace, tests }) {
  const path = join(copy, file)
  const source = readFileSync(path, 'utf8')
  const parts = source.split(search)
  if (parts.length !== 2) return { caught: false, word: 'NO MATCH' }
  const broken = parts.join(replace)
  try {
    stripTypeScriptTypes(broken)
  } catch {
    // What doesn't even parse proves nothing.
    return { caught: false, word: 'NO CODE' }
  }
  writeFileSync(path, broken)
  try {
    for (const test of tests) if (await run(copy, test)) return { caught: true, word: 'caught' }
    return { caught: false, word: 'SURVIVED' }
  } finally {
    writeFileSync(path, source)
  }
}

/** Runs one test file, up to its first failure, and tells which that is. One that hangs has noticed something, too. */
function run(copy, test) {
  const args = ['--conditions=holdfast-source', '--test-reporter=tap', test]
  // What a test leaves that is ended at its first failure goes when we do.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(work, 'compiled'), TMPDIR: work }
  const child = spawn(process.execPath, args, { cwd: copy, env, stdio: ['ignore', 'pipe', 'ignore'] })
  running.add(child)
  let failure
  const give = (why) => {
    failure ??= why
    child.kill('SIGKILL')
  }
  const timer = setTimeout(() => give('it hangs'), TIMEOUT)
  createInterface(child.stdout).on('line', (line) => {
    if (/^\s*not ok /.test(line)) give(line.trim())
  })
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      clearTimeout(timer)
      running.delete(child)
      resolve(failure ?? (code === 0 ? null : `it exits with ${code}`))
    })
  })
}

function makeCopy(_, index) {
  const copy = join(work, String(index))
  cpSync(root, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) })
  // Whoever imports the package by its name must get the copy's.
  const modules = join(copy, 'node_modules')
  mkdirSync(modules)
  for (const name of readdirSync(join(root, 'node_modules')))
    symlinkSync(
      name === 'holdfast' ? copy : join(root, 'node_modules', name),
      join(modules, name),
      'junction',
    )
  return copy
}

function fail(why) {
  console.error(why)
  return 1
}
