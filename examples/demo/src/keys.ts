import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { generateKey } from 'holdfast'

/**
 * Finds the keys beside the database, and draws one for a new database: sessions that outlive the process need keys
 * that do, too. A real deployment would hand them in from its vault, not keep them where its sessions are.
 */
export function keysBeside(database: string): string {
  const file = `${database}-keys`
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${generateKey()}\n`, { mode: 0o600 })
  // A link is made whole or not at all: of two processes that start at once, one draws the key and both read it.
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  chmodSync(file, 0o600)
  return readFileSync(file, 'utf8').trim()
}
