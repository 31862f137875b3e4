/** Server-sent events for one open page. @module */

import type { MaybePromise } from '../core/engine.ts'
import { answer } from './answer.ts'
import type { ConsoleEvent, FiguresPoint } from './api.ts'
import type { Watch } from './watch.ts'

/** Events a second; of the others the page is told how many. */
const MOST_EVENTS = 50
/** With alarms, which whoever makes a flood of others must not hide. */
const MOST_WITH_ALARMS = 100
/** Bytes that wait for a slow client; then figures and events are left out, for the next ones say more. */
const MOST_WAITING = 64 * 1024
const EVERY = 1_000
/** A comment, so that neither the page nor a proxy takes the silence for an end. */
const HEARTBEAT = 5_000
/** For so long who may go on is waited for. */
const PATIENCE = 5_000

const encoder = new TextEncoder()

export interface StreamOptions {
  /**
   * Asked every second: whether the operator's session lives, and he is one still; `'anew'` where that is for another
   * request to say, by the token of now. Who fails to answer, or to do so in time, says no.
   */
  readonly mayGoOn: () => MaybePromise<boolean | 'anew'>
  /** Called once, when it is over, or couldn't be opened. */
  readonly onEnd: () => void
  readonly signal: AbortSignal
}

/** Opens a stream, which ends when its reader goes away or may not go on. */
export async function openStream(watch: Watch, options: StreamOptions): Promise<Response> {
  const line = new Line(options)
  try {
    line.joined(await watch.join(line))
  } catch (error) {
    line.end()
    throw error
  }
  return answer(200, 'text/event-stream; charset=utf-8', line.body, {
    // Compressing middleware would hold it back.
    'Cache-Control': 'no-store, private, no-transform',
    'X-Accel-Buffering': 'no',
  })
}

class Line {
  readonly body: ReadableStream<Uint8Array>
  readonly #options: StreamOptions
  readonly #timer: NodeJS.Timeout
  #controller!: ReadableStreamDefaultController<Uint8Array>
  #sent = 0
  #skipped = 0
  #spokeAt = performance.now()
  #askedAt: number | null = null
  #over = false
  #leave: () => void = () => {}

  constructor(options: StreamOptions) {
    this.#options = options
    this.body = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller
          controller.enqueue(encoder.encode('retry: 2000\n\n'))
        },
        cancel: () => this.end(),
      },
      { highWaterMark: MOST_WAITING, size: (chunk) => chunk.byteLength },
    )
    this.#timer = setInterval(() => void this.#tick(), EVERY)
    options.signal.addEventListener('abort', () => this.end(), { once: true })
    if (options.signal.aborted) this.end()
  }

  /** @param leave - what ends it there; its reader may have gone meanwhile */
  joined(leave: () => void): void {
    if (this.#over) leave()
    else this.#leave = leave
  }

  figures(point: FiguresPoint): void {
    this.#send('figures', point)
  }

  event(event: ConsoleEvent): void {
    const most = event.severity === 'alarm' ? MOST_WITH_ALARMS : MOST_EVENTS
    if (this.#sent < most && this.#send('event', event)) this.#sent++
    else this.#skipped++
  }

  async #tick(): Promise<void> {
    if (this.#skipped > 0 && this.#send('skipped', { count: this.#skipped })) this.#skipped = 0
    this.#sent = 0
    if (performance.now() - this.#spokeAt > HEARTBEAT) this.#write(': still here\n\n')
    if (this.#over) return
    // One that is slow must not be asked twice at once.
    if (this.#askedAt !== null) {
      if (performance.now() - this.#askedAt > PATIENCE) this.#refuse(false)
      return
    }
    this.#askedAt = performance.now()
    const mayGoOn = await Promise.resolve()
      .then(this.#options.mayGoOn)
      .catch(() => false)
    this.#askedAt = null
    if (mayGoOn !== true) this.#refuse(mayGoOn)
  }

  #refuse(why: false | 'anew'): void {
    if (why === false) this.#send('ended', {})
    this.end()
  }

  #send(name: string, value: unknown): boolean {
    return this.#write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`)
  }

  #write(text: string): boolean {
    if (this.#over || this.#controller.desiredSize! <= 0) return false
    this.#controller.enqueue(encoder.encode(text))
    this.#spokeAt = performance.now()
    return true
  }

  end(): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#timer)
    this.#leave()
    this.#options.onEnd()
    try {
      this.#controller.close()
    } catch {
      // It was cancelled by its reader.
    }
  }
}
