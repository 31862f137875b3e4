/** Who is believed about the client's address and origin: a table for each rule, and another implementation as an oracle. */

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import proxyaddr from 'proxy-addr'
import { formatAddress, parseAddress } from '../../src/address.ts'
import { SessionError } from '../../src/core/errors.ts'
import { type Connection, resolveClient, trustProxies } from '../../src/proxy.ts'
import { retained } from './retained.ts'

type Given = Partial<Omit<Connection, 'header'>> & {
  readonly [header: `${string}-${string}`]: string
  readonly forwarded?: string
}

const TRUST = ['10.0.0.0/8', 'fd00::/8', '192.0.2.1']
const PROXY = '10.0.0.9'

describe('F-1: nobody is trusted by default, and no forwarding header is read', () => {
  const rows: readonly [rule: string, given: Given][] = [
    ['X-Forwarded-For is ignored', { 'x-forwarded-for': '198.51.100.1' }],
    ['X-Forwarded-Proto is ignored', { 'x-forwarded-proto': 'https' }],
    ['X-Forwarded-Host is ignored', { 'x-forwarded-host': 'evil.example' }],
    ['... even when they are malformed', { 'x-forwarded-proto': 'gopher', 'x-forwarded-host': '/' }],
    [
      'from the loopback, too',
      { peer: '127.0.0.1', 'x-forwarded-for': '198.51.100.1', 'x-forwarded-proto': 'https' },
    ],
  ]
  for (const [rule, given] of rows) {
    test(rule, () => {
      const expected = { ip: given.peer ?? PROXY, origin: 'http://app.example.com' }
      assert.deepEqual(resolveClient(connect(given), trustProxies([])), expected)
    })
  }

  test('nothing is even asked for', () => {
    const asked = [asking({}, []), asking({ peer: '203.0.113.7' }, TRUST)]
    assert.deepEqual(asked.flat(), [])
  })
})

describe('F-2: from a trusted peer, the walk goes from right to left and stops at the first untrusted', () => {
  const rows: readonly [rule: string, peer: string | null, list: string | null, ip: string | null][] = [
    ['an untrusted peer is the client', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
    ['a trusted peer names the client', PROXY, '203.0.113.7', '203.0.113.7'],
    ['what the client wrote before is not looked at', PROXY, '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['... not even when it is a trusted address', PROXY, '10.1.1.1, 203.0.113.7', '203.0.113.7'],
    ['... nor when it is garbage', PROXY, 'garbage, unknown,, 203.0.113.7', '203.0.113.7'],
    ['several trusted proxies are passed', PROXY, '203.0.113.7, 192.0.2.1, 10.3.0.1', '203.0.113.7'],
    ['all are trusted: the first of them', PROXY, '10.1.1.1, 10.2.2.2', '10.1.1.1'],
    ['a trusted peer that names nobody is the client', PROXY, null, PROXY],
    ['... also with an empty list', PROXY, ' , ,', PROXY],
    [
      'spaces, tabs and empty members mean nothing',
      PROXY,
      ' 198.51.100.1 ,\t203.0.113.7 , , ',
      '203.0.113.7',
    ],
    ['several header lines are one list', PROXY, '198.51.100.1, 203.0.113.7, 10.1.1.1', '203.0.113.7'],
    ['an IPv6 client', PROXY, '2001:DB8:0:0::7', '2001:db8::7'],
    ['an IPv6 proxy', 'fd00::9', '203.0.113.7, fd12::1', '203.0.113.7'],
    ['an IPv4-mapped peer is the IPv4 proxy', '::ffff:10.0.0.9', '203.0.113.7', '203.0.113.7'],
    ['... in hexadecimal digits, too', '::ffff:a00:9', '203.0.113.7', '203.0.113.7'],
    ['an IPv4-mapped member is the IPv4 proxy', PROXY, '203.0.113.7, ::ffff:10.0.0.8', '203.0.113.7'],
    ['an IPv4-mapped client is folded', PROXY, '::ffff:203.0.113.7', '203.0.113.7'],
    ['an IPv4-compatible address is not the IPv4 proxy', '::10.0.0.9', '203.0.113.7', '::a00:9'],
    ['a port after IPv4 is dropped', PROXY, '203.0.113.7:47011', '203.0.113.7'],
    ['... of a proxy, too', PROXY, '203.0.113.7:1, 10.1.1.1:47011', '203.0.113.7'],
    ['brackets and port around IPv6 are dropped', PROXY, '[2001:db8::1]:47011', '2001:db8::1'],
    ['brackets alone, too', PROXY, '[2001:db8::1]', '2001:db8::1'],
    ['a zone id is dropped', 'fe80::1%eth0', null, 'fe80::1'],
    ['unknown: a proxy does not know its client', PROXY, 'unknown', null],
    ['... and what stands before is not believed', PROXY, '203.0.113.7, unknown', null],
    ['_obf: a proxy does not tell', PROXY, '203.0.113.7, _obf', null],
    [
      'garbage behind a trusted proxy gives null, not the proxy',
      PROXY,
      '203.0.113.7, garbage, 10.1.1.1',
      null,
    ],
    ['quotes belong to another header', PROXY, '"[2001:db8::1]:47011"', null],
    ['an octet beyond 255 is garbage', PROXY, '203.0.113.256', null],
    ['leading zeros are garbage', PROXY, '203.0.113.7, 010.1.1.1', null],
    ['a block is garbage', PROXY, '10.0.0.0/8', null],
    ['a port that is no number is garbage', PROXY, '203.0.113.7:http', null],
    ['IPv4 in brackets is garbage', PROXY, '[203.0.113.7]', null],
    ['what has something before its brackets is garbage', PROXY, 'x[2001:db8::1]', null],
    ['... or behind them', PROXY, '[2001:db8::1]x', null],
    ['... or before an IPv4 and its port', PROXY, 'x203.0.113.7:80', null],
    ['a peer without an address is not trusted', null, '203.0.113.7', null],
    ['a peer with a strange address is not trusted', 'unix:/run/app.sock', '203.0.113.7', null],
  ]
  for (const [rule, peer, list, ip] of rows) {
    test(`${rule}: ${list} from ${peer} -> ${ip}`, () => {
      const given: Given = list === null ? { peer } : { peer, 'x-forwarded-for': list }
      assert.equal(resolveClient(connect(given), trustProxies(TRUST)).ip, ip)
    })
  }

  test('agrees with proxy-addr on random lists and trusts', () => {
    const octet = fc.constantFrom(0, 1, 2, 127, 128, 255)
    const v4 = fc.tuple(fc.constantFrom(10, 192, 203), octet, octet, octet).map((parts) => parts.join('.'))
    const v6 = fc.tuple(fc.constantFrom('fd00', '2001'), octet, octet).map(([a, b, c]) => `${a}:${b}::${c}`)
    const address = fc.oneof(
      v4,
      v6,
      v4.map((text) => `::ffff:${text}`),
    )
    const hop = fc.oneof(
      { weight: 9, arbitrary: address },
      { weight: 1, arbitrary: fc.constantFrom('unknown', '_obf', 'x') },
    )
    const block = fc.oneof(
      address,
      fc.tuple(v4, fc.integer({ min: 1, max: 32 })).map(([text, prefix]) => network(text, prefix)),
      fc.tuple(v6, fc.integer({ min: 1, max: 128 })).map(([text, prefix]) => network(text, prefix)),
    )
    let walked = 0
    fc.assert(
      fc.property(
        address,
        fc.array(hop, { maxLength: 6 }),
        fc.array(block, { maxLength: 4 }),
        (peer, hops, cidrs) => {
          // Long walks are rare among random trusts: half of the runs trust whatever begins with 10.
          const trusted = hops.length % 2 === 0 ? cidrs : [...cidrs, '10.0.0.0/8']
          const list = hops.join(', ')
          const request = {
            socket: { remoteAddress: peer },
            connection: { remoteAddress: peer },
            headers: { 'x-forwarded-for': list },
          }
          const oracle = parseAddress(proxyaddr(request as unknown as IncomingMessage, trusted))
          const { ip } = resolveClient(connect({ peer, 'x-forwarded-for': list }), trustProxies(trusted))
          assert.equal(ip, oracle && formatAddress(oracle))
          if (ip !== formatAddress(parseAddress(peer)!)) walked += 1
        },
      ),
      { numRuns: 3_000 },
    )
    assert.ok(walked > 300, `only ${walked} runs took a step`)
  })
})

describe('F-3: X-Forwarded-* is read, and Forwarded never', () => {
  test('Forwarded alone changes nothing', () => {
    const given = connect({ forwarded: 'for=198.51.100.1;proto=https;host=evil.example' })
    assert.deepEqual(resolveClient(given, trustProxies(TRUST)), {
      ip: PROXY,
      origin: 'http://app.example.com',
    })
  })
  test('Forwarded beside X-Forwarded-* changes nothing', () => {
    const given = connect({
      forwarded: 'for=198.51.100.1;proto=http;host=evil.example',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'https',
    })
    assert.deepEqual(resolveClient(given, trustProxies(TRUST)), {
      ip: '203.0.113.7',
      origin: 'https://app.example.com',
    })
  })
})

describe('F-4: scheme and host come from the trusted peer alone, and must be of one mind', () => {
  const rows: readonly [rule: string, given: Given, origin: string | 'ERR_FORWARDED'][] = [
    ['X-Forwarded-Proto is the scheme', { 'x-forwarded-proto': 'https' }, 'https://app.example.com'],
    ['... in capitals, too', { 'x-forwarded-proto': 'HTTPS' }, 'https://app.example.com'],
    [
      '... also when it says http behind TLS',
      { scheme: 'https', 'x-forwarded-proto': 'http' },
      'http://app.example.com',
    ],
    ['none: the scheme of the socket', { scheme: 'https' }, 'https://app.example.com'],
    ['wss is https, as in a page’s Origin', { 'x-forwarded-proto': 'wss' }, 'https://app.example.com'],
    ['ws is http', { 'x-forwarded-proto': 'ws' }, 'http://app.example.com'],
    ['a list of one mind', { 'x-forwarded-proto': 'https, https' }, 'https://app.example.com'],
    [
      'a list that disagrees: the client wrote the first',
      { 'x-forwarded-proto': 'https, http' },
      'ERR_FORWARDED',
    ],
    ['... in the other order', { 'x-forwarded-proto': 'http,https' }, 'ERR_FORWARDED'],
    ['an unknown scheme', { 'x-forwarded-proto': 'gopher' }, 'ERR_FORWARDED'],
    ['an unknown scheme beside a known one', { 'x-forwarded-proto': 'https, gopher' }, 'ERR_FORWARDED'],
    ['a name that every object has is no scheme', { 'x-forwarded-proto': 'constructor' }, 'ERR_FORWARDED'],
    ['an empty scheme', { 'x-forwarded-proto': '' }, 'ERR_FORWARDED'],
    ['an empty member', { 'x-forwarded-proto': 'https,' }, 'ERR_FORWARDED'],
    ['X-Forwarded-Host is the host', { 'x-forwarded-host': 'www.example.com' }, 'http://www.example.com'],
    ['... with its port', { 'x-forwarded-host': 'www.example.com:8443' }, 'http://www.example.com:8443'],
    [
      '... less the default one of the forwarded scheme',
      { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'www.example.com:443' },
      'https://www.example.com',
    ],
    [
      '... and Host is not looked at',
      { host: '', 'x-forwarded-host': 'www.example.com' },
      'http://www.example.com',
    ],
    [
      'hosts of one mind',
      { 'x-forwarded-host': 'www.example.com, WWW.example.com:80' },
      'http://www.example.com',
    ],
    ['hosts that disagree', { 'x-forwarded-host': 'evil.example, www.example.com' }, 'ERR_FORWARDED'],
    ['a malformed host', { 'x-forwarded-host': 'www.example.com/x' }, 'ERR_FORWARDED'],
    ['a malformed host beside a good one', { 'x-forwarded-host': 'www.example.com, @' }, 'ERR_FORWARDED'],
    ['an empty host', { 'x-forwarded-host': '' }, 'ERR_FORWARDED'],
    ['X-Forwarded-Port is not read', { 'x-forwarded-port': '8443' }, 'http://app.example.com'],
    [
      'X-Forwarded-Ssl and X-Forwarded-Scheme are not read',
      { 'x-forwarded-ssl': 'on', 'x-forwarded-scheme': 'https' },
      'http://app.example.com',
    ],
    [
      'from an untrusted peer, none is read',
      { peer: '203.0.113.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example' },
      'http://app.example.com',
    ],
    [
      '... and none can fail',
      { peer: '203.0.113.7', 'x-forwarded-proto': 'gopher', 'x-forwarded-host': '@' },
      'http://app.example.com',
    ],
    [
      'a peer without an address is not trusted',
      { peer: null, 'x-forwarded-proto': 'https' },
      'http://app.example.com',
    ],
  ]
  for (const [rule, given, origin] of rows) {
    test(`${rule}: ${origin}`, () => assert.equal(outcome(connect(given), TRUST), origin))
  }

  test('what a client sent is quoted in the message, cut short', () => {
    const given = connect({ 'x-forwarded-proto': `a"\u001b${'b'.repeat(9_000)}` })
    assert.throws(
      () => resolveClient(given, trustProxies(TRUST)),
      (error: unknown) => {
        assert.ok(error instanceof SessionError)
        assert.equal(error.status, 400)
        assert.match(error.message, /^x-forwarded-proto: "a\\"\\u001bb+" is malformed; /)
        return error.message.length < 250
      },
    )
  })
})

describe('F-4: a refusal says what arrived, cut short, and what to do', () => {
  const proxied = 'the outermost proxy must set it, over whatever a client sent'
  const direct = 'write a name or address, with a port if need be'
  for (const [given, message] of [
    [{ 'x-forwarded-proto': 'gopher' }, `x-forwarded-proto: "gopher" is malformed; ${proxied}`],
    [
      { 'x-forwarded-proto': 'https, http' },
      `x-forwarded-proto: "https, http" is a list whose members differ; ${proxied}`,
    ],
    [{ 'x-forwarded-host': '@' }, `x-forwarded-host: "@" is malformed; ${proxied}`],
    [
      { scheme: 'https', 'x-forwarded-host': '@'.repeat(99) },
      `x-forwarded-host: "${'@'.repeat(80)}" is malformed; ${proxied}`,
    ],
    [{ host: null }, `Host: is missing; ${direct}`],
    [{ host: '@'.repeat(99) }, `Host: "${'@'.repeat(80)}" is malformed; ${direct}`],
  ] as [Given, string][]) {
    test(message, () => {
      assert.throws(() => resolveClient(connect(given), trustProxies(TRUST)), { message })
    })
  }
})

test('F-5: the headers of single providers are never read', () => {
  const names = [
    'x-real-ip',
    'x-client-ip',
    'cf-connecting-ip',
    'true-client-ip',
    'fastly-client-ip',
  ] as const
  const given = Object.fromEntries(names.map((name) => [name, '198.51.100.1']))
  assert.equal(resolveClient(connect(given), trustProxies(TRUST)).ip, PROXY)
  assert.deepEqual(asking(given, TRUST).sort(), ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'])
})

describe('F-6: an address has one spelling', () => {
  for (const [peer, ip] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:7F00:1', '127.0.0.1'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::A%en0', '2001:db8::a'],
  ]) {
    test(`${peer} is ${ip}`, () =>
      assert.equal(resolveClient(connect({ peer: peer! }), trustProxies([])).ip, ip))
  }
})

test('F-7: a stranger cannot make plain HTTP look like HTTPS', () => {
  const given = connect({ peer: '203.0.113.7', 'x-forwarded-proto': 'https', 'x-forwarded-ssl': 'on' })
  assert.equal(resolveClient(given, trustProxies(TRUST)).origin, 'http://app.example.com')
})

describe('Host', () => {
  const rows: readonly [rule: string, scheme: 'http' | 'https', host: string | null, origin: string][] = [
    ['a name', 'https', 'app.example.com', 'https://app.example.com'],
    ['in lower case', 'https', 'App.EXAMPLE.com', 'https://app.example.com'],
    ['a port stays', 'https', 'app.example.com:8443', 'https://app.example.com:8443'],
    ['the default port goes', 'https', 'app.example.com:443', 'https://app.example.com'],
    ['... for http, too', 'http', 'app.example.com:80', 'http://app.example.com'],
    ['the other scheme’s default port stays', 'http', 'app.example.com:443', 'http://app.example.com:443'],
    ['an empty port goes (RFC 9110 §4.2.3)', 'http', 'app.example.com:', 'http://app.example.com'],
    ['leading zeros of a port go', 'http', 'app.example.com:0080', 'http://app.example.com'],
    ['one label', 'http', 'localhost:3000', 'http://localhost:3000'],
    ['a name that only begins with a number', 'http', '1.pool.test', 'http://1.pool.test'],
    ['the first port', 'http', 'a.test:1', 'http://a.test:1'],
    ['the last port', 'http', 'a.test:65535', 'http://a.test:65535'],
    ['a label of 63', 'http', `${'a'.repeat(63)}.test`, `http://${'a'.repeat(63)}.test`],
    ['a name of 254', 'http', `${'abc.'.repeat(63)}ab`, `http://${'abc.'.repeat(63)}ab`],
    ['an underscore', 'http', 'my_app.test', 'http://my_app.test'],
    ['a final dot stays: to browsers it is another origin', 'http', 'example.com.', 'http://example.com.'],
    ['IPv4', 'http', '127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['IPv6', 'http', '[::1]:8080', 'http://[::1]:8080'],
    ['IPv6 in its one spelling', 'http', '[2001:DB8:0:0:0:0:0:1]', 'http://[2001:db8::1]'],
    ['IPv4-mapped IPv6, as URLs write it', 'http', '[::ffff:127.0.0.1]', 'http://[::ffff:7f00:1]'],
    ['missing', 'http', null, 'ERR_REQUEST'],
    ['empty', 'http', '', 'ERR_REQUEST'],
    ['a port alone', 'http', ':80', 'ERR_REQUEST'],
    ['a port beyond 65535', 'http', 'a.test:65536', 'ERR_REQUEST'],
    ['port 0', 'http', 'a.test:0', 'ERR_REQUEST'],
    ['a port that is no number', 'http', 'a.test:80a', 'ERR_REQUEST'],
    ['two ports', 'http', 'a.test:80:80', 'ERR_REQUEST'],
    ['two hosts', 'http', 'a.test, b.test', 'ERR_REQUEST'],
    ['a user', 'http', 'app.example.com@evil.example', 'ERR_REQUEST'],
    ['a path', 'http', 'app.example.com/x', 'ERR_REQUEST'],
    ['a backslash', 'http', 'app.example.com\\x', 'ERR_REQUEST'],
    ['a query', 'http', 'app.example.com?x', 'ERR_REQUEST'],
    ['a fragment', 'http', 'app.example.com#x', 'ERR_REQUEST'],
    ['a percent sign, which URLs decode', 'http', '%61pp.example.com', 'ERR_REQUEST'],
    ['a space', 'http', 'app.example.com ', 'ERR_REQUEST'],
    ['a line break', 'http', 'app.example.com\r\nX: y', 'ERR_REQUEST'],
    ['a line break at its end', 'http', 'app.example.com\n', 'ERR_REQUEST'],
    ['letters that fold to ASCII', 'http', 'ＡＰＰ.example.com', 'ERR_REQUEST'],
    ['... and the Kelvin sign, which lower case makes a k', 'http', '\u212a.example', 'ERR_REQUEST'],
    ['an empty label', 'http', 'a..test', 'ERR_REQUEST'],
    ['a dot before', 'http', '.a.test', 'ERR_REQUEST'],
    ['dots alone', 'http', '.', 'ERR_REQUEST'],
    ['a label of 64', 'http', `${'a'.repeat(64)}.test`, 'ERR_REQUEST'],
    ['a name of 255', 'http', `${'abcd.'.repeat(51)}`, 'ERR_REQUEST'],
    ['a short IPv4, which URLs complete', 'http', '127.1', 'ERR_REQUEST'],
    ['a hexadecimal IPv4', 'http', '0x7f000001', 'ERR_REQUEST'],
    ['an octal IPv4', 'http', '0177.0.0.1', 'ERR_REQUEST'],
    ['an octet beyond 255', 'http', '127.0.0.256', 'ERR_REQUEST'],
    ['a name that ends in a number', 'http', 'app.123', 'ERR_REQUEST'],
    ['IPv6 without brackets', 'http', '::1', 'ERR_REQUEST'],
    ['IPv6 with a zone', 'http', '[fe80::1%25eth0]', 'ERR_REQUEST'],
    ['IPv4 in brackets', 'http', '[127.0.0.1]', 'ERR_REQUEST'],
    ['an open bracket', 'http', '[::1', 'ERR_REQUEST'],
  ]
  for (const [rule, scheme, host, origin] of rows) {
    test(`${rule}: ${JSON.stringify(host?.slice(0, 40))} -> ${origin}`, () => {
      assert.equal(outcome(connect({ scheme, host }), []), origin)
      assert.equal(outcome(connect({ scheme, host }), []), origin, 'and the same again, remembered')
    })
  }

  test('whatever is accepted is the origin that a browser makes of it', () => {
    const label = fc.string({ unit: fc.constantFrom(...'aZ09-_x'), minLength: 1, maxLength: 5 })
    const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
    const literal = fc
      .oneof(
        fc.ipV6(),
        fc.ipV4().map((text) => `::ffff:${text}`),
      )
      .map((text) => `[${text}]`)
    const wild = fc.string({ unit: fc.constantFrom(...'aA0.:[]x/\\@%? \t-_~ſ'), maxLength: 10 })
    const port = fc.constantFrom('', ':', ':80', ':443', ':8443', ':080', ':0', ':65535', ':65536')
    let accepted = 0
    fc.assert(
      fc.property(
        fc.constantFrom('http' as const, 'https' as const),
        fc.oneof(
          name,
          literal,
          fc.ipV4(),
          wild,
          fc.constantFrom('a.', '1.', '0x1', 'a.0x', 'a.0x1g', 'a.1e1'),
        ),
        port,
        (scheme, base, port) => {
          const origin = outcome(connect({ scheme, host: base + port }), [])
          if (origin === 'ERR_REQUEST') return
          accepted += 1
          assert.equal(origin, new URL(`${scheme}://${base}${port}/`).origin)
        },
      ),
      { numRuns: 3_000 },
    )
    assert.ok(accepted > 1_000, `only ${accepted} were accepted`)
  })

  test('200 000 hosts are resolved in bounded memory', () => {
    const grown = retained(() => {
      for (let n = 0; n < 200_000; n += 1) outcome(connect({ host: `h${n}.example.com` }), [])
    })
    assert.ok(grown < 5, `${grown.toFixed(1)} MiB`)
  })
})

describe('the option proxy', () => {
  const accepted: readonly [rule: string, entry: string, peer: string, trusted: boolean][] = [
    ['an address', '192.0.2.1', '192.0.2.1', true],
    ['... and no other', '192.0.2.1', '192.0.2.2', false],
    ['a block, its first address', '10.0.0.0/8', '10.0.0.0', true],
    ['... its last', '10.0.0.0/8', '10.255.255.255', true],
    ['... and none before', '10.0.0.0/8', '9.255.255.255', false],
    ['... or after', '10.0.0.0/8', '11.0.0.0', false],
    ['a block that ends within a byte', '172.16.0.0/12', '172.31.255.255', true],
    ['... and no more', '172.16.0.0/12', '172.32.0.0', false],
    ['IPv6', 'fd00::/8', 'fdff::1', true],
    ['... and no other', 'fd00::/8', 'fe00::1', false],
    ['an IPv6 block has no IPv4 address', '::/1', '10.0.0.9', false],
    ['an IPv4 block has no IPv6 address', '10.0.0.0/8', '0a00::1', false],
    ['an IPv4-mapped entry is the IPv4 address', '::ffff:10.0.0.9', '10.0.0.9', true],
    ['an IPv4-mapped block is the IPv4 block', '::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['... and no more', '::ffff:10.0.0.0/104', '11.0.0.0', false],
  ]
  for (const [rule, entry, peer, trusted] of accepted) {
    test(`${rule}: ${entry}, ${peer}: ${trusted}`, () => {
      const { ip } = resolveClient(connect({ peer, 'x-forwarded-for': '203.0.113.7' }), trustProxies([entry]))
      assert.equal(ip, trusted ? '203.0.113.7' : formatAddress(parseAddress(peer)!))
    })
  }

  const FORM = 'write proxies as "192.0.2.7", "10.0.0.0/8" or "2001:db8::/32"'
  const refused: readonly [given: unknown, message: string][] = [
    [['10.0.0.0/33'], `proxy: "10.0.0.0/33" is no address or CIDR block; ${FORM}`],
    [['2001:db8::/129'], `proxy: "2001:db8::/129" is no address or CIDR block; ${FORM}`],
    [['10.0.0.0/'], `proxy: "10.0.0.0/" is no address or CIDR block; ${FORM}`],
    [['10.0.0.0/08'], `proxy: "10.0.0.0/08" is no address or CIDR block; ${FORM}`],
    [['10.0.0.0/255.0.0.0'], `proxy: "10.0.0.0/255.0.0.0" is no address or CIDR block; ${FORM}`],
    [['010.0.0.0/8'], `proxy: "010.0.0.0/8" is no address or CIDR block; ${FORM}`],
    [['10/8'], `proxy: "10/8" is no address or CIDR block; ${FORM}`],
    [['::ffff:10.0.0.0/8'], `proxy: "::ffff:10.0.0.0/8" is no address or CIDR block; ${FORM}`],
    [['loopback'], `proxy: "loopback" is no address or CIDR block; ${FORM}`],
    [['proxy.internal'], `proxy: "proxy.internal" is no address or CIDR block; ${FORM}`],
    [[''], `proxy: "" is no address or CIDR block; ${FORM}`],
    [['10.0.0.0/8', null], `proxy: null is no address or CIDR block; ${FORM}`],
    [['10.0.0.1, 10.0.0.2'], `proxy: "10.0.0.1, 10.0.0.2" is no address or CIDR block; ${FORM}`],
    [
      ['10.0.0.1/8'],
      'proxy: "10.0.0.1/8" has bits beyond its prefix; write "10.0.0.0/8" for the block, or "10.0.0.1" for the one address',
    ],
    [
      ['2001:db8::1/32'],
      'proxy: "2001:db8::1/32" has bits beyond its prefix; write "2001:db8::/32" for the block, or "2001:db8::1" for the one address',
    ],
    [['0.0.0.0/0'], `proxy: "0.0.0.0/0" names every address, so that anybody could claim any other; ${FORM}`],
    [['::/0'], `proxy: "::/0" names every address, so that anybody could claim any other; ${FORM}`],
    [
      ['true'],
      `proxy: "true" would let anybody who reaches this server choose the address and the scheme that it sees; ${FORM}`,
    ],
    [
      ['*'],
      `proxy: "*" would let anybody who reaches this server choose the address and the scheme that it sees; ${FORM}`,
    ],
    [
      true,
      `proxy: true would let anybody who reaches this server choose the address and the scheme that it sees; ${FORM}`,
    ],
    [1, `proxy: 1 counts hops, and who comes in past a proxy can add some; ${FORM}`],
    [-1, `proxy: -1 counts hops, and who comes in past a proxy can add some; ${FORM}`],
    [['1'], `proxy: "1" counts hops, and who comes in past a proxy can add some; ${FORM}`],
    [['12'], `proxy: "12" counts hops, and who comes in past a proxy can add some; ${FORM}`],
    ['10.0.0.0/8', `proxy: "10.0.0.0/8" is no array; ${FORM}`],
  ]
  for (const [given, message] of refused) {
    test(`refused: ${JSON.stringify(given)}`, () => {
      assert.throws(() => trustProxies(given as string[]), { code: 'ERR_OPTION', message })
    })
  }
})

function connect(given: Given): Connection {
  const { peer = PROXY, scheme = 'http', host = 'app.example.com', ...headers } = given
  const values: Record<string, string> = headers
  return { peer, scheme, host, header: (name) => values[name] ?? null }
}

/** @returns the names of the headers that were read */
function asking(given: Given, cidrs: readonly string[]): string[] {
  const asked: string[] = []
  const connection = connect(given)
  const header = (name: string) => {
    asked.push(name)
    return connection.header(name)
  }
  resolveClient({ ...connection, header }, trustProxies(cidrs))
  return asked
}

function outcome(connection: Connection, cidrs: readonly string[]): string {
  try {
    return resolveClient(connection, trustProxies(cidrs)).origin
  } catch (error) {
    if (error instanceof SessionError) return error.code
    throw error
  }
}

function network(text: string, prefix: number): string {
  const bits = BigInt(parseAddress(text)!.kind() === 'ipv4' ? 32 : 128)
  const value = parseAddress(text)!
    .toByteArray()
    .reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const kept = (value >> (bits - BigInt(prefix))) << (bits - BigInt(prefix))
  const hex = kept.toString(16).padStart(Number(bits) / 4, '0')
  return bits === 32n
    ? `${hex
        .match(/../g)!
        .map((pair) => Number.parseInt(pair, 16))
        .join('.')}/${prefix}`
    : `${hex.match(/..../g)!.join(':')}/${prefix}`
}
