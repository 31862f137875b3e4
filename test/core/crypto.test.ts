/** Both twins compute the same, and what the standards say. */

import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import * as node from '../../src/runtime/crypto.node.ts'
import * as web from '../../src/runtime/crypto.web.ts'

const TWINS = { node, web }
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const hexOf = (text: string) => Buffer.from(text, 'base64url').toString('hex')
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const anyText = fc.string({ unit: 'binary', maxLength: 150 })
const anyKey = fc.uint8Array({ maxLength: 130 })

/** RFC 4231. Its data are given as text where they are UTF-8. */
const HMAC: readonly [rule: string, key: string, text: string, mac: string][] = [
  [
    'RFC 4231 case 1',
    '0b'.repeat(20),
    'Hi There',
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  ],
  [
    'RFC 4231 case 2: a short key',
    hex(Buffer.from('Jefe')),
    'what do ya want for nothing?',
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [
    'RFC 4231 case 6: a key longer than a block',
    'aa'.repeat(131),
    'Test Using Larger Than Block-Size Key - Hash Key First',
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ],
  [
    'RFC 4231 case 7: both long',
    'aa'.repeat(131),
    'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  ],
]

/** FIPS 180-4, and the examples that go with it. */
const SHA256: readonly [rule: string, text: string, digest: string][] = [
  ['nothing', '', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['one block', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'two blocks',
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  [
    'a million letters',
    'a'.repeat(1_000_000),
    'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
  ],
]

for (const [name, twin] of Object.entries(TWINS)) {
  describe(`crypto.${name}`, () => {
    for (const [rule, key, text, mac] of HMAC) {
      test(rule, () => assert.equal(hexOf(twin.hmac(twin.macKey(bytesOf(key)), text)), mac))
    }
    for (const [rule, text, digest] of SHA256) {
      test(`SHA-256 of ${rule}`, () => assert.equal(hex(twin.fromBase64url(twin.sha256(text))!), digest))
    }
    test('a key of 64 bytes is not hashed, one of 65 is', () => {
      for (const length of [0, 1, 63, 64, 65, 130]) {
        const key = new Uint8Array(length).fill(0xa5)
        assert.equal(
          hexOf(twin.hmac(twin.macKey(key), 'x')),
          createHmac('sha256', key).update('x').digest('hex'),
        )
      }
    })
    test('texts of any length, in one byte a character and in three', () => {
      const key = new Uint8Array(32).fill(9)
      for (const char of ['a', 'é', '€']) {
        for (const length of [0, 319, 320, 321, 480, 481, 960, 961, 5_000]) {
          const text = char.repeat(length)
          const expected = createHmac('sha256', key).update(text).digest('base64url')
          assert.equal(twin.hmac(twin.macKey(key), text), expected, `${length} of ${char}`)
        }
      }
    })
    test('a key that is changed afterwards changes nothing', () => {
      const key = new Uint8Array(32).fill(7)
      const prepared = twin.macKey(key)
      const before = hexOf(twin.hmac(prepared, 'x'))
      key.fill(0)
      assert.equal(hexOf(twin.hmac(prepared, 'x')), before)
    })
    test('equal: every character counts, and so does the length', () => {
      const a = 'AZaz09-_'.repeat(5)
      assert.equal(twin.equal(a, [...a].join('')), true)
      for (let at = 0; at < a.length; at++) {
        for (const other of ['B', '\0', 'é', '\u0141']) {
          assert.equal(twin.equal(a, a.slice(0, at) + other + a.slice(at + 1)), false)
        }
      }
      assert.equal(twin.equal(a, a.slice(1)), false)
      assert.equal(twin.equal(a, ''), false)
      assert.equal(twin.equal('', ''), true)
      assert.equal(twin.equal(a.repeat(3), a.repeat(3)), false, 'no MAC is that long')
    })
    test("random bytes: so many, never twice, and nobody else's", () => {
      const drawn = Array.from({ length: 2_000 }, (_, index) => twin.randomBytes(16 + (index % 3)))
      assert.equal(new Set(drawn.map(hex)).size, drawn.length)
      assert.deepEqual([...new Set(drawn.map((bytes) => bytes.length))], [16, 17, 18])
      const before = hex(drawn[1]!)
      drawn[0]!.fill(0)
      assert.equal(hex(drawn[1]!), before)
      for (const bytes of drawn)
        assert.equal(bytes.buffer.byteLength, bytes.length, 'a view on more than its own')
    })
    test('what is not base64 is null', () => {
      for (const text of ['', ' ', 'a b', 'ab\n', 'ä', '%', '====', 'a===', '=a', 'a=b'])
        assert.equal(twin.fromBase64url(text), null, text)
    })
    test('a part of a buffer is encoded alone', () => {
      assert.equal(twin.toBase64url(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), 'AgM')
    })
  })
}

describe('crypto: the twins agree', () => {
  test('on hashes of any text, lone surrogates included', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
        ),
        (text) => {
          assert.equal(node.sha256(text), web.sha256(text))
          assert.equal(node.sha256(text), createHash('sha256').update(text).digest('base64url'))
        },
      ),
    )
  })
  test('on MACs of any text by any key', () => {
    fc.assert(
      fc.property(anyKey, anyText, (key, text) => {
        const mac = hexOf(node.hmac(node.macKey(key), text))
        assert.equal(mac, hexOf(web.hmac(web.macKey(key), text)))
        assert.equal(mac, createHmac('sha256', key).update(text).digest('hex'))
      }),
    )
  })
  test('on base64url, in both directions', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = node.toBase64url(bytes)
        assert.equal(text, web.toBase64url(bytes))
        assert.match(text, /^[\w-]*$/)
        if (bytes.length === 0) return
        assert.deepEqual(node.fromBase64url(text), new Uint8Array(bytes))
        assert.deepEqual(web.fromBase64url(text), new Uint8Array(bytes))
      }),
    )
  })
  test('on whatever else may come for base64url', () => {
    const characters = fc.constantFrom(...'AZaz09-_+/= \n\0é')
    fc.assert(
      fc.property(fc.string({ unit: characters, maxLength: 12 }), (text) => {
        assert.deepEqual(node.fromBase64url(text), web.fromBase64url(text))
      }),
      { numRuns: 1_000 },
    )
  })
  test('they offer the same', () => assert.deepEqual(Object.keys(node).sort(), Object.keys(web).sort()))
})
