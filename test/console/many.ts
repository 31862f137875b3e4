/** Many sessions in a store, and searches among them: what is found, how long it takes, and how long nothing else runs. */

import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Engine, SessionRecord } from 'holdfast'
import type { Browser } from 'holdfast/testing'
import type { SessionsPage } from '../../src/console/api.ts'
import { read } from './support.ts'

export const MANY = 50_000

const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
]

/** One in a thousand is what the searches are after. */
export function recordOf(index: number, now: number): SessionRecord {
  const rare = index % 1_000 === 500
  return {
    id: `${(index * 7_919) % MANY}-${index}`.padEnd(22, '_'),
    version: 1,
    userId: `user-${index % 20_000}`,
    era: 1,
    secrets: { current: 'c'.repeat(43), parent: 'p'.repeat(43) },
    createdAt: rare ? now - 3_600_000 : now - (index % 600) * 1_000,
    renewedAt: now,
    seenAt: now,
    authenticatedAt: now - 600_000,
    methods: ['pwd'],
    remembered: false,
    expiresAt: now + 86_400_000,
    ended: null,
    client: {
      ip: rare ? `203.0.113.${index % 250}` : `10.${index % 250}.${index % 199}.${index % 251}`,
      userAgent: rare ? 'my-robot/7.1 (+https://robots.example)' : AGENTS[index % AGENTS.length]!,
    },
    bound: { ip: '10.0.0.0/8', userAgent: 'firefox/linux/desktop' },
    data: JSON.stringify({ cart: Array.from({ length: 40 }, (_, item) => item * 37), note: 'x'.repeat(100) }),
  }
}

export async function fill(engine: Engine): Promise<void> {
  const now = Date.now()
  for (let from = 0; from < MANY; from += 100) {
    const some = Array.from({ length: 100 }, (_, index) => recordOf(from + index, now))
    await Promise.all(some.map((record) => engine.create(record)))
  }
}

/** How a search went, in milliseconds. */
export interface Line {
  readonly name: string
  readonly found: number
  readonly pages: number
  /** Of the answers. */
  readonly slowest: number
  /** The longest time in which nothing else ran. */
  readonly block: number
  readonly cpu: number
}

export function said({ name, found, slowest, pages, block, cpu }: Line): string {
  return `${name}: ${found} found, ${pages} answers, ${slowest} ms at most, longest block ${block} ms, ${cpu} ms of CPU in all`
}

/** By the processor's time, and else loosely: whatever this machine does besides is in all the other figures. */
export function assertQuick({ name, slowest, pages, block, cpu }: Line): void {
  assert.ok(cpu / pages < 200, `${name}: ${cpu} ms of CPU for ${pages} answers`)
  assert.ok(
    slowest < 3_000 && block < 2_000,
    `${name}: ${slowest} ms, of which nothing else ran for ${block} ms`,
  )
}

export async function searchMany(operator: Browser): Promise<Line[]> {
  const hour = Date.now() - 1_800_000
  const rare = MANY / 1_000
  const searches: [name: string, query: string, found: number | null][] = [
    ['nothing: the first 100', '', null],
    ['a user', 'user=op', 1],
    ['an address that nobody has', 'address=192.0.2.1', 0],
    ['a block', 'address=203.0.113.0/24', rare],
    ['a device that is rare', 'device=my-robot/7.1', rare],
    ['a device that nobody has', 'device=opera', 0],
    ['a device that many have', 'device=edge+windows', null],
    ['a device by its name, of which texts say nothing', 'device=samsung', 0],
    ['old ones', `createdBefore=${hour}`, rare],
    ['everything at once', `device=my-robot/7.1&address=203.0.113.0/25&createdBefore=${hour}`, rare],
  ]
  const lines: Line[] = []
  for (const [name, query, expected] of searches) {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const used = process.cpuUsage()
    let cursor: string | null = null
    let [found, slowest, pages] = [0, 0, 0]
    do {
      const began = performance.now()
      const page: SessionsPage = await read(
        operator,
        `sessions?${query}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      )
      slowest = Math.max(slowest, performance.now() - began)
      found += page.sessions.length
      cursor = page.next
      pages++
    } while (cursor !== null && expected !== null)
    delay.disable()
    const { user, system } = process.cpuUsage(used)
    if (expected !== null) assert.equal(found, expected, name)
    else assert.ok(found >= 10, name)
    lines.push({
      name,
      found,
      slowest: Math.round(slowest),
      pages,
      block: Math.round(delay.max / 1e6),
      cpu: Math.round((user + system) / 1e3),
    })
  }
  return lines
}
