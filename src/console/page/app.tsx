/** The frame around the views: who and where one is, and whether the server is there. @module */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Me } from '../api.ts'
import { ask, Failure } from './client.ts'
import { EventsView } from './events-view.tsx'
import { SharedContext, useLive, useRoute } from './hooks.ts'
import { Icon } from './icons.tsx'
import type { Intent } from './intent.ts'
import { startLive } from './live.ts'
import { OverviewView } from './overview-view.tsx'
import { RevokeDialog } from './revoke-dialog.tsx'
import { takeKept } from './revoking.ts'
import { linkTo, type Route, type View } from './route.ts'
import { SessionView } from './session-view.tsx'
import { SessionsView } from './sessions-view.tsx'
import { ThemeSwitch } from './theme.tsx'
import { setClock } from './time.ts'

const TABS = [
  { view: 'overview', name: 'Overview' },
  { view: 'sessions', name: 'Sessions' },
  { view: 'events', name: 'Events' },
] as const

export function App(): JSX.Element {
  const { me, failure } = useMe()
  const [intent, setIntent] = useState<Intent | null>(takeKept)
  const [said, setSaid] = useState('')
  const [changes, setChanges] = useState(0)
  const route = useRoute()
  const main = useRef<HTMLElement>(null)
  const title = me?.title ?? 'Sessions'
  useFocusOnArrival(route, title)

  if (failure?.isOver) return <Over why={failure.message} />
  if (me === null) return <Waiting failure={failure} />
  const done = (text: string) => {
    setIntent(null)
    setSaid(text)
    setChanges(changes + 1)
    // The button that was pressed may go with what was ended; the table stays.
    if (!document.activeElement?.matches('[role=grid]')) focusHeading()
  }
  return (
    <SharedContext.Provider value={{ me, askToRevoke: setIntent, changes }}>
      <button type="button" class="skip" onClick={() => main.current!.focus()}>
        Skip to the content
      </button>
      <Top me={me} route={route} />
      <StreamState />
      <main ref={main} tabIndex={-1} id="main">
        <Content route={route} />
      </main>
      {intent !== null && <RevokeDialog intent={intent} onClose={() => setIntent(null)} onDone={done} />}
      <div class="said" role="status">
        {said !== '' && (
          <p>
            <Icon sign="check" />
            <span>{said}</span>
            <button type="button" class="quiet square" aria-label="Dismiss" onClick={() => setSaid('')}>
              <Icon sign="close" size={12} />
            </button>
          </p>
        )}
      </div>
    </SharedContext.Provider>
  )
}

function Content({ route }: { route: Route }): JSX.Element {
  if (route.view === 'sessions') return <SessionsView query={route.query} />
  if (route.view === 'session') return <SessionView key={route.id} id={route.id} />
  if (route.view === 'events') return <EventsView query={route.query} />
  return <OverviewView />
}

function Top({ me, route }: { me: Me; route: Route }): JSX.Element {
  const isHere = (view: View) => view === route.view || (view === 'sessions' && route.view === 'session')
  return (
    <header class="top">
      <a class="brand" href={linkTo('overview')}>
        <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
          <rect class="brand-ground" width="32" height="32" rx="8" />
          <path class="brand-letter" d="M11 7v18M21 7v18M11 16h10" />
          <circle class="brand-dot" cx="16" cy="16" r="3.2" />
        </svg>
        <b>{me.title}</b>
      </a>
      <nav aria-label="Console">
        {TABS.map(({ view, name }) => (
          <a key={view} href={linkTo(view)} {...(isHere(view) && { 'aria-current': 'page' as const })}>
            {name}
          </a>
        ))}
      </nav>
      <div class="top-end">
        <LiveDot />
        <ThemeSwitch />
        <span class="who" title={`Logged in as ${me.userId}`}>
          {me.userId}
        </span>
        {me.logoutUrl !== null && <a href={me.logoutUrl}>Log out</a>}
      </div>
    </header>
  )
}

const STATES = { connecting: 'Connecting', open: 'Live', waiting: 'Trying again', over: 'Over' } as const

function LiveDot(): JSX.Element {
  const { status } = useLive()
  return (
    <span class="live-dot" data-status={status}>
      {STATES[status]}
    </span>
  )
}

/** Above the view, so that nobody takes old figures for new ones. */
function StreamState(): JSX.Element {
  const { status, why, skipped } = useLive()
  return (
    <div role="status" class="stream-state">
      {status === 'waiting' && <p class="notice">{why} What you see may be old; trying again.</p>}
      {status === 'over' && (
        <p class="notice over">
          <b>You are logged out.</b> {why} Nothing here moves any more.{' '}
          <button type="button" onClick={() => location.reload()}>
            Log in again
          </button>
        </p>
      )}
      {status === 'open' && skipped > 0 && (
        <p class="notice">{skipped} events came too fast to be shown here; the log has them.</p>
      )}
    </div>
  )
}

function Over({ why }: { why: string }): JSX.Element {
  return (
    <main class="alone">
      <h1>You can’t be here now</h1>
      <p>{why}</p>
      <button type="button" onClick={() => location.reload()}>
        Try again
      </button>
    </main>
  )
}

function Waiting({ failure }: { failure: Failure | null }): JSX.Element {
  return (
    <main class="alone" aria-busy={failure === null}>
      <h1>Sessions</h1>
      <p role="status">{failure === null ? 'Loading…' : `${failure.message} Trying again.`}</p>
    </main>
  )
}

/** Asks who we are until there is an answer, and then opens the stream. */
function useMe(): { me: Me | null; failure: Failure | null } {
  const [me, setMe] = useState<Me | null>(null)
  const [failure, setFailure] = useState<Failure | null>(null)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>
    const load = async () => {
      try {
        const answer = await ask<Me>('me')
        setClock(answer.now)
        setMe(answer)
        void startLive()
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        setFailure(error)
        if (!error.isOver) timer = setTimeout(load, 3000)
      }
    }
    void load()
    return () => clearTimeout(timer)
  }, [])
  return { me, failure }
}

function focusHeading(): void {
  document.querySelector<HTMLElement>('main h1')?.focus()
}

/** A view that was walked to is announced by its heading; the first one is announced by the browser. */
function useFocusOnArrival({ view, id }: Route, title: string): void {
  const first = useRef(true)
  useEffect(() => {
    const name = view === 'session' ? 'Session' : TABS.find((tab) => tab.view === view)!.name
    document.title = `${name} · ${title}`
  }, [view, id, title])
  useEffect(() => {
    if (!first.current) {
      scrollTo(0, 0)
      focusHeading()
    }
    first.current = false
  }, [view, id])
}
