const MOST_OVER = 1_000

/**
 * Runs the tasks of one key one after another, and hands each what the one before it left: parallel requests of one
 * session then write in turn, where they would otherwise race for the swap and read again each time they lose.
 */
export class Queue<T> {
  /** Without a promise where a turn is over, until so many are. */
  readonly #tails = new Map<string, Promise<T | null> | undefined>()
  #over = 0
  readonly #ahead = new Map<string, Promise<unknown>>()

  /** @param task - receives what the task before it returned; null when there was none, or it failed */
  async run(key: string, task: (left: T | null) => Promise<T | null>): Promise<void> {
    const before = this.#tails.get(key)
    const start = (left: T | null) => this.#start(key, left, task)
    const turn = before ? before.then(start, () => start(null)) : start(null)
    this.#tails.set(key, turn)
    try {
      await turn
    } finally {
      if (this.#tails.get(key) === turn) this.#end(key)
    }
  }

  /** Not deleted at once, for a `Map` that shrinks and grows with each request is what `Calls` describes. */
  #end(key: string): void {
    this.#tails.set(key, undefined)
    this.#over++
    if (this.#over < MOST_OVER) return
    this.#over = 0
    for (const [each, turn] of this.#tails) if (!turn) this.#tails.delete(each)
  }

  /**
   * Runs a task at once, and lets none that waits for its turn start until it is done: however many wait, it meets one
   * that is running, at most. It waits for nothing itself, so that one may run inside of another.
   */
  runAhead<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const running = task()
    const all = Promise.allSettled([this.#ahead.get(key), running])
    this.#ahead.set(key, all)
    void all.then(() => {
      if (this.#ahead.get(key) === all) this.#ahead.delete(key)
    })
    return running
  }

  #start(key: string, left: T | null, task: (left: T | null) => Promise<T | null>): Promise<T | null> {
    const ahead = this.#ahead.get(key)
    return ahead ? ahead.then(() => this.#start(key, left, task)) : task(left)
  }
}
