/** Searches: what is found, and what is left to the engine. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from 'holdfast/memory'
import { formatAddress, parseAddress, parseBlock } from '../../src/address.ts'
import { deviceLabel } from '../../src/bindings/user-agent.ts'
import type { SessionsPage } from '../../src/console/api.ts'
import { textOf, textsOf } from '../../src/console/search.ts'
import { recordOf } from './many.ts'
import { place, read } from './support.ts'

test('by user, address, block, device and age, and by all of them at once', async () => {
  const engine = memory()
  await using site = await place({ engine })
  const operator = await site.login('op')
  const now = Date.now()
  const robot = 'my-robot/7.1'
  for (const [index, [ip, userAgent, age]] of (
    [
      ['192.0.2.1', robot, 0],
      ['192.0.2.17', robot, 60_000],
      ['192.0.20.1', 'curl/8', 0],
      ['2001:db8::1', 'curl/8', 60_000],
    ] as const
  ).entries())
    await engine.create({ ...recordOf(index, now), createdAt: now - age, client: { ip, userAgent } })
  const found = async (query: string) => {
    const { sessions } = await read<SessionsPage>(operator, `sessions?${query}`)
    return sessions.map(({ userId }) => userId).sort()
  }
  assert.deepEqual(await found(''), ['op', 'user-0', 'user-1', 'user-2', 'user-3'])
  assert.deepEqual(await found('user=op'), ['op'])
  assert.deepEqual(await found('user=op&device=curl'), [])
  assert.deepEqual(await found('address=192.0.2.1'), ['user-0'])
  assert.deepEqual(await found('address=192.0.2.0/28'), ['user-0'])
  assert.deepEqual(await found('address=192.0.0.0/19'), ['user-0', 'user-1', 'user-2'])
  assert.deepEqual(await found('address=2001:db8::/32'), ['user-3'])
  assert.deepEqual(await found('device=ROBOT'), ['user-0', 'user-1'])
  assert.deepEqual(await found(`createdBefore=${now - 30_000}`), ['user-1', 'user-3'])
  assert.deepEqual(await found(`createdAfter=${now - 30_000}&device=curl`), ['user-2'])
  assert.deepEqual(await found(`address=192.0.2.0/24&device=robot&createdBefore=${now - 30_000}`), ['user-1'])
})

test('what a search leaves to the engine is in the address of everybody whom it is after', () => {
  for (const [block, ...inside] of [
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.0/24', '192.0.2.0', '192.0.2.255'],
    ['192.0.0.0/15', '192.0.2.1', '192.1.255.255'],
    ['0.0.0.0/0', '203.0.113.1'],
    ['2001:db8::/32', '2001:db8::1', '2001:db8:1::', '2001:db8:ffff:1:2:3:4:5'],
    ['2001:db8:0:1::/64', '2001:db8:0:1::1', '2001:db8:0:1:2:3:4:5'],
    ['2001:0:0:1::/64', '2001:0:0:1::1', '2001:0:0:1:5:5:5:5'],
    ['2001:db8::/47', '2001:db8:1::1', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['::/0', '::1', '2001:db8::1'],
    ['::1', '::1'],
  ]) {
    const text = textOf(parseBlock(block!)!)
    for (const address of inside) {
      const stored = formatAddress(parseAddress(address)!)
      assert.ok(stored.startsWith(text), `${block}: ${text} ${stored}`)
    }
  }
  assert.equal(textOf(parseBlock('192.0.2.0/24')!), '192.0.2.')
  assert.equal(textOf(parseBlock('2001:db8::/32')!), '2001:db8:')
})

/** One of each kind, as they come. */
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
  'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/140.0.0.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 EdgiOS/140.0 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0 Safari/537.36 Edge/17.17134',
  'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1 OPT/5.1.0',
  'Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chromium/140.0 Chrome/140.0 Safari/537.36',
  'Mozilla/5.0 (Linux; Android 15; SM-S938B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36',
  'Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko',
  'Mozilla/5.0 (Linux; U; Android 4.0.3; de-de) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30',
  'curl/8.14.1',
  'my-robot/7.1',
  'MyApp/3 CFNetwork/3826.500.131 Darwin/24.5.0',
  '',
]

test('what a search leaves to the engine is in the User-Agent of each device whose name has the word', () => {
  const asked = (word: string, agent: string) =>
    textsOf(word)?.some((text) => agent.toLowerCase().includes(text))
  for (const agent of AGENTS) {
    const words = `${deviceLabel(agent)} ${agent}`.toLowerCase().split(/\s+/)
    for (const word of words) assert.notEqual(asked(word, agent), false, `${word}: ${agent}`)
  }
  // And it is asked for what people ask for.
  for (const word of ['firefox', 'chrome', 'safari', 'edge', 'windows', 'macos', 'ios', 'android', 'linux']) {
    const named = AGENTS.filter((agent) => deviceLabel(agent).toLowerCase().includes(word))
    assert.ok(named.length > 0, word)
    for (const agent of named) assert.equal(asked(word, agent), true, `${word}: ${agent}`)
  }
})
