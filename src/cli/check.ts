import { type Command, Option } from 'commander'
import { CHECKS, type Check, type Severity } from './checks.ts'
import type { Runner } from './command.ts'
import { loadConfig } from './config.ts'
import { jsonOption } from './options.ts'
import { count, plain, print, printTable, say, toJsonLine } from './output.ts'
import { EXIT, type Exit, Stop } from './stop.ts'

interface Options {
  readonly failOn: Severity
  readonly accept: readonly string[]
  readonly list?: true
  readonly json?: true
}

interface Finding extends Pick<Check, 'id' | 'severity' | 'requirement' | 'mend'> {
  readonly what: string
}

const SEVERITIES: readonly Severity[] = ['info', 'warning', 'error']

export function addCheck(program: Command, run: Runner): void {
  program
    .command('check')
    .description('look for what is weak in a configuration')
    .argument('[module]', 'a module that exports options or sessions')
    .addOption(
      new Option('--fail-on <severity>', 'the least finding that makes the exit status 1')
        .choices(SEVERITIES)
        .default('warning'),
    )
    .option('--accept <ids>', 'findings that you know of, such as HF007,HF016', readIds, [])
    .option('--list', 'list every check there is')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The module is imported, with the environment that it needs; it should make options, and start nothing.
Exit status 1: something was found that weighs at least as much as --fail-on.

Examples:
  holdfast check ./sessions.ts
  holdfast check ./sessions.ts --fail-on error --accept HF004 --json`,
    )
    .action(run(check))
}

async function check(module: string | undefined, options: Options): Promise<Exit> {
  if (options.list) return list(options)
  if (module === undefined)
    throw new Stop(EXIT.usage, 'which module? Give one that exports options or sessions, or --list')
  const config = await loadConfig(module)
  const findings = CHECKS.filter(({ id }) => !options.accept.includes(id)).flatMap((each): Finding[] => {
    const { id, severity, requirement, mend } = each
    const what = each.find(config)
    return what === null ? [] : [{ id, severity, what, requirement, mend }]
  })
  const sorted = findings.toSorted((a, b) => weight(b.severity) - weight(a.severity))
  const failed = sorted.some(({ severity }) => weight(severity) >= weight(options.failOn))
  if (options.json) print(toJsonLine({ failed, findings: sorted, accepted: options.accept }))
  else {
    for (const finding of sorted) printFinding(finding)
    const accepted = options.accept.length > 0 ? `; accepted: ${options.accept.join(', ')}` : ''
    say(`${count(findings.length, 'finding')} of ${CHECKS.length} checks${accepted}.`)
  }
  return failed ? EXIT.negative : EXIT.ok
}

function list({ json }: Options): Exit {
  const all = CHECKS.map(({ id, severity, about, requirement, mend }) => ({
    id,
    severity,
    about,
    requirement,
    mend,
  }))
  if (json) for (const each of all) print(toJsonLine(each))
  else
    printTable(
      ['ID', 'SEVERITY', 'ABOUT', 'RESTS ON'],
      all.map((each) => [each.id, each.severity, each.about, each.requirement]),
    )
  return EXIT.ok
}

function printFinding({ id, severity, what, requirement, mend }: Finding): void {
  print(`${id} ${severity}: ${plain(what)}`)
  print(`  Rests on ${requirement}.`)
  print(`  ${mend}`)
}

function weight(severity: Severity): number {
  return SEVERITIES.indexOf(severity)
}

function readIds(text: string, before: readonly string[]): readonly string[] {
  const ids = text.split(',').map((id) => id.trim())
  const unknown = ids.find((id) => !CHECKS.some((each) => each.id === id))
  if (unknown !== undefined)
    throw new Stop(EXIT.usage, `--accept: there is no check ${unknown}; --list shows them all`)
  return [...before, ...ids]
}
