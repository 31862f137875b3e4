/**
 * An engine by its URL, for programs that are told on their command line where sessions are kept. It brings the client,
 * with options that fail fast and recover by themselves; an application that has a client of its own makes its engine itself.
 * @module
 */

import type { Cluster, Redis } from 'ioredis'
import type { Engine } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'

/** How long a client waits, in milliseconds: less than an engine's deadline, so that it is the client that gives up. */
const PATIENCE = 1_500
/** How long it tries to reach a server at first, which may be starting just now. */
const STARTING = 5_000

/**
 * Opens the engine that a URL names, and what it needs. Its `close` ends that, too.
 *
 * - `memory`
 * - `sqlite:FILE`
 * - `redis://[user:password@]host[:port][/database]`, and `rediss://` with TLS; `valkey` for `redis` means the same
 * - `redis+cluster://[user:password@]host:port,host:port`, any of the nodes; and `rediss+cluster://`
 * - `postgres://[user:password@]host[:port]/database`, or `postgresql://`, with whatever parameters `pg` knows
 *
 * `?prefix=app:` puts another prefix before each key of Redis; of PostgreSQL, `?prefix=app&schema=sessions` names the tables.
 *
 * @param options.migrate - whether the tables of SQLite and PostgreSQL are made or brought up to date, or only looked at
 * @throws {SessionError} `ERR_OPTION` when the URL makes no sense, or its client library isn't installed; `ERR_ENGINE` when
 *   no server answers
 */
export async function openEngine(
  url: string,
  { migrate = true }: { readonly migrate?: boolean } = {},
): Promise<Engine> {
  if (url === 'memory') return (await import('./memory.ts')).memory()
  const [, scheme = '', rest = ''] = /^([a-z+]+):(.*)$/s.exec(url) ?? []
  if (scheme === 'sqlite') return (await import('./sqlite.ts')).sqlite(rest, { migrate })
  if (/^(redis|valkey)s?(\+cluster)?$/.test(scheme)) return openRedis(scheme, rest)
  if (/^postgres(ql)?$/.test(scheme)) return openPostgres(url, migrate)
  throw new SessionError(
    'ERR_OPTION',
    `There is no engine for ${scheme === '' ? 'that' : `${scheme}:`}; expected memory, sqlite:FILE, redis://…, redis+cluster://… or postgres://…`,
  )
}

async function openRedis(scheme: string, rest: string): Promise<Engine> {
  const [kind = '', cluster] = scheme.split('+')
  const { hosts, user, password, database, prefix } = parse(rest, cluster !== undefined)
  const library = await load('ioredis', () => import('ioredis'))
  const options = {
    ...(user && { username: user }),
    ...(password && { password }),
    ...(database && { db: database }),
    ...(/^(rediss|valkeys)$/.test(kind) && { tls: {} }),
    ...fastFailing,
  }
  const client = cluster
    ? new library.Cluster(hosts, {
        redisOptions: options,
        lazyConnect: true,
        enableOfflineQueue: false,
        enableAutoPipelining: true,
        slotsRefreshInterval: 1_000,
        slotsRefreshTimeout: PATIENCE,
        clusterRetryStrategy: pause,
      })
    : new library.Redis({ ...options, ...hosts[0], lazyConnect: true, enableAutoPipelining: true })
  const { redis } = await import('./redis.ts')
  const engine = redis(client, prefix === undefined ? {} : { prefix })
  await connect(client, hosts)
  return { ...engine, close: () => end(client) }
}

async function openPostgres(text: string, migrate: boolean): Promise<Engine> {
  const url = URL.parse(text)
  if (!url) throw new SessionError('ERR_OPTION', 'expected postgres://[user:password@]host[:port]/database')
  const tables = Object.fromEntries(
    ['schema', 'prefix'].flatMap((name) => {
      const value = url.searchParams.get(name)
      url.searchParams.delete(name)
      return value === null ? [] : [[name, value]]
    }),
  )
  const { Pool } = await load('pg', () => import('pg'))
  const { postgres } = await import('./postgres.ts')
  const pool = new Pool({ connectionString: url.href, connectionTimeoutMillis: PATIENCE })
  // The verbs tell of what matters. Without a listener, an idle connection that ends would end the process.
  pool.on('error', () => {})
  try {
    const engine = postgres(pool, { ...tables, migrate })
    await engine.load('')
    return { ...engine, close: () => pool.end() }
  } catch (error) {
    await pool.end()
    throw error
  }
}

const pause = (attempt: number) => Math.min(50 * attempt, 500)

/**
 * Nothing queues up while there is no connection, and nothing is sent a second time: a request is refused at once, and what
 * was told to have failed doesn't happen later.
 */
const fastFailing = {
  connectTimeout: PATIENCE,
  commandTimeout: PATIENCE,
  socketTimeout: PATIENCE,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  retryStrategy: pause,
  // A primary that has become a replica: behind the same name there may be another one by now.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
}

interface Place {
  readonly hosts: { readonly host: string; readonly port: number }[]
  readonly user: string
  readonly password: string
  readonly database: number
  readonly prefix: string | undefined
}

function parse(rest: string, cluster: boolean): Place {
  // A URL has one host: of a cluster's, the others are taken out before.
  const [, credentials = '', hosts = '', tail = ''] = /^\/\/(?:([^@/?]*)@)?([^/?]*)(.*)$/s.exec(rest) ?? []
  try {
    const { username, password, pathname, searchParams } = new URL(`redis://${credentials}@host${tail}`)
    const found = hosts.split(',').map((host) => {
      const { hostname, port } = new URL(`redis://${host}`)
      if (hostname === '') throw new Error()
      return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) }
    })
    const database = Number(pathname.slice(1))
    const unknown = [...searchParams.keys()].some((name) => name !== 'prefix')
    if (!Number.isSafeInteger(database) || unknown || (!cluster && found.length > 1)) throw new Error()
    return {
      hosts: found,
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database,
      prefix: searchParams.get('prefix') ?? undefined,
    }
  } catch {
    // Without the URL itself, which may hold a password.
    throw new SessionError(
      'ERR_OPTION',
      'expected redis://[user:password@]host[:port][/database][?prefix=…], or redis+cluster:// and several host:port',
    )
  }
}

/** Imports a library that is the user's to install. */
async function load<T>(name: string, library: () => Promise<T>): Promise<T> {
  try {
    return await library()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new SessionError('ERR_OPTION', `This engine needs the package ${name}: npm install ${name}`, {
      cause,
    })
  }
}

/** Waits until it is ready. Its own promise may never settle, where a cluster is not whole yet. */
async function connect(client: Redis | Cluster, hosts: Place['hosts']): Promise<void> {
  let why: unknown
  client.on('error', (error) => {
    why = error
  })
  client.connect().catch(() => {})
  const ready = Promise.withResolvers<void>()
  client.once('ready', ready.resolve)
  const timer = setTimeout(ready.reject, STARTING)
  try {
    await ready.promise
  } catch {
    client.disconnect()
    const where = hosts.map(({ host, port }) => `${host}:${port}`).join(', ')
    const reason = why instanceof Error ? why.message : 'not ready in time'
    // Without its cause: ioredis attaches the refused command to it, and AUTH's is the password.
    throw new SessionError('ERR_ENGINE', `redis: no server answers at ${where}: ${reason}`)
  } finally {
    clearTimeout(timer)
  }
}

async function end(client: Redis | Cluster): Promise<void> {
  try {
    await client.quit()
  } catch {
    client.disconnect()
  }
}
