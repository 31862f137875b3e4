/** One session: its life, what its client sent, what happened, and its user's others. @module */

import type { JSX } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Millis } from '../../core/duration.ts'
import type { ConsoleEvent, ConsoleSession, SessionDetail } from '../api.ts'
import { ask, Failure } from './client.ts'
import { sayFailure, useLive, useNow, useShared } from './hooks.ts'
import { Icon } from './icons.tsx'
import { toSessions } from './intent.ts'
import { entriesOf, lastOwn, lifeOf } from './life.ts'
import { LifePicture } from './life-picture.tsx'
import { EventItem, Fact, keyOf, Moment, Problem, SessionLink } from './parts.tsx'
import { linkTo } from './route.ts'
import { distance, full, length } from './time.ts'
import { count, endInWords, methodsInWords } from './words.ts'

export function SessionView({ id }: { id: string }): JSX.Element {
  const { detail, problem } = useDetail(id)
  const now = useNow(5000)
  if (detail === null) {
    return (
      <>
        <Head id={id} userId={null} />
        <Problem text={problem} />
        {problem === '' && <p class="dim">Loading…</p>}
      </>
    )
  }
  return (
    <>
      <Head id={id} userId={detail.userId} />
      <Problem text={problem} />
      <State detail={detail} now={now} />
      <Body detail={detail} now={now} />
    </>
  )
}

function Head({ id, userId }: { id: string; userId: string | null }): JSX.Element {
  return (
    <div class="head">
      <div>
        <a class="back" href={linkTo('sessions')}>
          <Icon sign="back" size={12} /> Sessions
        </a>
        <h1 tabIndex={-1}>
          {userId === null ? 'Session' : `Session of ${userId}`} <small class="mono dim">{id}</small>
        </h1>
      </div>
    </div>
  )
}

const STATES = { live: 'Live', suspended: 'Suspended', expired: 'Expired', ended: 'Ended' } as const

function State({ detail, now }: { detail: SessionDetail; now: Millis }): JSX.Element {
  const { askToRevoke } = useShared()
  const { session, state, ended, userId, others, id } = detail
  return (
    <div class="state">
      <span class="pill" data-state={state}>
        {STATES[state]}
      </span>
      {ended !== null && (
        <span>
          {endInWords(ended.reason)}, {distance(ended.at, now)}
        </span>
      )}
      {session?.isOwn && <span class="pill">your own</span>}
      {session !== null && (
        <span class="dim">
          ends in {length(Math.min(session.idleExpiresAt, session.expiresAt) - now)} unless used
        </span>
      )}
      <span class="grow" />
      {session !== null && (
        <button type="button" class="danger" onClick={() => askToRevoke(toSessions([session]))}>
          End this session
        </button>
      )}
      {userId !== null && others.length > 0 && (
        <button
          type="button"
          onClick={() => askToRevoke({ kind: 'user', userId, except: session === null ? null : id })}
        >
          {session === null ? `End all of ${userId}` : `End the ${count(others.length, 'other')}`}
        </button>
      )}
    </div>
  )
}

function Body({ detail, now }: { detail: SessionDetail; now: Millis }): JSX.Element {
  const { session, events, complete, others } = detail
  const [picked, setPicked] = useState<string | null>(null)
  const life = useMemo(() => lifeOf(detail), [detail])
  const entries = useMemo(() => entriesOf(events), [events])
  const show = (id: string) => {
    setPicked(id)
    document.getElementById(`event-${id}`)?.querySelector('summary')?.focus()
  }
  return (
    <>
      <section class="panel" aria-labelledby="life-title">
        <header>
          <h2 id="life-title">Its life</h2>
          <span class="dim">
            {length(life.to - life.from)}
            {complete ? '' : ', as far as events are known'}
          </span>
        </header>
        <LifePicture life={life} detail={detail} now={now} picked={picked} onPick={show} />
      </section>
      <div class="columns">
        <section class="panel" aria-labelledby="events-title">
          <header>
            <h2 id="events-title">What happened</h2>
            <span class="dim">newest first</span>
          </header>
          {entries.length === 0 ? (
            <p class="empty">No events are known of it.</p>
          ) : (
            <ol class="events">
              {entries.map(({ event, times }) => (
                <EventItem
                  key={keyOf(event)}
                  event={event}
                  now={now}
                  withSession={false}
                  times={times}
                  isPicked={event.id === picked}
                  onPoint={setPicked}
                />
              ))}
            </ol>
          )}
        </section>
        <div class="stack">
          {session === null ? <LastSent events={events} /> : <Sent session={session} now={now} />}
          <Others others={others} now={now} />
        </div>
      </div>
    </>
  )
}

function Sent({ session, now }: { session: ConsoleSession; now: Millis }): JSX.Element {
  const { ip, userAgent, device, methods, level, remembered } = session
  return (
    <section class="panel" aria-labelledby="sent-title">
      <header>
        <h2 id="sent-title">What is known of it</h2>
      </header>
      <dl class="facts">
        <Fact name="Device">{device}</Fact>
        <Fact name="Address">
          {ip === null ? '–' : <a href={linkTo('sessions', { address: ip })}>{ip}</a>}
        </Fact>
        <Fact name="User agent">{userAgent ?? '–'}</Fact>
        <Fact name="Proved by">
          {methodsInWords(methods) || '–'}
          {level !== null && ` (level ${level})`}
        </Fact>
        <Fact name="Created">
          <Moment at={session.createdAt} now={now} />
        </Fact>
        <Fact name="Logged in">
          <Moment at={session.authenticatedAt} now={now} />
        </Fact>
        <Fact name="Last seen">
          <Moment at={session.seenAt} now={now} />
        </Fact>
        <Fact name="Ends unless used">
          <Moment at={session.idleExpiresAt} now={now} />
        </Fact>
        <Fact name="Ends at the latest">
          <Moment at={session.expiresAt} now={now} />
        </Fact>
        <Fact name="Remembered">{remembered ? 'yes' : 'no'}</Fact>
      </dl>
    </section>
  )
}

/** Of a session that is over only its events tell. */
function LastSent({ events }: { events: readonly ConsoleEvent[] }): JSX.Element | null {
  const last = lastOwn(events)
  if (last === null) return null
  return (
    <section class="panel" aria-labelledby="sent-title">
      <header>
        <h2 id="sent-title">What the client sent last</h2>
      </header>
      <dl class="facts">
        <Fact name="Device">{last.device ?? '–'}</Fact>
        <Fact name="Address">{last.ip ?? '–'}</Fact>
        <Fact name="User agent">{last.userAgent ?? '–'}</Fact>
        <Fact name="Request">{last.path === null ? '–' : <code>{`${last.method} ${last.path}`}</code>}</Fact>
        <Fact name="When">{full(last.at)}</Fact>
      </dl>
    </section>
  )
}

function Others({ others, now }: { others: readonly ConsoleSession[]; now: Millis }): JSX.Element {
  return (
    <section class="panel" aria-labelledby="others-title">
      <header>
        <h2 id="others-title">The user’s other sessions</h2>
      </header>
      {others.length === 0 ? (
        <p class="empty">There are none.</p>
      ) : (
        <ul class="others">
          {others.map(({ id, device, ip, seenAt }) => (
            <li key={id}>
              <SessionLink id={id} /> <span>{device}</span> <span class="dim">{ip}</span>
              <span class="dim">{distance(seenAt, now)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

/** Read again when an event of this session comes in, and after what was revoked here. */
function useDetail(id: string): { detail: SessionDetail | null; problem: string } {
  const { changes } = useShared()
  const { events } = useLive()
  const latest = events.find(({ sessionId }) => sessionId === id)?.id ?? ''
  const [state, setState] = useState<{ detail: SessionDetail | null; problem: string }>({
    detail: null,
    problem: '',
  })
  useEffect(() => {
    const abort = new AbortController()
    const asking = { signal: abort.signal, passive: latest !== '' }
    ask<SessionDetail>(`sessions/${encodeURIComponent(id)}`, {}, asking)
      .then((detail) => setState({ detail, problem: '' }))
      .catch((error: unknown) => {
        if (abort.signal.aborted) return
        const missing = error instanceof Failure && error.status === 404
        const problem = missing
          ? 'There is no such session, and nothing is known of it any more.'
          : sayFailure(error)
        setState(({ detail }) => ({ detail, problem }))
      })
    return () => abort.abort()
  }, [id, changes, latest])
  return state
}
