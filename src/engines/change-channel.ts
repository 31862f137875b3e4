/** How a near cache learns what others change: the contract of a channel, and the watch over it. @module */

import type { Millis } from '../core/duration.ts'
import type { MaybePromise } from '../core/engine.ts'

/** What a channel tells. */
export interface ChangeListener {
  /** Somebody wrote this record, or deleted it; perhaps we did. */
  changed(id: string): void
  /** Anything may have changed, or will without our hearing of it: the connection is gone, or the store was emptied. */
  lost(): void
}

/** Tells which records the store says have changed, whoever changed them and by whatever program. */
export interface ChangeChannel {
  /** A word for messages, such as `redis`. */
  readonly name: string
  /** Begins to listen, and goes on until it is closed, over as many connections as that takes. Called once. */
  listen(listener: ChangeListener): void
  /**
   * Resolves when the listener has been told of every change that the store had made before the call: by something sent
   * through the store, and heard behind those changes. Rejects, or stays away, while that can't be.
   */
  barrier(): Promise<void>
  close(): MaybePromise<void>
}

/** The longest time between two barriers, in milliseconds: after a break memory is of no use until one has returned. */
const LONGEST_PACE = 500

/**
 * Knows whether a channel can be relied on. A connection says when it is broken, but not when it is dead: so barriers are
 * asked for, a few in each `maxAge`, and only where there are reads. No timer runs.
 */
export class Watch {
  readonly #channel: ChangeChannel
  readonly #maxAge: Millis
  readonly #pace: Millis
  #askedAt = Number.NEGATIVE_INFINITY
  #provenAt = Number.NEGATIVE_INFINITY
  #losses = 0
  /** How long the last barrier took. */
  lag: Millis = 0
  longestLag: Millis = 0
  /** What the channel said when the last barrier failed. */
  problem: string | null = null

  constructor(channel: ChangeChannel, maxAge: Millis, listener: ChangeListener) {
    this.#channel = channel
    this.#maxAge = maxAge
    this.#pace = Math.min(maxAge / 4, LONGEST_PACE)
    channel.listen({
      changed: (id) => listener.changed(id),
      lost: () => {
        this.#losses++
        this.#provenAt = Number.NEGATIVE_INFINITY
        listener.lost()
      },
    })
  }

  /** Whether everything that changed until `maxAge` ago is known to have been told. */
  isUp(now: Millis): boolean {
    if (now - this.#askedAt >= this.#pace) void this.#ask(now)
    return now - this.#provenAt < this.#maxAge
  }

  async #ask(now: Millis): Promise<void> {
    const losses = this.#losses
    this.#askedAt = now
    try {
      await this.#channel.barrier()
    } catch (error) {
      // As good as one that never comes: what was proven last grows old.
      this.problem = error instanceof Error ? error.message : String(error)
      return
    }
    // What went by between a break and the next connection was told to nobody.
    if (losses !== this.#losses) return
    this.#provenAt = Math.max(this.#provenAt, now)
    this.problem = null
    this.lag = performance.now() - now
    this.longestLag = Math.max(this.longestLag, this.lag)
  }
}
