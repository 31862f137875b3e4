/** The sessions that ended while the page was open. @module */

const MOST = 2_000

/** The last ones: who logs in and out for hours must not slow the page down. */
export function remember(gone: ReadonlySet<string>, id: string): ReadonlySet<string> {
  return new Set([...gone, id].slice(-MOST))
}
