/** The user-agent binding: which agents are of one family, what a device is called, and what hostile headers cost. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { deviceLabel, userAgent } from '../../src/bindings/user-agent.ts'
import type { RequestContext } from '../../src/core/request.ts'
import { retained } from './retained.ts'

const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)'
const LINUX = 'Mozilla/5.0 (X11; Linux x86_64)'
const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)'
const ANDROID = 'Mozilla/5.0 (Linux; Android 10; K)'
const IPAD = 'Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X)'
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)'
const BOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)'

describe('which agents match', () => {
  const rows: readonly [rule: string, bound: string | null, shown: string | null, matches: boolean][] = [
    ['the same agent matches', chrome(WINDOWS, 120), chrome(WINDOWS, 120), true],
    ['Chrome 120 updated to 157 matches', chrome(WINDOWS, 120), chrome(WINDOWS, 157), true],
    [
      'Firefox 121 updated to 150 matches',
      firefox('X11; Linux x86_64', 121),
      firefox('X11; Linux x86_64', 150),
      true,
    ],
    ['Safari 17 updated to 26 matches', safari(MAC, 17), safari(MAC, 26), true],
    [
      'an update of the operating system matches',
      safari(IPHONE, 17),
      safari(IPHONE.replaceAll('17_4', '18_0'), 18),
      true,
    ],
    ['Chrome to Firefox does not', chrome(LINUX, 120), firefox('X11; Linux x86_64', 121), false],
    ['Chrome to Edge does not', chrome(WINDOWS, 120), `${chrome(WINDOWS, 120)} Edg/120.0.0.0`, false],
    ['Windows to Linux does not', chrome(WINDOWS, 120), chrome(LINUX, 120), false],
    ['macOS to iPhone does not', safari(MAC, 17), safari(IPHONE, 17), false],
    ['a telephone to a tablet does not', chrome(ANDROID, 120, 'Mobile '), chrome(ANDROID, 120), false],
    [
      '"desktop site" on Android does not: it looks like Linux',
      chrome(ANDROID, 120, 'Mobile '),
      chrome(LINUX, 120),
      false,
    ],
    [
      'an iPad that calls itself a Macintosh matches: it does so by itself',
      safari(IPAD, 17),
      safari(MAC, 17),
      true,
    ],
    ['... and back', safari(MAC, 17), safari(IPAD, 17), true],
    ['... but not in another browser', safari(IPAD, 17), chrome(MAC, 120), false],
    ['curl 8 and curl 9 match', 'curl/8.5.0', 'curl/9.0.0', true],
    ['a name in capitals matches', 'curl/8.5.0', 'CURL/8.5.0', true],
    ['curl to wget does not', 'curl/8.5.0', 'Wget/1.21', false],
    ['no header and an empty one match', null, '', true],
    ['... and one of spaces', null, '   ', true],
    ['no header to curl does not', null, 'curl/8.5.0', false],
    ['a browser to no header does not', chrome(LINUX, 120), null, false],
    ['what follows 512 characters does not count', 'a'.repeat(512), `${'a'.repeat(512)} Chrome/120`, true],
    [
      'a known browser to something that has no name does not',
      chrome(LINUX, 120),
      '(X11; Linux x86_64)',
      false,
    ],
  ]
  for (const [rule, bound, shown, matches] of rows) {
    test(rule, () => {
      const captured = userAgent().capture(from(bound))
      assert.ok(captured !== null)
      assert.equal(userAgent().matches(captured, from(shown)), matches)
    })
  }
})

describe('what is bound, and what the device is called', () => {
  const rows: readonly [agent: string | null, family: string, label: string][] = [
    [chrome(WINDOWS, 120), 'chrome/windows/desktop', 'Chrome on Windows'],
    [firefox('X11; Linux x86_64', 121), 'firefox/linux/desktop', 'Firefox on Linux'],
    [firefox('X11; FreeBSD amd64', 121), 'firefox', 'Firefox'],
    [safari(MAC, 17), 'safari/macos/desktop', 'Safari on macOS'],
    [safari(IPHONE, 17), 'safari/ios/mobile', 'Safari on iOS'],
    [safari(IPAD, 17), 'safari/macos/desktop', 'Safari on iOS'],
    [`${chrome(WINDOWS, 120)} Edg/120.0.0.0`, 'microsoft edge/windows/desktop', 'Microsoft Edge on Windows'],
    [
      `${ANDROID} AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36`,
      'samsung internet for android/android/mobile',
      'Samsung Internet on Android',
    ],
    [BOT, 'googlebot/bot', 'Googlebot'],
    ['curl/8.5.0', 'curl', 'curl'],
    ['node', 'node', 'node'],
    ['python-requests/2.31.0', 'python-requests', 'python-requests'],
    ['Acme Sync/3.2 (Windows NT 10.0)', 'acme/windows/desktop', 'Acme on Windows'],
    ['MyApp/3.2 (iPhone; iOS 17.4; Scale/3.00)', 'myapp/ios/mobile', 'MyApp on iOS'],
    [LINUX, 'mozilla/linux/desktop', 'Unknown browser on Linux'],
    ['Mozilla/5.0', 'mozilla', 'Unknown device'],
    ['<script>alert(1)</script>', 'unknown', 'Unknown device'],
    ['x'.repeat(512), 'x'.repeat(40), 'x'.repeat(40)],
    ['', 'none', 'Unknown device'],
    [null, 'none', 'Unknown device'],
  ]
  for (const [agent, family, label] of rows) {
    test(`${agent?.slice(0, 90)}: ${family.slice(0, 50)}`, () => {
      assert.equal(userAgent().capture(from(agent)), family)
      assert.equal(deviceLabel(agent ?? undefined), label)
    })
  }
})

describe('hostile headers', () => {
  test('any text has a family and a label, short ones, and matches itself', () => {
    const pieces = fc.constantFrom(
      'Mozilla/5.0 ',
      '(',
      ')',
      'Chrome/',
      '1.',
      'Macintosh',
      ' FxiOS',
      'Android ',
      'iPad',
      '/',
      ' ',
      'Trident/',
      'ß',
    )
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((list) => list.join('')),
    )
    fc.assert(
      fc.property(text, (text) => {
        const family = userAgent().capture(from(text))
        assert.ok(family !== null && family !== '' && family.length < 100)
        assert.ok(userAgent().matches(family, from(text)))
        assert.ok(deviceLabel(text) !== '' && deviceLabel(text).length < 100)
        assert.doesNotMatch(deviceLabel(text), /[<>&"'\n]/)
      }),
      { numRuns: 2_000 },
    )
  })

  // Shapes that make patterns backtrack. A linear one takes 0.1 ms, an exponential one never ends.
  for (const unit of [
    'a',
    '1',
    '1_',
    '.1',
    '/',
    '/ ',
    '/ (',
    ' (',
    'yahoo ',
    'slackbot-',
    'Macintosh FxiOS',
    'version/1',
    'opt/1_',
  ]) {
    test(`64 KiB of ${JSON.stringify(unit)} cost no more than a moment, and are not remembered`, () => {
      for (const end of ['', '!', ' x', ' (']) {
        const header = `Mozilla/5.0 ${unit.repeat(65_536 / unit.length)}${end}`
        const began = performance.now()
        userAgent().capture(from(header))
        const took = performance.now() - began
        assert.ok(took < 100, `${took} ms`)
      }
    })
  }

  test('20 000 different agents, and 2 000 of 64 KiB, are described in bounded memory', () => {
    const long = Buffer.alloc(65_536, 'x')
    const grown = retained(() => {
      for (let n = 0; n < 20_000; n += 1) {
        deviceLabel(`agent${n} ${'y'.repeat(480)}`)
        long.write(`agent${n} `)
        if (n % 10 === 0) deviceLabel(long.toString('latin1'))
      }
    })
    assert.ok(grown < 5, `${grown.toFixed(1)} MiB`)
  })
})

describe('the options of the user-agent binding', () => {
  test('reauthenticate is the default', () => assert.equal(userAgent().onMismatch, 'reauthenticate'))
  test('it is called userAgent', () => assert.equal(userAgent().name, 'userAgent'))
  for (const onMismatch of ['report', 'reauthenticate', 'revoke'] as const) {
    test(`onMismatch: ${onMismatch}`, () => assert.equal(userAgent({ onMismatch }).onMismatch, onMismatch))
  }
  const refused: readonly [object, RegExp][] = [
    [
      { onMismatch: true },
      /^userAgent\.onMismatch: expected 'report', 'reauthenticate' or 'revoke', but got true$/,
    ],
    [{ strict: true }, /^userAgent: there is no option strict; known are onMismatch$/],
  ]
  for (const [options, message] of refused) {
    test(`refused: ${JSON.stringify(options)}`, () =>
      assert.throws(() => userAgent(options), { code: 'ERR_OPTION', message }))
  }
})

function chrome(system: string, version: number, mobile = ''): string {
  return `${system} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 ${mobile}Safari/537.36`
}

function firefox(system: string, version: number): string {
  return `Mozilla/5.0 (${system}; rv:${version}.0) Gecko/20100101 Firefox/${version}.0`
}

function safari(system: string, version: number): string {
  return `${system} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/${version}.4 Safari/605.1.15`
}

function from(agent: string | null): RequestContext {
  return {
    method: 'GET',
    origin: 'https://app.example.com',
    path: '/',
    search: '',
    ip: null,
    now: 0,
    header: (name) => (name === 'user-agent' ? agent : null),
    field: () => null,
  }
}
