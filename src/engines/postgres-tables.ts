/** The tables of the PostgreSQL engine: their names, their schema and its statements. @module */

import { createHash } from 'node:crypto'
import { SessionError, shown } from '../core/errors.ts'
import type { Statement } from './postgres-client.ts'

export interface PostgresTables {
  /** The schema that they are in. It must exist. @defaultValue 'public' */
  readonly schema?: string
  /** What their names begin with. @defaultValue 'holdfast' */
  readonly prefix?: string
}

/** The version of the tables that this package knows. */
export const VERSION = 1

/** What PostgreSQL cuts a longer name to, which could then be another table's. */
const MAX_NAME_BYTES = 63

/** 'hold' and 'fast' as two numbers: whoever changes the tables holds this lock. */
const LOCK = '1752132708, 1717662580'

/** Quoted, and with the schema: what a session's `search_path` says must not decide which table holds the sessions. */
export interface Names {
  readonly sessions: string
  readonly users: string
  readonly version: string
  readonly prefix: string
}

/**
 * Writes the SQL that makes or migrates the tables, for whoever gives the server's own role no right to. It is one statement, so
 * it happens whole or not at all; it changes only what is missing, so it may run again.
 *
 * @throws {SessionError} `ERR_OPTION` for a name that is not one
 */
export function postgresSchema(tables: PostgresTables = {}): string {
  const { sessions, users, version, prefix } = namesOf(tables)
  // `sweep_at` is indexed, `expires_at` is not: so that touching a session, which moves it a minute on, changes no index
  // and stays HOT. In "C", the order of keys is that of bytes: no library's update can change it under the index.
  // `record` is text: jsonb has no place for what JSON can hold (NUL, half a surrogate pair), and changes the rest.
  return `DO $holdfast$
DECLARE
  found integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK});
  IF to_regclass('${version}') IS NULL THEN
    CREATE TABLE ${version} (version integer NOT NULL);
  END IF;
  found := coalesce((SELECT max(version) FROM ${version}), 0);
  IF found > ${VERSION} THEN
    RAISE EXCEPTION 'the tables are of version %, and this package knows ${VERSION}; update holdfast', found;
  END IF;
  IF found < 1 THEN
    CREATE TABLE ${sessions} (
      id text COLLATE "C" PRIMARY KEY,
      version bigint NOT NULL,
      user_id text COLLATE "C",
      seen_at bigint NOT NULL,
      expires_at bigint NOT NULL,
      sweep_at bigint GENERATED ALWAYS AS ((expires_at + 3599999) / 3600000 * 3600000) STORED,
      record text NOT NULL
    ) WITH (fillfactor = 80);
    CREATE INDEX ${quoted(`${prefix}_sessions_sweep_at`)} ON ${sessions} (sweep_at);
    CREATE TABLE ${users} (
      user_id text COLLATE "C" PRIMARY KEY,
      version bigint NOT NULL,
      expires_at bigint NOT NULL,
      sweep_at bigint GENERATED ALWAYS AS ((expires_at + 3599999) / 3600000 * 3600000) STORED,
      ledger text NOT NULL
    ) WITH (fillfactor = 80);
    CREATE INDEX ${quoted(`${prefix}_users_sweep_at`)} ON ${users} (sweep_at);
  END IF;
  DELETE FROM ${version};
  INSERT INTO ${version} VALUES (${VERSION});
END
$holdfast$;
`
}

export type Statements = Record<
  | 'version'
  | 'load'
  | 'create'
  | 'replace'
  | 'touch'
  | 'loadUser'
  | 'createUser'
  | 'replaceUser'
  | 'scan'
  | 'sweep'
  | 'sweepUsers',
  Statement
>

/**
 * `load` takes its keys as JSON, and looks for one after another: as many as PostgreSQL may guess that there are, it goes by the
 * index, and keeps its plan. For `id = ANY ($1)` it plans anew each time, or reads a small table whole.
 *
 * @param prepared - whether connections keep them, under names
 */
export function statementsOf(tables: PostgresTables, prepared: boolean): Statements {
  const { sessions, users, version } = namesOf(tables)
  const columns = 'id, version, user_id, seen_at, expires_at, record'
  const verbs: Record<keyof Statements, string> = {
    version: `SELECT max(version) FROM ${version}`,
    load: `SELECT found.* FROM pg_catalog.json_array_elements_text($1::text::json) AS wanted (key)
      CROSS JOIN LATERAL (SELECT ${columns} FROM ${sessions} WHERE id = wanted.key OFFSET 0) AS found`,
    create: `INSERT INTO ${sessions} (version, user_id, seen_at, expires_at, record, id)
      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
    replace: `UPDATE ${sessions} SET version = $1, user_id = $2, seen_at = greatest(seen_at, $3),
      expires_at = greatest(expires_at, $4), record = $5 WHERE id = $6 AND version = $7`,
    touch: `UPDATE ${sessions} SET seen_at = greatest(seen_at, $1), expires_at = greatest(expires_at, $2)
      WHERE id = $3 AND version = $4`,
    loadUser: `SELECT user_id, version, expires_at, ledger FROM ${users} WHERE user_id = $1`,
    createUser: `INSERT INTO ${users} (version, expires_at, ledger, user_id)
      VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO NOTHING`,
    replaceUser: `UPDATE ${users} SET version = $1, expires_at = $2, ledger = $3
      WHERE user_id = $4 AND version = $5`,
    scan: `SELECT ${columns} FROM ${sessions} WHERE id > $1 ORDER BY id LIMIT $2`,
    sweep: sweepOf(sessions, 'id'),
    sweepUsers: sweepOf(users, 'user_id'),
  }
  const statements = Object.entries(verbs).map(([verb, text]) => [
    verb,
    { text, name: prepared && verb !== 'version' ? nameOf(verb, text) : null },
  ])
  return Object.fromEntries(statements) as Statements
}

/** @param condition - of the columns, and of `low`; its places begin with the third */
export function searchOf(tables: PostgresTables, condition: string): string {
  const { sessions } = namesOf(tables)
  const columns = 'id, version, user_id, seen_at, expires_at, record'
  // In "C" letters have the case that ASCII says, and not that of Turkish.
  const low = condition.includes('low') ? ', lower(record COLLATE "C") AS low' : ''
  return `WITH page AS MATERIALIZED (SELECT ${columns}${low} FROM ${sessions} WHERE id > $1 ORDER BY id LIMIT $2)
    SELECT ends.last, ends.count, found.* FROM (SELECT max(id) AS last, count(*) AS count FROM page) ends
    LEFT JOIN (SELECT ${columns} FROM page WHERE ${condition}) found ON TRUE`
}

/** Skips what others hold: two who sweep at once share the work, and neither waits for a request. */
function sweepOf(table: string, key: string): string {
  // An array, for a subquery with a limit may be run again for each row, and then it limits nothing.
  return `DELETE FROM ${table} WHERE expires_at <= $1 AND ${key} = ANY (ARRAY(
      SELECT ${key} FROM ${table}
      WHERE sweep_at <= ($1::bigint + 3599999) / 3600000 * 3600000 AND expires_at <= $1
      ORDER BY sweep_at LIMIT $2 FOR UPDATE SKIP LOCKED))`
}

/** A connection, or a pooler between, may hold statements of several tables and versions: the name says which text it is. */
function nameOf(verb: string, text: string): string {
  return `holdfast_${verb}_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}

export function namesOf({ schema = 'public', prefix = 'holdfast' }: PostgresTables): Names {
  checkName('schema', schema, '')
  checkName('prefix', prefix, '_sessions_sweep_at')
  const named = (name: string) => `${quoted(schema)}.${quoted(`${prefix}_${name}`)}`
  return { sessions: named('sessions'), users: named('users'), version: named('schema'), prefix }
}

/** Stricter than PostgreSQL, which allows anything in quotes: these names also stand inside the text of a script. */
function checkName(option: string, name: unknown, suffix: string): void {
  const valid = typeof name === 'string' && /^[\p{L}_][\p{L}\p{N}_ -]*$/u.test(name)
  if (valid && Buffer.byteLength(name + suffix) <= MAX_NAME_BYTES) return
  throw new SessionError(
    'ERR_OPTION',
    `postgres: ${option}: expected letters, digits, "_", "-" or spaces, at most ` +
      `${MAX_NAME_BYTES - suffix.length} bytes, but got ${shown(name)}`,
  )
}

export function quoted(name: string): string {
  return `"${name}"`
}
