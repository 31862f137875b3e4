import type { Command } from 'commander'
import type { Runner } from './command.ts'
export function addExplain(_program: Command, _run: Runner): void {}
