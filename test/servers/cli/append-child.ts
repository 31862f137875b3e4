/** Another server that writes to the same log, once told to: `node append-child.ts URL COUNT`. @module */

import { once } from 'node:events'
import { Pool } from 'pg'
import { auditTo } from '../../../src/audit/audit.ts'
import { eventOf } from '../../audit/fixtures.ts'

const [url = '', count = '0'] = process.argv.slice(2)
const pool = new Pool({ connectionString: url })
const audit = auditTo(pool)
process.stdout.write('ready')
await once(process.stdin, 'data')
process.stdin.destroy()
for (let n = 0; n < Number(count); n++) {
  audit.onEvent(eventOf({ id: `${process.pid}.${n}` }))
  await audit.flush()
}
await audit.close()
await pool.end()
