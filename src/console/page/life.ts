/** What a session's events say of its life: where it was used from, when it was suspended, what befell it. Pure. @module */

import type { Millis } from '../../core/duration.ts'
import type { ConsoleEvent, SessionDetail } from '../api.ts'
import { faceOf, type Kind } from './words.ts'

/** A time during which something was so. */
export interface Stretch {
  readonly from: Millis
  readonly to: Millis
  readonly label: string
}

export interface Mark {
  readonly at: Millis
  readonly kind: Kind
  readonly events: readonly ConsoleEvent[]
}

export interface Life {
  readonly from: Millis
  readonly to: Millis
  readonly networks: readonly Stretch[]
  readonly devices: readonly Stretch[]
  readonly suspended: readonly Stretch[]
  readonly renewals: readonly Millis[]
  /** All but the renewals. */
  readonly marks: readonly Mark[]
}

/** Events whose address is another's: a thief's, an operator's, a tab's that came too late. */
const NOT_ITS_OWN: ReadonlySet<string> = new Set([
  'authn_token_reuse',
  'session_revoked',
  'session_use_after_expire',
  'session_expired',
  'session_unknown',
  'session_superseded',
  'session_suspended',
  'session_token_forged',
  'excess_sessions_exceeded',
])
const RESUMES: ReadonlySet<string> = new Set([
  'authn_login_success',
  'authn_reauthenticated',
  'session_renewed',
])

export function lifeOf(detail: SessionDetail): Life {
  const { events } = detail
  const from = Math.min(detail.createdAt ?? Number.POSITIVE_INFINITY, events[0]?.at ?? detail.until)
  // What comes after the end is shown as well: an old token that is still tried.
  const to = Math.max(detail.until, events.at(-1)?.at ?? from, from + 1000)
  const own = events.filter(({ name }) => !NOT_ITS_OWN.has(name))
  const end = Math.max(detail.until, from)
  return {
    from,
    to,
    networks: stretches(own, from, end, detail.session?.ip ?? null, ({ ip }) => ip),
    devices: stretches(own, from, end, detail.session?.device ?? null, ({ device }) => device),
    suspended: suspensions(events, end),
    renewals: events.filter(({ name }) => name === 'session_renewed').map(({ at }) => at),
    marks: marksOf(events),
  }
}

/** The last that its own client did, and not somebody else with it. */
export function lastOwn(events: readonly ConsoleEvent[]): ConsoleEvent | null {
  return events.findLast(({ name, ip }) => ip !== null && !NOT_ITS_OWN.has(name)) ?? null
}

/** @param fallback what is known where no event says anything */
function stretches(
  events: readonly ConsoleEvent[],
  from: Millis,
  to: Millis,
  fallback: string | null,
  labelOf: (event: ConsoleEvent) => string | null,
): Stretch[] {
  const found: { from: Millis; label: string }[] = []
  for (const event of events) {
    const label = labelOf(event)
    if (label === null || label === found.at(-1)?.label || event.at > to) continue
    found.push({ from: found.length === 0 ? from : event.at, label })
  }
  if (found.length === 0 && fallback !== null) found.push({ from, label: fallback })
  return found.map((stretch, index) => ({ ...stretch, to: found[index + 1]?.from ?? to }))
}

function suspensions(events: readonly ConsoleEvent[], end: Millis): Stretch[] {
  const found: Stretch[] = []
  let since: Millis | null = null
  for (const { name, at } of events) {
    if (name === 'session_suspended') since ??= at
    if (since === null || !RESUMES.has(name)) continue
    found.push({ from: since, to: at, label: 'Suspended' })
    since = null
  }
  if (since !== null && since < end) found.push({ from: since, to: end, label: 'Suspended' })
  return found
}

/** Creation and login come as one, and so do a mismatch and what followed from it. */
const TOGETHER = 50

function marksOf(events: readonly ConsoleEvent[]): Mark[] {
  const marks: Mark[] = []
  for (const event of events) {
    const { kind } = faceOf(event.name)
    if (kind === 'renewal') continue
    const last = marks.at(-1)
    if (last === undefined || event.at - last.at > TOGETHER)
      marks.push({ at: event.at, kind, events: [event] })
    else marks[marks.length - 1] = join(last, { at: event.at, kind, events: [event] })
  }
  return marks
}

/** What matters most gives a mark its sign. */
const WEIGHT: Readonly<Record<Kind, number>> = {
  renewal: 0,
  start: 1,
  login: 2,
  proof: 3,
  change: 4,
  end: 5,
  trouble: 6,
  alarm: 7,
}

function join(one: Mark, other: Mark): Mark {
  const kind = WEIGHT[other.kind] > WEIGHT[one.kind] ? other.kind : one.kind
  return { at: one.at, kind, events: [...one.events, ...other.events] }
}

/** Marks that would cover each other become one. @param room what a mark needs */
export function cluster(marks: readonly Mark[], room: Millis): Mark[] {
  const clusters: Mark[] = []
  for (const mark of marks) {
    const last = clusters.at(-1)
    if (last !== undefined && mark.at - last.at < room) clusters[clusters.length - 1] = join(last, mark)
    else clusters.push(mark)
  }
  return clusters
}

export interface Entry {
  readonly event: ConsoleEvent
  /** How many renewals in a row this one stands for. */
  readonly times: number
}

/** The list beside the picture, newest first: renewals in a row are one entry. */
export function entriesOf(events: readonly ConsoleEvent[]): Entry[] {
  const entries: Entry[] = []
  for (const event of events) {
    const last = entries.at(-1)
    if (event.name === 'session_renewed' && last?.event.name === event.name && last.event.ip === event.ip)
      entries[entries.length - 1] = { event, times: last.times + 1 }
    else entries.push({ event, times: 1 })
  }
  return entries.reverse()
}

/** For whoever doesn't see the picture: in one sentence each. */
export function tellLife(life: Life, detail: SessionDetail): string {
  const { networks, devices, renewals, suspended, marks } = life
  const alarms = marks.flatMap(({ events }) => events).filter(({ name }) => faceOf(name).kind === 'alarm')
  const say = (n: number, one: string, many: string) => (n === 1 ? `one ${one}` : `${n} ${many}`)
  return [
    `This session is ${detail.state}.`,
    `Its token was renewed ${renewals.length === 1 ? 'once' : `${renewals.length} times`}.`,
    `It was used from ${say(networks.length, 'network', 'networks')} and ${say(devices.length, 'device', 'devices')}.`,
    suspended.length > 0
      ? `It was suspended ${suspended.length === 1 ? 'once' : `${suspended.length} times`}.`
      : '',
    alarms.length > 0 ? `Alarms: ${alarms.map(({ name }) => faceOf(name).label).join(', ')}.` : '',
    'The list of events tells the same in order.',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ')
}
