import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { System } from './tasks.ts'

/** Connections wait for their turn longer than the five seconds that Node gives them. */
export const PATIENCE = 60 * 60 * 1000

export async function listen(server: Server): Promise<System> {
  server.keepAliveTimeout = PATIENCE
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port }
}
