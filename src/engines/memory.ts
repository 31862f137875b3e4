/**
 * Sessions in this process's memory: they end with it, and no other process sees them. For development, tests and
 * single-process servers that may forget. It is also the reference: `docs/engines.md` builds on it. @module
 */

import type { Millis } from '../core/duration.ts'
import type { Engine, SessionRecord, UserLedger } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'

export interface MemoryOptions {
  /** Most records kept, tombstones included. @defaultValue 100_000 */
  readonly maxRecords?: number
  /** Most bytes kept, ledgers included; an estimate, on the high side. @defaultValue 64 MiB */
  readonly maxBytes?: number
}

interface Entry {
  readonly value: SessionRecord | UserLedger
  readonly bytes: number
  /** Counts creations: what a scan's cursor remembers. */
  readonly serial: number
  /** Where `Deadlines` keeps it. */
  slot: number
}

/**
 * Keeps sessions in memory, within bounds. What doesn't fit costs others their place in this order: what is past its
 * `expiresAt`, tombstones, visitors, users; in each the least recent first. A visitor's session takes only the first
 * two, so that a flood of visitors logs nobody out: its `create`, or a `replace` that grows it, throws instead.
 * Ledgers are never put out, for a forgotten one would undo a revocation.
 *
 * @throws {SessionError} `ERR_OPTION`; from the verbs `ERR_ENGINE_FULL`, having changed nothing of that session
 */
export function memory(options: MemoryOptions = {}): Engine {
  const { maxRecords, maxBytes } = check(options)
  const records = new Map<string, Entry & { readonly value: SessionRecord }>()
  const ledgers = new Map<string, Entry & { readonly value: UserLedger }>()
  const tombstones = new Set<Entry>()
  const visitors = new Set<Entry>()
  const users = new Set<Entry>()
  const deadlines = new Deadlines()
  let bytes = 0
  let ledgerBytes = 0
  let serial = 0
  // Engines have no clock: the latest time that anyone mentioned stands in for it.
  let latest: Millis = 0

  function attach(entry: Entry): void {
    bytes += entry.bytes
    deadlines.add(entry)
    if (isLedger(entry.value)) ledgerBytes += entry.bytes
    else queueOf(entry.value).add(entry)
  }

  function detach(entry: Entry): void {
    bytes -= entry.bytes
    deadlines.remove(entry)
    if (isLedger(entry.value)) ledgerBytes -= entry.bytes
    else queueOf(entry.value).delete(entry)
  }

  function forget(entry: Entry): void {
    detach(entry)
    if (isLedger(entry.value)) ledgers.delete(entry.value.userId)
    else records.delete(entry.value.id)
  }

  function queueOf(record: SessionRecord): Set<Entry> {
    if (record.ended !== null) return tombstones
    return record.userId === null ? visitors : users
  }

  /** Puts others out until so much more fits. @returns false when it can't */
  function makeRoom(count: number, more: number, visitor: boolean): boolean {
    const tight = () => records.size + count > maxRecords || bytes + more > maxBytes
    for (let entry = deadlines.first(latest); entry && tight(); entry = deadlines.first(latest)) forget(entry)
    if (ledgerBytes + more > maxBytes) return false
    for (const queue of visitor ? [tombstones] : [tombstones, visitors, users]) {
      for (const entry of queue) {
        if (!tight()) return true
        forget(entry)
      }
    }
    return !tight()
  }

  return {
    name: 'memory',
    shared: false,

    load: (id) => records.get(id)?.value,

    create(record) {
      if (records.has(record.id)) return false
      const entry = { value: record, bytes: settle(record), serial: ++serial, slot: 0 }
      latest = Math.max(latest, record.createdAt, record.seenAt)
      if (!makeRoom(1, entry.bytes, record.userId === null)) throw full()
      attach(entry)
      records.set(record.id, entry)
      return true
    },

    replace(next, version) {
      const old = records.get(next.id)
      if (old?.value.version !== version) return false
      // An end counts no more than what it ends: it needs no room, so a full store can't refuse it.
      const size = next.ended === null ? settle(next) : Math.min(settle(next), old.bytes)
      const entry = { value: forward(next, old.value), bytes: size, serial: old.serial, slot: 0 }
      latest = Math.max(latest, next.seenAt)
      // Out of every queue, so that it can't be put out to make room for itself.
      detach(old)
      const fits = makeRoom(0, size, next.userId === null)
      attach(fits ? entry : old)
      if (!fits) throw full()
      records.set(next.id, entry)
      return true
    },

    touch(id, version, seenAt, expiresAt) {
      const old = records.get(id)
      if (old?.value.version !== version) return false
      latest = Math.max(latest, seenAt)
      const value = Object.freeze({
        ...old.value,
        seenAt: Math.max(old.value.seenAt, seenAt),
        expiresAt: Math.max(old.value.expiresAt, expiresAt),
      })
      const entry = { ...old, value }
      detach(old)
      attach(entry)
      records.set(id, entry)
      return true
    },

    loadUser: (userId) => ledgers.get(userId)?.value,

    replaceUser(next, version) {
      const old = ledgers.get(next.userId)
      if ((old?.value.version ?? 0) !== version) return false
      const entry = { value: next, bytes: settle(next), serial: 0, slot: 0 }
      if (old) detach(old)
      const fits = makeRoom(0, entry.bytes, false)
      if (fits) attach(entry)
      else if (old) attach(old)
      if (!fits) throw full()
      ledgers.set(next.userId, entry)
      return true
    },

    scan({ cursor, limit }) {
      const after = Number(cursor ?? 0)
      const found: SessionRecord[] = []
      for (const entry of records.values()) {
        if (entry.serial <= after) continue
        found.push(entry.value)
        if (found.length >= limit) return { records: found, next: String(entry.serial) }
      }
      return { records: found }
    },

    sweep(now, limit) {
      latest = Math.max(latest, now)
      let swept = 0
      for (let entry = deadlines.first(now); entry && swept < limit; entry = deadlines.first(now), swept++)
        forget(entry)
      return swept
    },
  }
}

function check(options: MemoryOptions): Required<MemoryOptions> {
  const checked = { maxRecords: 100_000, maxBytes: 64 * 1024 * 1024 }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checked, name))
      throw new SessionError('ERR_OPTION', `memory: there is no option ${name}`)
    if (value === undefined) continue
    if (!Number.isSafeInteger(value) || value < 1) {
      const message = `memory: ${name}: expected a whole number, 1 or more, but got ${String(value)}`
      throw new SessionError('ERR_OPTION', message)
    }
    checked[name as keyof typeof checked] = value
  }
  return checked
}

function full(): SessionError {
  return new SessionError(
    'ERR_ENGINE_FULL',
    'memory: full; raise maxRecords or maxBytes, or use an engine that is not in memory',
  )
}

/** A record whose times are not behind those of `old`. */
function forward(next: SessionRecord, old: SessionRecord): SessionRecord {
  if (next.seenAt >= old.seenAt && next.expiresAt >= old.expiresAt) return next
  const seenAt = Math.max(next.seenAt, old.seenAt)
  return Object.freeze({ ...next, seenAt, expiresAt: Math.max(next.expiresAt, old.expiresAt) })
}

function isLedger(value: SessionRecord | UserLedger): value is UserLedger {
  return 'sessions' in value
}

/**
 * Freezes a value, which is kept as it is and handed out again: whoever changed it would change the store. A string
 * counts two bytes a character, the most it takes; the rest was fitted to measured records and rounded up.
 * @returns about how many bytes it takes
 */
function settle(value: unknown): number {
  if (typeof value === 'string') return 16 + 2 * value.length
  if (typeof value !== 'object' || value === null) return 8
  let bytes = 48
  for (const name of Object.keys(value)) bytes += 8 + settle((value as Record<string, unknown>)[name])
  Object.freeze(value)
  return bytes
}

/** A binary heap by `expiresAt`: a search through all records at each write of a full store would stop the server. */
class Deadlines {
  readonly #heap: Entry[] = []

  /** @returns one whose time has come by `now`, the earliest */
  first(now: Millis): Entry | undefined {
    const entry = this.#heap[0]
    return entry && entry.value.expiresAt <= now ? entry : undefined
  }

  add(entry: Entry): void {
    this.#place(entry, this.#heap.length)
  }

  remove(entry: Entry): void {
    const last = this.#heap.pop()
    if (last && last !== entry) this.#place(last, entry.slot)
  }

  #place(entry: Entry, from: number): void {
    const heap = this.#heap
    const at = entry.value.expiresAt
    let slot = from
    for (let up = (slot - 1) >> 1; slot > 0 && at < this.#due(up); up = (slot - 1) >> 1) {
      this.#put(heap[up]!, slot)
      slot = up
    }
    for (let left = 2 * slot + 1; left < heap.length; left = 2 * slot + 1) {
      const child = this.#due(left + 1) < this.#due(left) ? left + 1 : left
      if (this.#due(child) >= at) break
      this.#put(heap[child]!, slot)
      slot = child
    }
    this.#put(entry, slot)
  }

  #put(entry: Entry, slot: number): void {
    this.#heap[slot] = entry
    entry.slot = slot
  }

  #due(slot: number): Millis {
    return slot < this.#heap.length ? this.#heap[slot]!.value.expiresAt : Number.POSITIVE_INFINITY
  }
}
