/** `npm run bench`: measures, and writes `docs/cost.md` and its picture. @module */

import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Effort, measure } from './measure.ts'
import { aims, chart, document, OURS, rowsOf, table } from './report.ts'
import { importTimes, sizes } from './startup.ts'
import { SUBJECTS } from './subjects.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '25' },
    milliseconds: { type: 'string', default: '200' },
    only: { type: 'string', default: '' },
  },
})
const effort: Effort = {
  rounds: Number(values.rounds),
  milliseconds: Number(values.milliseconds),
  warmUp: 12_000,
  sessions: 500,
  connections: 16,
}
const wanted = new RegExp(values.only)
const subjects = SUBJECTS.filter(({ name, above }) => name === above || wanted.test(name))

const startup = { imports: importTimes(), ...(await sizes()) }
const { figures, profile } = await measure(subjects, effort, console.error, OURS)
const { bare, rows } = rowsOf(subjects, figures)
console.log(`${table(bare)}\n\n${table(rows)}\n`)

// Some of the systems, or a glance, are no figures to keep.
if (values.only === '') {
  console.log(aims(rows, startup))
  if (effort.rounds >= 15) {
    const docs = new URL('../docs/', import.meta.url)
    mkdirSync(new URL('images/', docs), { recursive: true })
    writeFileSync(new URL('cost.md', docs), document({ bare, rows, startup, profile, effort }))
    writeFileSync(new URL('images/cost.svg', docs), chart(rows, bare))
    console.log('\nwritten: docs/cost.md, docs/images/cost.svg')
  }
}
