/** The accounts of the example: one, with its password's hash. */

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const salt = randomBytes(16)
const hash = (password: string) => promisify(scrypt)(password, salt, 32) as Promise<Buffer>
const ada = { id: 'ada', name: 'Ada Lovelace', hash: await hash('analytical-engine') }

/** Finds the user who has this name and this password. It takes as long where there is none. */
export async function checkPassword(username: unknown, password: unknown): Promise<typeof ada | null> {
  const matches = timingSafeEqual(await hash(String(password).slice(0, 256)), ada.hash)
  return username === ada.id && matches ? ada : null
}
