/** Others with their stores for servers, as their manuals show them. connect-redis takes node-redis alone. @module */

import { expressSessionOn, fastifySessionOn } from './peers.js'

export const expressRedis = () => expressSessionOn(redisStore)
export const fastifyRedis = async () => fastifySessionOn(await redisStore())

export function expressPostgres() {
  return expressSessionOn(async (session) => {
    const { default: storeOf } = await import('connect-pg-simple')
    const { postgresPool } = await import('./servers.ts')
    const Store = storeOf(session)
    return new Store({ pool: postgresPool(), createTableIfMissing: true })
  })
}

async function redisStore() {
  const { RedisStore } = await import('connect-redis')
  const { createClient } = await import('redis')
  const client = createClient({ url: process.env.HOLDFAST_BENCH_REDIS })
  await client.connect()
  return new RedisStore({ client })
}
