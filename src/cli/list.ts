import type { Command } from 'commander'
import { deviceLabel } from '../bindings/user-agent.ts'
import type { SessionRecord } from '../core/engine.ts'
import type { Runner } from './command.ts'
import { type Described, describe, scanAll } from './describe.ts'
import { configOption, jsonOption, type StoreOptions, storeOption, wholeNumber } from './options.ts'
import { count, formatMoment, print, printTable, progress, say, toJsonLine } from './output.ts'
import { EXIT, type Exit, withStore } from './stop.ts'
import { openStore, type Store, sayAssumed } from './store.ts'

interface Options extends StoreOptions {
  readonly user?: string
  readonly all?: true
  readonly limit: number
  readonly json?: true
}

export function addList(program: Command, run: Runner): void {
  program
    .command('list')
    .description('list sessions, most recently used first')
    .addOption(storeOption())
    .addOption(configOption())
    .option('-u, --user <id>', "one user's only")
    .option('--all', 'those that ended or expired, too, while they are remembered')
    .option('-n, --limit <number>', 'how many at most', wholeNumber, 100)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Without --user every session of the store is read. --json prints one object for each line; times are milliseconds.

Examples:
  holdfast list --store sqlite:sessions.db
  holdfast list --config ./sessions.ts --user ada --json`,
    )
    .action(run(list))
}

async function list(options: Options): Promise<Exit> {
  const store = await openStore(options)
  const { found, total } = await withStore('the store failed', () => collect(store, options))
  if (options.json) for (const each of found) print(toJsonLine(each))
  else if (found.length > 0) printTable(HEADERS, found.map(rowOf))
  if (found.length < total)
    say(`${count(total, 'session')}; the ${found.length} used last are shown (--limit).`)
  else if (!options.json) say(`${count(total, 'session')}.`)
  if (!options.json) sayAssumed(options)
  await store.close()
  return EXIT.ok
}

/** Keeps the ones used last, and no more of them than it must. */
async function collect(store: Store, { user, all, limit }: Options) {
  const now = Date.now()
  const notBefore = await store.notBefore()
  const tell = progress('sessions read')
  let found: Described[] = []
  let total = 0
  let read = 0
  for await (const record of user !== undefined && !all ? ofUser(store, user) : scanAll(store.engine)) {
    tell(++read)
    const described = describe(record, now, store.sessions.policy, notBefore)
    if ((user !== undefined && record.userId !== user) || (!all && described.state !== 'live')) continue
    total++
    found.push(described)
    if (found.length >= 2 * limit) found = latest(found, limit)
  }
  tell()
  return { found: latest(found, limit), total }
}

async function* ofUser({ engine }: Store, userId: string): AsyncGenerator<SessionRecord> {
  const ledger = await engine.loadUser(userId)
  for (const { id } of ledger?.sessions ?? []) {
    const record = await engine.load(id, { fresh: true })
    if (record) yield record
  }
}

function latest(sessions: readonly Described[], limit: number): Described[] {
  return sessions.toSorted((a, b) => b.seenAt - a.seenAt).slice(0, limit)
}

const HEADERS = ['ID', 'USER', 'STATE', 'CREATED', 'USED', 'ENDS', 'FROM', 'DEVICE']

function rowOf(session: Described): (string | null)[] {
  const { id, userId, state, createdAt, seenAt, idleExpiresAt, endedAt, ip, userAgent } = session
  const ends = formatMoment(endedAt ?? idleExpiresAt)
  const device = userAgent === null ? null : deviceLabel(userAgent)
  return [id, userId, state, formatMoment(createdAt), formatMoment(seenAt), ends, ip, device]
}
