/** The contract through a PgBouncer that hands out another connection for each transaction. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { postgres } from '../../../src/engines/postgres.ts'
import { engineContract } from '../../../src/testing/engine-contract.ts'
import { findProgram, freePort, type Scope, ServerProcess } from '../process.ts'
import { asAccount, databaseOf, missing, PostgresServer, query } from './server.ts'

const program = process.env.HOLDFAST_PGBOUNCER ?? findProgram('pgbouncer', '/usr/sbin')
const skip = missing || (program === undefined && 'there is no pgbouncer (Debian: pgbouncer)')
if (skip) test('PgBouncer: NOT TESTED', { skip })
const server = skip ? null! : await PostgresServer.start({ after })
const port = skip ? 0 : await startBouncer({ after })
let tables = 0

/** Two connections to the server for all clients: hardly any two transactions of a client meet the same one. */
async function startBouncer(scope: Scope): Promise<number> {
  const listening = await freePort()
  const file = join(server.folder, 'pgbouncer.ini')
  const users = join(server.folder, 'users.txt')
  writeFileSync(users, '"postgres" ""\n')
  writeFileSync(
    file,
    `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listening}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = 2
`,
  )
  await ServerProcess.start(scope, {
    ...asAccount(program!, [file]),
    ready: () => query(listening, 'SELECT 1'),
  })
  return listening
}

describe('postgres, through PgBouncer by transactions, with prepare: false', { skip }, async () => {
  const url = skip ? '' : server.url(databaseOf(await server.database()), port)
  const options = () => ({ prepare: false, prefix: `t${++tables}` })

  describe('pg: the contract', () => {
    const pool = server.pool(url)
    engineContract({ test, create: () => postgres(pool, options()) })
  })

  describe('postgres.js: the contract', () => {
    const sql = server.sql(url, { fetch_types: false })
    engineContract({ test, create: () => postgres(sql, options()) })
  })
})
