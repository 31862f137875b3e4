/** The audit log in PostgreSQL: triggers refuse to change what is there, and the chain tells of whoever removed them. @module */

import { setTimeout as sleep } from 'node:timers/promises'
import type { MacKey } from '#crypto'
import {
  type PgPool,
  type PostgresJs,
  type Result,
  runnerOf,
  type Value,
} from '../engines/postgres-client.ts'
import { type AuditRow, GENESIS, type Head, seal } from './chain.ts'
import type { AuditStore } from './store.ts'

/** How long an append tries again, when others were faster. */
const PATIENCE = 2_000

/** unique_violation: somebody else's row has this number. The trigger says the same of a number that doesn't come next. */
const TAKEN = '23505'

/** 'hold' and 'audi' as two numbers: whoever makes the table holds this lock. */
const LOCK = '1752132708, 1635083369'

const TABLE = 'public.holdfast_audit'
const EXISTS = `SELECT to_regclass('${TABLE}') IS NOT NULL`
const LAST = `SELECT seq, seal FROM ${TABLE} ORDER BY seq DESC LIMIT 1`
const READ = `SELECT seq, entry, seal FROM ${TABLE} WHERE seq > $1 ORDER BY seq LIMIT $2`
const INDEXED = "SELECT to_regclass('public.holdfast_audit_user') IS NOT NULL"
const READ_BACK = `SELECT seq, entry, seal FROM ${TABLE} WHERE seq < $1 ORDER BY seq DESC LIMIT $2`

/**
 * By a pattern, and not as JSON: PostgreSQL refuses some of it (NUL, half a surrogate pair), and an index that refuses a
 * row would keep every event from being written. Within a string quotes are escaped, so it can't be found there. Hashed,
 * for an index takes no long values.
 */
const hashOf = (name: string) => `md5(substring(entry from '"${name}":("(?:[^"\\\\]|\\\\.)*")'))`
const readOf = (name: string) => `SELECT seq, entry, seal FROM ${TABLE}
  WHERE ${hashOf(name)} = md5($1) AND seq < $2 ORDER BY seq DESC LIMIT $3`
const READ_OF = { sessionId: readOf('sessionId'), userId: readOf('userId') }

/**
 * Writes the SQL that makes the audit log's table, for whoever gives the server's own role no right to. That role needs
 * `SELECT` and `INSERT` on it, and had better not own it: the owner can remove the triggers.
 */
export function auditSchema(): string {
  // `entry` is text: jsonb would write it anew, and its seal would be another text's.
  return `DO $holdfast$
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK});
  IF to_regclass('${TABLE}') IS NULL THEN
    CREATE TABLE ${TABLE} (seq bigint PRIMARY KEY, entry text NOT NULL, seal text NOT NULL);
    CREATE FUNCTION ${TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS $refuse$
      BEGIN
        RAISE EXCEPTION 'holdfast_audit is append-only';
      END
    $refuse$;
    CREATE FUNCTION ${TABLE}_append() RETURNS trigger LANGUAGE plpgsql AS $append$
      BEGIN
        IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM ${TABLE}) THEN
          RAISE EXCEPTION 'holdfast_audit is append-only' USING ERRCODE = 'unique_violation';
        END IF;
        RETURN NEW;
      END
    $append$;
    CREATE TRIGGER holdfast_audit_change BEFORE UPDATE OR DELETE ON ${TABLE}
      FOR EACH ROW EXECUTE FUNCTION ${TABLE}_refuse();
    CREATE TRIGGER holdfast_audit_truncate BEFORE TRUNCATE ON ${TABLE}
      FOR EACH STATEMENT EXECUTE FUNCTION ${TABLE}_refuse();
    CREATE TRIGGER holdfast_audit_append BEFORE INSERT ON ${TABLE}
      FOR EACH ROW EXECUTE FUNCTION ${TABLE}_append();
  END IF;
  CREATE INDEX IF NOT EXISTS holdfast_audit_session ON ${TABLE} ((${hashOf('sessionId')}), seq);
  CREATE INDEX IF NOT EXISTS holdfast_audit_user ON ${TABLE} ((${hashOf('userId')}), seq);
END
$holdfast$;
`
}

/**
 * Keeps an audit log in PostgreSQL. An append is one statement behind one that reads the head: where two servers go on
 * from the same head, one row's number is taken, and that one tries again.
 *
 * @param client - of the primary; it stays open
 * @param options.create - whether a table that isn't there is made at first use
 * @throws {SessionError} `ERR_OPTION` when it is no client that we know
 */
export function postgresStore(
  client: PgPool | PostgresJs,
  key: MacKey | null,
  { create }: { readonly create: boolean },
): AuditStore {
  const execute = runnerOf(client)
  const run = (text: string, values: readonly Value[] = []) => execute({ name: null, text }, values)
  let ready = false

  async function prepare(): Promise<void> {
    if (ready) return
    if (!(await exists())) {
      if (!create) throw new Error(`there is no table ${TABLE}`)
      const made = await run(auditSchema()).catch((error: unknown) => error)
      // Another process may have made it after our snapshot was taken.
      if (!(await exists())) throw made
    } else if (create && !(await isIndexed())) {
      // Whoever may not make them goes without: what reads one session's events then takes longer.
      await run(auditSchema()).catch(() => {})
    }
    ready = true
  }

  async function exists(): Promise<boolean> {
    return (await run(EXISTS)).rows[0]?.[0] === true
  }

  async function isIndexed(): Promise<boolean> {
    return (await run(INDEXED)).rows[0]?.[0] === true
  }

  async function head(): Promise<Head> {
    await prepare()
    const row = (await run(LAST)).rows[0]
    return row ? { seq: Number(row[0]), seal: String(row[1]) } : GENESIS
  }

  async function read(text: string, ...values: Value[]): Promise<AuditRow[]> {
    await prepare()
    const { rows } = await run(text, values)
    return rows.map(([seq, entry, seal]) => ({ seq: Number(seq), entry: String(entry), seal: String(seal) }))
  }

  async function append(entries: readonly string[]): Promise<void> {
    const deadline = performance.now() + PATIENCE
    for (let longest = 4; ; longest = Math.min(2 * longest, 64)) {
      try {
        await insert(run, rowsBehind(await head(), entries, key))
        return
      } catch (error) {
        const { code } = (error ?? {}) as { code?: unknown }
        if (code !== TAKEN || performance.now() > deadline) throw error
      }
      await sleep(Math.random() * longest)
    }
  }

  return {
    name: 'postgres',
    append,
    head,
    read: (after, limit) => read(READ, after, limit),
    readBack: (before, limit) => read(READ_BACK, before, limit),
    readOf: (name, value, before, limit) => read(READ_OF[name], JSON.stringify(value), before, limit),
    close() {},
  }
}

function rowsBehind(head: Head, entries: readonly string[], key: MacKey | null): AuditRow[] {
  let last = head
  return entries.map((entry) => {
    const row = seal(last, entry, key)
    last = row
    return row
  })
}

/** All of them or none: one statement is one transaction. */
function insert(
  run: (text: string, values: readonly Value[]) => Promise<Result>,
  rows: readonly AuditRow[],
): Promise<Result> {
  const places = rows.map((_, n) => `($${3 * n + 1}::bigint, $${3 * n + 2}, $${3 * n + 3})`)
  const values = rows.flatMap(({ seq, entry, seal }) => [seq, entry, seal])
  return run(`INSERT INTO ${TABLE} (seq, entry, seal) VALUES ${places.join(', ')}`, values)
}
