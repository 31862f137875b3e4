/**
 * Runs the tasks of one key one after another, and hands each what the one before it left: parallel requests of one
 * session then write in turn, where they would otherwise race for the swap and read again each time they lose.
 */
export class Queue<T> {
  readonly #tails = new Map<string, Promise<T | null>>()

  /** @param task - receives what the task before it returned; null when there was none, or it failed */
  async run(key: string, task: (left: T | null) => Promise<T | null>): Promise<void> {
    const before = this.#tails.get(key)
    const turn = before ? before.then(task, () => task(null)) : task(null)
    this.#tails.set(key, turn)
    try {
      await turn
    } finally {
      if (this.#tails.get(key) === turn) this.#tails.delete(key)
    }
  }
}
