import type { Command } from 'commander'
import type { Runner } from './command.ts'
import { describe, scanAll } from './describe.ts'
import { configOption, jsonOption, type StoreOptions, storeOption } from './options.ts'
import { formatMoment, print, printFields, progress, toJsonLine } from './output.ts'
import { EXIT, type Exit, withStore } from './stop.ts'
import { openStore, type Store, sayAssumed } from './store.ts'

interface Stats {
  readonly sessions: number
  readonly live: number
  /** Of the live ones. */
  readonly authenticated: number
  readonly remembered: number
  readonly users: number
  readonly oldestAt: number | null
  /** How many are remembered for each way to end. */
  readonly ended: Readonly<Record<string, number>>
}

export function addStats(program: Command, run: Runner): void {
  program
    .command('stats')
    .description('count sessions and users, and what ended the rest')
    .addOption(storeOption())
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Every session of the store is read, a page at a time.

Example:
  holdfast stats --store sqlite:sessions.db --json`,
    )
    .action(run(stats))
}

async function stats(options: StoreOptions & { readonly json?: true }): Promise<Exit> {
  const store = await openStore(options)
  const counted = await withStore('the store failed', () => countAll(store))
  if (options.json) print(toJsonLine(counted))
  else {
    const { ended, oldestAt, ...numbers } = counted
    printFields({ ...numbers, 'oldest live': oldestAt === null ? null : formatMoment(oldestAt), ...ended })
    sayAssumed(options)
  }
  await store.close()
  return EXIT.ok
}

async function countAll(store: Store): Promise<Stats> {
  const { engine, sessions: opened } = store
  const now = Date.now()
  const notBefore = await store.notBefore()
  const tell = progress('sessions read')
  const users = new Set<string>()
  const ended: Record<string, number> = {}
  let [sessions, live, authenticated, remembered] = [0, 0, 0, 0]
  let oldestAt: number | null = null
  for await (const record of scanAll(engine)) {
    tell(++sessions)
    const { state } = describe(record, now, opened.policy, notBefore)
    if (state !== 'live') {
      ended[state] = (ended[state] ?? 0) + 1
      continue
    }
    live++
    oldestAt = Math.min(oldestAt ?? record.createdAt, record.createdAt)
    if (record.remembered) remembered++
    if (record.userId === null) continue
    authenticated++
    users.add(record.userId)
  }
  tell()
  const sorted = Object.fromEntries(Object.entries(ended).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { sessions, live, authenticated, remembered, users: users.size, oldestAt, ended: sorted }
}
