/** What the tests of faults share: engines set up as the documentation advises, and patience. @module */

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../../../src/core/engine.ts'
import { postgres } from '../../../src/engines/postgres.ts'
import { Client, codeOf, type Server } from '../../attacks/support.ts'
import type { PostgresServer } from './server.ts'

export const CLIENTS = ['pg', 'postgres.js'] as const
type ClientName = (typeof CLIENTS)[number]

/** As docs/engines.md advises. */
export function engineBy(server: PostgresServer, client: ClientName, url: string, max = 10): Engine {
  return client === 'pg'
    ? postgres(server.pool(url, { max, connectionTimeoutMillis: 2_000 }))
    : postgres(server.sql(url, { max, connect_timeout: 2, fetch_types: false, backoff: () => 0.5 }))
}

/** Ends when requests do what they do in good times, without anybody's help. */
export async function answersAgain(app: Server): Promise<void> {
  await until(async () => (await codeOf(new Client(app).login('prober'))) === 'none')
}

/** Patient, for other work is going on on this machine. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'it never came to that')
    await sleep(50)
  }
}
