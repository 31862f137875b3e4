/** What the open pages are told, once for all of them: the figures of each second, and events. @module */

import type { Millis } from '../core/duration.ts'
import type { Sessions } from '../core/sessions.ts'
import type { ConsoleEvent, Figures, FiguresPoint } from './api.ts'
import type { Feed } from './feed.ts'
import { SPAN, Tally } from './figures.ts'
import { LiveCount } from './live-count.ts'

/** An open page. */
export interface Watcher {
  figures(point: FiguresPoint): void
  event(event: ConsoleEvent): void
}

const EVERY = 1_000
/** For so long after the last one who looked the log is read on: pages are loaded again. */
const LINGER = 60_000

export class Watch {
  readonly #feed: Feed
  readonly #canCount: boolean
  readonly #live: LiveCount
  readonly #watchers = new Set<Watcher>()
  #tally = new Tally()
  #from: Millis = Date.now()
  #begun: Promise<void> | null = null
  #stop: (() => void) | null = null
  #timer: NodeJS.Timeout | null = null
  #lookedAt = 0
  #told = 0
  #closed = false

  /** @param canCount - whether the engine can list everybody's sessions */
  constructor(sessions: Pick<Sessions<never>, 'listPage'>, feed: Feed, canCount: boolean) {
    this.#feed = feed
    this.#canCount = canCount
    this.#live = new LiveCount(sessions)
    // What only this process's memory holds must be counted from the beginning.
    if (!feed.isLog) this.#stop = feed.listen((event) => this.#hear(event))
  }

  async figures(): Promise<Figures> {
    await this.#begin()
    const counting = { from: this.#from, estimate: true }
    return { every: EVERY, points: this.#tally.points(Date.now()), counting }
  }

  /** @returns what ends it */
  async join(watcher: Watcher): Promise<() => void> {
    await this.#begin()
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  close(): void {
    this.#closed = true
    this.#pause()
    this.#stop?.()
    this.#live.close()
  }

  /** Everything that costs something is done only as long as somebody looks. */
  #begin(): Promise<void> {
    this.#lookedAt = performance.now()
    this.#begun ??= this.#start().catch((error) => {
      this.#begun = null
      throw error
    })
    return this.#begun
  }

  async #start(): Promise<void> {
    if (this.#feed.isLog) {
      const since = Date.now() - SPAN
      const tally = new Tally()
      let from = Date.now()
      await this.#feed.recent(since, (event) => {
        tally.add(event)
        from = Math.min(from, event.at)
      })
      if (this.#closed) return
      this.#tally = tally
      this.#from = from
      this.#live.forget()
      this.#stop = this.#feed.listen((event) => this.#hear(event))
    }
    this.#told = Math.floor(Date.now() / EVERY)
    this.#timer = setInterval(() => this.#tick(), EVERY).unref()
    this.#tick()
  }

  #hear(event: ConsoleEvent): void {
    this.#tally.add(event)
    this.#live.hear(event)
    for (const watcher of this.#watchers) watcher.event(event)
  }

  #tick(): void {
    if (this.#watchers.size > 0) this.#lookedAt = performance.now()
    if (performance.now() - this.#lookedAt > LINGER) {
      this.#pause()
      return
    }
    if (this.#canCount) this.#live.refresh()
    const now = Date.now()
    if (this.#live.value !== null) this.#tally.note(now, this.#live.value)
    // What a log tells comes up to a second later: each second is told when it can have been heard of.
    const done = Math.floor(now / EVERY) - (this.#feed.isLog ? 2 : 0)
    for (; this.#told < done; this.#told++) {
      const point = { ...this.#tally.at(this.#told), live: this.#live.value }
      for (const watcher of this.#watchers) watcher.figures(point)
    }
  }

  #pause(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    this.#begun = null
    if (!this.#feed.isLog) return
    this.#stop?.()
    this.#stop = null
  }
}
