import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { RevokeQuery } from '../core/sessions.ts'
import type { Runner } from './command.ts'
import { openLogToWrite } from './log.ts'
import { auditOption, configOption, jsonOption, type StoreOptions, storeOption } from './options.ts'
import { count, plain, print, toJsonLine } from './output.ts'
import { EXIT, type Exit, Stop, withStore } from './stop.ts'
import { openStore } from './store.ts'

interface Options extends StoreOptions {
  readonly id?: string
  readonly user?: string
  readonly othersThan?: string
  readonly audit?: string
  readonly yes?: true
  readonly json?: true
}

export function addRevoke(program: Command, run: Runner): void {
  program
    .command('revoke')
    .description('end sessions, from their next request on, on every server')
    .addOption(storeOption())
    .addOption(configOption())
    .option('--id <id>', 'this session')
    .option('-u, --user <id>', "all of a user's, and logins under way; with --id: only if it is this user's")
    .option('--others-than <id>', 'with --user: all but this session')
    .addOption(auditOption('writes it down in this audit log, sealed with the key in AUDIT_KEY, if any'))
    .option('-y, --yes', "don't ask")
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Exit status 1: there was nothing to end, or the answer was no.

Examples:
  holdfast revoke --store sqlite:sessions.db --user ada
  holdfast revoke --store sqlite:sessions.db --id 5VCpVqpN7lrKsxgJ8fPSNA --yes --audit sqlite:audit.db`,
    )
    .action(run(revoke))
}

async function revoke(options: Options): Promise<Exit> {
  const { query, words } = queryOf(options)
  const log = options.audit === undefined ? null : await openLogToWrite(options.audit)
  const store = await openStore(options, log ? { onEvent: log.onEvent } : {})
  if (!options.yes && !(await confirm(words))) {
    await store.close()
    throw new Stop(EXIT.negative, 'nothing was ended')
  }
  const ended = await withStore('the store failed', () => store.sessions.revoke(query))
  print(options.json ? toJsonLine({ ended }) : `${count(ended, 'session')} ended`)
  await store.close()
  await withStore('the sessions were ended, but this is not in the audit log', async () => log?.close())
  return ended > 0 ? EXIT.ok : EXIT.negative
}

function queryOf({ id, user, othersThan }: Options): { query: RevokeQuery; words: string } {
  if (id !== undefined) {
    if (othersThan !== undefined) throw new Stop(EXIT.usage, '--others-than goes with --user, not with --id')
    return { query: { id, ...(user === undefined ? {} : { userId: user }) }, words: `the session ${id}` }
  }
  if (user === undefined) throw new Stop(EXIT.usage, 'which sessions? Give --id or --user')
  const but = othersThan === undefined ? '' : ` but ${othersThan}`
  return { query: { userId: user, except: othersThan ?? null }, words: `all sessions of ${user}${but}` }
}

async function confirm(what: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new Stop(EXIT.usage, 'nobody is there to ask: give --yes')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`End ${plain(what)}? [y/N] `)).trim())
  } finally {
    terminal.close()
  }
}
