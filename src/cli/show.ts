import type { Command } from 'commander'
import type { Runner } from './command.ts'
import { type Described, describe } from './describe.ts'
import { configOption, jsonOption, type StoreOptions, storeOption } from './options.ts'
import { formatMoment, print, printFields, toJsonLine } from './output.ts'
import { EXIT, type Exit, Stop, withStore } from './stop.ts'
import { openStore, sayAssumed } from './store.ts'

export function addShow(program: Command, run: Runner): void {
  program
    .command('show')
    .description('show one session')
    .argument('<id>', 'its public id, from a list, a log or an event')
    .addOption(storeOption())
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Neither its secrets nor what the application keeps in it are shown. Exit status 1: there is no such session.

Example:
  holdfast show 5VCpVqpN7lrKsxgJ8fPSNA --store sqlite:sessions.db`,
    )
    .action(run(show))
}

async function show(id: string, options: StoreOptions & { readonly json?: true }): Promise<Exit> {
  const store = await openStore(options)
  const [record, notBefore] = await withStore('the store failed', () =>
    Promise.all([store.engine.load(id, { fresh: true }), store.notBefore()]),
  )
  if (!record) throw new Stop(EXIT.negative, 'there is no such session (any more)')
  const described = describe(record, Date.now(), store.sessions.policy, notBefore)
  if (options.json) print(toJsonLine({ ...described, dataBytes: Buffer.byteLength(record.data) }))
  else {
    printFields({ ...fieldsOf(described), data: `${Buffer.byteLength(record.data)} bytes` })
    sayAssumed(options)
  }
  await store.close()
  return EXIT.ok
}

function fieldsOf(session: Described) {
  const moment = (millis: number | null) => (millis === null ? null : formatMoment(millis))
  return {
    id: session.id,
    user: session.userId ?? '(a visitor)',
    state: session.state,
    created: moment(session.createdAt),
    authenticated: moment(session.authenticatedAt),
    by: session.methods.join(', ') || null,
    remembered: session.remembered,
    used: moment(session.seenAt),
    'ends if idle': session.endedAt === null ? moment(session.idleExpiresAt) : null,
    'ends at last': session.endedAt === null ? moment(session.expiresAt) : null,
    ended: moment(session.endedAt),
    address: session.ip,
    'user agent': session.userAgent,
  }
}
