/** Remembers which requests have their session, for middleware that is mounted twice. @module */

const servedBy = new WeakMap<object, WeakSet<object>>()

/** The requests that already have theirs, of these `Sessions`. */
export function servedOf(sessions: object): WeakSet<object> {
  const served = servedBy.get(sessions) ?? new WeakSet()
  servedBy.set(sessions, served)
  return served
}
