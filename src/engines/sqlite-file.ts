/** What everything of ours that keeps a SQLite file has in common: a private file, and patience that blocks nobody. @module */

import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a verb waits for a database that others keep locked, before it fails. */
export const PATIENCE = 2_000

/** SQLITE_BUSY and SQLITE_LOCKED, and their extended codes, whose low byte is theirs. */
export const BUSY = 5
const LOCKED = 6

/** Opens a file for its owner alone (mode 0600), and makes it so when there is none. `':memory:'` is no file. */
export function openFile(path: string): DatabaseSync {
  if (path !== ':memory:') createPrivately(resolve(path))
  return openExistingFile(path)
}

/** Opens a file that must be there. */
export function openExistingFile(path: string): DatabaseSync {
  if (path === ':memory:') return new DatabaseSync(path)
  const file = resolve(path)
  if (!statSync(file).isFile()) throw new Error('it is not a file')
  // SQLite would open what it may not write read-only, and fail at the first login instead of now.
  accessSync(file, constants.R_OK | constants.W_OK)
  return new DatabaseSync(file)
}

/**
 * Creates the file before SQLite does, which would let everybody read it. Only a file that isn't there: closing one
 * that a connection of this process has open would drop that connection's locks.
 * @see https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
 */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Tries again, at random and each time a little later, for as long as others hold the lock and patience lasts. */
export async function persist<T>(attempt: () => T): Promise<T> {
  const deadline = performance.now() + PATIENCE
  for (let longest = 2; ; longest = Math.min(2 * longest, 32)) {
    await sleep(1 + Math.random() * longest)
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
    }
  }
}

export function isBusy(error: unknown): boolean {
  const code = Number((error as { errcode?: unknown } | null)?.errcode) & 0xff
  return code === BUSY || code === LOCKED
}
