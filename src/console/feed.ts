/** Where the console hears of events: the audit log, which all servers write to, or what this process does. @module */

import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditReader } from '../audit/audit.ts'
import type { Millis } from '../core/duration.ts'
import { SessionError } from '../core/errors.ts'
import { flat } from '../core/flat.ts'
import type { Sessions } from '../core/sessions.ts'
import type { ConsoleEvent, EventsPage } from './api.ts'
import { showEntry, showEvent } from './shape.ts'

export interface EventsQuery {
  readonly sessionId?: string
  readonly userId?: string
  readonly name?: string
  readonly before?: string
  readonly limit: number
}

export interface Feed {
  /** Newest first. @throws {SessionError} `ERR_ENGINE` */
  find(query: EventsQuery): Promise<EventsPage>
  /** Whether it knows of events from before this process. */
  readonly isLog: boolean
  /**
   * Tells what happened since then, in any order, and keeps none of it: what `listen` tells goes on from here.
   *
   * @throws {SessionError} `ERR_ENGINE`
   */
  recent(since: Millis, hear: (event: ConsoleEvent) => void): Promise<void>
  /** For one listener. @returns what ends it */
  listen(listener: (event: ConsoleEvent) => void): () => void
}

/** What is remembered where there is no log. */
const MOST_KEPT = 10_000
/** Of each text: a client makes them as long as its server lets him. */
const LONGEST_KEPT = 512

/** Hears of this process's events from now on, and remembers the last ones. */
export function memoryFeed(sessions: Pick<Sessions<never>, 'listen'>): Feed {
  const kept: { readonly at: number; readonly event: ConsoleEvent }[] = []
  let told: (event: ConsoleEvent) => void = () => {}
  let count = 0
  const stop = sessions.listen((heard) => {
    const event = brief(showEvent(heard))
    kept.push({ at: ++count, event })
    // In one go now and then: each shift would move all the others.
    if (kept.length >= 2 * MOST_KEPT) kept.splice(0, MOST_KEPT)
    told(event)
  })

  return {
    isLog: false,
    async find({ before, limit, ...wanted }) {
      const end = before === undefined ? count + 1 : Number(before)
      const events: ConsoleEvent[] = []
      for (let index = kept.length - 1; index >= 0; index--) {
        const { at, event } = kept[index]!
        if (at >= end || !isWanted(event, wanted)) continue
        events.push(event)
        if (events.length === limit) return { events, next: String(at) }
      }
      return { events, next: null }
    },
    async recent(since, hear) {
      for (const { event } of kept) if (event.at >= since) hear(event)
    },
    listen(listener) {
      told = listener
      return stop
    },
  }
}

function brief(event: ConsoleEvent): ConsoleEvent {
  const { userId, actor, userAgent, path, reason } = event
  return {
    ...event,
    userId: cut(userId),
    actor: cut(actor),
    userAgent: cut(userAgent),
    path: cut(path),
    reason: cut(reason),
  }
}

function cut(text: string | null): string | null {
  if (text === null) return null
  return flat(text.length <= LONGEST_KEPT ? text : `${text.slice(0, LONGEST_KEPT)}…`)
}

function isWanted(event: ConsoleEvent, { sessionId, userId, name }: Omit<EventsQuery, 'limit'>): boolean {
  if (sessionId !== undefined && event.sessionId !== sessionId) return false
  if (userId !== undefined && event.userId !== userId) return false
  return name === undefined || event.name === name
}

const POLL = 1_000
const PAGE = 500
/** How many pages are read in one go; what is left waits a second. */
const PAGES = 10
/** How many are read of the past. */
const HISTORY_PAGES = 40

/** An answer that takes longer is none. */
const PATIENCE = 10_000

/** Reads an audit log's end once a second, as long as somebody listens. */
export function logFeed(reader: AuditReader): Feed {
  let seq = 0

  async function news(): Promise<ConsoleEvent[]> {
    const events: ConsoleEvent[] = []
    for (let page = 0; page < PAGES; page++) {
      const rows = await ask(() => reader.after(seq, PAGE))
      for (const row of rows) events.push(showEntry(row.entry))
      seq = rows.at(-1)?.seq ?? seq
      if (rows.length < PAGE) break
    }
    return events
  }

  return {
    isLog: true,
    async find({ before, ...query }) {
      const from = before === undefined ? {} : { before: Number(before) }
      const page = await ask(() => reader.find({ ...query, ...from }))
      return { events: page.entries.map(showEntry), next: page.next === null ? null : String(page.next) }
    },
    async recent(since, hear) {
      seq = await ask(() => reader.last())
      let before = seq + 1
      for (let page = 0; page < HISTORY_PAGES; page++) {
        const rows = await ask(() => reader.before(before, PAGE))
        const events = rows.map(({ entry }) => showEntry(entry))
        for (const event of events) if (event.at >= since) hear(event)
        before = rows.at(-1)?.seq ?? 0
        // A clock may be wrong, or a row: not so a whole page of them.
        if (rows.length < PAGE || events.every(({ at }) => at < since)) break
      }
    },
    listen(listener) {
      let stopped = false
      const poll = async () => {
        for (const event of await news()) if (!stopped) listener(event)
      }
      // The log is down, which was said; what it holds is told when it is back.
      const failed = () => {}
      const loop = async () => {
        while (!stopped) {
          await poll().catch(failed)
          await sleep(POLL, undefined, { ref: false })
        }
      }
      void loop()
      return () => {
        stopped = true
      }
    },
  }
}

/** The operator learns no more than that it failed; the cause is on standard error. */
async function ask<T>(read: () => Promise<T>): Promise<T> {
  const answered = new AbortController()
  const late = sleep(PATIENCE, undefined, { ref: false, signal: answered.signal }).then(() => {
    throw new Error(`no answer within ${PATIENCE} ms`)
  })
  try {
    return await Promise.race([read(), late])
  } catch (cause) {
    console.error(`holdfast: the console can't read the audit log: ${(cause as Error).message}`)
    throw new SessionError('ERR_ENGINE', 'The audit log does not answer. Try again in a moment.', { cause })
  } finally {
    late.catch(() => {})
    answered.abort()
  }
}
