/** Remembers which requests have their session, for middleware that is mounted twice. @module */

import type { Session } from '../core/session.ts'

type Served = WeakMap<object, Session<never> | null>

const servedBy = new WeakMap<object, Served>()

/** The requests that already have theirs, of these `Sessions`: which, where that is known. */
export function servedOf(sessions: object): Served {
  const served: Served = servedBy.get(sessions) ?? new WeakMap()
  servedBy.set(sessions, served)
  return served
}
