/** Clients of the servers that a run has started, the same for every system that can take them. @module */

import { Redis } from 'ioredis'
import { Pool } from 'pg'

export function redisClient(): Redis {
  return new Redis(process.env.HOLDFAST_BENCH_REDIS!, { enableAutoPipelining: true })
}

export function postgresPool(): Pool {
  return new Pool({ connectionString: process.env.HOLDFAST_BENCH_POSTGRES!, max: 10 })
}
