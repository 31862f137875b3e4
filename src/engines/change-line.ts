/** What channels of real servers share: one connection that listens, opened anew when it is dead, and barriers. @module */

import { randomBytes } from 'node:crypto'
import type { Millis } from '../core/duration.ts'
import type { ChangeChannel, ChangeListener } from './change-channel.ts'

/** What a connection tells its line. */
export interface Ear {
  /** It hears everything from now on. */
  ready(): void
  /** It hears nothing any more, and why; `over` when it doesn't come back by itself. */
  gone(why: unknown, over?: boolean): void
  changed(id: string): void
  /** Anything may have changed. */
  all(): void
  /** The name of a barrier was heard, behind every change before it. */
  heard(name: string): void
}

export interface Connection {
  close(): void
}

export interface LineParts {
  readonly name: string
  /** Opens a connection that listens. */
  open(ear: Ear): Connection
  /** Sends a barrier's name through the store, by another connection. */
  send(name: string): Promise<unknown>
}

/** How many barriers may wait at once: the oldest are given up. */
const MAX_WAITING = 16
/** How long one may wait until its connection counts as dead. Nobody writes on it, so it would never find out itself. */
const DEAD_AFTER: Millis = 5_000

/** A channel over one connection. It goes by the reads that ask for barriers, and has no timer. */
export function line({ name, open, send }: LineParts): ChangeChannel {
  const waiting = new Map<string, { readonly since: Millis; readonly resolve: () => void }>()
  let listener: ChangeListener
  let connection: Connection | undefined
  let problem: unknown
  let over = false

  function connect(): void {
    let current = true
    problem = new Error('its connection is not open yet')
    over = false
    const opened = open({
      ready: () => {
        if (current) problem = null
      },
      gone(why, forGood = false) {
        if (!current) return
        problem = why
        over ||= forGood
        waiting.clear()
        listener.lost()
      },
      changed: (id) => current && listener.changed(id),
      all: () => current && listener.lost(),
      heard(barrier) {
        waiting.get(barrier)?.resolve()
        waiting.delete(barrier)
      },
    })
    connection = {
      close() {
        current = false
        opened.close()
      },
    }
  }

  function reconnect(): void {
    connection?.close()
    waiting.clear()
    listener.lost()
    connect()
  }

  return {
    name,

    listen(given) {
      listener = given
      connect()
    },

    async barrier() {
      const [oldest] = waiting.values()
      if (oldest && performance.now() - oldest.since > DEAD_AFTER) {
        reconnect()
        throw new Error('its connection was dead')
      }
      if (problem) {
        const why = problem
        if (over) reconnect()
        throw why
      }
      if (waiting.size >= MAX_WAITING) waiting.delete([...waiting.keys()][0]!)
      const barrier = randomBytes(9).toString('base64url')
      const heard = new Promise<void>((resolve) =>
        waiting.set(barrier, { since: performance.now(), resolve }),
      )
      try {
        await send(barrier)
      } catch (error) {
        // That says nothing of the connection that listens.
        waiting.delete(barrier)
        throw error
      }
      await heard
    },

    close() {
      connection?.close()
      waiting.clear()
      problem = new Error('the channel is closed')
      over = false
    },
  }
}
