/**
 * Reads from this process's memory what the store says has not changed. It is the one thing in this package that lets a
 * session that was revoked elsewhere be served: for as long as the store's word takes, and never longer than `maxAge`.
 * @module
 */

import { type Duration, type Millis, parseDuration } from '../core/duration.ts'
import type { Engine, MaybePromise, SessionRecord } from '../core/engine.ts'
import { SessionError, shown } from '../core/errors.ts'
import { attempt } from './chain.ts'
import { type ChangeChannel, Watch } from './change-channel.ts'
import { Front } from './front.ts'

export type { ChangeChannel, ChangeListener } from './change-channel.ts'

export interface NearCacheOptions {
  /** How the store tells what changes: `redisChannel(client)`, `postgresChannel(client)`, or your own. */
  readonly channel: ChangeChannel
  /**
   * No record is served longer than this after its reading began, whatever the channel does: the bound of the lag of a
   * revocation. At most `'30s'`. @defaultValue '2s', which covers the requests of one page
   */
  readonly maxAge?: Duration
  /** Most records kept. @defaultValue 10_000 */
  readonly maxRecords?: number
  /** Most bytes kept; an estimate, on the high side. @defaultValue 32 MiB */
  readonly maxBytes?: number
}

/** For your metrics. */
export interface NearCacheStats {
  /** Whether the channel can be relied on just now. While it can't, every read goes to the store. */
  readonly up: boolean
  /** What the channel said why not, where it did. */
  readonly problem: string | null
  /** How long a change took to be told, the last time that was measured; null while the channel is not up. */
  readonly lag: Millis | null
  /** The longest since the start. */
  readonly longestLag: Millis
  /** What the lag never exceeds: `maxAge`. */
  readonly maxLag: Millis
  /** Reads answered from memory, and reads that went to the store. */
  readonly hits: number
  readonly misses: number
  readonly records: number
  readonly bytes: number
}

export interface NearCache extends Engine {
  stats(): NearCacheStats
}

const MAX_AGE_LIMIT = 30_000

/**
 * Puts this process's memory in front of an engine. A read from memory costs the store nothing; writes go through, and
 * decide by the version as ever, so that a record that is out of date loses its swap. Ledgers are never kept, nor is that
 * there is no record; `fresh` reads pass by.
 *
 * @throws {SessionError} `ERR_OPTION`
 */
export function nearCache(engine: Engine, options: NearCacheOptions): NearCache {
  const { channel, maxAge, maxRecords, maxBytes } = check(options)
  const front = new Front(maxRecords, maxBytes)
  const watch = new Watch(channel, maxAge, {
    changed: (id) => front.drop(id),
    lost: () => front.clear(),
  })
  const { scan, close } = engine
  let hits = 0
  let misses = 0

  function load(id: string, options?: { readonly fresh?: boolean }): MaybePromise<SessionRecord | undefined> {
    const now = performance.now()
    const up = watch.isUp(now)
    const found = up && !options?.fresh ? front.find(id, now - maxAge) : undefined
    if (found) {
      hits++
      return found
    }
    misses++
    if (!up) return engine.load(id, options)
    const fill = front.begin(id)
    // From the primary: a replica may not have yet what the channel has told of already.
    return attempt(
      () => engine.load(id, { fresh: true }),
      (record) => {
        if (front.end(fill, record?.version ?? 0)) {
          if (record?.id === id) front.keep(record, now)
          else front.drop(id)
        }
        return record
      },
      () => front.end(fill, 0),
    )
  }

  /** @param result - the record as a successful write left it, given what was kept before; undefined when that is not known */
  function write(
    id: string,
    run: () => MaybePromise<boolean>,
    result: (old: SessionRecord | undefined) => SessionRecord | undefined,
  ): MaybePromise<boolean> {
    const now = performance.now()
    const fill = watch.isUp(now) ? front.begin(id) : null
    return attempt(
      run,
      (written) => {
        const whole = fill !== null && front.end(fill, 0)
        const record = whole && written ? result(front.peek(id)) : undefined
        // Also what is under way: a read may have been answered before the write, and arrive after it.
        front.drop(id)
        if (record) front.keep(record, now)
        return written
      },
      // Whether it was written is unknown.
      () => front.drop(id),
    )
  }

  return {
    name: `near ${engine.name}`,
    shared: engine.shared,
    load,
    create: (record) =>
      write(
        record.id,
        () => engine.create(record),
        () => record,
      ),
    replace: (next, version) =>
      write(
        next.id,
        () => engine.replace(next, version),
        (old) => forward(old, version, next, next),
      ),
    touch: (id, version, seenAt, expiresAt) =>
      write(
        id,
        () => engine.touch(id, version, seenAt, expiresAt),
        (old) => old && forward(old, version, old, { seenAt, expiresAt }),
      ),
    loadUser: (userId) => engine.loadUser(userId),
    replaceUser: (next, version) => engine.replaceUser(next, version),
    ...(scan && { scan: (query) => scan.call(engine, query) }),
    sweep(now, limit) {
      front.dropExpired(now)
      return engine.sweep(now, limit)
    },

    async close() {
      front.clear()
      await channel.close()
      await close?.call(engine)
    },

    stats() {
      const up = watch.isUp(performance.now())
      const { longestLag, problem } = watch
      const { records, bytes } = front
      const lag = up ? watch.lag : null
      return { up, problem, lag, longestLag, maxLag: maxAge, hits, misses, records, bytes }
    },
  }
}

/** What the store made of `next`, whose times move forward only; unknown unless what was written over is what was kept. */
function forward(
  old: SessionRecord | undefined,
  version: number,
  next: SessionRecord,
  times: { readonly seenAt: Millis; readonly expiresAt: Millis },
): SessionRecord | undefined {
  if (old?.version !== version) return undefined
  const seenAt = Math.max(old.seenAt, times.seenAt)
  return { ...next, seenAt, expiresAt: Math.max(old.expiresAt, times.expiresAt) }
}

function check(options: NearCacheOptions) {
  const {
    channel,
    maxAge = '2s',
    maxRecords = 10_000,
    maxBytes = 32 * 1024 * 1024,
    ...unknown
  } = options ?? {}
  for (const name of Object.keys(unknown))
    throw new SessionError('ERR_OPTION', `nearCache: there is no option ${name}`)
  for (const verb of ['listen', 'barrier', 'close'] as const) {
    if (typeof channel?.[verb] === 'function') continue
    throw new SessionError(
      'ERR_OPTION',
      'nearCache: channel: expected redisChannel(client) or postgresChannel(client)',
    )
  }
  const age = parseDuration(maxAge, 'nearCache: maxAge')
  if (age > MAX_AGE_LIMIT) {
    throw new SessionError(
      'ERR_OPTION',
      `nearCache: maxAge: a session that was revoked may be served for so long: at most 30s, but got ${maxAge}`,
    )
  }
  for (const [name, value] of Object.entries({ maxRecords, maxBytes })) {
    if (Number.isSafeInteger(value) && value >= 1) continue
    const message = `nearCache: ${name}: expected a whole number, 1 or more, but got ${shown(value)}`
    throw new SessionError('ERR_OPTION', message)
  }
  return { channel, maxAge: age, maxRecords, maxBytes }
}
