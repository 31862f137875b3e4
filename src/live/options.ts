import { type Duration, type Millis, parseDuration } from '../core/duration.ts'
import { SessionError } from '../core/errors.ts'
import type { ChangeChannel } from '../engines/change-channel.ts'

export interface LiveOptions {
  /**
   * How the store tells what changes: `redisChannel(client)`, `postgresChannel(pool)`, or your own; one that nobody else
   * listens to. @defaultValue none: every session that is held is read every `checkEvery`
   */
  readonly channel?: ChangeChannel
  /** How often a session is read that nothing tells of: `'100ms'` to `'10s'`. @defaultValue `'500ms'` */
  readonly checkEvery?: Duration
  /** How long sockets stay open while the store can't be asked: `'1s'` to `'1m'`. @defaultValue `'5s'` */
  readonly maxUnsure?: Duration
  /** Whether a message from the client is a use of the session, as a request is. @defaultValue `'ignored'` */
  readonly messages?: 'ignored' | 'used'
}

/** The options, checked and filled in. */
export interface LiveSettings {
  readonly channel: ChangeChannel | null
  readonly checkEvery: Millis
  readonly maxUnsure: Millis
  readonly messagesUse: boolean
}

/** @throws {SessionError} `ERR_OPTION` */
export function readOptions({
  channel,
  checkEvery = '500ms',
  maxUnsure = '5s',
  messages = 'ignored',
  ...unknown
}: LiveOptions): LiveSettings {
  for (const name of Object.keys(unknown)) fail(`there is no option ${name}`)
  if (channel !== undefined && typeof channel?.listen !== 'function')
    fail('channel: expected redisChannel(client) or postgresChannel(pool)')
  if (messages !== 'ignored' && messages !== 'used') fail(`messages: expected 'ignored' or 'used'`)
  return {
    channel: channel ?? null,
    checkEvery: within(checkEvery, 'checkEvery', 100, 10_000),
    maxUnsure: within(maxUnsure, 'maxUnsure', 1_000, 60_000),
    messagesUse: messages === 'used',
  }
}

function within(given: Duration, option: string, least: Millis, most: Millis): Millis {
  const length = parseDuration(given, `live: ${option}`)
  if (length < least || length > most)
    fail(`${option}: expected '${least}ms' to '${most / 1_000}s', but got ${given}`)
  return length
}

function fail(what: string): never {
  throw new SessionError('ERR_OPTION', `createLive: ${what}`)
}
