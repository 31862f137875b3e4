import type { Subject } from '../measure.ts'

const HTTP = 'node:http'
const EXPRESS = 'Express'
const FASTIFY = 'Fastify'

/** All that is measured, in the order of the table. */
export const SUBJECTS: readonly Subject[] = [
  { name: HTTP, from: ['bare.js', 'nodeHttp'], above: HTTP },
  { name: EXPRESS, from: ['bare.js', 'express'], above: EXPRESS },
  { name: FASTIFY, from: ['bare.js', 'fastify'], above: FASTIFY },
  { name: 'floor, Redis', from: ['floor-servers.ts', 'redis'], above: HTTP },
  { name: 'Holdfast, Redis, node:http', from: ['holdfast-servers.ts', 'nodeRedis'], above: HTTP },
  {
    name: 'Holdfast, Redis behind a near cache, node:http',
    from: ['holdfast-servers.ts', 'nodeNearRedis'],
    above: HTTP,
  },
  { name: 'Holdfast, Redis, Express', from: ['holdfast-servers.ts', 'expressRedis'], above: EXPRESS },
  { name: 'express-session, connect-redis', from: ['peers-servers.js', 'expressRedis'], above: EXPRESS },
  { name: '@fastify/session, connect-redis', from: ['peers-servers.js', 'fastifyRedis'], above: FASTIFY },
  { name: 'floor, PostgreSQL', from: ['floor-servers.ts', 'postgres'], above: HTTP },
  { name: 'Holdfast, PostgreSQL, node:http', from: ['holdfast-servers.ts', 'nodePostgres'], above: HTTP },
  {
    name: 'Holdfast, PostgreSQL behind a near cache, node:http',
    from: ['holdfast-servers.ts', 'nodeNearPostgres'],
    above: HTTP,
  },
  { name: 'Holdfast, PostgreSQL, Express', from: ['holdfast-servers.ts', 'expressPostgres'], above: EXPRESS },
  {
    name: 'express-session, connect-pg-simple',
    from: ['peers-servers.js', 'expressPostgres'],
    above: EXPRESS,
  },
]
