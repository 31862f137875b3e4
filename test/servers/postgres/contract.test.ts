/** The contract, on a real server, by both clients, and with what they may be set up to do to statements and rows. */

import { after, describe, test } from 'node:test'
import pg from 'pg'
import postgresJs from 'postgres'
import { type PostgresOptions, postgres } from '../../../src/engines/postgres.ts'
import { engineContract } from '../../../src/testing/engine-contract.ts'
import { missing, PostgresServer } from './server.ts'

const SERIALIZABLE = { default_transaction_isolation: 'serializable' } as const
const server = missing ? null! : await PostgresServer.start({ after })
let tables = 0

/** Each test gets tables of its own. */
function contract(client: Parameters<typeof postgres>[0], options: PostgresOptions = {}): void {
  engineContract({
    test,
    create: () => postgres(client, { prefix: `Sitzungen-${++tables}`, ...options }),
  })
}

describe('postgres', { skip: missing }, async () => {
  const url = missing ? '' : await server.database()

  describe('pg: the contract', () => contract(server.pool(url)))

  describe('pg, serializable, with bigints, and nothing prepared: the contract', () => {
    const types = {
      getTypeParser: (id: number, format: 'text') =>
        id === 20 ? BigInt : pg.types.getTypeParser(id, format),
    }
    const options = '-c default_transaction_isolation=serializable'
    contract(server.pool(url, { types: types as never, options }), { prepare: false })
  })

  describe('postgres.js: the contract', () => contract(server.sql(url)))

  describe('postgres.js, serializable, with bigints and other names of columns: the contract', () => {
    const types = { bigint: postgresJs.BigInt }
    contract(server.sql(url, { types, transform: postgresJs.camel, connection: SERIALIZABLE }))
  })

  describe('postgres.js, and nothing prepared: the contract', () => {
    contract(server.sql(url, { prepare: false }))
  })
})
