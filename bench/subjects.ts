import type { Subject } from './measure.ts'

const HTTP = 'node:http'
const EXPRESS = 'Express'
const FASTIFY = 'Fastify'

/** All that is measured, in the order of the table. */
export const SUBJECTS: readonly Subject[] = [
  { name: HTTP, from: ['bare.js', 'nodeHttp'], above: HTTP },
  { name: EXPRESS, from: ['bare.js', 'express'], above: EXPRESS },
  { name: FASTIFY, from: ['bare.js', 'fastify'], above: FASTIFY },
  { name: 'floor, memory', from: ['floor.ts', 'memory'], above: HTTP },
  { name: 'floor, SQLite', from: ['floor.ts', 'sqlite'], above: HTTP },
  { name: 'Holdfast, memory, node:http', from: ['holdfast.ts', 'nodeMemory'], above: HTTP },
  { name: 'Holdfast, SQLite, node:http', from: ['holdfast.ts', 'nodeSqlite'], above: HTTP },
  { name: 'Holdfast, memory, Express', from: ['holdfast.ts', 'expressMemory'], above: EXPRESS },
  { name: 'Holdfast, SQLite, Express', from: ['holdfast.ts', 'expressSqlite'], above: EXPRESS },
  { name: 'express-session, memory', from: ['peers.js', 'expressSession'], above: EXPRESS },
  { name: '@fastify/session, memory', from: ['peers.js', 'fastifySession'], above: FASTIFY },
  { name: '@fastify/secure-session', from: ['peers.js', 'fastifySecureSession'], above: FASTIFY },
  { name: 'iron-session', from: ['peers.js', 'ironSession'], above: HTTP },
]
