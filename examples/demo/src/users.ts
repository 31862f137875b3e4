/** The accounts: names and Argon2id hashes, in a table beside the sessions. @module */

import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { hash, verify } from '@node-rs/argon2'

/** Who can log in, as printed at start. */
export const ACCOUNTS = [
  { id: 'ada', name: 'Ada Lovelace', password: 'analytical-engine' },
  { id: 'grace', name: 'Grace Hopper', password: 'nanosecond-wire' },
] as const

export interface Users {
  /** Takes as long for a name that doesn't exist. @returns the user's id, or null */
  verify(name: string, password: string): Promise<string | null>
  setPassword(id: string, password: string): Promise<void>
  /** Adds somebody, or gives him another password. */
  put(id: string, name: string, password: string): Promise<void>
  has(id: string): boolean
  /** The name for greetings. */
  nameOf(id: string): string
  close(): void
}

/** OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane. Argon2id is this library's default. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Argon2 reads the whole password, so its length is what an attempt costs. */
export const LONGEST_PASSWORD = 256

/** @param file - `':memory:'`, or the database of the sessions */
export async function openUsers(file: string): Promise<Users> {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA busy_timeout = 2000')
  database.exec('CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY, password TEXT NOT NULL) STRICT')
  const find = database.prepare('SELECT password FROM accounts WHERE id = ?')
  const insert = database.prepare('INSERT INTO accounts VALUES (?, ?) ON CONFLICT (id) DO NOTHING')
  const put = database.prepare(
    'INSERT INTO accounts VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET password = excluded.password',
  )
  const update = database.prepare('UPDATE accounts SET password = ? WHERE id = ?')
  for (const { id, password } of ACCOUNTS) {
    if (find.get(id) === undefined) insert.run(id, await hash(password, COST))
  }
  const nobody = await hash('a password that nobody has', COST)
  // From here on requests wait for us, and waiting inside SQLite would stop them all.
  database.exec('PRAGMA busy_timeout = 0')
  const names = new Map<string, string>(ACCOUNTS.map(({ id, name }) => [id, name]))

  /** Waits for whoever else writes to the file without stopping everybody here. */
  async function patiently(write: () => unknown): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        write()
        return
      } catch (error) {
        const busy = (Number((error as { errcode?: unknown }).errcode) & 0xff) === 5
        if (!busy || attempt > 50) throw error
        await sleep(Math.random() * 40)
      }
    }
  }

  return {
    async verify(name, password) {
      const stored = find.get(name)?.password as string | undefined
      const matches = await verify(stored ?? nobody, password.slice(0, LONGEST_PASSWORD + 1))
      return stored !== undefined && matches ? name : null
    },

    async setPassword(id, password) {
      const hashed = await hash(password, COST)
      await patiently(() => update.run(hashed, id))
    },

    async put(id, name, password) {
      const hashed = await hash(password, COST)
      names.set(id, name)
      await patiently(() => put.run(id, hashed))
    },

    has: (id) => find.get(id) !== undefined,

    nameOf: (id) => names.get(id) ?? id,

    close: () => database.close(),
  }
}
