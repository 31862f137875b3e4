/** What is asked for at once, sent as one. @module */

import { setImmediate } from 'node:timers'

/** So that no batch keeps a server, or a connection, from the others for long. */
const MOST = 100

interface Waiting<Asked, Answer> {
  readonly asked: Asked
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** Whether, after an error, each is asked alone: this time, or always; false where the error is everybody's. */
type Apart = (error: unknown) => 'this time' | 'always' | false

/**
 * Gathers what is asked for in one turn of the event loop, and asks it together: most of what a command costs a process is what
 * its client does for each. Whoever is alone waits for nobody.
 */
export class Batch<Asked, Answer> {
  readonly #askAll: (asked: readonly Asked[]) => Promise<readonly Answer[]>
  readonly #apart: Apart
  #waiting: Waiting<Asked, Answer>[] = []
  #most = MOST

  /** @param askAll - has an answer for each, in their order */
  constructor(askAll: (asked: readonly Asked[]) => Promise<readonly Answer[]>, apart: Apart) {
    this.#askAll = askAll
    this.#apart = apart
  }

  ask(asked: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const count = this.#waiting.push({ asked, resolve, reject })
      if (count >= this.#most) this.#send()
      else if (count === 1) setImmediate(() => this.#send())
    })
  }

  #send(): void {
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length > 0) void this.#answer(waiting)
  }

  async #answer(waiting: readonly Waiting<Asked, Answer>[]): Promise<void> {
    try {
      const answers = await this.#askAll(waiting.map(({ asked }) => asked))
      for (let index = 0; index < waiting.length; index++) waiting[index]!.resolve(answers[index]!)
    } catch (error) {
      const apart = waiting.length > 1 && this.#apart(error)
      if (apart === 'always') this.#most = 1
      for (const each of waiting) {
        if (apart) void this.#answer([each])
        else each.reject(error)
      }
    }
  }
}
