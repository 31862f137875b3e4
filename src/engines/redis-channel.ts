/**
 * Tells what changes in Redis or Valkey, by the server's own tracking of keys: whoever changes them, by whatever program.
 * @see https://redis.io/docs/latest/develop/reference/client-side-caching/
 * @module
 */

import { randomBytes } from 'node:crypto'
import { SessionError } from '../core/errors.ts'
import type { ChangeChannel, ChangeListener } from './change-channel.ts'
import { commandsOf, type IoredisClient, type NodeRedisClient } from './redis-client.ts'

/** A `Redis` of ioredis or iovalkey, or a client of node-redis: one that can open another connection like its own. */
export type DuplicableClient = (IoredisClient | NodeRedisClient) & { duplicate(...options: never[]): unknown }

export interface RedisChannelOptions {
  /** That of the engine. @defaultValue 'holdfast:' */
  readonly prefix?: string
}

/** A connection of its own that hears of keys. */
interface Tracker {
  close(): void
}

/** What a tracker hears. */
interface Ear {
  /** The connection tracks from now on. */
  ready(): void
  /** It does not, and why. */
  gone(why: unknown): void
  /** @param keys - whole; null for all there are */
  changed(keys: readonly unknown[] | null): void
}

/** How many barriers may wait for their word at once: those of a connection that is dead are given up. */
const MAX_WAITING = 16
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
  const waiting = new Map<string, () => void>()
  let tracker: Tracker | undefined
  let problem: unknown = new Error('it does not listen yet')

  return {
    name: 'redis',

    listen(listener: ChangeListener) {
      const track = 'pipeline' in client ? trackByIoredis : trackByNodeRedis
      tracker = track(client, whole, {
        ready: () => {
          problem = null
        },
        gone(why) {
          problem = why
          waiting.clear()
          listener.lost()
        },
        changed(keys) {
          if (keys === null) return listener.lost()
          // All that one message names before what waits for it, which goes on when this has returned.
          for (const key of keys) hear(String(key).slice(whole.length), listener)
        },
      })
    },

    async barrier() {
      if (problem) throw problem
      const name = `n:${randomBytes(9).toString('base64url')}`
      for (const stale of [...waiting.keys()].slice(0, 1 - MAX_WAITING)) waiting.delete(stale)
      const heard = new Promise<void>((resolve) => waiting.set(name, resolve))
      // Under the same prefix: the server tells of each prefix in messages of their own.
      await commands.send(prefix + name, ['SET', prefix + name, '', 'PX', PROBE_LIFE])
      await heard
    },

    close() {
      tracker?.close()
      problem = new Error('the channel is closed')
    },
  }

  function hear(name: string, listener: ChangeListener): void {
    if (name.startsWith('s:')) listener.changed(idOf(name.slice(2)))
    waiting.get(name)?.()
    waiting.delete(name)
  }
}

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

function trackByIoredis(client: DuplicableClient, prefix: string, ear: Ear): Tracker {
  const options = { protocol: 2, autoResubscribe: false, lazyConnect: false }
  const tracker = (client.duplicate as (options: object) => IoredisTracker)(options)
  tracker.on('error', (error: Error) => ear.gone(error))
  tracker.on('close', () => ear.gone(new Error('its connection is closed')))
  tracker.on('messageBuffer', (_channel: Buffer, keys: Buffer[] | null) => ear.changed(keys))
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

function trackByNodeRedis(client: DuplicableClient, prefix: string, ear: Ear): Tracker {
  const options = { RESP: 3, emitInvalidate: true, clientSideCache: undefined }
  const tracker = (client.duplicate as (options: object) => NodeRedisTracker)(options)
  tracker.on('error', (error: Error) => ear.gone(error))
  tracker.on('end', () => ear.gone(new Error('its connection is closed')))
  tracker.on('invalidate', (key: unknown) => ear.changed(key === null ? null : [key]))
  tracker.on('ready', () => begin().then(ear.ready, ear.gone))
  tracker.connect().catch(ear.gone)

  async function begin(): Promise<void> {
    // The client begins with the other mode, and a server changes modes only by way of off.
    await tracker.sendCommand(['CLIENT', 'TRACKING', 'OFF'])
    await tracker.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', prefix])
  }

  return { close: () => tracker.destroy() }
}
