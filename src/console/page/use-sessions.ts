/** The sessions that a search finds, more and more of them as one scrolls. @module */

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { ConsoleSession, SessionsPage } from '../api.ts'
import { ask, type Query } from './client.ts'
import { sayFailure } from './hooks.ts'

export interface Found {
  readonly sessions: readonly ConsoleSession[]
  /** Null: these are all. */
  readonly next: string | null
  /** How many records the server looked at. */
  readonly looked: number
  readonly isBusy: boolean
  readonly problem: string
}

/** A screenful at once, so that the first answer is quick; then as much as a fling scrolls by. */
const FIRST = 100
const MORE = 500
const NOTHING: Found = { sessions: [], next: null, looked: 0, isBusy: true, problem: '' }

/** @param changes when it grows, the search begins anew */
export function useSessions(query: Query, changes: number): Found & { more: () => void } {
  const [found, setFound] = useState(NOTHING)
  const current = useRef({ abort: new AbortController(), found: NOTHING, seen: new Set<string>() })
  const text = JSON.stringify(query)

  const load = useCallback(
    async (before: Found, cursor: string | null, enough: number) => {
      const { abort, seen } = current.current
      const show = (next: Found) => {
        if (abort.signal.aborted) return
        current.current.found = next
        setFound(next)
      }
      let result: Found = { ...before, isBusy: true, problem: '' }
      show(result)
      try {
        // A page of a search may be empty, where the server looked at its share and found none.
        do {
          const page: SessionsPage = await ask(
            'sessions',
            { ...JSON.parse(text), cursor, limit: enough },
            { signal: abort.signal },
          )
          cursor = page.next
          const fresh = page.sessions.filter(({ id }) => !seen.has(id))
          for (const { id } of fresh) seen.add(id)
          const sessions = [...result.sessions, ...fresh]
          result = { ...result, sessions, next: cursor, looked: result.looked + page.looked }
          show(result)
        } while (
          cursor !== null &&
          result.sessions.length - before.sessions.length < enough &&
          !abort.signal.aborted
        )
        show({ ...result, isBusy: false })
      } catch (error) {
        if (!abort.signal.aborted) show({ ...result, isBusy: false, problem: sayFailure(error) })
      }
    },
    [text],
  )

  useEffect(() => {
    const abort = new AbortController()
    current.current = { abort, found: NOTHING, seen: new Set() }
    void load(NOTHING, null, FIRST)
    return () => abort.abort()
  }, [load, changes])

  const more = useCallback(() => {
    const { found } = current.current
    if (!found.isBusy && found.next !== null && found.problem === '') void load(found, found.next, MORE)
  }, [load])
  return { ...found, more }
}
