/** A session's life as a picture: a band over time, and what befell it. @module */

import type { JSX } from 'preact'
import type { Millis } from '../../core/duration.ts'
import type { SessionDetail } from '../api.ts'
import { useWidth } from './hooks.ts'
import { Icon, signPath } from './icons.tsx'
import { cluster, type Life, type Mark, type Stretch, tellLife } from './life.ts'
import { roundMoments, short } from './time.ts'
import { faceOf, type Kind } from './words.ts'

/** The picture's lines, from the top down, in pixels. */
const Y = { mark: 18, band: 50, bandHeight: 30, network: 104, device: 142, strip: 20, axis: 172, height: 196 }
const MARK = 11
const EDGE = 22
/** What is still to come of a live session. */
const TAIL = 44
/** How many tints the strips go through. */
const TINTS = 6

export function LifePicture({
  life,
  detail,
  now,
  picked,
  onPick,
}: {
  life: Life
  detail: SessionDetail
  now: Millis
  /** The event that the list points at. */
  picked: string | null
  onPick: (id: string) => void
}): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>()
  return (
    <figure class="life">
      <div ref={box} class="life-box">
        {width > 0 && (
          <Picture width={width} life={life} detail={detail} now={now} picked={picked} onPick={onPick} />
        )}
      </div>
      <figcaption>
        <Legend life={life} live={detail.state === 'live'} />
        <p class="unseen">{tellLife(life, detail)}</p>
      </figcaption>
    </figure>
  )
}

interface PictureProps {
  width: number
  life: Life
  detail: SessionDetail
  now: Millis
  picked: string | null
  onPick: (id: string) => void
}

function Picture({ width, life, detail, now, picked, onPick }: PictureProps): JSX.Element {
  const goesOn = detail.state === 'live' || detail.state === 'suspended'
  const right = width - EDGE - (goesOn ? TAIL : 0)
  const perPixel = (life.to - life.from) / (right - EDGE)
  const x = (at: Millis) => EDGE + (at - life.from) / perPixel
  const marks = cluster(life.marks, perPixel * (MARK * 2 + 2))
  const end = x(Math.min(Math.max(detail.until, life.from), life.to))
  return (
    <svg width={width} height={Y.height} viewBox={`0 0 ${width} ${Y.height}`} aria-hidden="true">
      <defs>
        <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect class="hatch" width="3" height="7" />
        </pattern>
        <clipPath id="band">
          <rect x={EDGE} y={Y.band} width={Math.max(2, end - EDGE)} height={Y.bandHeight} rx="7" />
        </clipPath>
      </defs>
      <Axis life={life} x={x} width={right - EDGE} />
      <Band life={life} x={x} end={end} ended={!goesOn} />
      {goesOn && <Tail from={end} to={width - EDGE} />}
      <Strip name="Network" y={Y.network} stretches={life.networks} x={x} />
      <Strip name="Device" y={Y.device} stretches={life.devices} x={x} />
      {marks.map((mark) => (
        <MarkSign
          key={mark.events[0]!.id}
          mark={mark}
          x={x(mark.at)}
          now={now}
          picked={picked}
          onPick={onPick}
        />
      ))}
    </svg>
  )
}

function Axis({ life, x, width }: { life: Life; x: (at: Millis) => number; width: number }): JSX.Element {
  return (
    <g class="axis">
      {roundMoments(life.from, life.to, Math.max(2, Math.floor(width / 90))).map(({ at, label }) => (
        <g key={at}>
          <line x1={x(at)} x2={x(at)} y1={Y.band - 6} y2={Y.axis} />
          <text x={x(at)} y={Y.axis + 15} text-anchor="middle">
            {label}
          </text>
        </g>
      ))}
    </g>
  )
}

/** Each token its own shade: a renewal is where it changes. */
function Band({
  life,
  x,
  end,
  ended,
}: {
  life: Life
  x: (at: Millis) => number
  end: number
  ended: boolean
}): JSX.Element {
  const edges = [EDGE, ...life.renewals.map(x).filter((at) => at < end), end]
  return (
    <g clip-path="url(#band)" class="band">
      {edges.slice(0, -1).map((from, index) => (
        <rect
          // biome-ignore lint/suspicious/noArrayIndexKey: two renewals may fall on one pixel
          key={index}
          class={index % 2 === 0 ? 'even' : 'odd'}
          x={from}
          y={Y.band}
          width={Math.max(0, edges[index + 1]! - from)}
          height={Y.bandHeight}
        />
      ))}
      {life.suspended.map(({ from, to }) => (
        <rect
          key={from}
          class="suspended"
          x={x(from)}
          y={Y.band}
          width={Math.max(2, x(to) - x(from))}
          height={Y.bandHeight}
          fill="url(#hatch)"
        />
      ))}
      {ended && <rect class="end-cap" x={end - 5} y={Y.band} width="5" height={Y.bandHeight} />}
    </g>
  )
}

function Tail({ from, to }: { from: number; to: number }): JSX.Element {
  const middle = Y.band + Y.bandHeight / 2
  return (
    <g class="tail">
      <line x1={from + 4} x2={to - 2} y1={middle} y2={middle} />
      <path d={`M${to - 8} ${middle - 5} ${to - 2} ${middle}l-6 5`} />
    </g>
  )
}

function Strip({
  name,
  y,
  stretches,
  x,
}: {
  name: string
  y: number
  stretches: readonly Stretch[]
  x: (at: Millis) => number
}): JSX.Element {
  const tints = [...new Set(stretches.map(({ label }) => label))]
  return (
    <g class="strip">
      <text class="strip-name" x={EDGE} y={y - 4}>
        {name}
      </text>
      {stretches.map(({ from, to, label }) => {
        const width = Math.max(2, x(to) - x(from) - 1)
        return (
          <g key={from} data-tint={tints.indexOf(label) % TINTS}>
            <title>{label}</title>
            <rect x={x(from)} y={y} width={width} height={Y.strip} rx="4" />
            <text x={x(from) + 7} y={y + 14}>
              {fit(label, width - 12)}
            </text>
          </g>
        )
      })}
    </g>
  )
}

/** About as much as goes in; the title has it whole. */
function fit(label: string, width: number): string {
  const most = Math.floor(width / 6.4)
  if (label.length <= most) return label
  return most < 5 ? '' : `${label.slice(0, most - 1)}…`
}

function MarkSign({
  mark,
  x,
  now,
  picked,
  onPick,
}: {
  mark: Mark
  x: number
  now: Millis
  picked: string | null
  onPick: (id: string) => void
}): JSX.Element {
  const { kind, events, at } = mark
  const told = events.map(
    (event) => `${faceOf(event.name).label}${event.reason === null ? '' : `: ${event.reason}`}`,
  )
  const isPicked = events.some(({ id }) => id === picked)
  const worst = events.find((event) => faceOf(event.name).kind === kind)!
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a short cut for the mouse; the list beside has it all
    <g class={isPicked ? 'mark picked' : 'mark'} data-kind={kind} onClick={() => onPick(worst.id)}>
      <title>{`${short(at, now)} ${told.join(', ')}`}</title>
      <line x1={x} x2={x} y1={Y.mark + MARK} y2={kind === 'alarm' ? Y.axis : Y.band + Y.bandHeight} />
      <circle cx={x} cy={Y.mark} r={MARK} />
      <path d={signPath(kind)} transform={`translate(${x - 6.5} ${Y.mark - 6.5}) scale(0.8125)`} />
      {events.length > 1 && <HowMany x={x + 9} y={Y.mark - 9} n={events.length} />}
    </g>
  )
}

function HowMany({ x, y, n }: { x: number; y: number; n: number }): JSX.Element {
  return (
    <g class="number">
      <circle cx={x} cy={y} r="6.5" />
      <text x={x} y={y + 3} text-anchor="middle">
        {n > 99 ? '…' : n}
      </text>
    </g>
  )
}

const LEGEND: readonly { kind: Kind; name: string }[] = [
  { kind: 'start', name: 'created' },
  { kind: 'login', name: 'login' },
  { kind: 'proof', name: 'step-up' },
  { kind: 'change', name: 'device or network' },
  { kind: 'trouble', name: 'refused or suspended' },
  { kind: 'alarm', name: 'attack' },
  { kind: 'end', name: 'end' },
]

/** Of what is in the picture, and of nothing else. */
function Legend({ life, live }: { life: Life; live: boolean }): JSX.Element {
  const kinds = new Set(life.marks.flatMap(({ events }) => events.map(({ name }) => faceOf(name).kind)))
  return (
    <ul class="legend signs" aria-hidden="true">
      {LEGEND.filter(({ kind }) => kinds.has(kind)).map(({ kind, name }) => (
        <li key={kind}>
          <span class="badge" data-kind={kind}>
            <Icon sign={kind} size={12} />
          </span>
          {name}
        </li>
      ))}
      {life.renewals.length > 0 && (
        <li>
          <span class="swatch shades" /> a new token
        </li>
      )}
      {life.suspended.length > 0 && (
        <li>
          <span class="swatch hatched" /> suspended
        </li>
      )}
      {live && (
        <li>
          <span class="swatch tail" /> goes on
        </li>
      )}
    </ul>
  )
}
