/** Reads events back from an audit log. It doesn't check the chain: that is `holdfast audit verify`. @module */

import { setImmediate as turn } from 'node:timers/promises'
import type { MaybePromise } from '../core/engine.ts'
import type { AuditRow } from './chain.ts'
import type { AuditEntry } from './entry.ts'
import type { AuditStore } from './store.ts'

export interface AuditQuery {
  readonly sessionId?: string
  readonly userId?: string
  /** An event's name. Alone it is looked for from the log's end backwards, some thousands of rows at a time. */
  readonly name?: string
  /** The `next` of the page before. @defaultValue the log's end */
  readonly before?: number | null
  /** 1 to 1000. @defaultValue 100 */
  readonly limit?: number
}

/** Events, newest first. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[]
  /** The `before` of the page that follows; null when this was the last. A page can be short, and not the last. */
  readonly next: number | null
}

/** An event, and the number of its row. */
export interface NumberedEntry {
  readonly seq: number
  readonly entry: AuditEntry
}

export interface AuditReader {
  /** Finds events, newest first. Those of one session or one user are found by an index. */
  find(query: AuditQuery): Promise<AuditPage>
  /** @returns up to `limit` events behind row `seq`, oldest first */
  after(seq: number, limit: number): Promise<readonly NumberedEntry[]>
  /** @returns up to `limit` events before row `seq`, newest first */
  before(seq: number, limit: number): Promise<readonly NumberedEntry[]>
  /** @returns the last row's number */
  last(): Promise<number>
}

const END = Number.MAX_SAFE_INTEGER
/** How many rows are looked at for one page, a page of the store at a time. */
const MOST_LOOKED = 5_000
const PAGE = 500

/** @throws whatever the store throws */
export function readerOf(store: AuditStore): AuditReader {
  /** SQLite answers at once: many pages must not hold up the requests. */
  async function take(read: () => MaybePromise<readonly AuditRow[]>): Promise<readonly AuditRow[]> {
    const rows = await read()
    await turn()
    return rows
  }

  /** Goes on over rows that are no events, until there are enough. @param read - the rows beyond one */
  async function fill(
    read: (seq: number, limit: number) => MaybePromise<readonly AuditRow[]>,
    from: number,
    limit: number,
  ): Promise<readonly NumberedEntry[]> {
    const found: NumberedEntry[] = []
    let seq = from
    for (;;) {
      const rows = await take(() => read(seq, limit))
      found.push(...parsed(rows))
      if (rows.length < limit || found.length >= limit) return found.slice(0, limit)
      seq = rows.at(-1)!.seq
    }
  }

  async function find(query: AuditQuery): Promise<AuditPage> {
    const { sessionId, userId, before, limit = 100 } = check(query)
    const read = (seq: number) => {
      if (sessionId !== undefined) return store.readOf('sessionId', sessionId, seq, PAGE)
      if (userId !== undefined) return store.readOf('userId', userId, seq, PAGE)
      return store.readBack(seq, PAGE)
    }
    const entries: AuditEntry[] = []
    let from = before ?? END
    for (let looked = 0; looked < MOST_LOOKED; looked += PAGE) {
      const rows = await take(() => read(from))
      for (const { seq, entry } of parsed(rows)) {
        from = seq
        if (isWanted(entry, query)) entries.push(entry)
        if (entries.length === limit) return { entries, next: from }
      }
      if (rows.length < PAGE) return { entries, next: null }
      from = rows.at(-1)!.seq
    }
    return { entries, next: from }
  }

  return {
    find,
    after: (seq, limit) => fill(store.read, seq, limit),
    before: (seq, limit) => fill(store.readBack, seq, limit),
    last: async () => (await store.head()).seq,
  }
}

function isWanted(entry: AuditEntry, { sessionId, userId, name }: AuditQuery): boolean {
  if (sessionId !== undefined && entry.sessionId !== sessionId) return false
  if (userId !== undefined && entry.userId !== userId) return false
  return name === undefined || entry.name === name
}

/** A row that somebody edited need not be an event any more. */
function parsed(rows: readonly AuditRow[]): NumberedEntry[] {
  return rows.flatMap(({ seq, entry: text }) => {
    const entry = parse(text)
    return entry ? [{ seq, entry }] : []
  })
}

const TEXTS = ['userId', 'sessionId', 'actor', 'ip', 'userAgent', 'method', 'path', 'reason'] as const

/** What should be a text and isn't is left out, so that whoever reads it finds what he was promised. */
function parse(text: string): AuditEntry | null {
  try {
    const entry = JSON.parse(text) as AuditEntry | null
    if (typeof entry?.name !== 'string' || Number.isNaN(Date.parse(entry.at))) return null
    const texts = TEXTS.map((name) => [name, textOf(entry[name])])
    const { id, server, code } = entry
    return {
      ...entry,
      ...Object.fromEntries(texts),
      id: textOf(id) ?? '',
      server: textOf(server) ?? '',
      code: textOf(code) && code,
    }
  } catch {
    return null
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function check(query: AuditQuery): AuditQuery {
  for (const name of ['sessionId', 'userId', 'name'] as const)
    if (query[name] !== undefined && typeof query[name] !== 'string')
      throw new TypeError(`audit: ${name} must be a string`)
  for (const name of ['before', 'limit'] as const) {
    const value = query[name] ?? 1
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TypeError(`audit: ${name} must be a whole number above 0`)
  }
  if ((query.limit ?? 1) > 1_000) throw new TypeError('audit: limit must be 1000 or less')
  return query
}
