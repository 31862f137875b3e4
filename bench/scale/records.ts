/** Sessions by the million, each one like a session that a real login has made. @module */

import { createHash } from 'node:crypto'
import type { SessionRecord, UserLedger } from '../../src/core/engine.ts'
import { generateKey } from '../../src/core/keys.ts'
import { emptyLedger } from '../../src/core/ledger.ts'
import type { RequestContext } from '../../src/core/request.ts'
import { createSessions } from '../../src/create-sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { profile } from '../systems/tasks.ts'

const BROWSER =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'

/** How many sessions a user has. */
export const PER_USER = 2

/** Makes any of the sessions again, from its number. */
export interface Population {
  record(index: number): SessionRecord
  ledger(user: number): UserLedger
  userId(user: number): string
}

/** Logs two sessions of one user in, by the way that all logins take, and makes the others like them. */
export async function populate(): Promise<Population> {
  const engine = memory()
  const sessions = createSessions<Record<string, unknown>>({ engine, keys: generateKey() })
  const headers: Record<string, string> = { 'user-agent': BROWSER, 'sec-fetch-site': 'same-origin' }
  const context: RequestContext = {
    method: 'POST',
    origin: 'https://shop.example',
    path: '/login',
    search: '',
    ip: '203.0.113.7',
    now: Date.now(),
    header: (name) => headers[name] ?? null,
    field: () => null,
  }
  const userId = userIdOf(0)
  for (let login = 0; login < PER_USER; login++) {
    const session = await sessions.open(context)
    session.authenticate(userId)
    for (const [name, value] of Object.entries(profile())) session.set(name, value)
    await sessions.commit(session)
  }
  const { records } = await engine.scan!({ limit: 1 })
  const model = records[0]!
  const ledger = (await engine.loadUser(userId)) ?? emptyLedger(userId)

  return {
    userId: userIdOf,

    record: (index) => ({
      ...model,
      seenAt: model.seenAt - ago(index),
      expiresAt: model.expiresAt - ago(index),
      id: textOf('id', index, 22),
      userId: userIdOf(Math.floor(index / PER_USER)),
      secrets: { ...model.secrets, current: textOf('secret', index, model.secrets.current.length) },
      client: { ...model.client, ip: addressOf(index) },
    }),

    ledger: (user) => ({
      ...ledger,
      userId: userIdOf(user),
      sessions: ledger.sessions.map((session, index) => ({
        ...session,
        id: textOf('id', user * PER_USER + index, 22),
      })),
    }),
  }
}

/** As long as a UUID, as unordered as one, and the same for the same number. */
function userIdOf(user: number): string {
  return createHash('sha256').update(`user ${user}`).digest('hex').slice(0, 32)
}

function textOf(what: string, index: number, length: number): string {
  return createHash('sha256').update(`${what} ${index}`).digest('base64url').slice(0, length)
}

/** How long it takes until a million sessions are made: they must all be alive for as long as they are measured. */
const MADE_WITHIN = 9 * 60 * 1000

/** The last use: of those made earlier, earlier, but for some that were in use for longer. */
function ago(index: number): number {
  const since = MADE_WITHIN * Math.max(0, 1 - index / 1_000_000)
  return Math.floor(since) + ((index * 2_654_435_761) % 60_000)
}

function addressOf(index: number): string {
  return `203.${index & 255}.${(index >> 8) & 255}.${(index >> 16) & 255}`
}
