/** A record as commands show it: without secrets, and without what the application keeps in it. @module */

import type { Millis } from '../core/duration.ts'
import type { Engine, SessionRecord } from '../core/engine.ts'
import { expiry, isCutOff } from '../core/judge.ts'
import { deadlines, type Policy } from '../core/policy.ts'

export interface Described {
  readonly id: string
  readonly userId: string | null
  /** `live`, the limit that it reached, or what ended it. */
  readonly state: string
  readonly createdAt: Millis
  readonly authenticatedAt: Millis | null
  readonly seenAt: Millis
  /** When it ends unless it is used. */
  readonly idleExpiresAt: Millis
  /** When it ends however it is used. */
  readonly expiresAt: Millis
  readonly endedAt: Millis | null
  readonly remembered: boolean
  readonly methods: readonly string[]
  readonly ip: string | null
  readonly userAgent: string | null
}

/** @param notBefore - what everybody authenticated by then has ended */
export function describe(record: SessionRecord, now: Millis, policy: Policy, notBefore: Millis): Described {
  const { id, userId, createdAt, authenticatedAt, seenAt, ended, remembered, methods, client } = record
  const { idle, absolute } = deadlines(record, policy)
  const reached = expiry(record, now, policy)
  const cutOff = !ended && isCutOff(record, notBefore)
  return {
    id,
    userId,
    state: ended ? ended.reason : cutOff ? 'revoked' : reached ? `expired (${reached})` : 'live',
    createdAt,
    authenticatedAt,
    seenAt,
    idleExpiresAt: Math.min(idle, absolute),
    expiresAt: absolute,
    endedAt: ended?.at ?? (cutOff ? notBefore : null),
    remembered,
    methods,
    ip: client.ip ?? null,
    userAgent: client.userAgent ?? null,
  }
}

const PAGE = 500

/** Every record of an engine, once: a scan may repeat some. */
export async function* scanAll(engine: Engine): AsyncGenerator<SessionRecord> {
  if (!engine.scan) throw new Error(`the ${engine.name} engine can't list its sessions`)
  const seen = new Set<string>()
  let cursor: string | undefined
  do {
    const page = await engine.scan({ ...(cursor === undefined ? {} : { cursor }), limit: PAGE })
    for (const record of page.records) {
      if (seen.has(record.id)) continue
      seen.add(record.id)
      yield record
    }
    cursor = page.next
  } while (cursor !== undefined)
}
