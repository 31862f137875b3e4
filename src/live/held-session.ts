/** One session that sockets hold, and what is known of it. @module */

import type { Millis } from '../core/duration.ts'
import type { Standing } from '../core/standings.ts'
import { endBy, type LiveEnd, type LiveEndReason } from './end.ts'

/** One socket's share in a session. */
export interface Socket {
  /** When the session that it was opened with was authenticated. */
  readonly authenticatedAt: Millis
  readonly end: (end: LiveEnd) => void
}

export class HeldSession {
  readonly id: string
  readonly userId: string
  readonly sockets: Set<Socket> = new Set()
  usedAt: Millis | null = null
  /** Since when, on the clock of `Live`, something may have happened that we haven't heard of; null while we know. */
  #unsureSince: number | null
  #askedAt: number
  #asking = false
  #known: Extract<Standing, { kind: 'live' }> | null = null

  /** @param clock - that of `Live` */
  constructor(id: string, userId: string, clock: number) {
    this.id = id
    this.userId = userId
    this.#unsureSince = clock
    this.#askedAt = Number.NEGATIVE_INFINITY
  }

  /** Something may have changed. What was asked before is no answer to that. */
  suspect(clock: number): void {
    this.#unsureSince ??= clock
    this.#askedAt = Number.NEGATIVE_INFINITY
  }

  /** Whether to ask now. @param pace - how often to ask, though nothing is known to have happened; and again, where that failed */
  isDue(clock: number, now: Millis, pace: Millis, told: boolean): boolean {
    if (this.#asking || this.sockets.size === 0) return false
    const wanted = !told || this.#unsureSince !== null || now >= this.#known!.endsAt || this.isUseDue()
    return wanted && clock - this.#askedAt >= pace
  }

  /** Whether it was used long enough after the store last heard of a use. */
  isUseDue(): boolean {
    if (this.usedAt === null || this.#known === null) return false
    return this.usedAt - this.#known.seenAt >= this.#known.touchEvery
  }

  /** For how long nobody could say what it is worth. */
  unsureFor(clock: number): Millis {
    return this.#unsureSince === null ? 0 : clock - this.#unsureSince
  }

  /** @returns whether to read it: not while somebody does */
  ask(clock: number): boolean {
    if (this.#asking) return false
    this.#asking = true
    this.#askedAt = clock
    this.#unsureSince ??= clock
    return true
  }

  /**
   * @param standing - null where the store failed
   * @returns whether to ask again: what was told meanwhile, this answer may not have heard of
   */
  answer(standing: Standing | null): boolean {
    this.#asking = false
    if (!standing) return false
    if (standing.kind === 'over') {
      this.end(standing.reason)
      return false
    }
    this.#known = standing
    for (const socket of this.sockets) {
      if (socket.authenticatedAt < standing.authenticatedAt) this.#end(socket, 'superseded')
    }
    if (this.#askedAt === Number.NEGATIVE_INFINITY) return this.sockets.size > 0
    this.#unsureSince = null
    return false
  }

  /** Whether everybody authenticated by then being out, so is this one. */
  isCutOff(notBefore: Millis): boolean {
    return this.#known !== null && this.#known.authenticatedAt <= notBefore
  }

  end(reason: LiveEndReason): void {
    for (const socket of this.sockets) this.#end(socket, reason)
  }

  #end(socket: Socket, reason: LiveEndReason): void {
    this.sockets.delete(socket)
    try {
      socket.end(endBy(reason))
    } catch (error) {
      // One that fails must not keep the others open.
      console.error('holdfast: a socket could not be closed', error)
    }
  }
}
