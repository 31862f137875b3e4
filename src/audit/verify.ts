/** Reads a whole audit log and checks its chain. @module */

import type { MacKey } from '#crypto'
import { ChainCheck, type Flaw, GENESIS, type Head, seal } from './chain.ts'
import type { AuditStore } from './store.ts'

export interface Verdict {
  readonly rows: number
  readonly head: Head
  /** The first of them, in order. */
  readonly flaws: readonly Flaw[]
  readonly flawCount: number
}

const PAGE = 1_000
const TOLD = 20

/**
 * @param anchors - heads that were kept elsewhere; without one a log whose end was cut off is as good as a shorter one
 * @param progress - told how many rows were read so far
 * @throws whatever the store throws
 */
export async function verifyLog(
  store: AuditStore,
  key: MacKey | null,
  anchors: readonly Head[] = [],
  progress: (rows: number) => void = () => {},
): Promise<Verdict> {
  const chain = new ChainCheck(key, anchors)
  const flaws: Flaw[] = []
  let rows = 0
  let flawCount = 0
  const note = (found: readonly Flaw[]) => {
    flawCount += found.length
    flaws.push(...found.slice(0, TOLD - flaws.length))
  }
  for (;;) {
    const page = await store.read(chain.head.seq, PAGE)
    for (const row of page) note(chain.add(row))
    rows += page.length
    if (page.length === 0) break
    progress(rows)
  }
  note(chain.finish())
  return { rows, head: chain.head, flaws, flawCount }
}

/**
 * Whether a log's last row was sealed with this key, or without one. An empty log may go on with any; so may one whose last
 * row has lost the row before it: its seal can't be recomputed.
 *
 * @throws whatever the store throws
 */
export async function isSealedWith(store: AuditStore, key: MacKey | null): Promise<boolean> {
  const [last, before = GENESIS] = await store.readBack((await store.head()).seq + 1, 2)
  if (!last || last.seq !== before.seq + 1) return true
  return seal(before, last.entry, key).seal === last.seal
}
