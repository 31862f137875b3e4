/** What several views use. @module */

import { createContext } from 'preact'
import { useContext, useEffect, useRef, useState } from 'preact/hooks'
import type { Millis } from '../../core/duration.ts'
import type { Me } from '../api.ts'
import { Failure } from './client.ts'
import type { Intent } from './intent.ts'
import { endLive, type Live, liveNow, onLive } from './live.ts'
import { parseRoute, type Route } from './route.ts'
import { clock } from './time.ts'

export interface Shared {
  readonly me: Me
  /** Opens the dialog that says what will happen. */
  readonly askToRevoke: (intent: Intent) => void
  /** Grows with everything that was revoked here: what was read before is old. */
  readonly changes: number
}

export const SharedContext = createContext<Shared | null>(null)

export function useShared(): Shared {
  return useContext(SharedContext)!
}

export function useLive(): Live {
  const [live, setLive] = useState(liveNow)
  useEffect(() => onLive(() => setLive(liveNow())), [])
  return live
}

/** The time, again and again. */
export function useNow(every: Millis = 1000): Millis {
  const [now, setNow] = useState(clock)
  useEffect(() => {
    const timer = setInterval(() => setNow(clock()), every)
    return () => clearInterval(timer)
  }, [every])
  return now
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash))
  useEffect(() => {
    const read = () => setRoute(parseRoute(location.hash))
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [])
  return route
}

/** Another query in the address, without a step in the history. */
export function replaceRoute(link: string): void {
  history.replaceState(null, '', link)
  dispatchEvent(new HashChangeEvent('hashchange'))
}

/** The width of an element, as long as it is there. */
export function useWidth<E extends HTMLElement>(): [{ current: E | null }, number] {
  const ref = useRef<E>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    watch.observe(ref.current!)
    return () => watch.disconnect()
  }, [])
  return [ref, width]
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const read = () => setMatches(list.matches)
    list.addEventListener('change', read)
    return () => list.removeEventListener('change', read)
  }, [query])
  return matches
}

/** What to show of an error. One that ends the operator's session is for the whole page to say. */
export function sayFailure(error: unknown): string {
  if (error instanceof Failure && error.isOver) endLive(error.message)
  return error instanceof Error ? error.message : String(error)
}
