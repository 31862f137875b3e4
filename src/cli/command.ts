import type { Exit } from './stop.ts'

/** Keeps an action's exit status. */
export type Runner = <Given extends unknown[]>(
  action: (...given: Given) => Promise<Exit>,
) => (...given: Given) => Promise<void>
