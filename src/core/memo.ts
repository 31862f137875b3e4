import { flat } from './flat.ts'

/** A longer text is worked out anew each time, so that what is remembered is bounded in bytes, too. */
const LONGEST_TEXT = 512

/**
 * Remembers what a pure function made of the last texts. Texts come from clients, who may send a new one each time:
 * when there are `limit` of them all are forgotten at once, which bounds the memory and costs a hit no bookkeeping.
 *
 * @param limit - how many texts are remembered, at most
 * @param compute - a pure function; when it throws, nothing is remembered
 */
export function memoize<T extends NonNullable<unknown> | null>(
  limit: number,
  compute: (text: string) => T,
): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const value = compute(text)
    if (text.length <= LONGEST_TEXT) {
      if (known.size >= limit) known.clear()
      known.set(flat(text), value)
    }
    return value
  }
}
