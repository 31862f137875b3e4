import type { Millis } from '../core/duration.ts'
import type { SessionRecord } from '../core/engine.ts'
import { settle } from './settle.ts'

interface Entry {
  readonly record: SessionRecord
  /** When the read or write that brought it began: from then on it may have been outdated. */
  readonly at: Millis
  readonly bytes: number
}

/** A read or a write under way. What it brings is kept, unless something happened to the record meanwhile. */
export interface Fill {
  readonly id: string
  /** The newest version that was seen meanwhile. */
  floor: number
}

/** Records in this process's memory in front of a store, the least recently used given up first. It has no clock. */
export class Front {
  readonly #entries = new Map<string, Entry>()
  readonly #fills = new Map<string, Set<Fill>>()
  readonly #maxRecords: number
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxRecords: number, maxBytes: number) {
    this.#maxRecords = maxRecords
    this.#maxBytes = maxBytes
  }

  get records(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @param after - what was brought then or before is too old */
  find(id: string, after: Millis): SessionRecord | undefined {
    const entry = this.#entries.get(id)
    if (!entry) return undefined
    this.#remove(id)
    if (entry.at <= after) return undefined
    this.#add(entry)
    return entry.record
  }

  /** The record, whatever its age; it is not used by that. */
  peek(id: string): SessionRecord | undefined {
    return this.#entries.get(id)?.record
  }

  begin(id: string): Fill {
    const fill = { id, floor: 0 }
    const fills = this.#fills.get(id)
    if (fills) fills.add(fill)
    else this.#fills.set(id, new Set([fill]))
    return fill
  }

  /**
   * Ends a fill. What it saw makes anything older out of date, be it kept or under way.
   *
   * @param seen - the version that it brought; 0 for none
   * @returns whether nothing happened to the record since it began, and nobody has seen a newer one
   */
  end(fill: Fill, seen: number): boolean {
    const { id } = fill
    const fills = this.#fills.get(id)
    const whole = (fills?.delete(fill) ?? false) && seen >= fill.floor
    if (fills?.size === 0) this.#fills.delete(id)
    for (const other of fills ?? []) other.floor = Math.max(other.floor, seen)
    if ((this.peek(id)?.version ?? seen) < seen) this.#remove(id)
    return whole
  }

  /** Keeps what an `end` found whole, or a write left; of two readings of one version the one that began last. */
  keep(record: SessionRecord, at: Millis): void {
    const old = this.#entries.get(record.id)
    if (old && old.at > at) return
    this.#remove(record.id)
    this.#add({ record, at, bytes: settle(record) })
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxRecords && this.#bytes <= this.#maxBytes) return
      this.#remove(id)
    }
  }

  /** Forgets a record, and what is under way about it. */
  drop(id: string): void {
    this.#remove(id)
    this.#fills.delete(id)
  }

  /** Forgets what the store may have swept. */
  dropExpired(now: Millis): void {
    for (const [id, { record }] of this.#entries) if (record.expiresAt <= now) this.drop(id)
  }

  /** Forgets everything, and everything under way. */
  clear(): void {
    this.#entries.clear()
    this.#fills.clear()
    this.#bytes = 0
  }

  #add(entry: Entry): void {
    this.#entries.set(entry.record.id, entry)
    this.#bytes += entry.bytes
  }

  #remove(id: string): void {
    this.#bytes -= this.#entries.get(id)?.bytes ?? 0
    this.#entries.delete(id)
  }
}
