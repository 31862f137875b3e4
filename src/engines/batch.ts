/** Reads that are asked for at once, sent as one. @module */

import { setImmediate } from 'node:timers'

/** So that no batch keeps a server, or a connection, from the others for long. */
const MOST = 100

interface Waiting<Found> {
  readonly key: string
  readonly resolve: (found: Found | null) => void
  readonly reject: (error: unknown) => void
}

/**
 * Gathers the keys that are asked for in one turn of the event loop, and reads them together: most of what a read costs a
 * process is what its client does for each command. Whoever is alone waits for nobody.
 */
export class Batch<Found> {
  readonly #read: (keys: readonly string[]) => Promise<readonly (Found | null)[]>
  #waiting: Waiting<Found>[] = []

  /** @param read - finds a value, or null, for each key, in their order */
  constructor(read: (keys: readonly string[]) => Promise<readonly (Found | null)[]>) {
    this.#read = read
  }

  load(key: string): Promise<Found | null> {
    return new Promise((resolve, reject) => {
      const count = this.#waiting.push({ key, resolve, reject })
      if (count === 1) setImmediate(() => this.#send())
      else if (count === MOST) this.#send()
    })
  }

  #send(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    this.#read(waiting.map(({ key }) => key)).then(
      (found) => {
        for (let index = 0; index < waiting.length; index++) waiting[index]!.resolve(found[index]!)
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error)
      },
    )
  }
}
