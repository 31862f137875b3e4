/** Turns figures into `docs/cost.md` and its picture. @module */

import { cpus, loadavg } from 'node:os'
import {
  above,
  type Effort,
  type Figures,
  LEAD,
  median,
  PROFILED,
  type Profile,
  type Subject,
} from './measure.ts'
import { PART_NAMES } from './profile.ts'
import type { IMPORTS, Sizes } from './startup.ts'
import { KINDS, type Kind } from './systems/tasks.ts'

/** One line of the table: medians, in µs. */
export interface Row {
  readonly name: string
  readonly framework: string
  readonly cost: Readonly<Record<Kind, number>>
}

export interface Startup extends Sizes {
  readonly imports: Readonly<Record<keyof typeof IMPORTS, number>>
}

/** The medians: of bare frameworks in all, of the others above their framework. */
export function rowsOf(
  subjects: readonly Subject[],
  figures: Map<string, Figures>,
): { bare: Row[]; rows: Row[] } {
  const row = (subject: Subject, values: Figures): Row => {
    const cost = Object.fromEntries(KINDS.map((kind) => [kind, median(values[kind])])) as Record<Kind, number>
    return { name: subject.name, framework: subject.above, cost }
  }
  const isBare = ({ name, above }: Subject) => name === above
  return {
    bare: subjects.filter(isBare).map((subject) => row(subject, figures.get(subject.name)!)),
    rows: subjects
      .filter((subject) => !isBare(subject))
      .map((subject) => row(subject, above(figures, subject))),
  }
}

/** Whose figures the aims are about. */
export const OURS = 'Holdfast, memory, node:http'
const OURS_SQLITE = 'Holdfast, SQLite, node:http'
const FLOOR = 'floor, memory'
const FLOOR_SQLITE = 'floor, SQLite'
const PEERS = ['express-session, memory', '@fastify/session, memory']

export function table(rows: readonly Row[]): string {
  return [
    '| | on | read | write | anon | none |',
    '|---|---|--:|--:|--:|--:|',
    ...rows.map(({ name, framework, cost }) => {
      const cells = (['read', 'write', 'anon', 'none'] as const).map((kind) => cost[kind].toFixed(1))
      return `| ${name.replace(/, (?:node:http|Express)$/, '')} | ${framework} | ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

/** The aims, and what came of them. */
export function aims(rows: readonly Row[], { imports, core }: Startup): string {
  const of = (name: string, kind: Kind) => rows.find((row) => row.name === name)!.cost[kind]
  const line = (what: string, aim: string, found: string, met: boolean) =>
    `| ${what} | ${aim} | ${found} | ${met ? 'met' : 'missed'} |`
  const over = (kind: 'read' | 'write', ours: string, floor: string, limit: number) => {
    const more = of(ours, kind) - of(floor, kind)
    const store = ours === OURS ? 'memory' : 'SQLite'
    return line(`${kind}, ${store}, above the floor`, `${limit} µs`, `${more.toFixed(1)} µs`, more <= limit)
  }
  const share = (kind: 'read' | 'write') => {
    const best = PEERS.reduce((a, b) => (of(a, kind) <= of(b, kind) ? a : b))
    const part = of(OURS, kind) / of(best, kind)
    const aim = `a third of ${best.replace(/,.*/, '')}`
    return line(`${kind}, memory, beside the best peer with a store`, aim, part.toFixed(2), part <= 1 / 3)
  }
  return [
    '| | aim | found | |',
    '|---|---|--:|---|',
    over('read', OURS, FLOOR, 6),
    over('write', OURS, FLOOR, 10),
    over('read', OURS_SQLITE, FLOOR_SQLITE, 6),
    over('write', OURS_SQLITE, FLOOR_SQLITE, 10),
    share('read'),
    share('write'),
    line("`import 'holdfast'`", '15 ms', `${imports.holdfast.toFixed(1)} ms`, imports.holdfast <= 15),
    line('the core, brotli', '8 kB', `${kilobytes(core)} kB`, core <= 8000),
  ].join('\n')
}

export interface Results {
  readonly bare: readonly Row[]
  readonly rows: readonly Row[]
  readonly startup: Startup
  readonly profile: Profile
  readonly effort: Effort
}

export function document({ bare, rows, startup, profile, effort }: Results): string {
  const { imports } = startup
  const load = loadavg()[1]!.toFixed(0)
  const machine = `Node ${process.versions.node}, ${cpus().length} shared cores`
  return `<!-- Written by \`npm run bench\`: to change the words, change bench/report.ts. -->
# What a session costs

Processor time of the server process per request, in µs, **above the bare framework** it runs on. A request carries a valid
cookie; the session holds a user id and five fields, about 300 bytes of JSON. *read* changes nothing, *write* changes one
field, *anon* creates a session, *none* has no cookie and touches no session.

![A chart of the figures for read and write](images/cost.svg)

${table(rows)}

The frameworks themselves, in all: ${bare.map(({ name, cost }) => `${name} ${cost.read.toFixed(0)} µs`).join(', ')} for a read.

Absolute figures are one machine's (${machine}); what counts is the ratios, and only those of one run. The load
average was ${load} by the end. By itself the benchmark makes two: beyond that others took the processor and its caches in turn, and all
figures are higher, those of whoever runs more code by more.

## Aims

${aims(rows, startup)}

**The core's size** is what Node loads of \`src/core\` with its cryptography, minified into one file, with brotli, without the
package \`cookie\`. Not counted is \`@noble/hashes\`, which Node never loads. ${kilobytes(startup.core - startup.wordless)} kB of it are the
texts of messages, which say what is wrong and what to do; the code alone is ${kilobytes(startup.wordless)} kB. A server doesn't send it to
anybody, so no message was shortened for it. \`holdfast\` with its default bindings and every dependency:
${kilobytes(startup.all)} kB; Bowser and ipaddr.js are the largest part of the rest.

**The import** is that of a fresh process, the fastest of 21. In it an empty module takes ${imports.empty.toFixed(1)} ms, \`node:crypto\`
${imports.crypto.toFixed(1)} ms (a server that speaks TLS, or runs Express, has loaded it anyway), Bowser ${imports.bowser.toFixed(1)} ms, ipaddr.js ${imports.ipaddr.toFixed(1)} ms. Most of
the rest is Node's loader on some forty small files: bundled into one, all would take about half. That was not done, and Bowser is
not left for the first user agent either, which would then pay for it: what is installed is, file for file, what is in \`src\`, for
whoever reads or steps through it, and a server starts once.

## Where the time goes

A sampling profile of Holdfast on node:http with sessions in memory, taken after the measurement: shares of all of the
processor time that a request takes, the framework's own included.

${profileTable(profile)}

What was taken out, by such profiles, since the first measurement, and what it traded:

- **A response's methods are replaced by functions that are made once**, and find their request at the response. New closures
  and accessors for each response were two thirds of what a request without a session cost, and a third of a read, since they
  turned each into an object of a shape of its own. Traded: they need to be called as methods of the response, as Node's own do.
  Those that matter only while a response waits are replaced when it begins to.
- **Nothing that a request leaves behind outlives the next collection.** V8 copied it twice, and kept it until a full one, wherever
  a \`WeakMap\` knew the request (Express, Koa, Hono), a \`Set\` or a \`Map\` shrank and grew with it, or a timer was made for it alone. A
  collection now takes a tenth of the time, and a read in Express half of what it did.
- **Tokens that were found genuine are remembered**, by their hash, and without what a client needs to show one: one hash where
  there were four, and no pattern. Traded: 300 bytes each, for the last 5,000; and a token that is shown for the first time costs
  4 µs more than these figures, which are of ${effort.sessions} sessions in turn.
- **A response whose commit has nothing to wait for leaves at once**, and no promise is made for it.
- **A session's data stay the object that JSON made**, where they went through a \`Map\`.
- **MACs are text.** Two one-shot hashes whose digests never become buffers, compared as text in constant time:
  0.8 µs to verify a token where it took 3.4. And there is one spelling of each tag by construction.
- **What proxies say is remembered**: addresses, schemes and hosts that were read before are looked up. Traded: some memory, with
  a bound of 500 entries each.
- **A request without a session costs no promise** beyond those of \`open\`, \`commit\` and the adapter; one that only reads
  costs half as many as before.
- What isn't there for most requests is made when it is needed: the context of a request that can't be understood, the next
  record of a request that writes nothing, the encoded length of short data.

What was left, though it costs: HSTS, \`Vary\` and \`Cache-Control\` in the response (3 µs: the floor sends none), the queue of a
session's writers, the memory engine's heap of deadlines (a full store finds what has expired without a search)
and its estimate of bytes, \`AsyncLocalStorage\`, and the promises between the core and engines that do answer at once.

## How it is measured

- Every system in a process of its own, all warm, and the load from another process: ${effort.connections} connections that are kept
  open, each with one request under way, no pipelining; ${effort.sessions} sessions in turn.
- ${effort.rounds} rounds. In each, every system answers for ${effort.milliseconds} ms, in turn, after ${LEAD} ms that are not counted;
  differences to the bare framework are taken
  within the round, and the table shows their medians. \`process.cpuUsage()\` counts the compiler's and the garbage
  collector's threads, too.
- Before it is measured, every system proves that it does its work: what is written is there on the next request, a
  read sets no cookie, a visitor who stores nothing gets none. An answer that is no 200 ends the run.
- Requests have a browser's headers, and come by way of a TLS proxy (\`X-Forwarded-For\`, \`X-Forwarded-Proto\`); every session cookie
  is \`Secure\`. Holdfast runs with its defaults: bindings to user agent and network, CSRF
  checks, HSTS and \`Cache-Control\` in the response. The others do none of that.
- The others have the settings that their manuals advise for production: no save where nothing changed, not rolling.
- The floor is hand-written code that finds a session and stores it again, and no more: one cookie, an HMAC, a map or
  SQLite's \`get\` and \`put\`, JSON. No revocation, no renewal, and of two parallel writers one loses.
- SQLite is Node's own, in WAL mode with \`synchronous = NORMAL\`, on disk.

Again, on your machine: \`npm run bench\`; \`npm run bench -- --rounds 3\` for a glance.
`
}

function profileTable(profile: Profile): string {
  const kinds = PROFILED.filter((kind) => profile[kind])
  const share = (kind: Kind, part: string) => {
    const parts = profile[kind]!
    return (100 * parts[part]!) / Object.values(parts).reduce((sum, value) => sum + value, 0)
  }
  const row = (part: string) =>
    `| ${part} | ${kinds.map((kind) => `${share(kind, part).toFixed(0)} %`).join(' | ')} |`
  return [`| | ${kinds.join(' | ')} |`, `|---|${'--:|'.repeat(kinds.length)}`, ...PART_NAMES.map(row)].join(
    '\n',
  )
}

function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(1)
}

/** Bars of two kinds, for read and write: readable on light and on dark. */
export function chart(rows: readonly Row[], bare: readonly Row[]): string {
  const groups = [
    { title: 'Hand-written floor', of: ['floor, memory', 'floor, SQLite'] },
    {
      title: 'Holdfast',
      of: ['Holdfast, memory, node:http', 'Holdfast, SQLite, node:http', 'Holdfast, memory, Express'],
    },
    { title: 'Others with a store', of: PEERS },
    { title: 'Others, sealed in the cookie', of: ['@fastify/secure-session', 'iron-session'] },
  ]
  const shown = groups.flatMap(({ of }) => of.map((name) => rows.find((row) => row.name === name)!))
  // The slowest would make all others look alike: it runs out of the picture, and says so.
  const values = shown.flatMap(({ cost }) => [cost.read, cost.write]).toSorted((a, b) => b - a)
  const top = values.find((value, index) => value < 3 * (values[index + 1] ?? 0) && index >= 2) ?? values[0]!
  const left = 250
  const width = 470
  const scale = (value: number) => (Math.max(0, Math.min(value, top)) / top) * width
  let y = 84
  const parts: string[] = []
  for (const { title, of } of groups) {
    parts.push(`<text class="group" x="24" y="${y}">${title}</text>`)
    y += 12
    for (const name of of) {
      const row = rows.find((each) => each.name === name)!
      const ours = name.startsWith('Holdfast') ? ' ours' : ''
      parts.push(`<text class="name${ours}" x="${left - 12}" y="${y + 19}">${labelOf(name)}</text>`)
      for (const [index, kind] of (['read', 'write'] as const).entries()) {
        const value = row.cost[kind]
        const at = y + 2 + index * 13
        const length = scale(value)
        parts.push(
          `<rect class="${kind}${ours}" x="${left}" y="${at}" width="${length.toFixed(1)}" height="11" rx="2"/>`,
        )
        if (value > top) {
          const break1 = left + length - 26
          parts.push(`<path class="cut" d="M${break1} ${at + 13}l5 -15h5l-5 15z"/>`)
        }
        parts.push(
          `<text class="value" x="${left + length + 7}" y="${at + 9.5}">${value.toFixed(value < 100 ? 1 : 0)}</text>`,
        )
      }
      y += 34
    }
    y += 26
  }
  const height = y + 26
  const framework = bare.find(({ name }) => name === 'node:http')!.cost.read.toFixed(0)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 ${height}" width="800" height="${height}" role="img" aria-labelledby="title">
  <title id="title">Processor time that a session adds to a request, in microseconds: Holdfast beside others</title>
  <style>
    :root { color-scheme: light dark }
    .paper { fill: #ffffff } text { font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2937 }
    .title { font-size: 19px; font-weight: 650 } .sub, .foot { fill: #5b6472 } .group { font-weight: 600; fill: #5b6472; font-size: 12px }
    .name { text-anchor: end } .name.ours { font-weight: 650 } .value { font-size: 11px; fill: #3f4856 }
    .read { fill: #b6beca } .write { fill: #8791a1 } .read.ours { fill: #5aa9e6 } .write.ours { fill: #1f6fb2 } .cut { fill: #ffffff }
    @media (prefers-color-scheme: dark) {
      .paper, .cut { fill: #0f141b } text { fill: #e6eaf0 } .sub, .foot, .group { fill: #9aa5b4 } .value { fill: #c3ccd8 }
      .read { fill: #5a6575 } .write { fill: #7f8b9c } .read.ours { fill: #7cc0f5 } .write.ours { fill: #3d8fd6 }
    }
  </style>
  <rect class="paper" width="800" height="${height}" rx="10"/>
  <text class="title" x="24" y="34">What a session adds to a request</text>
  <text class="sub" x="24" y="54">µs of processor time above the bare framework; shorter is better</text>
  <rect class="read ours" x="640" y="24" width="12" height="11" rx="2"/><text x="658" y="34">read</text>
  <rect class="write ours" x="706" y="24" width="12" height="11" rx="2"/><text x="724" y="34">write</text>
  ${parts.join('\n  ')}
  <text class="foot" x="24" y="${height - 18}">Medians of one run, Node ${process.versions.node}. A bare node:http answer takes ${framework} µs in all. docs/cost.md has the method.</text>
</svg>
`
}

function labelOf(name: string): string {
  return name
    .replace(/^floor, /, '')
    .replace(/^Holdfast, /, '')
    .replace(/, memory$/, '')
    .replace(/, /, ' on ')
}
