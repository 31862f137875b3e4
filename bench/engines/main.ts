/** `npm run bench:engines`: measures on real servers, and writes `docs/cost-engines.md`. @module */

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { PostgresServer } from '../../test/servers/postgres/server.ts'
import type { Scope } from '../../test/servers/process.ts'
import { startRedis } from '../../test/servers/redis/server.ts'
import { type Effort, measure } from '../measure.ts'
import { rowsOf } from '../report.ts'
import { type Latency, measureLatencies } from './latency.ts'
import { aims, document, latencyTable, tableOf } from './report.ts'
import { SUBJECTS } from './subjects.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '21' },
    milliseconds: { type: 'string', default: '200' },
    only: { type: 'string', default: '' },
  },
})
const effort: Effort = {
  rounds: Number(values.rounds),
  milliseconds: Number(values.milliseconds),
  warmUp: 20_000,
  sessions: 200,
  connections: 16,
}
const wanted = new RegExp(values.only)
const subjects = SUBJECTS.filter(({ name, above }) => name === above || wanted.test(name))

const works: (() => unknown)[] = []
const scope: Scope = { after: (work) => works.unshift(work) }
try {
  const [redis, postgres] = [await startRedis(scope), await PostgresServer.start(scope)]
  process.env.HOLDFAST_BENCH_REDIS = `redis://127.0.0.1:${redis.port}`
  process.env.HOLDFAST_BENCH_POSTGRES = await postgres.database()
  let latencies: Latency[] = []
  const { figures } = await measure(subjects, effort, console.error, null, async (runs) => {
    latencies = await measureLatencies(runs, effort.rounds, console.error)
  })
  const { bare, rows } = rowsOf(subjects, figures)
  console.log(`${tableOf(bare)}\n\n${tableOf(rows)}\n\n${latencyTable(latencies)}\n`)
  // Some of the systems, or a glance, are no figures to keep.
  if (values.only === '') {
    console.log(aims(bare, rows))
    if (effort.rounds >= 15) {
      writeFileSync(
        new URL('../../docs/cost-engines.md', import.meta.url),
        document(bare, rows, latencies, effort),
      )
      console.log('\nwritten: docs/cost-engines.md')
    }
  }
} finally {
  for (const work of works) await work()
}
