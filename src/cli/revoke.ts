import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { RevokeEverybody, RevokeQuery } from '../core/queries.ts'
import type { Sessions } from '../core/sessions.ts'
import type { Runner } from './command.ts'
import { openLogToWrite } from './log.ts'
import { auditOption, configOption, jsonOption, readTime, type StoreOptions, storeOption } from './options.ts'
import { count, formatMoment, plain, print, toJsonLine } from './output.ts'
import { EXIT, type Exit, Stop, withStore } from './stop.ts'
import { openStore } from './store.ts'

interface Options extends StoreOptions {
  readonly id?: string
  readonly user?: string
  readonly othersThan?: string
  readonly everybody?: true
  readonly before?: number
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
    .option('--everybody', "every user's")
    .option(
      '--before <time>',
      'with --user or --everybody: what was authenticated by then, ISO 8601',
      readTime,
    )
    .addOption(auditOption('writes it down in this audit log, sealed with the key in AUDIT_KEY, if any'))
    .option('-y, --yes', "don't ask")
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Exit status 1: there was nothing to end, or the answer was no.

Examples:
  holdfast revoke --store sqlite:sessions.db --user ada
  holdfast revoke --store sqlite:sessions.db --everybody --before 2026-01-02T03:04:05Z
  holdfast revoke --store sqlite:sessions.db --id 5VCpVqpN7lrKsxgJ8fPSNA --yes --audit sqlite:audit.db`,
    )
    .action(run(revoke))
}

async function revoke(options: Options): Promise<Exit> {
  const { query, words } = queryOf(options)
  const { audit } = options
  let log: Awaited<ReturnType<typeof openLogToWrite>> | null = null
  const store = await openStore(
    options,
    audit === undefined ? {} : { onEvent: (event) => log?.onEvent(event) },
  )
  if (!options.yes && !(await confirm(words))) {
    await store.close()
    throw new Stop(EXIT.negative, 'nothing was ended')
  }
  if (audit !== undefined) log = await openLogToWrite(audit)
  const ended = await withStore('the store failed', () => end(store.sessions, query))
  const said =
    ended === null
      ? "everybody's sessions ended; other processes know within a second"
      : `${count(ended, 'session')} ended`
  await store.close()
  await withStore('the sessions were ended, but this is not in the audit log', async () => log?.close())
  print(options.json ? toJsonLine({ ended }) : said)
  return ended === 0 ? EXIT.negative : EXIT.ok
}

type Query = RevokeQuery | RevokeEverybody

/** What is wrong with a moment is wrong usage. */
async function end(sessions: Sessions, query: Query): Promise<number | null> {
  try {
    return 'everybody' in query ? await sessions.revoke(query) : await sessions.revoke(query)
  } catch (error) {
    if (error instanceof TypeError) throw new Stop(EXIT.usage, error.message)
    throw error
  }
}

function queryOf({ id, user, othersThan, everybody, before }: Options): { query: Query; words: string } {
  const until = before === undefined ? {} : { before }
  const then = before === undefined ? '' : ` authenticated by ${formatMoment(before)}`
  if (everybody) {
    if (id !== undefined || user !== undefined || othersThan !== undefined)
      throw new Stop(EXIT.usage, '--everybody goes with --before alone')
    return { query: { everybody, ...until }, words: `every user's sessions${then}` }
  }
  if (id !== undefined) {
    if (othersThan !== undefined || before !== undefined)
      throw new Stop(EXIT.usage, '--others-than and --before go with --user, not with --id')
    return { query: { id, ...(user === undefined ? {} : { userId: user }) }, words: `the session ${id}` }
  }
  if (user === undefined) throw new Stop(EXIT.usage, 'which sessions? Give --id, --user or --everybody')
  const but = othersThan === undefined ? '' : ` but ${othersThan}`
  const query = { userId: user, except: othersThan ?? null, ...until }
  return { query, words: `all sessions of ${user}${but}${then}` }
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
