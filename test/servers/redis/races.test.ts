/** The races of several server processes, on Redis, Valkey and a Cluster. */

import { after, before } from 'node:test'
import { raceAllAtOnce, raceProcesses } from '../../races/processes.ts'
import { scopeOf } from '../process.ts'
import { type RedisCluster, startCluster } from './cluster.ts'
import { available, type RedisServer, startRedis } from './server.ts'

let drawn = 0
const scope = scopeOf(after)

for (const flavour of available('redis', 'valkey')) {
  let server: RedisServer
  before(async () => {
    server = await startRedis(scope, flavour)
  })
  const open = () => `redis://127.0.0.1:${server.port}?prefix=race-${++drawn}:`
  raceAllAtOnce(flavour, open)
  raceProcesses(flavour, open)
}

for (const flavour of available('redis')) {
  let cluster: RedisCluster
  before(async () => {
    cluster = await startCluster(scope, flavour)
  })
  const open = () => `redis+cluster://127.0.0.1:${cluster.nodes[0]!.port}?prefix=race-${++drawn}:`
  raceAllAtOnce(`a Cluster of ${flavour}`, open)
  raceProcesses(`a Cluster of ${flavour}`, open)
}
