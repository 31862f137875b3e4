import { clearLine, cursorTo } from 'node:readline'

/** How often somebody who reads a file, not a terminal, is told. */
const SELDOM = 5_000
const WIDTH = 32

/** A bar on standard error; one line now and then where that is no terminal. */
export class Progress {
  readonly #what: string
  readonly #total: number
  readonly #began = performance.now()
  #told = performance.now()

  constructor(what: string, total: number) {
    this.#what = what
    this.#total = total
  }

  show(done: number): void {
    const now = performance.now()
    const terminal = process.stderr.isTTY
    if (done < this.#total && now - this.#told < (terminal ? 100 : SELDOM)) return
    this.#told = now
    const part = this.#total === 0 ? 1 : done / this.#total
    const bar = '█'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '░')
    const seconds = ((now - this.#began) / 1000).toFixed(0)
    const text = `${this.#what.padEnd(34)} ${bar} ${(100 * part).toFixed(0).padStart(3)} %  ${seconds} s`
    if (terminal) {
      clearLine(process.stderr, 0)
      cursorTo(process.stderr, 0)
    }
    process.stderr.write(terminal && done < this.#total ? text : `${text}\n`)
  }
}
