/** What is asked for at once, sent as one. @module */

import { setImmediate } from 'node:timers'

/** So that no batch keeps a server, or a connection, from the others for long. */
const MOST = 100

interface Waiting<Asked, Answer> {
  readonly asked: Asked
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/**
 * Gathers what is asked for in one turn of the event loop, and asks it together: most of what a command costs a process is what
 * its client does for each. Whoever is alone waits for nobody.
 */
export class Batch<Asked, Answer> {
  readonly #askAll: (asked: readonly Asked[]) => Promise<readonly Answer[]>
  #waiting: Waiting<Asked, Answer>[] = []

  /** @param askAll - has an answer for each, in their order */
  constructor(askAll: (asked: readonly Asked[]) => Promise<readonly Answer[]>) {
    this.#askAll = askAll
  }

  ask(asked: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const count = this.#waiting.push({ asked, resolve, reject })
      if (count === 1) setImmediate(() => void this.#send())
      else if (count === MOST) void this.#send()
    })
  }

  async #send(): Promise<void> {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    try {
      const answers = await this.#askAll(waiting.map(({ asked }) => asked))
      for (let index = 0; index < waiting.length; index++) waiting[index]!.resolve(answers[index]!)
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}
