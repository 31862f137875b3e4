import type { Command } from 'commander'
import type { Runner } from './command.ts'
export function addCheck(_program: Command, _run: Runner): void {}
