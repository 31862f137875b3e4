// Breaks the pure rules in every way that Stryker knows, one at a time, and expects a test of the core to fail:
// `npm run mutants -- --generated`. Arguments are files, or lines of them (src/core/guard.ts:40-60), instead of all.
// A mutant that no test could notice is in equivalent.json, with the reason; any other that survives is a failure.

import { readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stryker } from '@stryker-mutator/core'

const RULES = [
  ...['guard', 'judge', 'plan', 'ledger', 'csrf'].map((name) => `src/core/${name}.ts`),
  'src/proxy.ts',
]
const SANDBOX = `.holdfast-stryker-${process.pid}`
// A test file that breaks off before its first test is a RuntimeError; they all pass unbroken, or there is no run.
const NOTICED = new Set(['Killed', 'RuntimeError', 'Timeout'])

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const equivalent = JSON.parse(readFileSync(new URL('equivalent.json', import.meta.url), 'utf8'))
const chosen = process.argv.slice(2)
const mutate = chosen.length > 0 ? chosen : RULES

process.chdir(root)
// As they are now: a run takes minutes, and somebody may be working on them.
const sources = new Map(mutate.map((part) => part.replace(/:.*$/, '')).map((file) => [file, readLines(file)]))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
process.on('exit', () => rmSync(SANDBOX, { recursive: true, force: true }))
process.exitCode = await main()

async function main() {
  const started = performance.now()
  const mutants = (await new Stryker(options()).runMutationTest()).map(describe)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  const survivors = mutants.filter(({ status }) => !NOTICED.has(status))
  const unlisted = survivors.filter((mutant) => !equivalent.some((entry) => isSame(entry, mutant)))
  const outdated = equivalent.filter((entry) => isOutdated(entry, mutants))

  console.log('\nfile: mutants, of them equivalent')
  for (const name of new Set(mutants.map(({ file }) => file))) {
    const count = (list) => list.filter(({ file }) => file === name).length
    console.log(`  ${name}: ${count(mutants)}, ${count(survivors) - count(unlisted)}`)
  }
  for (const { file, line, was, became } of outdated)
    console.log(
      `\nequivalent.json lists what is caught, or gone: ${file}: ${line}\n    ${was}\n  → ${became}`,
    )
  for (const { at, status, line, was, became } of unlisted)
    console.log(`\n${status.toUpperCase()}  ${at}: ${line}\n    ${was}\n  → ${became}`)
  const caught = mutants.length - survivors.length
  console.log(
    `\n${caught} of ${mutants.length} generated mutants were caught, ${survivors.length - unlisted.length} are ` +
      `equivalent, ${unlisted.length} were NOT caught, in ${seconds} s.`,
  )
  return unlisted.length + outdated.length === 0 && mutants.length > 0 ? 0 : 1
}

/** @see https://stryker-mutator.io/docs/stryker-js/configuration/ */
function options() {
  return {
    mutate,
    testRunner: 'tap',
    plugins: ['@stryker-mutator/tap-runner'],
    tap: {
      // The rules' own tables alone, of which nothing fails because a machine is busy, and so seems to have caught something.
      testFiles: [...RULES, 'everybody'].map((file) => `test/core/${basename(file, '.ts')}.test.ts`),
      nodeArgs: ['--conditions=holdfast-source', '--test-reporter=tap', '-r', '{{hookFile}}', '{{testFile}}'],
      forceBail: true,
    },
    coverageAnalysis: 'perTest',
    concurrency: availableParallelism(),
    // Generous, so that a busy machine makes no mutant look caught.
    timeoutMS: 30_000,
    // Ours is TypeScript 7's, whose API its preprocessor doesn't know; it needs none.
    tsconfigFile: 'none',
    ignorePatterns: ['dist', 'bench', 'docs', 'examples', '.holdfast*', '*.db'],
    // Not below node_modules, where Node strips no types.
    tempDirName: SANDBOX,
    cleanTempDir: 'always',
    reporters: ['progress-append-only'],
    logLevel: 'warn',
  }
}

/** A mutant in words: where, the line, and what of it became what. */
function describe({ fileName, location: { start, end }, replacement, status }) {
  const file = relative(root, fileName).replaceAll('\\', '/')
  const lines = sources.get(file)
  const spanned = lines.slice(start.line - 1, end.line)
  const last = spanned.length - 1
  spanned[last] = spanned[last].slice(0, end.column - 1)
  spanned[0] = spanned[0].slice(start.column - 1)
  const [line, was, became] = [lines[start.line - 1], spanned.join('\n'), replacement].map(oneLine)
  return { file, at: `${file}:${start.line}:${start.column}`, line, was, became, status }
}

function readLines(file) {
  return readFileSync(file, 'utf8').split('\n')
}

function oneLine(text) {
  return text.replace(/\s+/g, ' ').trim()
}

function isSame(entry, mutant) {
  return ['file', 'line', 'was', 'became'].every((key) => entry[key] === mutant[key])
}

/** An entry must name mutants that survive. One that only time caught, on a busy machine, proves nothing against it. */
function isOutdated(entry, mutants) {
  if (chosen.length > 0) return false
  const named = mutants.filter((mutant) => isSame(entry, mutant))
  return named.every(({ status }) => status !== 'Timeout' && NOTICED.has(status))
}
