import type { Command } from 'commander'
import type { Runner } from './command.ts'
import { configOption, jsonOption, type StoreOptions, storeOption } from './options.ts'
import { print, progress, toJsonLine } from './output.ts'
import { EXIT, type Exit, withStore } from './stop.ts'
import { openStore } from './store.ts'

const BATCH = 500

export function addSweep(program: Command, run: Runner): void {
  program
    .command('sweep')
    .description('delete what ended long ago, and is past being remembered')
    .addOption(storeOption())
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Applications sweep by themselves, a little at each login; after a quiet time, or before a copy, this does it all.
Stores that forget by their own clock have nothing to sweep.

Example:
  holdfast sweep --store sqlite:sessions.db`,
    )
    .action(run(sweep))
}

async function sweep(options: StoreOptions & { readonly json?: true }): Promise<Exit> {
  const store = await openStore(options)
  const tell = progress('deleted')
  let swept = 0
  await withStore('the store failed', async () => {
    for (;;) {
      const batch = await store.sessions.sweep(BATCH)
      swept += batch
      tell(swept)
      if (batch === 0) break
    }
  })
  tell()
  print(options.json ? toJsonLine({ swept }) : `${swept} deleted`)
  await store.close()
  return EXIT.ok
}
