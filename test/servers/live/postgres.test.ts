/** Sockets on several servers over PostgreSQL. */

import { postgres } from '../../../src/engines/postgres.ts'
import { databaseOf, missing, PostgresServer } from '../postgres/server.ts'
import { liveSuite } from './suite.ts'

if (!missing) {
  for (const way of ['push', 'poll'] as const) {
    liveSuite('postgres', way, async (scope) => {
      const server = await PostgresServer.start(scope, [])
      const url = await server.database()
      return {
        store: 'postgres',
        url,
        engine: postgres(server.pool(url, { max: 2, connectionTimeoutMillis: 2_000 })),
        kill: () => server.kill(),
        restart: () => server.restart(),
        interrupt: () =>
          server.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${databaseOf(url)}'`,
          ),
      }
    })
  }
}
