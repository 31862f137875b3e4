/** Holdfast on the engines for servers, with their clients as their pages show them. @module */

import { nearCache } from 'holdfast/near-cache'
import { postgres } from 'holdfast/postgres'
import { postgresChannel } from 'holdfast/postgres-channel'
import { redis } from 'holdfast/redis'
import { redisChannel } from 'holdfast/redis-channel'
import { onExpress, onNode } from './holdfast.ts'
import { postgresPool, redisClient } from './servers.ts'

export const nodeRedis = () => onNode(redis(redisClient()))
export const expressRedis = () => onExpress(redis(redisClient()))
export const nodePostgres = () => onNode(postgres(postgresPool()))
export const expressPostgres = () => onExpress(postgres(postgresPool()))

export function nodeNearRedis() {
  const client = redisClient()
  return onNode(nearCache(redis(client), { channel: redisChannel(client) }))
}

export function nodeNearPostgres() {
  const pool = postgresPool()
  return onNode(nearCache(postgres(pool), { channel: postgresChannel(pool) }))
}
