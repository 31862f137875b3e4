/** Holdfast on the engines for servers, with their clients as their pages show them. @module */

import { postgres } from 'holdfast/postgres'
import { redis } from 'holdfast/redis'
import { onExpress, onNode } from './holdfast.ts'
import { postgresPool, redisClient } from './servers.ts'

export const nodeRedis = () => onNode(redis(redisClient()))
export const expressRedis = () => onExpress(redis(redisClient()))
export const nodePostgres = () => onNode(postgres(postgresPool()))
export const expressPostgres = () => onExpress(postgres(postgresPool()))
