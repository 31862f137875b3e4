/** Another process that writes to the same log, once told to: `node child.ts FILE COUNT`. @module */

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { auditTo } from '../../src/audit/audit.ts'
import { eventOf } from './fixtures.ts'

const [file = '', count = '0'] = process.argv.slice(2)
const audit = auditTo(file, { server: `child-${process.pid}` })
process.stdout.write('ready')
await once(process.stdin, 'data')
process.stdin.destroy()
for (let n = 0; n < Number(count); n++) {
  audit.onEvent(eventOf({ id: `${process.pid}.${n}` }))
  // In many small batches with pauses between, so that the processes take turns.
  await audit.flush()
  await sleep(1)
}
await audit.close()
