/** A pool of pg for a program that is told by a URL where its PostgreSQL is. @module */

import type { Pool } from 'pg'
import { SessionError } from '../core/errors.ts'

/** How long it waits for a connection, in milliseconds, and for an answer: less than an engine's deadline. */
const STARTING = 5_000
const PATIENCE = 1_500

/**
 * Connects, so that a wrong URL is told at once.
 *
 * @throws {SessionError} `ERR_OPTION` when pg isn't installed; `ERR_ENGINE` when no server answers, or refuses
 */
export async function openPool(url: string): Promise<Pool> {
  const { Pool } = await importPg()
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: STARTING,
    query_timeout: PATIENCE,
    max: 4,
  })
  // Of connections that lie idle: the next query opens another.
  pool.on('error', () => {})
  try {
    await pool.query('SELECT 1')
    return pool
  } catch (cause) {
    await pool.end()
    // Node's error for a host with several addresses has no message of its own.
    const { message, code } = cause as NodeJS.ErrnoException
    throw new SessionError('ERR_ENGINE', `postgres: no server answers: ${message || code}`, { cause })
  }
}

async function importPg() {
  try {
    return (await import('pg')).default
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new SessionError('ERR_OPTION', 'PostgreSQL needs the package pg: npm install pg', { cause })
  }
}
