/** The server's keys: what passes for one, and which of them signs. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { generateKey, KeyRing, type Purpose, parseKeys } from '../../src/core/keys.ts'
import { KEY, OTHER_KEY, refusal } from './fixtures.ts'

const bytesOf = (key: string) => new Uint8Array(Buffer.from(key, 'base64url'))

describe('keys: accepted', () => {
  for (const [rule, keys, count] of [
    ['an array', [KEY], 1],
    ['several, newest first', [KEY, OTHER_KEY], 2],
    ['one string with commas, as it comes from the environment', `${KEY},${OTHER_KEY}`, 2],
    ['... with spaces', ` ${KEY} , ${OTHER_KEY}\n`, 2],
    ['bytes', [bytesOf(KEY)], 1],
    ['base64 with padding', [`${Buffer.from(bytesOf(KEY)).toString('base64')}`], 1],
    ['longer ones', [Buffer.concat([bytesOf(KEY), bytesOf(OTHER_KEY)]).toString('base64url')], 1],
    ['what keygen makes', [generateKey()], 1],
  ] as [string, string | (string | Uint8Array)[], number][]) {
    test(rule, () => assert.equal(parseKeys(keys).length, count))
  }
  test('their order is kept', () => {
    assert.deepEqual(
      parseKeys(`${KEY},${OTHER_KEY}`).map((key) => Buffer.from(key).toString('base64url')),
      [KEY, OTHER_KEY],
    )
  })
  test('bytes are copied: whoever wipes his does not wipe ours', () => {
    const bytes = bytesOf(KEY)
    const [copy] = parseKeys([bytes])
    bytes.fill(0)
    assert.deepEqual(copy, bytesOf(KEY))
  })
})

describe('keys: refused, with the place and the way to make one', () => {
  for (const [rule, keys, where] of [
    ['none', [], /^keys is empty/],
    ['an empty string', '', /^keys\[0\] is not base64url/],
    ['a number', 5, /^keys is empty/],
    ['null', null, /^keys is empty/],
    ['a number among them', [KEY, 5], /^keys\[1\]/],
    ['null among them', [null], /^keys\[0\]/],
    [
      '31 bytes',
      [Buffer.from(bytesOf(KEY).subarray(1)).toString('base64url')],
      /^keys\[0\] is 31 bytes long/,
    ],
    [
      'a passphrase',
      ['correct horse battery staple, correct horse'],
      /^keys\[0\] is not base64url; a passphrase/,
    ],
    [
      'a passphrase that is base64url',
      ['correct_horse_battery_staple_changeme_correct_horse'],
      /^keys\[0\] looks like a placeholder/,
    ],
    ['"secret" in it', [`${KEY.slice(0, 30)}secret${KEY.slice(0, 12)}`], /placeholder/],
    ['zeros', [new Uint8Array(32)], /^keys\[0\] looks like a placeholder/],
    ['one letter', ['a'.repeat(43)], /placeholder/],
    ['15 different bytes', [Uint8Array.from({ length: 32 }, (_, index) => index % 15)], /placeholder/],
    ['the same twice', [KEY, KEY], /^keys\[1\] repeats another/],
    ['the same twice, spelt differently', [KEY, bytesOf(KEY)], /^keys\[1\] repeats another/],
    ['an empty one at the end', `${KEY},`, /^keys\[1\]/],
  ] as [string, never, RegExp][]) {
    test(rule, () => assert.throws(() => parseKeys(keys), refusal('ERR_OPTION', where)))
    test(`${rule}: npx holdfast keygen`, () => assert.throws(() => parseKeys(keys), /npx holdfast keygen/))
  }
  test('the message never shows the key', () => {
    const short = KEY.slice(0, 40)
    assert.throws(
      () => parseKeys([short]),
      (error: Error) => !error.message.includes(short.slice(0, 8)),
    )
  })
  test('16 different bytes pass', () => {
    parseKeys([Uint8Array.from({ length: 32 }, (_, index) => index % 16)])
  })
})

describe('keys: the ring', () => {
  const oldRing = new KeyRing([bytesOf(OTHER_KEY)])
  const rolled = new KeyRing([bytesOf(KEY), bytesOf(OTHER_KEY)])
  const other = new KeyRing([bytesOf(KEY)])
  const purposes: Purpose[] = ['session', 'visitor', 'csrf']

  test('the newest signs', () => {
    assert.deepEqual(rolled.sign('session', 'x'), other.sign('session', 'x'))
    assert.equal(rolled.verify('session', 'x', rolled.sign('session', 'x')), 0)
  })
  test('an older one verifies, and is told', () => {
    assert.equal(rolled.verify('session', 'x', oldRing.sign('session', 'x')), 1)
  })
  test('a foreign one does not', () => {
    assert.equal(other.verify('session', 'x', oldRing.sign('session', 'x')), -1)
  })
  test('R-46: a MAC of one purpose means nothing to another', () => {
    for (const made of purposes) {
      for (const wanted of purposes) {
        assert.equal(rolled.verify(wanted, 'x', rolled.sign(made, 'x')), made === wanted ? 0 : -1)
      }
    }
  })
  test('R-26: another length is no MAC, and no crash', () => {
    const mac = rolled.sign('session', 'x')
    for (const length of [0, 1, 42]) assert.equal(rolled.verify('session', 'x', mac.slice(0, length)), -1)
    for (const more of ['A', '=', '\0', 'é']) {
      assert.equal(rolled.verify('session', 'x', mac + more), -1)
      assert.equal(rolled.verify('session', 'x', mac.slice(1) + more), -1)
    }
  })
  test('any text, and no other', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (made, shown) => {
        assert.equal(rolled.verify('csrf', shown, rolled.sign('csrf', made)), made === shown ? 0 : -1)
      }),
    )
  })
  test('generated keys are 32 bytes, and never the same', () => {
    const keys = Array.from({ length: 100 }, generateKey)
    assert.equal(new Set(keys).size, 100)
    for (const key of keys) assert.match(key, /^[\w-]{43}$/)
  })
})
