/** A hundred million sessions, reckoned from what a million cost. @module */

import type { Figures, Found } from './main.ts'
import type { Verb } from './measure.ts'

const SESSIONS = 100_000_000
/** Sessions in use at one moment, and how many seconds lie between two requests of one. */
const IN_USE = 5_000_000
const PAUSE = 20
/** Of so many requests one changes something. */
const CHANGING = 20
/** `touchEvery`, `renewal` and the idle limit of remembered sessions, in seconds: the defaults. */
const TOUCH = 60
const RENEWAL = 15 * 60
const IDLE = 14 * 24 * 60 * 60

/** What a primary of Redis is given of memory for its data, and how busy it may be: the rest is for failovers and bad days. */
const PRIMARY_BYTES = 16 * 1024 ** 3
const BUSY = 0.5

export function cluster({ redis, postgres }: Figures): string {
  const reads = IN_USE / PAUSE
  const touches = IN_USE / TOUCH
  const replaces = IN_USE / RENEWAL + reads / CHANGING
  const logins = SESSIONS / IDLE
  const cores = (found: Found) =>
    (reads * server(found, 'load') +
      touches * server(found, 'touch') +
      (replaces + 3 * logins) * server(found, 'replace')) /
    1e6
  const memory = perSession(redis) * SESSIONS
  const byMemory = Math.ceil(memory / PRIMARY_BYTES)
  const byWork = Math.ceil(cores(redis) / BUSY)
  const primaries = Math.max(byMemory, byWork)
  const table = perSession(postgres) * SESSIONS
  const rows = touches + replaces + 3 * logins
  // Less what is left free on each page for the next version of a row.
  const length = (postgres.bytes.at(-1)!.sessions! / postgres.sizes.at(-1)!) * 0.8
  return `## 100 million sessions on a cluster

Arithmetic from the figures above, no measurement. Assumed: 100 million sessions, all of them remembered ones (idle limit of 14 days); ${millions(IN_USE)} in use
at the same moment, each with a request every ${PAUSE} s, of which one in ${CHANGING} changes something. Per second:

| | how | per second |
|---|---|--:|
| reads | ${millions(IN_USE)} / ${PAUSE} s | ${whole(reads)} |
| touches, one a minute for each session in use | ${millions(IN_USE)} / ${TOUCH} s | ${whole(touches)} |
| changes and renewals | ${whole(reads)} / ${CHANGING} + ${millions(IN_USE)} / ${RENEWAL} s | ${whole(replaces)} |
| logins, of three writes each; as many sessions expire | 100 million / 14 days | ${whole(logins)} |

**Redis Cluster.**

- Memory: ${whole(perSession(redis))} bytes × 100 million = ${gigabytes(memory)}; with 16 GiB of data on each primary, **${byMemory} primaries**.
- Work: ${whole(reads)} × ${server(redis, 'load').toFixed(0)} µs + ${whole(touches)} × ${server(redis, 'touch').toFixed(0)} µs + ${whole(replaces + 3 * logins)} × ${server(redis, 'replace').toFixed(0)} µs
  = ${cores(redis).toFixed(1)} cores; a primary works on one, which should be half idle: **${byWork} primaries**. That is without pipelining, one command for each
  wake-up; at such a load clients send several at once, which is cheaper.
- So ${primaries} primaries, each with ${millions(Math.round(SESSIONS / primaries / 1e5) * 1e5)} sessions and ${whole((reads + touches + replaces + 3 * logins) / primaries)} commands a second, and as many replicas; twice the memory in all, ${gigabytes(2 * memory)}.
- A session and its ledger are on different primaries, for every command has one key: nothing needs more than one slot. A login is four or five round trips to two of them.
- Expiry: ${whole(logins)} a second in all, by the servers themselves. \`sessions.sweep()\` does nothing.

**PostgreSQL, one primary.**

- Table and indexes: ${whole(perSession(postgres))} bytes × 100 million = ${gigabytes(table)}. What is in use, ${millions(IN_USE)} rows and the index on the id, should fit into
  memory: ${gigabytes(perSession(postgres) * IN_USE + (postgres.bytes.at(-1)!.indexes! / postgres.sizes.at(-1)!) * SESSIONS)}.
- Work: ${whole(reads)} × ${server(postgres, 'load').toFixed(0)} µs + ${whole(touches)} × ${server(postgres, 'touch').toFixed(0)} µs + ${whole(replaces + 3 * logins)} × ${server(postgres, 'replace').toFixed(0)} µs
  = ${cores(postgres).toFixed(0)} cores, most of them for touches. Each write is a commit of its own: commits that come together share a flush of the log, one alone doesn't.
- Log: every write is a new row, ${whole(rows)} × about ${whole(length)} bytes = ${((rows * length) / 1e6).toFixed(0)} MB a second at most, and the pages that are written whole after each
  checkpoint. **That is what ends first.** One primary is for a tenth of this load; above it, Redis, or several databases with the sessions spread over them.
- Autovacuum: its default waits for a fifth of the table, 20 million dead rows, which is ${(20_000_000 / rows / 60).toFixed(0)} minutes. Touches are HOT (no index is written, and the next
  to read the page clears it), so that what remains is little; still, \`ALTER TABLE holdfast_sessions SET (autovacuum_vacuum_scale_factor = 0.01)\` keeps each run short.
- Expiry: ${whole(logins)} a second; logins sweep three for each one made.

**SQLite** is one file on one machine, and is not for this.`
}

function server({ costs }: Found, verb: Verb): number {
  return costs.at(-1)![verb]!.server
}

function perSession({ bytes, sizes }: Found): number {
  return Object.values(bytes.at(-1)!).reduce((sum, part) => sum + part, 0) / sizes.at(-1)!
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function millions(value: number): string {
  return `${value / 1e6} million`
}

function gigabytes(value: number): string {
  return `${(value / 1e9).toFixed(0)} GB`
}
