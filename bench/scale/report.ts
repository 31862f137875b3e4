/** Turns figures into `docs/scale.md`. @module */

import { cluster } from './cluster.ts'
import type { Figures, Found } from './main.ts'
import { VERBS, type Verb } from './measure.ts'
import { PER_USER } from './records.ts'
import { STORES, type StoreName } from './stores.ts'

const TITLES: Readonly<Record<StoreName, string>> = {
  sqlite: 'SQLite',
  redis: 'Redis',
  postgres: 'PostgreSQL',
}
const NAMES = Object.keys(STORES) as StoreName[]

/** How much dearer a read may be at the largest size than at the smallest. */
const LIMITS: Readonly<Record<StoreName, number>> = { sqlite: 2, redis: 1.3, postgres: 1.3 }

export function document(figures: Figures): string {
  const { sizes } = figures.sqlite
  const [smallest, largest] = [spelled(sizes[0]!), spelled(sizes.at(-1)!)]
  return `<!-- Written by \`npm run bench:scale\`: to change the words, change bench/scale/report.ts, then \`npm run bench:scale -- --report\`. -->
# Scale

What a verb costs in a store of ${smallest} sessions, and in one of ${largest}. A session is like one that a login makes: a user id, five fields (300 bytes
of JSON), what the bindings captured; each user has ${PER_USER}, and a ledger.

![A chart of the processor time of each verb at each size](images/scale.svg)

## What a verb costs

Processor time, of our process and of the server's together, in µs; in brackets how long a call takes, one after the other, in µs. Medians.
*list* is \`sessions.list\`: the ledger, and each of the user's sessions. *sweep* is for each session that it deletes. Redis forgets by itself.

${NAMES.map((name) => costs(name, figures[name])).join('\n\n')}

| Aim: a read at ${largest}, beside one at ${smallest} | at most | processor time | latency | the server's share, µs | |
|---|--:|--:|--:|--:|---|
${NAMES.map((name) => aim(name, figures[name])).join('\n')}

${WHY_SQLITE}

${whyPostgres(figures.postgres)}## Bytes per session

With its share of the ledger, ${1 / PER_USER} for each, and all indexes.

| | ${sizes.map(spelled).join(' | ')} | of which, at ${largest} |
|---|${sizes.map(() => '--:').join('|')}|---|
${NAMES.map((name) => bytes(name, figures[name])).join('\n')}

## ${largest} expired sessions, swept while requests go on

A server process answers reads and writes (three to one) over eight connections that rest 8 ms between requests; the sessions of these requests are not
among those that expire. On SQLite and PostgreSQL the same process sweeps, with no pause between two calls: half of the sessions 1,000 at a time, which is what \`sessions.sweep()\`
takes by itself, half 100 at a time. For Redis all deadlines pass at one moment. Latencies in ms.

${sweepTable(figures)}

${sweepWords(figures)}

${cluster(figures)}

## How it is measured

- The servers are real ones, on the same machine, over TCP, with what they come with; PostgreSQL with \`shared_buffers = 3GB\` and
  \`max_wal_size = 4GB\`. It and SQLite write to a disk; Redis keeps everything in memory, without persistence.
- Stores are filled in bulk, by rows that the engine's own functions make. Then the engine itself loads 200 of them, which must be what
  went in, and their ledgers, and must refuse to create them again.
- The three sizes stand side by side, each on a server of its own, and are measured in turn, ${Math.min(...NAMES.map((name) => figures[name].rounds))} rounds or more after three that aren't counted: what else the
  machine does falls on all of them alike. In each round 1,500 loads, 250 of the others, of sessions picked at random among all; five sweeps of 200 that have expired.
- Processor time of a server is what the kernel counts for its processes (\`/proc/PID/task/*/schedstat\`).
- Since then the engines for Redis and PostgreSQL read by other commands ([why](decisions/together.md)). Run again with them, on a machine half as fast, a read at 1 million cost
  0.94 of one at 1,000 on Redis, and 1.04 on PostgreSQL; the tables keep the figures of one machine.
- The machine was shared with other work, and busy: ${NAMES.map((name) => `${TITLES[name]}: ${figures[name].machine}`).join('; ')}.
  Processor times bear that, latencies less: the p99 of the sweep's *before* is what others do. Ratios count, and only those within one engine.

Again, on your machine: \`npm run bench:scale\`; \`-- --engines redis\` for one engine, \`-- --sizes 1000,20000 --rounds 3\` for a glance.
`
}

function costs(name: StoreName, { sizes, costs }: Found): string {
  const verbs = VERBS.filter((verb) => costs[0]![verb])
  const row = (verb: Verb) => {
    const cells = costs.map((cost) => `${short(cost[verb]!.cpu)} (${short(cost[verb]!.latency)})`)
    const ratio = costs.at(-1)![verb]!.cpu / costs[0]![verb]!.cpu
    return `| ${verb} | ${cells.join(' | ')} | ${ratio.toFixed(2)} |`
  }
  return [
    `| ${TITLES[name]} | ${sizes.map(spelled).join(' | ')} | last / first |`,
    `|---|${sizes.map(() => '--:').join('|')}|--:|`,
    ...verbs.map(row),
  ].join('\n')
}

function aim(name: StoreName, found: Found): string {
  const limit = LIMITS[name]
  const [time, latency] = [ratioOf(found), ratioOf(found, 'latency')]
  const shares = [found.costs[0]!, found.costs.at(-1)!].map(({ load }) => short(load!.server))
  const share = name === 'sqlite' ? '' : shares.join(' → ')
  const met = time <= limit && latency <= limit ? 'met' : 'missed'
  return `| ${TITLES[name]} | ${limit.toFixed(1)} | ${time.toFixed(2)} | ${latency.toFixed(2)} | ${share} | ${met} |`
}

function ratioOf({ costs }: Found, part: 'cpu' | 'latency' = 'cpu'): number {
  return costs.at(-1)!.load![part] / costs[0]!.load![part]
}

const WHY_SQLITE = `On SQLite a thousand sessions fit into the 8 MB that a connection keeps for itself. Of a million, what leads to the rows does, and each read
copies one page, that of its row, out of the system's cache: that is the difference. Rows lie in the order of a hash of their ids, so that one tree finds
them. With a tree of ids beside one of rows, as it was at first, a read copied three pages, and cost 2.29 times what it cost among a thousand.
\`PRAGMA mmap_size\`, on a connection of your own, lessens it further; but where others write to the same file it made reads half as slow again.`

function whyPostgres(found: Found): string {
  if (ratioOf(found) <= LIMITS.postgres) return ''
  const [, middle, last] = found.costs.map(({ load }) => load!.cpu)
  const noise =
    middle! > last! ? ' That 100,000 came out dearer than a million says how much of it is noise.' : ''
  return `On PostgreSQL the million fits into \`shared_buffers\`; with 1 GB, which it doesn't quite, a read took 1.8 times as much.${noise}

`
}

function bytes(name: StoreName, { sizes, bytes }: Found): string {
  const total = (parts: Readonly<Record<string, number>>) =>
    Object.values(parts).reduce((sum, part) => sum + part, 0)
  const each = bytes.map((parts, index) => spelled(Math.round(total(parts) / sizes[index]!)))
  const last = Object.entries(bytes.at(-1)!)
    .map(([part, value]) => `${part} ${spelled(Math.round(value / sizes.at(-1)!))}`)
    .join(', ')
  return `| ${TITLES[name]} | ${each.join(' | ')} | ${last} |`
}

function sweepTable(figures: Figures): string {
  const row = (
    name: StoreName,
    what: string,
    phase: { p50: number; p99: number; max: number },
    more: string,
  ) => `| ${TITLES[name]}, ${what} | ${[phase.p50, phase.p99, phase.max].map(short).join(' | ')} | ${more} |`
  return [
    '| | p50 | p99 | longest | sessions |',
    '|---|--:|--:|--:|--:|',
    ...NAMES.flatMap((name) => {
      const { before, during, after } = figures[name].swept
      const phases = during.map((phase) =>
        row(
          name,
          phase.limit === null ? 'while it forgets' : `${spelled(phase.limit)} at a time`,
          phase,
          `${spelled(phase.count)} in ${phase.seconds.toFixed(0)} s`,
        ),
      )
      return [row(name, 'before', before, ''), ...phases, row(name, 'after', after, '')]
    }),
  ].join('\n')
}

function sweepWords({ sqlite }: Figures): string {
  const [many, few] = sqlite.swept.during
  return `(Both cores are shared with other work, which the lines *before* and *after* show; the load average is below.)

SQLite deletes in our own process, and whoever asks meanwhile waits until a call is done: with 1,000 at a time, and on this busy machine, half of the requests take more
than ${short(many!.p50)} ms, with 100 more than ${short(few!.p50)} ms. Nobody needs to sweep a million at once: a login sweeps 200 when 64 others have
gone before, which is three for each one made. After a flood: \`sessions.sweep(100)\` in a loop with a pause, or from a process of its own.`
}

function short(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0)
}

function spelled(value: number): string {
  return value === 1_000_000 ? '1 million' : value.toLocaleString('en')
}

const BAR = 11
const LEFT = 190
const WIDTH = 500

/** Bars for each verb, one for each size: readable on light and on dark. */
export function chart(figures: Figures): string {
  const parts: string[] = []
  let y = 92
  for (const name of NAMES) {
    const { sizes, costs } = figures[name]
    const verbs = (['load', 'touch', 'replace', 'list'] as const).map((verb) => ({
      verb,
      values: costs.map((cost) => cost[verb]!.cpu),
    }))
    // Each engine has a scale of its own: what is compared is the three bars of a verb.
    const top = Math.max(...verbs.flatMap(({ values }) => values))
    parts.push(`<text class="group" x="24" y="${y}">${TITLES[name]}</text>`)
    for (const { verb, values } of verbs) {
      parts.push(
        `<text class="name" x="${LEFT - 12}" y="${y + BAR * 2 - 2}">${verb === 'load' ? 'read' : verb}</text>`,
      )
      for (const [index, value] of values.entries()) {
        const length = (value / top) * WIDTH
        const at = y + index * (BAR + 1) - 2
        const kind = `size${Math.round((3 * (index + 1)) / sizes.length)}`
        parts.push(
          `<rect class="${kind}" x="${LEFT}" y="${at}" width="${length.toFixed(1)}" height="${BAR}" rx="2"/>`,
          `<text class="value" x="${(LEFT + length + 7).toFixed(1)}" y="${at + 9.5}">${short(value)}</text>`,
        )
      }
      y += values.length * (BAR + 1) + 10
    }
    y += 22
  }
  const height = y + 10
  const legend = figures.sqlite.sizes.map((size, index) => {
    const x = 440 + index * 112
    const kind = `size${Math.round((3 * (index + 1)) / figures.sqlite.sizes.length)}`
    return `<rect class="${kind}" x="${x}" y="46" width="12" height="11" rx="2"/><text x="${x + 18}" y="56">${spelled(size)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 ${height}" width="800" height="${height}" role="img" aria-labelledby="title">
  <title id="title">Processor time of each verb on SQLite, Redis and PostgreSQL, in stores of three sizes</title>
  <style>
    :root { color-scheme: light dark }
    .paper { fill: #ffffff } text { font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2937 }
    .title { font-size: 19px; font-weight: 650 } .sub, .foot { fill: #5b6472 } .group { font-weight: 600; fill: #5b6472 }
    .name { text-anchor: end } .value { font-size: 11px; fill: #3f4856 }
    .size1 { fill: #b5d5f1 } .size2 { fill: #5aa9e6 } .size3 { fill: #1f6fb2 }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0f141b } text { fill: #e6eaf0 } .sub, .foot, .group { fill: #9aa5b4 } .value { fill: #c3ccd8 }
      .size1 { fill: #2c5f8d } .size2 { fill: #3d8fd6 } .size3 { fill: #8fccf8 }
    }
  </style>
  <rect class="paper" width="800" height="${height}" rx="10"/>
  <text class="title" x="24" y="34">A thousand times as many sessions</text>
  <text class="sub" x="24" y="56">µs of processor time for each verb, client and server</text>
  ${[...legend, ...parts].join('\n  ')}
  <text class="foot" x="24" y="${height - 14}">Each engine has a scale of its own. docs/scale.md has the method.</text>
</svg>
`
}
