/** Searches among many sessions, and what a search is allowed to leave to the engine. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sqlite } from 'holdfast/sqlite'
import { formatAddress, parseAddress, parseBlock } from '../../src/address.ts'
import { deviceLabel } from '../../src/bindings/user-agent.ts'
import { textOf, textsOf } from '../../src/console/search.ts'
import { fill, MANY, said, searchMany } from './many.ts'
import { place } from './support.ts'

test(`SQLite, ${MANY} sessions: a search is answered within 200 ms, and others are served meanwhile`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const engine = sqlite(join(folder, 'sessions.db'))
  await using site = await place({ engine })
  const operator = await site.login('op')
  await fill(engine)
  const lines = await searchMany(operator)
  for (const line of lines) t.diagnostic(said(line))
  // Loosely, for whatever else this machine does.
  for (const { name, slowest, block } of lines) {
    assert.ok(slowest < 1_000, `${name}: ${slowest} ms`)
    assert.ok(block < 400, `${name}: ${block} ms`)
  }
})

test('what a search leaves to the engine is in the address of everybody whom it is after', () => {
  for (const [block, ...inside] of [
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.0/24', '192.0.2.0', '192.0.2.255'],
    ['192.0.0.0/15', '192.0.2.1', '192.1.255.255'],
    ['0.0.0.0/0', '203.0.113.1'],
    ['2001:db8::/32', '2001:db8::1', '2001:db8:1::', '2001:db8:ffff:1:2:3:4:5'],
    ['2001:db8:0:1::/64', '2001:db8:0:1::1', '2001:db8:0:1:2:3:4:5'],
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
