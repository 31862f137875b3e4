/** Small things that the views share. @module */

import type { ComponentChildren, JSX } from 'preact'
import type { Millis } from '../../core/duration.ts'
import type { ConsoleEvent } from '../api.ts'
import { Icon } from './icons.tsx'
import { linkToSession } from './route.ts'
import { distance, full, short } from './time.ts'
import { faceOf } from './words.ts'

export function Time({ at, now }: { at: Millis; now: Millis }): JSX.Element {
  return (
    <time dateTime={new Date(at).toISOString()} title={distance(at, now)}>
      {short(at, now)}
    </time>
  )
}

/** Both: the moment, and how far it is from now. */
export function Moment({ at, now }: { at: Millis; now: Millis }): JSX.Element {
  return (
    <time dateTime={new Date(at).toISOString()} title={full(at)}>
      {short(at, now)} <span class="dim">{distance(at, now)}</span>
    </time>
  )
}

export function Badge({ event }: { event: ConsoleEvent }): JSX.Element {
  const { kind } = faceOf(event.name)
  return (
    <span class="badge" data-kind={kind} data-severity={event.severity}>
      <Icon sign={kind} size={12} />
    </span>
  )
}

export function SessionLink({ id }: { id: string }): JSX.Element {
  return (
    <a class="mono" href={linkToSession(id)} aria-label={`Session ${id}`}>
      {id.slice(0, 8)}
    </a>
  )
}

export function Problem({
  text,
  children,
}: {
  text: string
  children?: ComponentChildren
}): JSX.Element | null {
  if (text === '') return null
  return (
    <p class="problem" role="alert">
      {text} {children}
    </p>
  )
}

export function Field({ label, children }: { label: string; children: ComponentChildren }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child
    <label class="field">
      <span>{label}</span>
      {children}
    </label>
  )
}

/** What an audit log says of itself has no id. */
export function keyOf({ id, at }: ConsoleEvent): string {
  return id === '' ? String(at) : id
}

/** One event in a list: what happened, to whom, from where; the rest by opening it. */
export function EventItem({
  event,
  now,
  withSession = true,
  times = 1,
  isPicked = false,
  onPoint,
}: {
  event: ConsoleEvent
  now: Millis
  withSession?: boolean
  /** How many like it in a row. */
  times?: number
  isPicked?: boolean
  /** Hears that the mouse or the focus is here, or is gone: null. */
  onPoint?: (id: string | null) => void
}): JSX.Element {
  const { name, at, userId, sessionId, ip, device, reason, code, what, todo } = event
  const where = [device, ip].filter((part) => part !== null).join(' · ')
  return (
    <li
      id={`event-${event.id}`}
      class={isPicked ? 'event picked' : 'event'}
      data-name={name}
      data-severity={event.severity}
      onFocusCapture={() => onPoint?.(event.id)}
      onMouseEnter={() => onPoint?.(event.id)}
      onMouseLeave={() => onPoint?.(null)}
    >
      <details>
        <summary>
          <Badge event={event} />
          <span class="event-what">
            <b>{faceOf(name).label}</b>
            {times > 1 && <span class="dim"> {times} times</span>}
            {reason !== null && <span class="dim"> {reason}</span>}
            {event.actor !== null && <span class="dim"> by {event.actor}</span>}
            {withSession && userId !== null && <span class="event-who"> {userId}</span>}
          </span>
          <span class="event-where dim">{where}</span>
          <Time at={at} now={now} />
        </summary>
        <div class="event-more">
          <p>{what}</p>
          {todo !== '' && (
            <p class="todo">
              <b>What to do</b> {todo}
            </p>
          )}
          <dl class="facts">
            <Fact name="When">{full(at)}</Fact>
            <Fact name="Event">
              <code>{name}</code>
            </Fact>
            {userId !== null && <Fact name="User">{userId}</Fact>}
            {event.actor !== null && <Fact name="Done by">{event.actor}</Fact>}
            {sessionId !== null && (
              <Fact name="Session">
                <a class="mono" href={linkToSession(sessionId)}>
                  {sessionId}
                </a>
              </Fact>
            )}
            {ip !== null && <Fact name="Address">{ip}</Fact>}
            {event.path !== null && (
              <Fact name="Request">
                <code>
                  {event.method} {event.path}
                </code>
              </Fact>
            )}
            {reason !== null && <Fact name="Reason">{reason}</Fact>}
            {code !== null && (
              <Fact name="Code">
                <code>{code}</code>
              </Fact>
            )}
            {event.userAgent !== null && <Fact name="User agent">{event.userAgent}</Fact>}
          </dl>
        </div>
      </details>
    </li>
  )
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
