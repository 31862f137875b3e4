/** Remembers which requests have their session, for middleware that is mounted twice. @module */

import type { Session } from '../core/session.ts'
import { Notes } from './notes.ts'

type Served = Notes<Session<never> | null>

const servedBy = new WeakMap<object, Served>()

/** The requests that already have theirs, of these `Sessions`: null where it isn't known which. */
export function servedOf(sessions: object): Served {
  const served: Served = servedBy.get(sessions) ?? new Notes()
  servedBy.set(sessions, served)
  return served
}
