/**
 * Tells what changes in PostgreSQL, by a trigger that notifies: whoever changes it, by whatever program.
 * @see https://www.postgresql.org/docs/current/sql-notify.html
 * @module
 */

import { createHash } from 'node:crypto'
import { SessionError } from '../core/errors.ts'
import type { ChangeChannel } from './change-channel.ts'
import { type Connection, type Ear, line } from './change-line.ts'
import { namesOf, type PostgresTables } from './postgres-tables.ts'
import { fromColumn } from './rows.ts'

/** What is used of a `Pool` of `pg`. One of its connections is taken for as long as the channel is open. */
export interface ListeningPool {
  readonly options: { readonly max?: number | undefined }
  query(text: string, values: string[]): Promise<unknown>
  connect(): Promise<ListeningClient>
}

interface ListeningClient {
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown
  on(event: 'error' | 'end', listener: (error?: Error) => void): unknown
  release(destroy: boolean): void
}

/** Notifications hold fewer than 8000 bytes; ids of ours have 22. */
const LONGEST_ID = 4_000

/**
 * Tells of changes in PostgreSQL, for `nearCache(postgres(pool), { channel: postgresChannel(pool) })`. The trigger is made at
 * first use, once the engine has made its tables; where the server's role may not, whoever may runs `postgresTrigger()`.
 *
 * @param pool - of pg, of two connections or more, to the server itself: a pooler that hands out another connection for each
 *   transaction passes no notifications on
 * @param tables - those of the engine
 * @throws {SessionError} `ERR_OPTION`
 */
export function postgresChannel(pool: ListeningPool, tables: PostgresTables = {}): ChangeChannel {
  if (typeof pool?.connect !== 'function' || typeof pool.query !== 'function' || !pool.options) {
    throw new SessionError('ERR_OPTION', 'postgresChannel: expected a Pool of pg')
  }
  if (pool.options.max === 1) {
    throw new SessionError('ERR_OPTION', 'postgresChannel: the pool needs a second connection: max 2 or more')
  }
  const { sessions } = namesOf(tables)
  const channel = channelOf(sessions)

  /** Looks for the trigger before it makes one, which takes a lock on the table. */
  async function begin(client: ListeningClient): Promise<void> {
    const { rows } = await client.query(
      `SELECT 1 FROM pg_trigger WHERE tgrelid = '${sessions}'::regclass AND tgname = '${channel}_all'`,
    )
    if (rows.length === 0) await client.query(postgresTrigger(tables))
    await client.query(`LISTEN ${channel}`)
  }

  function open(ear: Ear): Connection {
    let closed = false
    let client: ListeningClient | undefined
    const gone = (why: unknown) => ear.gone(why ?? new Error('its connection is closed'), true)
    pool
      .connect()
      .then(async (connected) => {
        if (closed) return connected.release(true)
        client = connected
        connected.on('notification', ({ payload = '' }) => tell(payload, ear))
        connected.on('error', gone)
        connected.on('end', () => gone(undefined))
        await begin(connected)
        ear.ready()
      })
      .catch(gone)
    return {
      close() {
        if (!closed) client?.release(true)
        closed = true
      },
    }
  }

  return line({
    name: 'postgres',
    open,
    send: (name) => pool.query('SELECT pg_notify($1, $2)', [channel, `n${name}`]),
  })
}

/**
 * Writes the SQL of the trigger, for whoever gives the server's own role no right to make it. It may run again.
 *
 * @throws {SessionError} `ERR_OPTION` for a name that is not one
 */
export function postgresTrigger(tables: PostgresTables = {}): string {
  const { sessions } = namesOf(tables)
  const name = channelOf(sessions)
  const told = sessions.replace(/"[^"]*"$/, name)
  // Not at an insert, of which nobody remembers that it was not there.
  return `BEGIN;
CREATE OR REPLACE FUNCTION ${told}() RETURNS trigger LANGUAGE plpgsql AS $holdfast$
BEGIN
  IF TG_LEVEL = 'STATEMENT' OR octet_length(OLD.id) > ${LONGEST_ID} THEN
    PERFORM pg_notify('${name}', '*');
  ELSE
    PERFORM pg_notify('${name}', 's' || OLD.id);
  END IF;
  RETURN NULL;
END
$holdfast$;
CREATE OR REPLACE TRIGGER ${name} AFTER UPDATE OR DELETE ON ${sessions}
  FOR EACH ROW EXECUTE FUNCTION ${told}();
CREATE OR REPLACE TRIGGER ${name}_all AFTER TRUNCATE ON ${sessions}
  FOR EACH STATEMENT EXECUTE FUNCTION ${told}();
COMMIT;
`
}

/** Notifications know no schema: a name of their own for each table. */
function channelOf(sessions: string): string {
  return `holdfast_${createHash('sha256').update(sessions).digest('hex').slice(0, 16)}`
}

function tell(payload: string, ear: Ear): void {
  if (payload.startsWith('s')) ear.changed(fromColumn(payload.slice(1)))
  else if (payload.startsWith('n')) ear.heard(payload.slice(1))
  else ear.all()
}
