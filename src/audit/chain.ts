/**
 * The chain that lets an audit log tell of changes to itself: each row's seal covers its number, its text and the seal
 * of the row before. Pure.
 * @module
 */

import { hmac, type MacKey, sha256 } from '#crypto'

/** One row of an audit log, as it is stored. */
export interface AuditRow {
  /** 1 for the first, one more for each. */
  readonly seq: number
  /** JSON text. */
  readonly entry: string
  readonly seal: string
}

/** Where a chain ends. Written down elsewhere it is an anchor: what came before can't be changed unnoticed. */
export type Head = Pick<AuditRow, 'seq' | 'seal'>

/** The head of an empty log. */
export const GENESIS: Head = { seq: 0, seal: '' }

/** What is wrong at a place of a chain. */
export interface Flaw {
  readonly seq: number
  readonly kind: 'changed' | 'missing' | 'anchor'
  /** In words, for the operator. */
  readonly what: string
}

/**
 * Appends to a chain.
 *
 * @param key - null makes a plain hash, which whoever can rewrite the table can recompute: then only an anchor that was
 *   kept elsewhere proves anything
 */
export function seal(head: Head, entry: string, key: MacKey | null): AuditRow {
  const seq = head.seq + 1
  const text = `holdfast/audit/1\n${head.seal}\n${seq}\n${entry}`
  return { seq, entry, seal: key === null ? sha256(text) : hmac(key, text) }
}

/** Writes a head as `SEQ:SEAL`, for a note or a ticket. */
export function formatAnchor({ seq, seal }: Head): string {
  return `${seq}:${seal}`
}

/** Reads what `formatAnchor` wrote. @returns null when it is anything else */
export function parseAnchor(text: string): Head | null {
  const match = /^(\d{1,15}):([\w-]{43}|)$/.exec(text.trim())
  if (!match || (match[1] === '0') !== (match[2] === '')) return null
  return { seq: Number(match[1]), seal: match[2]! }
}

/** Checks a chain, row by row, in order. What is missing at its end only an anchor can tell. */
export class ChainCheck {
  readonly #key: MacKey | null
  readonly #anchors: readonly Head[]
  #head: Head = GENESIS

  constructor(key: MacKey | null, anchors: readonly Head[] = []) {
    this.#key = key
    this.#anchors = anchors
  }

  /** The last row seen. */
  get head(): Head {
    return this.#head
  }

  /** @returns what is wrong with the next row; after a gap its link can't be checked, and it is believed */
  add(row: AuditRow): Flaw[] {
    const flaws: Flaw[] = []
    const expected = this.#head.seq + 1
    if (row.seq > expected) {
      const rows = row.seq - expected === 1 ? `row ${expected} is` : `rows ${expected} to ${row.seq - 1} are`
      flaws.push({ seq: expected, kind: 'missing', what: `${rows} missing` })
    } else if (seal(this.#head, row.entry, this.#key).seal !== row.seal) {
      const which = row.seq === 1 ? '' : `, or row ${row.seq - 1} before it`
      flaws.push({ seq: row.seq, kind: 'changed', what: `row ${row.seq} was changed${which}` })
    }
    for (const anchor of this.#anchors) {
      if (anchor.seq !== row.seq || anchor.seal === row.seal) continue
      flaws.push({ seq: row.seq, kind: 'anchor', what: `row ${row.seq} is not the one of the anchor` })
    }
    this.#head = { seq: row.seq, seal: row.seal }
    return flaws
  }

  /** @returns what is wrong once the last row was seen */
  finish(): Flaw[] {
    return this.#anchors
      .filter(({ seq }) => seq > this.#head.seq)
      .map(({ seq }) => ({
        seq: this.#head.seq + 1,
        kind: 'missing',
        what: `the log ends at row ${this.#head.seq}, and the anchor is of row ${seq}: its end was cut off`,
      }))
  }
}
