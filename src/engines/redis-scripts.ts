/**
 * What runs inside Redis: one script for each kind of write. A value is a head of fixed width, the record as
 * JSON, and behind a line feed, which JSON has none of, the session's data as they are. It is read whole, and a touch
 * overwrites two numbers in it, whatever its length.
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import type { Millis } from '../core/duration.ts'
import type { SessionRecord, UserLedger } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'

export interface Script {
  readonly text: string
  readonly sha: string
}

/** As wide as the largest safe integer. Digits of one width compare as text just as they do as numbers. */
const DIGITS = 16
/** version, seenAt, expiresAt, and the stamp of the last write. */
const STAMP = 20
export const HEAD = 3 * DIGITS + STAMP

/** More than a renewal adds to a record. */
export const SLACK = '128'

/**
 * Names this primary, when a replica of it answers: its last acknowledgement is at most two seconds old, and they come every
 * second. A frozen one stays "online" for a minute.
 */
const REPLICATED = `
local function replicated()
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' then return '' end
  for lag in info:gmatch('state=online,offset=%d+,lag=(%d+)') do
    if tonumber(lag) <= 2 then return info:match('master_replid:(%x+)') end
  end
  return ''
end`

const LATER = `
local function later(a, b) if a > b then return a end return b end`

/**
 * ARGV: for each key the version expected, '' for none, and the value; behind them '1' to look for replicas, and by how many bytes
 * a value may grow. The last two may be absent. Says for each key -1 when it grows by more, 0 when it lost, 1 when it wrote, '?' where
 * something else is stored; and instead of the first 1 the name of the primary when a replica gets it, too.
 * Clients send again what a broken connection left unanswered: by its stamp a write knows that it was there already.
 */
const WRITE = `${LATER}${REPLICATED}
local replicas, slack = ARGV[2 * #KEYS + 1], ARGV[2 * #KEYS + 2]
local function swap(key, expected, value)
  local head = redis.pcall('GETRANGE', key, 0, ${HEAD - 1})
  if type(head) ~= 'string' then return head.err:find('WRONGTYPE', 1, true) and '?' or error(head) end
  if head:sub(1, ${DIGITS}) ~= expected then
    return head:sub(${3 * DIGITS + 1}) == value:sub(${3 * DIGITS + 1}, ${HEAD}) and 1 or 0
  end
  local seen = later(head:sub(${DIGITS + 1}, ${2 * DIGITS}), value:sub(${DIGITS + 1}, ${2 * DIGITS}))
  local expires = later(head:sub(${2 * DIGITS + 1}, ${3 * DIGITS}), value:sub(${2 * DIGITS + 1}, ${3 * DIGITS}))
  if not tonumber(expires) then return '?' end
  if slack and #value > redis.call('STRLEN', key) + tonumber(slack) then return -1 end
  value = value:sub(1, ${DIGITS}) .. seen .. expires .. value:sub(${3 * DIGITS + 1})
  redis.call('SET', key, value, 'PXAT', math.max(1, tonumber(expires)))
  return 1
end
local said = {}
for index, key in ipairs(KEYS) do said[index] = swap(key, ARGV[2 * index - 1], ARGV[2 * index]) end
local primary = replicas == '1' and said[1] == 1 and replicated() or ''
if primary ~= '' then said[1] = primary end
return said`

/** ARGV: the version expected, seenAt, expiresAt. */
const TOUCH = `${LATER}
local head = redis.call('GETRANGE', KEYS[1], 0, ${3 * DIGITS - 1})
if head:sub(1, ${DIGITS}) ~= ARGV[1] then return 0 end
local seen = later(head:sub(${DIGITS + 1}, ${2 * DIGITS}), ARGV[2])
local expires = later(head:sub(${2 * DIGITS + 1}), ARGV[3])
redis.call('SETRANGE', KEYS[1], ${DIGITS}, seen .. expires)
redis.call('PEXPIREAT', KEYS[1], math.max(1, tonumber(expires)))
return 1`

/**
 * Writes a key's deadline again: a change of nothing, which replicas get. `WAIT` asks for what its own connection has written,
 * and what is to be waited for may have come over another.
 */
export const MARK = `return redis.call('PEXPIREAT', KEYS[1], redis.call('PEXPIRETIME', KEYS[1]))`

/** Says what the server does when it is full. */
export const EVICTION = `local info = redis.pcall('INFO', 'memory')
return type(info) == 'string' and info:match('maxmemory_policy:([%w-]+)') or ''`

export const SCRIPTS = {
  write: script(WRITE),
  /** The same on a server that is full: what ends a session or forgets one must not be refused for want of room. */
  writeWhenFull: script(`#!lua flags=allow-oom${WRITE}`),
  touch: script(`#!lua flags=allow-oom${TOUCH}`),
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Who writes: tells the stamps of one engine from all others'. */
const writer = randomBytes(9).toString('base64url')
let written = 0

export interface Write {
  /** null where nothing may be stored yet. */
  readonly expected: number | null
  readonly version: number
  readonly seenAt: Millis
  readonly expiresAt: Millis
  readonly body: string
}

export function ofRecord(record: SessionRecord, expected: number | null): Write {
  const { version, seenAt, expiresAt, data } = record
  // What is undefined is left out of JSON, and this is the fastest way to leave it out.
  const rest = { ...record, version: undefined, seenAt: undefined, expiresAt: undefined, data: undefined }
  return { expected, version, seenAt, expiresAt, body: `${JSON.stringify(rest)}\n${data}` }
}

export function ofLedger(ledger: UserLedger, expected: number | null): Write {
  const { version, expiresAt } = ledger
  return { expected, version, seenAt: 0, expiresAt, body: JSON.stringify(ledger) }
}

export function writeArguments({ expected, version, seenAt, expiresAt, body }: Write): string[] {
  written++
  const stamp = writer + written.toString(36).padStart(STAMP - writer.length, '0')
  const value = digits(version) + digits(seenAt) + digits(expiresAt) + stamp + body
  return [expected === null ? '' : digits(expected), value]
}

export function touchArguments(version: number, seenAt: Millis, expiresAt: Millis): string[] {
  return [digits(version), digits(seenAt), digits(expiresAt)]
}

function digits(value: number): string {
  if (Number.isSafeInteger(value) && value >= 0) return String(value).padStart(DIGITS, '0')
  throw new SessionError('ERR_ENGINE', `redis: expected a whole number, 0 or more, but got ${String(value)}`)
}

export function foreign(): SessionError {
  return new SessionError('ERR_ENGINE', 'redis: a stored value is none of this package')
}

/** A stored value: the numbers of its head, and its body: what was JSON, and what came behind it, null where nothing did. */
export interface Value {
  readonly version: number
  readonly seenAt: Millis
  readonly expiresAt: Millis
  readonly json: unknown
  readonly data: string | null
}

export function parseValue(text: string): Value {
  const version = Number(text.slice(0, DIGITS))
  const seenAt = Number(text.slice(DIGITS, 2 * DIGITS))
  const expiresAt = Number(text.slice(2 * DIGITS, 3 * DIGITS))
  try {
    if (!Number.isSafeInteger(version + seenAt + expiresAt)) throw new Error()
    const feed = text.indexOf('\n', HEAD)
    const json = JSON.parse(feed < 0 ? text.slice(HEAD) : text.slice(HEAD, feed))
    return { version, seenAt, expiresAt, json, data: feed < 0 ? null : text.slice(feed + 1) }
  } catch {
    // The parser's own message would quote the record.
    throw foreign()
  }
}

export function toRecord({ version, seenAt, expiresAt, json, data }: Value): SessionRecord {
  const record = json as SessionRecord
  if (data === null || typeof record?.id !== 'string') throw foreign()
  return { ...record, version, seenAt, expiresAt, data }
}
