import type { Command } from 'commander'
import type { Runner } from './command.ts'
import { makeLog } from './log.ts'
import { auditOption, configOption, type StoreOptions, storeOption } from './options.ts'
import { say } from './output.ts'
import { EXIT, type Exit, Stop, withStore } from './stop.ts'
import { openStore } from './store.ts'

export function addMigrate(program: Command, run: Runner): void {
  program
    .command('migrate')
    .description("make a store's tables, or bring them to this version")
    .addOption(storeOption())
    .addOption(configOption())
    .addOption(auditOption('an audit log to make'))
    .addHelpText(
      'after',
      `
Applications do this by themselves when they start, where they may make tables; this is for those that may not.

Example:
  holdfast migrate --store sqlite:sessions.db --audit sqlite:audit.db`,
    )
    .action(run(migrate))
}

async function migrate({ audit, ...options }: StoreOptions & { readonly audit?: string }): Promise<Exit> {
  const hasStore = options.store !== undefined || options.config !== undefined
  if (!hasStore && audit === undefined) throw new Stop(EXIT.usage, 'what? Give --store, --config or --audit')
  if (hasStore) {
    const store = await openStore(options, { create: true })
    // The first verb makes what couldn't be made at once, because others held the lock.
    await withStore('the store failed', () => store.engine.load('-'))
    say(`The ${store.engine.name} store is ready.`)
    await store.close()
  }
  if (audit !== undefined) {
    await makeLog(audit)
    say('The audit log is ready.')
  }
  return EXIT.ok
}
