/** Sockets on several servers over Redis. */

import { Redis } from 'ioredis'
import { redis } from '../../../src/engines/redis.ts'
import { available, startRedis } from '../redis/server.ts'
import { liveSuite } from './suite.ts'

for (const flavour of available('redis')) {
  for (const way of ['push', 'poll'] as const) {
    liveSuite(flavour, way, async (scope) => {
      const server = await startRedis(scope, flavour, '--appendonly', 'yes', '--appendfsync', 'always')
      const client = new Redis(server.port, '127.0.0.1')
      client.on('error', () => {})
      scope.after(() => client.disconnect())
      return {
        store: 'redis',
        url: `redis://127.0.0.1:${server.port}`,
        engine: redis(client),
        kill: () => server.process.kill(),
        restart: () => server.process.restart(),
        async interrupt() {
          await server.process.kill()
          await server.process.restart()
        },
      }
    })
  }
}
