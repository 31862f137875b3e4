/** A table of tens of thousands, of which only what is in sight is in the page. One stop of the Tab key; arrows move in it. @module */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Millis } from '../../core/duration.ts'
import type { ConsoleSession } from '../api.ts'
import { useMedia } from './hooks.ts'
import { linkToSession } from './route.ts'
import { distance, length } from './time.ts'
import type { Found } from './use-sessions.ts'

interface GridProps {
  readonly found: Found
  readonly chosen: ReadonlySet<string>
  readonly gone: ReadonlySet<string>
  readonly now: Millis
  readonly onChoose: (chosen: ReadonlySet<string>) => void
  readonly onMore: () => void
  readonly onEnd: (sessions: readonly ConsoleSession[]) => void
}

const COLUMNS = ['User', 'Device', 'Address', 'Created', 'Last seen', 'Ends in', 'Session'] as const
/** As in the stylesheet. */
const ROW = 36
const TALL_ROW = 66
/** Rows beyond the edges, so that a quick scroll shows none that is missing. */
const BEYOND = 8

export function SessionGrid({ found, chosen, gone, now, onChoose, onMore, onEnd }: GridProps): JSX.Element {
  const { sessions, next, isBusy } = found
  const box = useRef<HTMLDivElement>(null)
  const row = useMedia('(max-width: 760px)') ? TALL_ROW : ROW
  const [active, setActive] = useState(0)
  const [anchor, setAnchor] = useState(0)
  const { first, last } = useWindow(box, row, sessions.length)
  const at = Math.min(active, Math.max(0, sessions.length - 1))
  useEffect(() => {
    if (last + 200 > sessions.length) onMore()
  }, [last, sessions.length, onMore, isBusy])

  const move = (to: number, extend: boolean) => {
    const index = Math.max(0, Math.min(sessions.length - 1, to))
    setActive(index)
    reveal(box.current!, index, row)
    if (!extend) return setAnchor(index)
    const [from, until] = [Math.min(anchor, index), Math.max(anchor, index)]
    onChoose(new Set([...chosen, ...sessions.slice(from, until + 1).map(({ id }) => id)]))
  }
  const toggle = (index: number) => {
    const { id } = sessions[index]!
    const others = new Set(chosen)
    if (!others.delete(id)) others.add(id)
    onChoose(others)
    setActive(index)
    setAnchor(index)
  }
  const all = () =>
    onChoose(chosen.size >= sessions.length ? new Set() : new Set(sessions.map(({ id }) => id)))
  const page = () => Math.floor(box.current!.clientHeight / row) - 1
  const keys: Record<string, (event: KeyboardEvent) => void> = {
    ArrowDown: (event) => move(at + 1, event.shiftKey),
    ArrowUp: (event) => move(at - 1, event.shiftKey),
    PageDown: (event) => move(at + page(), event.shiftKey),
    PageUp: (event) => move(at - page(), event.shiftKey),
    Home: (event) => move(0, event.shiftKey),
    End: (event) => move(sessions.length - 1, event.shiftKey),
    ' ': () => toggle(at),
    Enter: () => {
      location.hash = linkToSession(sessions[at]!.id)
    },
    Delete: () => onEnd(chosen.size > 0 ? sessions.filter(({ id }) => chosen.has(id)) : [sessions[at]!]),
    a: (event) => (event.ctrlKey || event.metaKey) && all(),
  }
  const press = (event: KeyboardEvent) => {
    const action = keys[event.key]
    if (action === undefined || sessions.length === 0 || event.altKey) return
    if (event.key === 'a' && !event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    action(event)
  }
  const shown = visible(first, last, at, sessions.length)
  return (
    <div
      ref={box}
      class="grid"
      role="grid"
      tabIndex={0}
      aria-label="Sessions"
      aria-multiselectable="true"
      aria-rowcount={next === null ? sessions.length + 1 : -1}
      aria-colcount={COLUMNS.length + 1}
      aria-busy={isBusy}
      {...(sessions.length > 0 && { 'aria-activedescendant': `row-${sessions[at]!.id}` })}
      onKeyDown={press}
    >
      <div role="row" class="row grid-head" aria-rowindex={1}>
        <span role="columnheader" class="cell check">
          <Box
            isOn={chosen.size > 0 && chosen.size >= sessions.length}
            onClick={all}
            label="All that are shown"
          />
        </span>
        {COLUMNS.map((name) => (
          <span role="columnheader" class="cell" key={name}>
            {name}
          </span>
        ))}
      </div>
      <div role="rowgroup" class="rows" style={{ height: `${sessions.length * row}px` }}>
        {/* A row that goes out of sight becomes one that comes. */}
        {shown.map((index) => (
          <Row
            key={index >= first && index < last ? index % (last - first) : 'active'}
            session={sessions[index]!}
            index={index}
            top={index * row}
            now={now}
            isActive={index === at}
            isChosen={chosen.has(sessions[index]!.id)}
            isGone={gone.has(sessions[index]!.id)}
            onToggle={() => toggle(index)}
          />
        ))}
      </div>
      {sessions.length === 0 && !isBusy && (
        <div role="row" class="empty">
          <span role="gridcell">No session is like that.</span>
        </div>
      )}
    </div>
  )
}

interface RowProps {
  readonly session: ConsoleSession
  readonly index: number
  readonly top: number
  readonly now: Millis
  readonly isActive: boolean
  readonly isChosen: boolean
  readonly isGone: boolean
  readonly onToggle: () => void
}

function Row({ session, index, top, now, isActive, isChosen, isGone, onToggle }: RowProps): JSX.Element {
  const { id, userId, device, ip, createdAt, seenAt, idleExpiresAt, expiresAt, isOwn } = session
  const left = Math.min(idleExpiresAt, expiresAt) - now
  const classes = `row${isActive ? ' active' : ''}${isGone ? ' gone' : ''}`
  return (
    <div
      role="row"
      id={`row-${id}`}
      class={classes}
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-selected={isChosen}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span role="gridcell" class="cell check">
        <Box isOn={isChosen} onClick={onToggle} label={`Session of ${userId}`} />
      </span>
      <span role="gridcell" class="cell user">
        <a href={linkToSession(id)} tabIndex={-1}>
          {userId}
        </a>
        {isOwn && <span class="pill">you</span>}
        {isGone && <span class="pill">ended</span>}
      </span>
      <span role="gridcell" class="cell device">
        {device}
      </span>
      <span role="gridcell" class="cell address">
        {ip}
      </span>
      <span role="gridcell" class="cell created">
        {distance(createdAt, now)}
      </span>
      <span role="gridcell" class="cell seen">
        {distance(seenAt, now)}
      </span>
      <span role="gridcell" class="cell ends">
        {left > 0 ? length(left) : 'over'}
      </span>
      <span role="gridcell" class="cell name mono">
        {id}
      </span>
    </div>
  )
}

/** For the mouse; the keyboard has Space, and screen readers hear of the row's own state. */
function Box({ isOn, onClick, label }: { isOn: boolean; onClick: () => void; label: string }): JSX.Element {
  return (
    <input
      type="checkbox"
      checked={isOn}
      tabIndex={-1}
      aria-label={label}
      onClick={(event) => {
        event.preventDefault()
        onClick()
      }}
    />
  )
}

/** The rows in sight, and the active one wherever it is: the grid points at it. */
function visible(first: number, last: number, active: number, length: number): number[] {
  const rows = Array.from(
    { length: Math.max(0, Math.min(last, length) - first) },
    (_, index) => first + index,
  )
  if (length > 0 && (active < first || active >= last)) rows.push(active)
  return rows
}

function useWindow(
  box: { current: HTMLDivElement | null },
  row: number,
  length: number,
): { first: number; last: number } {
  const [range, setRange] = useState({ first: 0, last: 40 })
  useEffect(() => {
    const element = box.current!
    const read = () => {
      // In steps, so that not every pixel draws the rows anew.
      const first = Math.max(0, Math.floor(element.scrollTop / row / 4) * 4 - BEYOND)
      const last = first + Math.ceil(element.clientHeight / row) + 2 * BEYOND + 4
      setRange((old) => (old.first === first && old.last === last ? old : { first, last }))
    }
    read()
    const watch = new ResizeObserver(read)
    watch.observe(element)
    element.addEventListener('scroll', read, { passive: true })
    return () => {
      watch.disconnect()
      element.removeEventListener('scroll', read)
    }
  }, [box, row, length])
  return range
}

/** Scrolls no further than it must. */
function reveal(box: HTMLElement, index: number, row: number): void {
  const head = ROW
  const top = index * row
  if (top < box.scrollTop) box.scrollTop = top
  const bottom = top + row + head - box.clientHeight
  if (bottom > box.scrollTop) box.scrollTop = bottom
}
