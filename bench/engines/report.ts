/** Turns figures into `docs/cost-engines.md`. @module */

import { cpus, loadavg } from 'node:os'
import { type Effort, LEAD } from '../measure.ts'
import type { Row } from '../report.ts'
import { type Latency, SATURATION } from './latency.ts'

export function tableOf(rows: readonly Row[]): string {
  return [
    '| | on | read | write | anon |',
    '|---|---|--:|--:|--:|',
    ...rows.map(({ name, framework, cost }) => {
      const cells = (['read', 'write', 'anon'] as const).map((kind) => cost[kind].toFixed(1))
      return `| ${name.replace(/, (?:node:http|Express)$/, '')} | ${framework} | ${cells.join(' | ')} |`
    }),
  ].join('\n')
}

/** Above the floor, and the floor itself with all that it runs on, in µs of the machine on which the aims were set. */
const AIMS = [
  ['read', 'Redis', 6, 24],
  ['write', 'Redis', 10, 33],
  ['read', 'PostgreSQL', 6, 42],
  ['write', 'PostgreSQL', 10, 72],
] as const

/** The aims, and what came of them: a request beside the floor's, in all. */
export function aims(bare: readonly Row[], rows: readonly Row[]): string {
  const of = (name: string, kind: 'read' | 'write') =>
    [...bare, ...rows].find((row) => row.name === name)!.cost[kind]
  const lines = AIMS.map(([kind, store, more, floor]) => {
    const base = of('node:http', kind) + of(`floor, ${store}`, kind)
    const found = of(`Holdfast, ${store}, node:http`, kind) - of(`floor, ${store}`, kind)
    const [aim, ratio] = [(floor + more) / floor, (base + found) / base]
    const met = ratio <= aim ? 'met' : 'missed'
    return `| ${kind}, ${store} | ${more} of ${floor} | ${aim.toFixed(2)} | ${found.toFixed(0)} of ${base.toFixed(0)} | ${ratio.toFixed(2)} | ${met} |`
  })
  return [
    '| | aim: µs above a floor of | beside it | found: µs above a floor of | beside it | |',
    '|---|--:|--:|--:|--:|---|',
    ...lines,
  ].join('\n')
}

export function latencyTable(latencies: readonly Latency[]): string {
  const names = [...new Set(latencies.map(({ name }) => name))]
  const cells = (name: string) =>
    (['read', 'write'] as const).flatMap((kind) =>
      [1, SATURATION].map((connections) => {
        const found = latencies.find(
          (each) => each.name === name && each.kind === kind && each.connections === connections,
        )!
        return `${found.p50.toFixed(2)} / ${found.p99.toFixed(2)}`
      }),
    )
  return [
    `| | read, 1 | read, ${SATURATION} | write, 1 | write, ${SATURATION} |`,
    '|---|--:|--:|--:|--:|',
    ...names.map((name) => `| ${name} | ${cells(name).join(' | ')} |`),
  ].join('\n')
}

export function document(
  bare: readonly Row[],
  rows: readonly Row[],
  latencies: readonly Latency[],
  effort: Effort,
): string {
  const machine = `Node ${process.versions.node}, ${cpus().length} shared cores, load average ${loadavg()[1]!.toFixed(0)}`
  return `<!-- Written by \`npm run bench:engines\`: to change the words, change bench/engines/report.ts. -->
# What a session costs on Redis and PostgreSQL

Processor time of the application's process per request, in µs, **above the bare framework** it runs on; what the server of Redis
or PostgreSQL uses is not in it. The tasks are those of [What a session costs](cost.md): *read* changes nothing, *write* changes one field, *anon*
creates a session.

${tableOf(rows)}

The frameworks themselves, in all: ${bare.map(({ name, cost }) => `${name} ${cost.read.toFixed(0)} µs`).join(', ')} for a read.

## Aims

${aims(bare, rows)}

The aims, 6 µs above the floor for a read and 10 for a write, were set on a machine where node:http took 14 µs, a cookie with its HMAC and JSON 4, and the client
6 and 15 on Redis, 24 and 54 on PostgreSQL. Microseconds of two machines can't be compared, ratios can: so an aim is met where a request costs
no more, beside the floor's, than it was to cost there. Both are of the whole request, with the framework.

The floor is hand-written code on the bare client, ioredis with \`enableAutoPipelining\` or a pool of pg: one cookie, an HMAC, one GET or one prepared SELECT,
JSON; a write is the same and one SET or one upsert. No revocation, no renewal, and of two parallel writers one loses. Holdfast is given the very same
clients. What it sends is counted at the server by the engines' own tests: one command of Redis, one statement of PostgreSQL, for a read that is alone; behind a
[near cache](engines.md#near-cache) none, while the store says that nothing has changed. Each write is told back to it, and a PostgreSQL that notifies works more.

**It can cost less than the floor** where several requests arrive in one turn of the event loop: what they ask for goes together, reads of both stores
and writes of Redis ([why](decisions/together.md)). The floor asks for each by itself, as hand-written code does, so that its client makes, sends and
matches a command for each, and PostgreSQL costs system calls besides.

What a write costs above the floor is its place in the queue of the session's writers, the second deadline, what the response does while it waits, and the
longer command: a compare-and-swap of the whole record, where the floor overwrites the data. A request waits for the store in promises, and what is alive
while it waits is what a collection of V8 copies: so calls have one timer between them, of the engine and of \`pg\`, and stand in places that are used
again ([cost.md](cost.md#where-the-time-goes)). Tokens are remembered, as there; a first one costs 4 µs more.

## Latency

Milliseconds, p50 / p99, with one connection that has one request under way, and with ${SATURATION}, more than the process can serve. The load, the
application and the server of the store share ${cpus().length} cores: all of it is slower than on machines of their own, and what others do there shows in p99.

${latencyTable(latencies)}

## How it is measured

- As in [cost.md](cost.md): every system in a process of its own, all warm, ${effort.rounds} rounds, every system for ${effort.milliseconds} ms in turn in each, after ${LEAD} ms that are
  not counted, for the others have left the caches cold;
  differences within a round, medians over rounds; ${effort.connections} connections, ${effort.sessions} sessions. Every system proves first that it does its work.
- All use one Redis and one PostgreSQL on the same machine, over TCP. PostgreSQL runs without \`fsync\`, so that the disk is not what is measured.
- The stores of express-session as they are by default: beside each read they move the session's deadline (EXPIRE, UPDATE). Holdfast does so
  once a minute for each session. connect-redis takes node-redis alone; connect-pg-simple has the same pool of pg as the others.
- Absolute figures are one machine's (${machine}; by itself the benchmark makes two); what counts is the ratios,
  and only those of one run, and differences of some µs mean nothing there.

Again, on your machine: \`npm run bench:engines\`; \`-- --rounds 3\` for a glance, \`-- --only Redis\` for some.
`
}
