/** What the server tells while the page is open: figures and events, by one stream that is opened again when it ends. @module */

import type { ConsoleEvent, EventsPage, Figures, FiguresPoint, Me } from '../api.ts'
import { ask, Failure, send } from './client.ts'
import { remember } from './gone.ts'
import { readMessages } from './sse.ts'
import { setClock } from './time.ts'

export interface Live {
  readonly status: 'connecting' | 'open' | 'waiting' | 'over'
  /** Why the operator's session is over, or why the server is waited for. */
  readonly why: string
  /** Oldest first. */
  readonly points: readonly FiguresPoint[]
  readonly counting: Figures['counting'] | null
  /** Newest first. */
  readonly events: readonly ConsoleEvent[]
  /** How many events the server had no room to tell. */
  readonly skipped: number
  /** The sessions that ended while the page was open. */
  readonly gone: ReadonlySet<string>
}

const HOUR = 3_600_000
const MOST_EVENTS = 200
/** The server sends a heartbeat every 10 s. */
const SILENCE = 20_000
const LONGEST_WAIT = 15_000
/** Fifty events a second must not draw the page fifty times. */
const BREATH = 200

let state: Live = {
  status: 'connecting',
  why: '',
  points: [],
  counting: null,
  events: [],
  skipped: 0,
  gone: new Set(),
}
const listeners = new Set<() => void>()
let isTelling = false

export function liveNow(): Live {
  return state
}

/** @returns what ends it */
export function onLive(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** The operator's session is over, as another request found out. */
export function endLive(why: string): void {
  change({ status: 'over', why })
}

/** Goes on until the operator's session is over. */
export async function startLive(): Promise<void> {
  for (let wait = 1000; state.status !== 'over'; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    try {
      await readStream(() => {
        wait = 1000
      })
      if (liveNow().status !== 'over') change({ status: 'waiting', why: 'The stream ended.' })
    } catch (error) {
      if (error instanceof Failure && error.isOver) return endLive(error.message)
      change({ status: 'waiting', why: error instanceof Failure ? error.message : 'The stream broke off.' })
    }
    if (liveNow().status === 'over') return
    await new Promise((resolve) => setTimeout(resolve, wait))
  }
}

async function readStream(onOpen: () => void): Promise<void> {
  const abort = new AbortController()
  let silence: ReturnType<typeof setTimeout> | undefined
  const heard = () => {
    clearTimeout(silence)
    silence = setTimeout(() => abort.abort(), SILENCE)
  }
  try {
    heard()
    const response = await send('stream', { passive: true, signal: abort.signal })
    await catchUp()
    change({ status: 'open', why: '' })
    onOpen()
    for await (const { event, data } of readMessages(text(response), heard)) {
      hear(event, data)
      if (state.status === 'over') return
    }
  } finally {
    clearTimeout(silence)
    abort.abort()
  }
}

/** What happened before the stream was open. */
async function catchUp(): Promise<void> {
  const passive = { passive: true }
  const [figures, { events }, { now }] = await Promise.all([
    ask<Figures>('figures', {}, passive),
    ask<EventsPage>('events', { limit: 100 }, passive),
    ask<Me>('me', {}, passive),
  ])
  setClock(now)
  change({ points: figures.points, counting: figures.counting, events })
}

function hear(event: string, data: string): void {
  const value: unknown = JSON.parse(data)
  if (event === 'figures') addPoint(value as FiguresPoint)
  if (event === 'event') addEvent(value as ConsoleEvent)
  if (event === 'skipped') change({ skipped: state.skipped + ((value as { count?: number }).count ?? 0) })
  if (event === 'ended') endLive('Your session was ended.')
}

function addPoint(point: FiguresPoint): void {
  const points = [...state.points.filter(({ at }) => at > point.at - HOUR && at < point.at), point]
  change({ points })
}

function addEvent(event: ConsoleEvent): void {
  if (state.events.some(({ id }) => id === event.id && id !== '')) return
  const ended = event.name === 'session_revoked' || event.name === 'session_logout'
  const gone = ended && event.sessionId !== null ? remember(state.gone, event.sessionId) : state.gone
  change({ events: [event, ...state.events].slice(0, MOST_EVENTS), gone })
}

function change(part: Partial<Live>): void {
  state = { ...state, ...part }
  if (isTelling) return
  isTelling = true
  setTimeout(() => {
    isTelling = false
    for (const listener of listeners) listener()
  }, BREATH)
}

async function* text(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}
