/** Randomness that can be repeated, and what makes bad input of good. @module */

export class Random {
  #state: number

  /** @param seed - the same one gives the same numbers */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Mulberry32. @returns a whole number from 0 to below `limit` */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let bits = this.#state
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296) * limit)
  }

  chance(one: number): boolean {
    return this.below(one) === 0
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** @returns up to `most` items, each made anew */
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make)
  }

  /** A character: mostly such as mean something to a parser. */
  character(): string {
    const kind = this.below(10)
    if (kind < 4) return this.pick([...'=;, \t"\'\\/.:-_[]{}()@%&?#+*!<>|~^`$'])
    if (kind < 7) return String.fromCharCode(0x21 + this.below(94))
    if (kind < 8) return String.fromCharCode(this.below(0x20))
    if (kind < 9) return String.fromCharCode(0x80 + this.below(0x80))
    return this.pick(ODD)
  }

  text(most = 40): string {
    return this.some(most, () => this.character()).join('')
  }

  /** Changes a text a little: a few times over. */
  mutate(text: string, others: readonly string[] = [text]): string {
    let mutant = text
    for (let times = 1 + this.below(3); times > 0; times--) mutant = this.#mutateOnce(mutant, others)
    return mutant
  }

  #mutateOnce(text: string, others: readonly string[]): string {
    const at = this.below(text.length + 1)
    const to = Math.min(text.length, at + 1 + this.below(8))
    const [before, piece, after] = [text.slice(0, at), text.slice(at, to), text.slice(to)]
    const parts = text.split('.')
    const part = this.below(parts.length)
    switch (this.below(12)) {
      case 0:
        return before + after
      case 1:
        return before + this.character() + piece + after
      case 2:
        return before + this.character() + piece.slice(1) + after
      case 3:
        return before + piece + piece + after
      case 4:
        return before + piece.toUpperCase() + after
      case 5:
        return before + [...piece].reverse().join('') + after
      case 6: {
        const other = this.pick(others)
        return before + other.slice(this.below(other.length + 1))
      }
      case 7: {
        // A part of another, in the same place: what a forger who holds two tokens tries.
        const theirs = this.pick(others).split('.')
        return parts.with(part, theirs[part % theirs.length]!).join('.')
      }
      case 8:
        return parts.with(part, parts[this.below(parts.length)]!).join('.')
      case 9:
        return parts.with(part, '').join('.')
      case 10:
        return this.chance(20)
          ? text.repeat(1 + this.below(40))
          : text + this.pick([' ', '=', '\0', '.', 'A', '\n'])
      default: {
        // One bit of one character, which may be a base64url digit that carries no information.
        const code = text.charCodeAt(at) ^ (1 << this.below(7))
        return at < text.length ? text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1) : text
      }
    }
  }

  /** Any JSON value, with names that have meant mischief. */
  json(depth = 0): unknown {
    const kind = this.below(depth > 4 ? 6 : 9)
    switch (kind) {
      case 0:
        return null
      case 1:
        return this.chance(2)
      case 2:
        return this.pick([0, -0, 1, -1, 1e308, -1e308, 5e-324, 2 ** 53, 0.1, this.below(1e9)])
      case 3:
      case 4:
        return this.text(12)
      case 5:
        return this.pick(NAMES)
      case 6:
        return this.some(4, () => this.json(depth + 1))
      default:
        return Object.fromEntries(this.some(4, () => [this.name(), this.json(depth + 1)]))
    }
  }

  name(): string {
    return this.chance(2) ? this.pick(NAMES) : this.text(12)
  }
}

/** Names that a careless object knows already, and texts that stores and parsers have stumbled over. */
export const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'toJSON',
  'then',
  'length',
  '',
  '0',
  '-1',
  '\0',
  'a\0b',
  '"quoted"',
  '\ud800',
  '\udfff\ud800',
  '\u2028',
  '\ufeff',
  'é',
  'e\u0301',
  '💥',
  "'; DROP TABLE holdfast_sessions; --",
  '{{7*7}}',
  '../../etc/passwd',
  'a.b',
  'a[b]',
  'count',
]

const ODD = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\u00a0',
  '\u200b',
  '\u2028',
  '\ufeff',
  '\ud800',
  '\udfff',
  'ſ',
  'K',
  'İ',
  'é',
  '💥',
]
