import type { Command } from 'commander'
import { generateKey } from '../core/keys.ts'
import type { Runner } from './command.ts'
import { print } from './output.ts'
import { EXIT, type Exit } from './stop.ts'

export function addKeygen(program: Command, run: Runner): void {
  program
    .command('keygen')
    .description('print a new random key: 32 bytes, base64url')
    .addHelpText(
      'after',
      `
The keys of an application are secrets: keep them where its passwords are kept.
To roll keys, put the new one first and keep the old one behind it, with a comma between.`,
    )
    .action(run(async () => keygen()))
}

function keygen(): Exit {
  print(generateKey())
  return EXIT.ok
}
