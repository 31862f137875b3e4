/** The address binding: what is remembered of an address, and which addresses match it. */

import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { formatAddress, parseAddress } from '../../src/address.ts'
import { type IpOptions, ip } from '../../src/bindings/ip.ts'
import type { RequestContext } from '../../src/core/request.ts'
import { retained } from './retained.ts'

const v4 = fc.ipV4()
const anyAddress = fc.oneof(
  v4,
  fc.ipV6(),
  v4.map((text) => `::ffff:${text}`),
)

describe('R-43: addresses are compared as numbers, by prefix, never as text', () => {
  const captured: readonly [rule: string, ip: string | null, bound: string | null][] = [
    ['IPv4 is bound by its first 24 bits', '203.0.113.77', '203.0.113.0/24'],
    [
      'IPv6 is bound by its first 64 bits, for the rest changes daily',
      '2001:db8:1:2:3:4:5:6',
      '2001:db8:1:2::/64',
    ],
    ['an IPv4-mapped address is the IPv4 address', '::ffff:203.0.113.77', '203.0.113.0/24'],
    ['... written with hexadecimal digits, too', '::ffff:cb00:714d', '203.0.113.0/24'],
    ['... in capitals, too', '::FFFF:203.0.113.77', '203.0.113.0/24'],
    ['... in full, too', '0:0:0:0:0:ffff:203.0.113.77', '203.0.113.0/24'],
    [
      '... with leading zeros in its IPv6 groups, too',
      '0000:0000:0000:0000:0000:ffff:cb00:714d',
      '203.0.113.0/24',
    ],
    ['... with a zone, too', '::ffff:203.0.113.77%eth0', '203.0.113.0/24'],
    [
      'ffff before the last 32 bits of another address means nothing',
      '2001:db8::ffff:cb00:714d',
      '2001:db8::/64',
    ],
    ['an IPv4-compatible address is IPv6', '::203.0.113.77', '::/64'],
    [
      'every spelling of an IPv6 address is one address',
      '2001:0DB8:0001:0002:0000::0006',
      '2001:db8:1:2::/64',
    ],
    ['a zone id is dropped', 'fe80::1%eth0', 'fe80::/64'],
    ['a zone id on IPv4 is no address', '203.0.113.77%eth0', null],
    ['an octet beyond 255 is no address', '203.0.113.256', null],
    ['leading zeros are no address: octal to some, decimal to others', '010.1.1.1', null],
    ['... in the last part, too', '1.1.1.010', null],
    ['... nor in the tail of an IPv6 address', '::ffff:010.1.1.1', null],
    ['fewer than four parts are no address', '127.1', null],
    ['a bare number is no address', '1', null],
    ['hexadecimal parts are no address', '0x7f.0.0.1', null],
    ['... nor in the tail of an IPv6 address', '::ffff:0x7f.0.0.1', null],
    ['digits of other scripts are no address', '١.1.1.1', null],
    ['a space before is no address', ' 203.0.113.77', null],
    ['a port is no part of an address', '203.0.113.77:443', null],
    ['brackets are no part of an address', '[2001:db8::1]', null],
    ['two gaps are no address', '2001:db8::1::2', null],
    ['an empty text is no address', '', null],
    ['an unknown address binds nothing', null, null],
  ]
  for (const [rule, address, bound] of captured) {
    test(`${rule}: ${address} -> ${bound}`, () => assert.equal(ip().capture(from(address)), bound))
  }

  const matched: readonly [
    rule: string,
    bound: string,
    ip: string | null,
    matches: boolean,
    options?: IpOptions,
  ][] = [
    ['a neighbour in the same /24 matches', '203.0.113.0/24', '203.0.113.1', true],
    ['an address in the next /24 does not', '203.0.113.0/24', '203.0.112.255', false],
    ['a new address of the same /64 matches', '2001:db8:1:2::/64', '2001:db8:1:2:ffff::1', true],
    ['an address in the next /64 does not', '2001:db8:1:2::/64', '2001:db8:1:3::1', false],
    ['IPv4 bound, the same address mapped: matches', '203.0.113.0/24', '::ffff:203.0.113.9', true],
    ['the other family does not match', '203.0.113.0/24', '2001:db8::1', false],
    ['... nor an IPv6 address with the same bits', '203.0.113.0/24', 'cb00:7100::', false],
    ['an address that is not known does not match', '203.0.113.0/24', null, false],
    ['what is no address does not match', '203.0.113.0/24', 'unknown', false],
    ['the prefix is an option', '203.0.0.0/16', '203.0.200.1', true, { v4Prefix: 16 }],
    ['... to the last bit', '203.0.113.7/32', '203.0.113.6', false, { v4Prefix: 32 }],
    ['... for IPv6, too', '2001:db8:1::/48', '2001:db8:1:ffff::', true, { v6Prefix: 48 }],
    ['... within a byte', '2001:db8:1:a0::/60', '2001:db8:1:af::1', true, { v6Prefix: 60 }],
    ['... and no more', '2001:db8:1:a0::/60', '2001:db8:1:b0::', false, { v6Prefix: 60 }],
    [
      'bound by a longer prefix, before the option changed: the shorter one counts',
      '203.0.113.0/24',
      '203.0.9.9',
      true,
      { v4Prefix: 16 },
    ],
    [
      'bound by a shorter prefix, before the option changed: the shorter one counts',
      '203.0.0.0/16',
      '203.0.9.9',
      true,
      { v4Prefix: 24 },
    ],
    ['... and what is outside of it does not match', '203.0.0.0/16', '203.1.9.9', false, { v4Prefix: 24 }],
    ['bound text that is no network matches nothing', 'nonsense', '203.0.113.1', false],
  ]
  for (const [rule, bound, address, matches, options] of matched) {
    test(`${rule}: ${bound} and ${address}`, () =>
      assert.equal(ip(options).matches(bound, from(address)), matches))
  }

  test('any address in any spelling matches what it bound itself', () => {
    fc.assert(
      fc.property(
        anyAddress,
        fc.integer({ min: 1, max: 32 }),
        fc.integer({ min: 1, max: 128 }),
        (text, v4Prefix, v6Prefix) => {
          const binding = ip({ v4Prefix, v6Prefix })
          const bound = binding.capture(from(text))
          assert.ok(bound !== null && bound.length <= 43 && binding.matches(bound, from(text.toUpperCase())))
          assert.equal(binding.capture(from(bound.replace(/\/.*/, ''))), bound)
        },
      ),
    )
  })

  test('what is an address is what the operating system takes for one', () => {
    const pieces = fc.array(
      fc.constantFrom('0', '1', '01', '255', '256', 'ffff', 'abcde', ':', ':', '::', '.', '.', 'g'),
      { maxLength: 16 },
    )
    const text = fc.oneof(
      anyAddress,
      pieces.map((list) => list.join('')),
      fc.string({ unit: fc.constantFrom(...'012f:.') }),
    )
    fc.assert(
      fc.property(text, (text) => assert.equal(parseAddress(text) !== null, isIPv4(text) || isIPv6(text))),
      { numRuns: 3_000 },
    )
  })

  test('one spelling: reading what was written gives the same', () => {
    fc.assert(
      fc.property(anyAddress, (text) => {
        const once = formatAddress(parseAddress(text)!)
        assert.equal(formatAddress(parseAddress(once)!), once)
        assert.equal(
          new URL(`http://${isIPv6(text) ? `[${text}]` : text}`).hostname,
          isIPv6(once) ? `[${once}]` : mappedBack(text, once),
        )
      }),
    )
  })
})

describe('the options of the address binding', () => {
  test('report is the default: honest clients change networks', () => assert.equal(ip().onMismatch, 'report'))
  test('it is called ip', () => assert.equal(ip().name, 'ip'))
  for (const onMismatch of ['report', 'reauthenticate', 'revoke'] as const) {
    test(`onMismatch: ${onMismatch}`, () => assert.equal(ip({ onMismatch }).onMismatch, onMismatch))
  }
  const refused: readonly [object, RegExp][] = [
    [
      { onMismatch: 'ignore' },
      /^ip\.onMismatch: expected 'report', 'reauthenticate' or 'revoke', but got "ignore"$/,
    ],
    [{ v4Prefix: 0 }, /^ip\.v4Prefix: expected a number of bits from 1 to 32, but got 0$/],
    [{ v4Prefix: 33 }, /^ip\.v4Prefix/],
    [{ v4Prefix: 24.5 }, /^ip\.v4Prefix/],
    [{ v4Prefix: '24' }, /^ip\.v4Prefix.* but got "24"$/],
    [{ v4Prefix: null }, /^ip\.v4Prefix/],
    [{ v6Prefix: 0 }, /^ip\.v6Prefix: expected a number of bits from 1 to 128, but got 0$/],
    [{ v6Prefix: 129 }, /^ip\.v6Prefix/],
    [{ prefix: 24 }, /^ip: there is no option prefix; known are onMismatch, v4Prefix, v6Prefix$/],
  ]
  for (const [options, message] of refused) {
    test(`refused: ${JSON.stringify(options)}`, () =>
      assert.throws(() => ip(options), { code: 'ERR_OPTION', message }))
  }
})

test('200 000 addresses are captured in bounded memory', () => {
  const binding = ip()
  const grown = retained(() => {
    for (let n = 0; n < 200_000; n += 1) binding.capture(from(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`))
  })
  assert.ok(grown < 5, `${grown.toFixed(1)} MiB`)
  assert.ok(binding.capture(from('10.0.0.1')))
})

function from(address: string | null): RequestContext {
  return {
    method: 'GET',
    origin: 'https://app.example.com',
    path: '/',
    search: '',
    ip: address,
    now: 0,
    header: () => null,
    field: () => null,
  }
}

/** A URL keeps an IPv4-mapped address as it is. */
function mappedBack(text: string, folded: string): string {
  return isIPv4(text) ? folded : new URL(`http://[::ffff:${folded}]`).hostname
}
