/** Fifty thousand people who are logged in, and the life of one session: as the library itself would have stored them. */

import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { createSessions, generateKey, type SessionEvent } from 'holdfast'
import { memory } from 'holdfast/memory'
import type { SessionRecord, UserLedger } from '../../src/core/engine.ts'
import { tombstone } from '../../src/core/plan.ts'
import type { RequestContext } from '../../src/core/request.ts'
import { fromLedger } from '../../src/engines/rows.ts'
import { fromSession, prepareAll } from '../../src/engines/sqlite-tables.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const NAMES = ['ada', 'grace', 'alan', 'barbara', 'edsger', 'margaret', 'donald', 'radia', 'katherine', 'tim']
const SURNAMES = ['lovelace', 'hopper', 'turing', 'liskov', 'hamilton', 'knuth', 'perlman', 'johnson', 'lee']

export const LINUX = 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0'
const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0'
const SAFARI = 'AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6'
const AGENTS = [
  LINUX,
  `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36`,
  `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${SAFARI} Mobile/15E148 Safari/604.1`,
  `Mozilla/5.0 (Linux; Android 16) ${CHROME} Mobile Safari/537.36`,
  `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${SAFARI} Safari/605.1.15`,
  `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36 Edg/141.0.0.0`,
]

export interface Person {
  readonly id: string
  readonly userId: string
  readonly ip: string
  readonly userAgent: string
}

export function person(index: number): Person {
  const name = NAMES[index % NAMES.length]!
  const surname = SURNAMES[Math.floor(index / NAMES.length) % SURNAMES.length]!
  const user = Math.floor(index / NAMES.length / SURNAMES.length)
  return {
    id: idOf(index),
    userId: `${name}.${surname}${user === 0 ? '' : user}`,
    ip: `198.51.${(index * 7) % 256}.${(index * 13) % 250}`,
    userAgent: AGENTS[(index * 5 + (index >> 3)) % AGENTS.length]!,
  }
}

export function idOf(index: number): string {
  return createHash('sha256').update(`id ${index}`).digest('base64url').slice(0, 22)
}

/** Past the engine, which would take ten times as long. */
export async function populate(file: string, howMany: number): Promise<void> {
  const database = new DatabaseSync(file)
  const { create, createUser } = prepareAll(database)
  database.exec('PRAGMA synchronous = off; BEGIN')
  for (const { record, ledger } of await crowd(howMany)) {
    create.run(...fromSession(record))
    createUser.run(...fromLedger(ledger))
  }
  database.exec('COMMIT')
  database.close()
}

/** One session each, of the last ten hours. */
export async function crowd(howMany: number): Promise<{ record: SessionRecord; ledger: UserLedger }[]> {
  const model = await modelOf()
  const now = Date.now()
  return Array.from({ length: howMany }, (_, index) => {
    const { id, userId, ip, userAgent } = person(index)
    const age = (index * 7_919_713) % (10 * HOUR)
    const unused = Math.min(age, (index * 104_729) % (20 * MINUTE))
    const at = now - age
    const record: SessionRecord = {
      ...model.record,
      id,
      userId,
      client: { ip, userAgent },
      bound: {},
      createdAt: at,
      renewedAt: at,
      authenticatedAt: at,
      seenAt: now - unused,
      secrets: { current: idOf(index).repeat(2).slice(0, 43), parent: null },
    }
    return { record, ledger: { ...model.ledger, userId, sessions: [{ id, until: at + 12 * HOUR }] } }
  })
}

/** What a real login leaves. */
async function modelOf(): Promise<{ record: SessionRecord; ledger: UserLedger }> {
  const engine = memory()
  const sessions = createSessions<Record<string, unknown>>({ engine, keys: generateKey() })
  const headers: Record<string, string> = { 'user-agent': LINUX, 'sec-fetch-site': 'same-origin' }
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
  const session = await sessions.open(context)
  session.authenticate('ada')
  await sessions.commit(session)
  const { records } = await engine.scan!({ limit: 1 })
  const ledger = (await engine.loadUser('ada'))!
  await sessions.close()
  return { record: records[0]!, ledger }
}

/** A session of three hours in which everything happens, and which ends by a stolen cookie that is replayed. */
export async function story(file: string, tell: (event: SessionEvent) => void): Promise<string> {
  const id = idOf(-1)
  const began = Date.now() - 205 * MINUTE
  const home = { ip: '203.0.113.20', userAgent: LINUX }
  const train = { ip: '198.51.100.7', userAgent: LINUX }
  const other = { ip: '198.51.100.7', userAgent: AGENTS[4]! }
  const thief = { ip: '192.0.2.66', userAgent: 'curl/8.14.1' }
  let count = 0
  const at = (minutes: number, name: SessionEvent['name'], more: Partial<SessionEvent> = {}) =>
    tell({
      id: `story.${++count}`,
      name,
      at: began + minutes * MINUTE,
      sessionId: id,
      userId: 'ada',
      actor: null,
      method: 'GET',
      path: '/account',
      reason: null,
      code: null,
      ...home,
      ...more,
    })
  const login = { method: 'POST', path: '/login', reason: 'pwd' }
  at(0, 'session_created', login)
  at(0, 'authn_login_success', login)
  for (const minutes of [16, 32, 47, 62]) at(minutes, 'session_renewed')
  at(70, 'authn_reauthenticated', { ...login, path: '/reauthenticate', reason: 'otp' })
  at(86, 'session_renewed')
  at(95, 'session_binding_mismatch', { ...train, reason: 'ip' })
  for (const minutes of [101, 117, 133]) at(minutes, 'session_renewed', train)
  at(136, 'authz_fail', { ...train, path: '/admin/export', code: 'ERR_NOT_RECENT' })
  at(150, 'session_binding_mismatch', { ...other, reason: 'userAgent' })
  at(150, 'session_suspended', { ...other, reason: 'userAgent' })
  at(158, 'authn_login_success', { ...other, ...login })
  at(168, 'session_renewed', other)
  at(176, 'malicious_csrf', { ...other, method: 'POST', path: '/transfer', code: 'ERR_CROSS_ORIGIN' })
  at(184, 'session_renewed', other)
  at(199, 'authn_token_reuse', { ...thief, path: '/account/cards' })
  at(199, 'session_revoked', { ...thief, path: '/account/cards', reason: 'replayed' })

  const { record } = await modelOf()
  const lived = { ...record, id, userId: 'ada', createdAt: began, authenticatedAt: began }
  const database = new DatabaseSync(file)
  prepareAll(database).create.run(...fromSession(tombstone(lived, 'replayed', began + 199 * MINUTE)))
  database.close()
  return id
}

/** What a lively hour leaves in an audit log. */
export async function hour(
  { tell, settle }: { tell: (event: SessionEvent) => void; settle: () => Promise<void> },
  howMany = 3_000,
): Promise<void> {
  const usual = ['session_renewed', 'session_renewed', 'authn_login_success', 'session_renewed'] as const
  const rare = [
    'authn_login_fail',
    'session_superseded',
    'session_logout',
    'session_token_forged',
    'excess_rate_limit_exceeded',
    'authn_login_fail',
    'session_expired',
    'malicious_csrf',
  ] as const
  const now = Date.now()
  for (let index = 0; index < howMany; index++) {
    const { id, userId, ip, userAgent } = person(index)
    const isRare = index % 9 === 0
    const name = isRare ? rare[(index / 9) % rare.length]! : usual[(index * 3 + (index >> 4)) % usual.length]!
    const nobody = name === 'session_token_forged' || name === 'authn_login_fail'
    // More of it now and then, as people are.
    const share = index / howMany
    tell({
      id: `hour.${index}`,
      name,
      at: Math.floor(now - HOUR * (1 - share - 0.02 * Math.sin(share * 40))),
      sessionId: nobody ? null : id,
      userId: name === 'session_token_forged' ? null : userId,
      actor: null,
      ip,
      userAgent,
      method: name.startsWith('authn') ? 'POST' : 'GET',
      path: name.startsWith('authn') ? '/login' : '/account',
      reason: name === 'authn_login_success' ? 'pwd' : null,
      code: null,
    })
    // More at once than its queue has room for would be lost.
    if (index % 5_000 === 4_999) await settle()
  }
  await settle()
}
