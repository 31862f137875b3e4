/** Redis and Valkey for the tests: one server, or a primary with its replica. @module */

import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { findProgram, freePort, type Scope, ServerProcess, temporaryFolder } from '../process.ts'

export type Flavour = 'redis' | 'valkey'

/** A server, and where it listens. */
export interface RedisServer {
  readonly process: ServerProcess
  readonly port: number
  /** Sends one command on a connection of its own. */
  ask(...command: string[]): Promise<unknown>
}

/**
 * The server's program. Debian's packages of the tools hold the very same one under the name of a checker, and unlike those
 * of the servers they start nothing.
 */
function programOf(flavour: Flavour): { file: string; argv0: string } | undefined {
  const file =
    process.env[`HOLDFAST_${flavour.toUpperCase()}`] ??
    findProgram(`${flavour}-server`, '/usr/bin') ??
    findProgram(`${flavour}-check-rdb`, '/usr/bin')
  return file === undefined ? undefined : { file, argv0: `${flavour}-server` }
}

/** Which of the two can be had. Says loudly which can't, as a test that is skipped. */
export function available(...flavours: Flavour[]): Flavour[] {
  return flavours.filter((flavour) => {
    if (programOf(flavour)) return true
    test(`${flavour}: NOT TESTED`, {
      skip: `there is no ${flavour}-server; npm run test:engines installs it`,
    })
    return false
  })
}

/** Starts a server that writes nothing to the disk, unless `args` say otherwise. */
export async function startRedis(
  scope: Scope,
  flavour: Flavour = 'redis',
  ...args: string[]
): Promise<RedisServer> {
  const port = await freePort()
  const folder = temporaryFolder(scope, flavour)
  const ask = (...command: string[]) => askPort(port, ...command)
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const ready = async () => {
    if ((await ask('PING')) !== 'PONG') throw new Error('no PONG')
  }
  const program = programOf(flavour)!
  const process = await ServerProcess.start(scope, { ...program, args: [...settings, ...args], ready })
  return { process, port, ask }
}

/** Starts a replica, and waits until it has everything. @param port - where it finds its primary */
export async function startReplica(
  scope: Scope,
  primary: RedisServer,
  port = primary.port,
): Promise<RedisServer> {
  const replica = await startRedis(scope, 'redis', '--replicaof', `127.0.0.1 ${port}`)
  await until(async () => /master_link_status:up/.test(String(await replica.ask('INFO', 'replication'))))
  // Its first acknowledgement makes it one that counts.
  await until(async () =>
    /state=online,offset=\d+,lag=[01]\b/.test(String(await primary.ask('INFO', 'replication'))),
  )
  return replica
}

async function askPort(port: number, ...[name, ...args]: string[]): Promise<unknown> {
  const client = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => {})
  try {
    await client.connect()
    return await client.call(name!, ...args)
  } finally {
    client.disconnect()
  }
}

/** Waits for a condition; a rejection means not yet. */
export async function until(condition: () => Promise<boolean> | boolean, patience = 30_000): Promise<void> {
  const deadline = performance.now() + patience
  for (;;) {
    let why: unknown = 'it is still false'
    try {
      if (await condition()) return
    } catch (error) {
      why = error
    }
    if (performance.now() > deadline) throw new Error(`waited in vain for ${condition}: ${why}`)
    await sleep(20)
  }
}
