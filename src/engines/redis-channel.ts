/**
 * Tells what changes in Redis or Valkey, by the server's own tracking of keys: whoever changes them, by whatever program.
 * @see https://redis.io/docs/latest/develop/reference/client-side-caching/
 * @module
 */

import { SessionError } from '../core/errors.ts'
import type { ChangeChannel } from './change-channel.ts'
import { type Connection, type Ear, line } from './change-line.ts'
import { commandsOf, type IoredisClient, type NodeRedisClient } from './redis-client.ts'

/** A `Redis` of ioredis or iovalkey, or a client of node-redis: one that can open another connection like its own. */
export type DuplicableClient = (IoredisClient | NodeRedisClient) & { duplicate(...options: never[]): unknown }

export interface RedisChannelOptions {
  /** That of the engine. @defaultValue 'holdfast:' */
  readonly prefix?: string
}

/** In milliseconds: nobody looks at what a barrier writes. */
const PROBE_LIFE = '1000'

/**
 * Tells of changes in Redis, for `nearCache(redis(client), { channel: redisChannel(client) })`. It opens one more connection
 * like the client's, in broadcast mode: the server remembers nothing for it, and tells it of every key with the prefix.
 * There is no NOLOOP: of our own writes it tells as well, the one that was given up and happened after all among them.
 *
 * @param client - the engine's, or one like it; no cluster, whose servers each tell of their own keys only
 * @throws {SessionError} `ERR_OPTION`
 */
export function redisChannel(client: DuplicableClient, options: RedisChannelOptions = {}): ChangeChannel {
  const commands = commandsOf(client)
  if (!commands || commands.cluster || typeof client.duplicate !== 'function' || 'execute' in client) {
    const message = 'redisChannel: expected a client of ioredis, iovalkey or redis: no pool, and no cluster'
    throw new SessionError('ERR_OPTION', message)
  }
  const { prefix = 'holdfast:' } = options
  const whole = commands.keyPrefix + prefix

  /** @param keys - null for all there are */
  function tell(keys: readonly unknown[] | null, ear: Ear): void {
    if (keys === null) ear.all()
    for (const key of keys ?? []) {
      const name = String(key).slice(whole.length)
      if (name.startsWith('s:')) ear.changed(idOf(name.slice(2)))
      // What waits for it goes on when this has returned, and so everything else that one message names was told.
      else if (name.startsWith('n:')) ear.heard(name.slice(2))
    }
  }

  return line({
    name: 'redis',
    open: (ear) => ('pipeline' in client ? openIoredis : openNodeRedis)(client, whole, tell, ear),
    // Under the same prefix: the server tells of each prefix in messages of their own.
    send: (name) => commands.send(`${prefix}n:${name}`, ['SET', `${prefix}n:${name}`, '', 'PX', PROBE_LIFE]),
  })
}

type Tell = (keys: readonly unknown[] | null, ear: Ear) => void

/** Undoes what the engine writes for characters that aren't plain. */
function idOf(key: string): string {
  return key.replace(/%([0-9a-f]{4})/g, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)))
}

interface IoredisTracker {
  call(command: string, ...args: string[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  on(event: string, listener: (...args: never[]) => void): unknown
  disconnect(): void
}

/** ioredis shows nothing of what RESP3 pushes; under RESP2 a connection may have itself told, by a channel of this name. */
const INVALIDATE = '__redis__:invalidate'

function openIoredis(client: DuplicableClient, prefix: string, tell: Tell, ear: Ear): Connection {
  const options = { protocol: 2, autoResubscribe: false, lazyConnect: false }
  const tracker = (client.duplicate as (options: object) => IoredisTracker)(options)
  tracker.on('error', (error: Error) => ear.gone(error))
  tracker.on('close', () => ear.gone(new Error('its connection is closed')))
  tracker.on('messageBuffer', (_channel: Buffer, keys: Buffer[] | null) => tell(keys, ear))
  tracker.on('ready', () => begin().then(ear.ready, ear.gone))

  async function begin(): Promise<void> {
    const own = String(await tracker.call('CLIENT', 'ID'))
    await tracker.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', own, 'BCAST', 'PREFIX', prefix)
    await tracker.subscribe(INVALIDATE)
  }

  return { close: () => tracker.disconnect() }
}

interface NodeRedisTracker extends NodeRedisClient {
  connect(): Promise<unknown>
  on(event: string, listener: (...args: never[]) => void): unknown
  destroy(): void
}

function openNodeRedis(client: DuplicableClient, prefix: string, tell: Tell, ear: Ear): Connection {
  const options = { RESP: 3, emitInvalidate: true, clientSideCache: undefined }
  const tracker = (client.duplicate as (options: object) => NodeRedisTracker)(options)
  tracker.on('error', (error: Error) => ear.gone(error))
  tracker.on('end', () => ear.gone(new Error('its connection is closed')))
  tracker.on('invalidate', (key: unknown) => tell(key === null ? null : [key], ear))
  tracker.on('ready', () => begin().then(ear.ready, ear.gone))
  tracker.connect().catch(ear.gone)

  async function begin(): Promise<void> {
    // The client begins with the other mode, and a server changes modes only by way of off.
    await tracker.sendCommand(['CLIENT', 'TRACKING', 'OFF'])
    await tracker.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', prefix])
  }

  return { close: () => tracker.destroy() }
}
