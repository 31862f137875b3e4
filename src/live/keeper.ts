/**
 * Keeps the sessions that sockets hold in sight. Whatever may have ended one (an event of this process, the channel, time)
 * has it read; without a channel each is read every `checkEvery`. What can't be read for `maxUnsure` is ended.
 * @module
 */

import type { Millis } from '../core/duration.ts'
import type { SessionEvent } from '../core/events.ts'
import type { Session } from '../core/session.ts'
import { type Sessions, standingPartsOf } from '../core/sessions.ts'
import { Standings } from '../core/standings.ts'
import { Watch } from '../engines/change-channel.ts'
import { endBy, type LiveEnd, type LiveEndReason } from './end.ts'
import { HeldSession, type Socket } from './held-session.ts'
import type { LiveSettings } from './options.ts'

/** For your metrics. */
export interface LiveStats {
  readonly sessions: number
  readonly sockets: number
  /** Whether the channel can be relied on just now; null without one. While it can't, sessions are read. */
  readonly up: boolean | null
  /** What the channel said why not, where it did. */
  readonly problem: string | null
}

/** One socket that is held. */
export interface Hold {
  /** Notes a use of the session, which counts against its idle limit. The store hears of it at most once a minute. */
  touch(): void
  /** The socket has closed by itself. */
  release(): void
}

/** What is needed of a session. */
export type HoldableSession = Pick<
  Session,
  'id' | 'userId' | 'authenticatedAt' | 'suspended' | 'lost' | 'require'
>

/** How often what is held is gone through. */
const TICK: Millis = 200
/** A channel that has died without a word is noticed within that. */
const CHANNEL_AGE: Millis = 1_000
/** How many sessions are read at once: requests use the same connections. */
const AT_ONCE = 16
/** After how many reads others get their turn: an engine in this process answers at once. */
const TURN = 64

export class Keeper {
  readonly #standings: Standings
  readonly #settings: LiveSettings
  readonly #watch: Watch | null
  readonly #unlisten: () => void
  readonly #held = new Map<string, HeldSession>()
  readonly #queue = new Set<HeldSession>()
  #readers = 0
  #timer: NodeJS.Timeout | undefined
  /** Time in which we could have heard of anything: a process that was stopped for a while has missed nothing yet. */
  #clock = 0
  #tickedAt = 0
  #wasUp = false
  #blindSince: number | null = null
  #closed = false

  constructor(sessions: Sessions, settings: LiveSettings) {
    this.#standings = new Standings(...standingPartsOf(sessions))
    this.#settings = settings
    const { channel } = settings
    const listener = { changed: (id: string) => this.#suspect(id), lost: () => this.#suspectAll() }
    this.#watch = channel && new Watch(channel, CHANNEL_AGE, listener)
    this.#unlisten = sessions.listen((event) => this.#hear(event))
  }

  /**
   * Holds a session open. It is looked at once more, for it may have ended since it was opened: one read.
   *
   * @param end - called once, when the session is over, and not after `release`; at once, if it is no user's
   */
  hold(session: HoldableSession, end: (end: LiveEnd) => void): Hold {
    const { id, userId, authenticatedAt } = session
    const why = this.#closed ? 'unavailable' : userId === null ? whyNone(session) : null
    if (why) {
      end(endBy(why))
      return { touch() {}, release() {} }
    }
    const held = this.#held.get(id!) ?? new HeldSession(id!, userId!, this.#clock)
    const socket: Socket = { authenticatedAt: authenticatedAt!, end }
    held.sockets.add(socket)
    this.#held.set(held.id, held)
    this.#start()
    held.suspect(this.#clock)
    this.#look(held)
    return {
      touch: () => {
        if (!held.sockets.has(socket)) return
        held.usedAt = Date.now()
        if (held.isUseDue()) this.#look(held)
      },
      release: () => {
        held.sockets.delete(socket)
        this.#dropEmpty(held)
      },
    }
  }

  stats(): LiveStats {
    let sockets = 0
    for (const held of this.#held.values()) sockets += held.sockets.size
    const up = this.#watch?.isUp(performance.now()) ?? null
    return { sessions: this.#held.size, sockets, up, problem: this.#watch?.problem ?? null }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#unlisten()
    for (const held of this.#held.values()) this.#end(held, 'unavailable')
    await this.#settings.channel?.close()
  }

  #start(): void {
    if (this.#timer) return
    this.#tickedAt = performance.now()
    this.#blindSince = null
    this.#timer = setInterval(() => this.#tick(), TICK).unref()
  }

  #tick(): void {
    const now = performance.now()
    this.#clock += Math.min(now - this.#tickedAt, 2 * TICK)
    this.#tickedAt = now
    const up = this.#watch?.isUp(now) ?? false
    // What went by before it was up was told to nobody.
    if (up && !this.#wasUp) this.#suspectAll()
    this.#wasUp = up
    void this.#askForEverybody()
    const { maxUnsure, checkEvery } = this.#settings
    const blind = this.#blindSince !== null && this.#clock - this.#blindSince >= maxUnsure
    const moment = Date.now()
    for (const held of this.#held.values()) {
      if (blind || held.unsureFor(this.#clock) >= maxUnsure) this.#end(held, 'unavailable')
      else if (held.isDue(this.#clock, moment, checkEvery, up)) this.#look(held)
    }
  }

  /** Everybody's sessions are revoked by one write, to something that is no session, and of which no channel tells. */
  async #askForEverybody(): Promise<void> {
    try {
      const notBefore = await this.#standings.notBefore()
      this.#blindSince = null
      for (const held of this.#held.values()) if (held.isCutOff(notBefore)) this.#end(held, 'revoked')
    } catch (error) {
      if (this.#blindSince === null) this.#standings.failed(error)
      this.#blindSince ??= this.#clock
    }
  }

  #hear({ name, sessionId, userId, reason }: SessionEvent): void {
    if (sessionId !== null && HEARD.has(name)) this.#suspect(sessionId)
    if (name === 'session_revoked' && reason === 'everybody') void this.#askForEverybody()
    // It may have replaced another session of his, of which no event tells.
    if (name !== 'authn_login_success') return
    for (const held of this.#held.values()) if (held.userId === userId) this.#suspect(held.id)
  }

  #suspect(id: string): void {
    const held = this.#held.get(id)
    if (!held) return
    held.suspect(this.#clock)
    this.#look(held)
  }

  #suspectAll(): void {
    this.#wasUp = false
    for (const { id } of this.#held.values()) this.#suspect(id)
  }

  #look(held: HeldSession): void {
    if (!held.ask(this.#clock)) return
    this.#queue.add(held)
    if (this.#readers < AT_ONCE) void this.#read()
  }

  async #read(): Promise<void> {
    this.#readers++
    let count = 0
    for (const held of this.#queue) {
      this.#queue.delete(held)
      const standing = await this.#standings.read(held.id, Date.now(), held.usedAt).catch(() => null)
      const again = held.answer(standing)
      this.#dropEmpty(held)
      if (again) this.#look(held)
      if (++count % TURN === 0) await new Promise(setImmediate)
    }
    this.#readers--
  }

  #end(held: HeldSession, reason: LiveEndReason): void {
    held.end(reason)
    this.#dropEmpty(held)
  }

  #dropEmpty(held: HeldSession): void {
    if (held.sockets.size > 0 || this.#held.get(held.id) !== held) return
    this.#held.delete(held.id)
    if (this.#held.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** What ends a session, or what was issued before it, and names it. */
const HEARD = new Set<SessionEvent['name']>(['session_logout', 'session_revoked', 'authn_reauthenticated'])

function whyNone({ suspended, lost }: HoldableSession): LiveEndReason {
  return suspended ? 'suspended' : (lost ?? 'unauthenticated')
}
