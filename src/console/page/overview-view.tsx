/** What goes on: figures and the latest events. @module */

import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { Chart, type Series } from './chart.tsx'
import { bucketsOf, sum } from './figures.ts'
import { useLive, useNow } from './hooks.ts'
import { EventItem, keyOf } from './parts.tsx'
import { linkTo } from './route.ts'
import { faceOf } from './words.ts'

const SPANS = [
  { name: '1 min', span: 60_000, size: 1_000 },
  { name: '5 min', span: 300_000, size: 5_000 },
  { name: '1 hour', span: 3_600_000, size: 60_000 },
] as const
/** More reasons than these share the last colour. */
const REASONS = ['--c1', '--c2', '--c3', '--c4', '--c5', '--c6']
const LATEST = 14

export function OverviewView(): JSX.Element {
  const { points, counting, events, status } = useLive()
  const [{ name, span, size }, setSpan] = useState<(typeof SPANS)[number]>(SPANS[1])
  const now = useNow()
  const bucket = Math.floor(now / size)
  const buckets = useMemo(() => bucketsOf(points, now, span, size), [points, bucket, span, size])
  const one = useMemo(() => seriesOf(buckets), [buckets])
  const live = points.findLast((point) => point.live !== null)?.live ?? null
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Overview</h1>
        <div class="segments" role="group" aria-label="Time shown">
          {SPANS.map((each) => (
            <button
              type="button"
              key={each.name}
              aria-pressed={each.name === name}
              onClick={() => setSpan(each)}
            >
              {each.name}
            </button>
          ))}
        </div>
      </div>
      <div class="overview" aria-busy={status === 'connecting'}>
        <div class="charts">
          <Chart
            title="Live sessions"
            total={live === null ? '–' : `${counting?.estimate ? '≈ ' : ''}${live.toLocaleString('en-GB')}`}
            note={live === null ? 'being counted' : 'now'}
            from={buckets.from}
            series={one.live}
            shape="area"
          />
          <Chart
            title="Logins"
            total={total(buckets.logins)}
            note={`in ${name}`}
            from={buckets.from}
            series={one.logins}
            shape="bars"
          />
          <Chart
            title="Renewals"
            total={total(buckets.renewals)}
            note={`in ${name}`}
            from={buckets.from}
            series={one.renewals}
            shape="bars"
          />
          <Chart
            title="Refusals by reason"
            total={total(buckets.refusals.map((refusal) => refusal.total))}
            note={`in ${name}`}
            from={buckets.from}
            series={one.refusals}
            shape="bars"
          />
        </div>
        <section class="panel latest" aria-labelledby="latest-title">
          <header>
            <h2 id="latest-title">Latest events</h2>
            <a href={linkTo('events')}>All events</a>
          </header>
          {events.length === 0 ? (
            <p class="empty">Nothing has happened yet.</p>
          ) : (
            <ol class="events compact">
              {events.slice(0, LATEST).map((event) => (
                <EventItem key={keyOf(event)} event={event} now={now} />
              ))}
            </ol>
          )}
        </section>
      </div>
    </>
  )
}

function total(counts: readonly number[]): string {
  return sum(counts).toLocaleString('en-GB')
}

function seriesOf({ from, live, logins, renewals, refusals }: ReturnType<typeof bucketsOf>) {
  const own = refusals.slice(0, REASONS.length - 1)
  const others = refusals.slice(REASONS.length - 1)
  const byReason: Series[] = own.map(({ name, counts }, index) => ({
    label: faceOf(name).label,
    color: REASONS[index]!,
    counts,
  }))
  if (others.length > 0) {
    const counts = from.map((_, index) => sum(others.map((other) => other.counts[index]!)))
    byReason.push({ label: 'Others', color: REASONS.at(-1)!, counts })
  }
  return {
    live: [{ label: 'Live sessions', color: '--accent', counts: live }],
    logins: [{ label: 'Logins', color: '--accent', counts: logins }],
    renewals: [{ label: 'Renewals', color: '--c2', counts: renewals }],
    refusals:
      byReason.length > 0 ? byReason : [{ label: 'Refusals', color: '--c1', counts: from.map(() => 0) }],
  }
}
