#!/usr/bin/env node
/** The `holdfast` command: one file for each of its commands, and here what they have in common. @module */

import { Command, CommanderError } from 'commander'
import { addAudit } from './audit.ts'
import { addCheck } from './check.ts'
import { addExplain } from './explain.ts'
import { addKeygen } from './keygen.ts'
import { addList } from './list.ts'
import { addMigrate } from './migrate.ts'
import { outliveReaders, say } from './output.ts'
import { addRevoke } from './revoke.ts'
import { addShow } from './show.ts'
import { addStats } from './stats.ts'
import { EXIT, type Exit, messageOf, Stop } from './stop.ts'
import { addSweep } from './sweep.ts'

const AFTER = `
Exit status: 0 done, 1 done and the answer is no, 2 wrong usage, 3 the store failed, 4 a bug of holdfast.
Data goes to standard output, words to standard error. HOLDFAST_DEBUG=1 shows the stack of an error.

Examples:
  holdfast list --store sqlite:sessions.db --user ada
  holdfast revoke --store sqlite:sessions.db --user ada --yes
  holdfast audit verify --audit sqlite:audit.db
  holdfast check ./sessions.ts --fail-on error`

const add = [
  addKeygen,
  addList,
  addShow,
  addRevoke,
  addSweep,
  addStats,
  addAudit,
  addMigrate,
  addExplain,
  addCheck,
]

outliveReaders()

const exit = await main(process.argv.slice(2))
// An application's module may hold timers and sockets of its own, for which nobody waits; but its audit log, which hears of
// what was done here, writes in a turn of its own.
process.stdout.write('', () => {
  process.exitCode = exit
  setTimeout(() => process.exit(exit), 1_000).unref()
})

async function main(args: readonly string[]): Promise<Exit> {
  let exit: Exit = EXIT.ok
  const program = new Command('holdfast')
    .description('Session security for TypeScript servers: keys, sessions, audit log, configuration.')
    .addHelpText('after', AFTER)
    .showHelpAfterError("Run 'holdfast --help' for the commands.")
    .exitOverride()
  for (const each of add)
    each(program, (action) => async (...given) => {
      exit = await action(...given)
    })
  try {
    await program.parseAsync(args, { from: 'user' })
    return exit
  } catch (error) {
    return report(error)
  }
}

function report(error: unknown): Exit {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  const known = error instanceof Stop
  say(`holdfast: ${known ? '' : 'a bug of ours: '}${messageOf(error)}`)
  if (process.env.HOLDFAST_DEBUG) console.error(error)
  else if (!known) say('HOLDFAST_DEBUG=1 shows where.')
  return known ? error.exit : EXIT.bug
}
