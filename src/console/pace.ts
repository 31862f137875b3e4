/** How large pages of sessions may be: some hold a thousand times what others do, and while one is read nothing else runs. @module */

/** Milliseconds that others can wait for. */
const BREATH = 20
const LEAST = 10

/**
 * Begins to read a page.
 *
 * @param size - its records
 * @returns called when it was read: of how many the next one may be. Where the runtime doesn't say how busy it was, of any
 */
export function timePage(size: number): () => number {
  const began = performance.eventLoopUtilization()
  return () => {
    const { active } = performance.eventLoopUtilization(began)
    return active === 0 ? Number.POSITIVE_INFINITY : Math.max(LEAST, Math.floor((size * BREATH) / active))
  }
}
