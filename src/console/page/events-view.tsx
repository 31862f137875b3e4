/** All events, newest first, by name, user and session. @module */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ConsoleEvent, EventsPage } from '../api.ts'
import { ask } from './client.ts'
import { ChoiceFilter, type Filters, TextFilter, useTyping } from './filters.tsx'
import { sayFailure, useLive, useNow, useShared } from './hooks.ts'
import { EventItem, keyOf, Problem } from './parts.tsx'
import { count, FACES, faceOf } from './words.ts'

const PAGE = 100

export function EventsView({ query }: { query: Filters }): JSX.Element {
  const { me } = useShared()
  const now = useNow(5000)
  const { events, next, isBusy, problem, more, fresh, again } = useEvents(query)
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Events</h1>
        <span class="dim">
          {me.audit ? 'from the audit log' : 'since this server began; with an audit log it would be all'}
        </span>
      </div>
      <Search filters={query} />
      <Problem text={problem} />
      <section class="panel" aria-label="Events" aria-busy={isBusy}>
        <div role="status" class="fresh">
          {fresh > 0 && (
            <button type="button" class="quiet wide" onClick={again}>
              Show {count(fresh, 'new event')}
            </button>
          )}
        </div>
        <ol class="events">
          {events.map((event) => (
            <EventItem key={keyOf(event)} event={event} now={now} />
          ))}
        </ol>
        {events.length === 0 && !isBusy && <p class="empty">No event is like that.</p>}
        {next !== null && (
          <button type="button" class="quiet wide" disabled={isBusy} onClick={more}>
            {isBusy ? 'Loading…' : 'Show earlier ones'}
          </button>
        )}
      </section>
    </>
  )
}

const NAMES = Object.keys(FACES)
  .map((value) => ({ value, name: faceOf(value).label }))
  .sort((a, b) => a.name.localeCompare(b.name))

function Search({ filters }: { filters: Filters }): JSX.Element {
  const typing = useTyping('events', filters)
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        typing.go()
      }}
    >
      <ChoiceFilter
        label="Event"
        name="name"
        choices={[{ value: '', name: 'all of them' }, ...NAMES]}
        typing={typing}
      />
      <TextFilter label="User" name="user" example="ada" typing={typing} />
      <TextFilter label="Session" name="session" example="its id" typing={typing} />
    </form>
  )
}

function useEvents({ name = '', user = '', session = '' }: Filters) {
  const [events, setEvents] = useState<readonly ConsoleEvent[]>([])
  const [next, setNext] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(true)
  const [problem, setProblem] = useState('')
  const [round, setRound] = useState(0)
  const abort = useRef(new AbortController())

  const load = async (before: string | null, kept: readonly ConsoleEvent[]) => {
    const { signal } = abort.current
    setBusy(true)
    setProblem('')
    try {
      const page = await ask<EventsPage>('events', { name, user, session, before, limit: PAGE }, { signal })
      setEvents([...kept, ...page.events])
      setNext(page.next)
    } catch (error) {
      if (signal.aborted) return
      setProblem(sayFailure(error))
    }
    setBusy(false)
  }
  useEffect(() => {
    abort.current = new AbortController()
    void load(null, [])
    return () => abort.current.abort()
  }, [name, user, session, round])

  const live = useLive()
  const newest = events[0]?.at ?? 0
  const known = new Set(events.map(({ id }) => id))
  const fits = (event: ConsoleEvent) =>
    (name === '' || event.name === name) &&
    (user === '' || event.userId === user) &&
    (session === '' || event.sessionId === session)
  const fresh = isBusy
    ? 0
    : live.events.filter((event) => event.at >= newest && !known.has(event.id) && fits(event)).length
  return {
    events,
    next,
    isBusy,
    problem,
    fresh,
    more: () => void load(next, events),
    again: () => setRound(round + 1),
  }
}
