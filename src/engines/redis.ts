/**
 * Sessions in Redis 7 or Valkey, alone or as a Cluster, through the client that you have: ioredis (the reference), iovalkey
 * or node-redis. One command for each read and one script for each write, or one for all of a moment.
 *
 * What a failover does: Redis acknowledges a write before its replicas have it. Logins and endings are answered when one
 * replica has them, where there is one that answers; `docs/engines.md` says what remains.
 * @see https://redis.io/docs/latest/commands/wait/
 * @module
 */

import type { Engine, UserLedger } from '../core/engine.ts'
import { SessionError, shown } from '../core/errors.ts'
import { Batch } from './batch.ts'
import { type Commands, commandsOf, type RedisClient, sendNow } from './redis-client.ts'
import {
  ofLedger,
  ofRecord,
  parseValue,
  SCRIPTS,
  toRecord,
  touchArguments,
  type Value,
} from './redis-scripts.ts'
import { apart, failing, failure, repliesOf, Writer } from './redis-writer.ts'

export interface RedisOptions {
  /** What every key begins with. Two applications in one database need two. @defaultValue 'holdfast:' */
  readonly prefix?: string
}

const LARGEST_PAGE = 1_000

/**
 * Keeps sessions in Redis. The client stays yours, with its pool, TLS and retries: `close` leaves it open.
 *
 * @param client - of ioredis or iovalkey (`Redis`, `Cluster`) or node-redis (client, pool or cluster), connected or connecting
 * @throws {SessionError} `ERR_OPTION`; from the verbs `ERR_ENGINE`, and `ERR_ENGINE_FULL` where `maxmemory` is reached
 */
export function redis(client: RedisClient, options: RedisOptions = {}): Engine {
  const commands = commandsOf(client)
  if (!commands)
    throw new SessionError('ERR_OPTION', 'redis: expected a client of ioredis, iovalkey or redis')
  const prefix = check(options)
  const writer = new Writer(commands)
  const sessionKey = (id: string) => `${prefix}s:${toKey(id)}`
  const userKey = (userId: string) => `${prefix}u:${toKey(userId)}`

  const batch = new Batch<string, unknown>(
    async (keys) => repliesOf(await sendNow(commands, keys[0]!, ['MGET', ...keys]), keys.length),
    apart,
  )

  /** A replica refuses `GETEX`, which counts as a write; and a cluster's client may send it what only reads. */
  const get = (key: string, fresh: boolean) =>
    commands.send(key, [fresh || commands.cluster ? 'GETEX' : 'GET', key])

  const read = <T>(reply: Promise<unknown>, made: (value: Value) => T): Promise<T | undefined> =>
    reply.then(
      (text) => (text === null || text === undefined ? undefined : made(parseValue(String(text)))),
      (error) => {
        throw failure(error)
      },
    )

  return {
    name: 'redis',
    shared: true,

    load(id, options) {
      const key = sessionKey(id)
      const fresh = options?.fresh ?? false
      return read(fresh || commands.cluster ? get(key, fresh) : batch.ask(key), (value) => {
        const record = toRecord(value)
        // A connection whose replies have shifted must never make one user another.
        if (record.id === id) return record
        throw new SessionError('ERR_ENGINE', 'redis: the server returned another record than was asked for')
      })
    },

    create: (record) =>
      writer.write(sessionKey(record.id), ofRecord(record, null), {
        confirmed: record.userId !== null,
        growing: true,
      }),

    replace: (next, version) =>
      writer.write(sessionKey(next.id), ofRecord(next, version), {
        confirmed: next.ended !== null,
        growing: next.ended === null,
      }),

    touch: async (id, version, seenAt, expiresAt) => {
      const args = touchArguments(version, seenAt, expiresAt)
      return Number(await writer.run(SCRIPTS.touch, [sessionKey(id)], args)) === 1
    },

    // Never together: a ledger that can't be read must not look like one that isn't there, as it would to MGET.
    loadUser: (userId) =>
      read(get(userKey(userId), false), ({ version, json }) => {
        const ledger = { ...(json as UserLedger), version }
        if (ledger.userId === userId) return ledger
        throw new SessionError('ERR_ENGINE', 'redis: the server returned another ledger than was asked for')
      }),

    replaceUser(next, version) {
      const write = ofLedger(next, version === 0 ? null : version)
      return writer.write(userKey(next.userId), write, { confirmed: true, growing: false })
    },

    async scan({ cursor, limit }) {
      const { keys, next } = await scanKeys(commands, `${prefix}s:*`, cursor, limit)
      const found = await Promise.all(keys.map((key) => read(get(key, false), toRecord)))
      const records = found.filter((record) => record !== undefined)
      return { records, ...(next === undefined ? {} : { next }) }
    },

    // Redis does, by each key's own deadline.
    sweep: () => 0,
  }
}

function check(options: RedisOptions): string {
  for (const name of Object.keys(options)) {
    if (name !== 'prefix') throw new SessionError('ERR_OPTION', `redis: there is no option ${name}`)
  }
  const { prefix = 'holdfast:' } = options
  // Braces would put every key into one slot of a cluster, and a star would match others' keys.
  if (typeof prefix === 'string' && /^[\w:./-]*$/.test(prefix)) return prefix
  throw new SessionError(
    'ERR_OPTION',
    `redis: prefix: expected letters, digits and :_./- but got ${shown(prefix)}`,
  )
}

/** Writes each UTF-16 code unit that isn't plain as `%` and four digits: lone surrogates would all become one. */
function toKey(text: string): string {
  return text.replace(/[^\w.@+-]/g, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** One page of one primary's keys. The cursor names the primary, for a failover may change their order. */
async function scanKeys(
  commands: Commands,
  pattern: string,
  cursor: string | undefined,
  limit: number,
): Promise<{ keys: string[]; next: string | undefined }> {
  const [place = '', address = ''] = cursor?.split(' ') ?? []
  const primaries = [...(await failing(commands.primaries()))].sort((a, b) =>
    a.address < b.address ? -1 : 1,
  )
  const at = primaries.findIndex((each) => each.address >= address)
  const primary = primaries[at]
  if (!primary) return { keys: [], next: undefined }
  const from = primary.address === address && place !== '' ? place : '0'
  const match = commands.keyPrefix.replace(/[\\*?[\]]/g, '\\$&') + pattern
  const count = String(Math.min(limit, LARGEST_PAGE))
  const reply = await failing(primary.send(['SCAN', from, 'MATCH', match, 'COUNT', count]))
  const [after, found] = reply as [unknown, unknown[]]
  const keys = found.map((key) => String(key).slice(commands.keyPrefix.length))
  if (String(after) !== '0') return { keys, next: `${String(after)} ${primary.address}` }
  const following = primaries[at + 1]
  return { keys, next: following && `0 ${following.address}` }
}
