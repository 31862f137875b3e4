/** Searches sessions by user, address, device and age, by pages of the engine until there are enough or time is up. @module */

import { setImmediate as turn } from 'node:timers/promises'
import { type Block, contains, formatAddress, networkOf, parseAddress, parseBlock } from '../address.ts'
import { deviceLabel } from '../bindings/user-agent.ts'
import type { RecordFilter } from '../core/filter.ts'
import type { SessionInfo, Sessions } from '../core/sessions.ts'
import { timePage } from './pace.ts'

/** What is searched for, as the page sends it. */
export interface Search {
  readonly user: string | null
  readonly block: Block | null
  /** Each must be in the device's name or in what the client sent, in any case. */
  readonly device: readonly string[]
  readonly createdAfter: number | null
  readonly createdBefore: number | null
  readonly cursor: string | null
  readonly limit: number
}

export interface Found {
  readonly sessions: SessionInfo[]
  readonly next: string | null
  readonly looked: number
}

/** What an operator waits for without noticing; then the page asks for more. */
const BUDGET = 120
const MOST = 1_000
/** Records of which all come out of the engine: 250 take some milliseconds, in which nothing else runs. */
const MOST_WHOLE = 250

/** No engine's is another: stores fail at what is no text of theirs. */
const CURSOR = /^[ -~]{1,2048}$/

/** @returns null where the query is wrong, and why */
export function readSearch(query: URLSearchParams): Search | { readonly wrong: string } {
  const text = (name: string) => query.get(name)?.trim() || null
  const moment = (name: string) => (text(name) === null ? null : Number(text(name)))
  const address = text('address')
  const block = address === null ? null : parseBlock(address)
  if (address !== null && !block)
    return { wrong: 'address: expected an address, or a block such as 192.0.2.0/24' }
  const [createdAfter, createdBefore] = [moment('createdAfter'), moment('createdBefore')]
  if (![createdAfter, createdBefore].every((at) => at === null || Number.isSafeInteger(at)))
    return { wrong: 'createdAfter, createdBefore: expected milliseconds since the epoch' }
  const cursor = text('cursor')
  if (cursor !== null && !CURSOR.test(cursor)) return { wrong: 'cursor: expected the next of another page' }
  const limit = Number(text('limit') ?? 100)
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST) return { wrong: 'limit: expected 1 to 1000' }
  const device = (text('device') ?? '').toLowerCase().split(/\s+/).filter(Boolean).slice(0, 8)
  return { user: text('user'), block, device, createdAfter, createdBefore, cursor, limit }
}

/**
 * Finds sessions. A user's are in his ledger; else the engine is asked page by page, with a turn of the event loop between.
 * There may be some more than `limit`, for a cursor stands at the end of an engine's page.
 */
export async function search(sessions: Pick<Sessions<never>, 'listPage'>, query: Search): Promise<Found> {
  const { user, limit } = query
  const began = performance.now()
  const filter = filterOf(query)
  const where = user === null ? { where: filter } : { userId: user }
  const most = Object.keys(filter).length > 0 ? MOST : MOST_WHOLE
  const found: SessionInfo[] = []
  let { cursor } = query
  let looked = 0
  let size = Math.min(limit, 100)
  do {
    const bearable = timePage(size)
    const page = await sessions.listPage({ ...where, cursor, limit: size })
    found.push(...page.sessions.filter((info) => isFound(info, query)))
    cursor = page.next
    looked += size
    const largest = Math.min(most, bearable())
    // As many as are likely to hold what is missing.
    const rate = Math.max(found.length, 1) / looked
    size = Math.min(largest, Math.max(50, Math.ceil((limit - found.length) / rate)))
    await turn()
  } while (cursor !== null && found.length < limit && performance.now() - began < BUDGET)
  return { sessions: found, next: cursor, looked }
}

function isFound(info: SessionInfo, { block, device, createdAfter, createdBefore }: Search): boolean {
  if (createdAfter !== null && info.createdAt < createdAfter) return false
  if (createdBefore !== null && info.createdAt > createdBefore) return false
  if (block && !isIn(block, info.ip)) return false
  if (device.length === 0) return true
  const agent = `${deviceLabel(info.userAgent)}\n${info.userAgent ?? ''}`.toLowerCase()
  return device.every((word) => agent.includes(word))
}

function isIn(block: Block, ip: string | null): boolean {
  const address = ip === null ? null : parseAddress(ip)
  return address !== null && contains(block, address)
}

/** What an engine can look for: nothing that fits the search is left out. */
function filterOf({ block, device, createdAfter, createdBefore }: Search): RecordFilter {
  const userAgentHas = device.map(textsOf).filter((any) => any !== null)
  return {
    ...(block && { ipStarts: textOf(block) }),
    ...(userAgentHas.length > 0 && { userAgentHas }),
    ...(createdAfter !== null && { createdFrom: createdAfter }),
    ...(createdBefore !== null && { createdUntil: createdBefore }),
  }
}

/** What the text of every address in a block begins with. */
export function textOf(block: Block): string {
  const text = formatAddress(networkOf(block))
  if (block.address.kind() === 'ipv4') {
    if (block.prefix === 32) return text
    const whole = Math.floor(block.prefix / 8)
    return text
      .split('.')
      .slice(0, whole)
      .map((part) => `${part}.`)
      .join('')
  }
  if (block.prefix === 128) return text
  const groups = text.split('::')[0]!.split(':').filter(Boolean)
  // A group of zeros may be written as nothing: what comes before the first one is always there.
  const whole = groups.slice(0, Math.floor(block.prefix / 16))
  const zero = whole.indexOf('0')
  return (zero < 0 ? whole : whole.slice(0, zero)).map((group) => `${group}:`).join('')
}

/**
 * What a `User-Agent` holds, of which a device's name has this word: as Bowser tells them. Where a word isn't here, the
 * engine is not asked for it, for a name may have it and the text not.
 */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  firefox: ['firefox', 'iceweasel', 'fxios'],
  chrome: ['chrome', 'crios', 'crmo', 'cros'],
  chromium: ['chromium'],
  safari: ['safari', 'applewebkit'],
  edge: ['edg', 'edge'],
  opera: ['opera', 'opr/', 'opios', 'opt/', 'coast'],
  android: ['android'],
  linux: ['linux'],
  windows: ['windows'],
  macos: ['mac'],
  ios: ['ios', 'iphone', 'ipad', 'ipod', 'mac'],
  curl: ['curl'],
}

/** @returns texts of which a `User-Agent` holds one, where the word is in it or in its device's name; null where that can't be told */
export function textsOf(word: string): readonly string[] | null {
  if (Object.hasOwn(TEXTS, word)) return TEXTS[word]!
  // No name has a slash.
  return /^[\w.-]+\/[\w.-]*$/.test(word) ? [word] : null
}
