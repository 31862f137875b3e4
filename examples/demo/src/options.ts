/** The command line. @module */

import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Duration, OnMismatch } from 'holdfast'
import { TRAFFIC_ADDRESS } from './wire.ts'

export interface DemoOptions {
  readonly port: number
  readonly database: string
  readonly memory?: true
  readonly engine?: string
  readonly tls?: true
  readonly idle?: Duration
  readonly absolute?: Duration
  readonly renewal?: Duration
  readonly grace?: Duration
  readonly late?: Duration
  readonly ip: OnMismatch | 'off'
  readonly userAgent: OnMismatch | 'off'
  readonly proxy: readonly string[]
  readonly traffic?: true
  readonly json?: true
}

/** So that a renewal, and what a copy of an old token leads to, can be seen within a minute. */
const BRISK = { renewal: '20s', grace: '2s', late: '3s' } as const

const ACTIONS = ['off', 'report', 'reauthenticate', 'revoke']

/** Reads the arguments; answers `--help`, and ends the process with 2 when they make no sense. */
export function parseOptions(argv: readonly string[]): DemoOptions {
  const command = new Command('holdfast-demo')
    .description('A small application whose sessions are kept by Holdfast.')
    .option('-p, --port <number>', 'where to listen on 127.0.0.1; 0 takes any free port', parsePort, 3000)
    .addOption(
      new Option('--database <file>', 'where sessions and accounts are kept, and the keys beside it')
        .default(join(import.meta.dirname, '..', 'demo.db'), 'demo.db in the demo’s folder')
        .conflicts('memory'),
    )
    .option('--memory', 'keep everything in memory instead; a restart forgets it')
    .addOption(
      new Option(
        '--engine <url>',
        'keep sessions elsewhere: redis://…, redis+cluster://…, postgres://…, sqlite:FILE or memory; accounts and keys stay with the database',
      ).conflicts('memory'),
    )
    .option('--tls', 'serve HTTPS with a certificate of its own, and redirect a plain port to it')
    .optionsGroup('Limits, with their unit (10s, 30m, 12h):')
    .option('--idle <duration>', 'end a session that was not used for so long (default: 30m)')
    .option('--absolute <duration>', 'end a session so long after its last login (default: 12h)')
    .option('--renewal <duration>', 'renew its token after so long (default: 15m)')
    .option('--grace <duration>', 'serve a renewed token for so long yet (default: 60s)')
    .option(
      '--late <duration>',
      'then refuse it quietly for so long, before it counts as a replay (default: 2m)',
    )
    .optionsGroup('What a session is tied to:')
    .addOption(new Option('--ip <action>', 'when the network changes').choices(ACTIONS).default('report'))
    .addOption(
      new Option('--user-agent <action>', 'when the kind of browser changes')
        .choices(ACTIONS)
        .default('reauthenticate'),
    )
    .optionsGroup('Surroundings:')
    .addOption(
      new Option('--proxy <cidr>', 'believe X-Forwarded-* of this address or block; may be repeated')
        .argParser(collect)
        .default([], 'nobody'),
    )
    .option(
      '--traffic',
      'make lively traffic against itself, so that there is something to look at; tokens are then renewed every 20s, unless said otherwise',
    )
    .option('--json', 'write one line of JSON for each event to standard output, and words to standard error')
    .addHelpText('after', '\nExample: npm start -- --port 8080 --idle 2m --tls')
    .showHelpAfterError('(--help lists the options)')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .allowExcessArguments(false)
  const given = command.parse(argv, { from: 'user' }).opts<DemoOptions>()
  return given.traffic ? { ...BRISK, ...given, proxy: [...given.proxy, TRAFFIC_ADDRESS] } : given
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity
  if (port > 65_535) throw new InvalidArgumentError('It must be a number from 0 to 65535.')
  return port
}

function collect(cidr: string, before: readonly string[]): readonly string[] {
  return [...before, cidr]
}
