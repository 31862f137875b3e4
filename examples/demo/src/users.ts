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
  const update = database.prepare('UPDATE accounts SET password = ? WHERE id = ?')
  for (const { id, password } of ACCOUNTS) {
    if (find.get(id) === undefined) insert.run(id, await hash(password, COST))
  }
  const nobody = await hash('a password that nobody has', COST)
  // From here on requests wait for us, and waiting inside SQLite would stop them all.
  database.exec('PRAGMA busy_timeout = 0')

  return {
    async verify(name, password) {
      const stored = find.get(name)?.password as string | undefined
      const matches = await verify(stored ?? nobody, password.slice(0, LONGEST_PASSWORD + 1))
      return stored !== undefined && matches ? name : null
    },

    async setPassword(id, password) {
      const hashed = await hash(password, COST)
      for (let attempt = 1; ; attempt++) {
        try {
          update.run(hashed, id)
          return
        } catch (error) {
          const busy = (Number((error as { errcode?: unknown }).errcode) & 0xff) === 5
          if (!busy || attempt > 50) throw error
          await sleep(Math.random() * 40)
        }
      }
    },

    nameOf: (id) => ACCOUNTS.find((account) => account.id === id)?.name ?? id,

    close: () => database.close(),
  }
}
