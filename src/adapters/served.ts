/** Remembers which requests have their session, for middleware that is mounted twice. @module */

import type { Session } from '../core/session.ts'

const servedBy = new WeakMap<object, Served>()

/** The requests that already have theirs, of these `Sessions`. */
export function servedOf(sessions: object): Served {
  const served = servedBy.get(sessions) ?? new Served()
  servedBy.set(sessions, served)
  return served
}

/**
 * Kept at the requests themselves, under a name that nobody else has. In a `WeakMap`, which V8 goes through at every collection,
 * each request and all that hangs on it would outlive some: that cost Express more than its sessions.
 */
class Served {
  readonly #mark = Symbol('holdfast')

  /** @returns null where a session is being opened, or it isn't known which; undefined where there is none */
  get(request: object): Session<never> | null | undefined {
    return (request as Record<symbol, Session<never> | null | undefined>)[this.#mark]
  }

  set(request: object, session: Session<never> | null): void {
    ;(request as Record<symbol, Session<never> | null>)[this.#mark] = session
  }

  has(request: object): boolean {
    return this.get(request) !== undefined
  }
}
