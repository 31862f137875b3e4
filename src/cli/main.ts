#!/usr/bin/env node
/** The `holdfast` command: `npx holdfast keygen` draws a key for `createSessions({ keys })`. */

import { randomBytes } from 'node:crypto'

const USAGE = `Usage: holdfast <command>

Commands:
  keygen    print a new random key: 32 bytes, base64url

Options:
  --help    print this text

The keys of an application are secrets: keep them where its passwords are kept.
To roll keys, put the new one first and keep the old one behind it, with a comma between.
`

process.exitCode = run(process.argv.slice(2))

function run(args: readonly string[]): number {
  const [command, ...rest] = args
  if (command === undefined || command === 'help' || args.includes('--help') || args.includes('-h')) {
    const asked = command !== undefined
    const stream = asked ? process.stdout : process.stderr
    stream.write(USAGE)
    return asked ? 0 : 2
  }
  if (command !== 'keygen') return refuse(`unknown command '${command}'`)
  if (rest.length > 0) return refuse(`keygen takes no arguments, got '${rest.join(' ')}'`)
  process.stdout.write(`${randomBytes(32).toString('base64url')}\n`)
  return 0
}

function refuse(problem: string): number {
  process.stderr.write(`holdfast: ${problem}\nRun 'holdfast --help' for the commands.\n`)
  return 2
}
