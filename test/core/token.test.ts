/** What the client carries: what is genuine, and what is not. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { sha256 } from '#crypto'
import { KeyRing, parseKeys } from '../../src/core/keys.ts'
import {
  drawId,
  drawSecret,
  formatOffer,
  formatToken,
  formatVisitor,
  hashParent,
  hashSecret,
  parseToken,
  parseVisitor,
  tokenReader,
} from '../../src/core/token.ts'
import { idOf, KEY, NOW, OTHER_KEY, secretOf, tokenOf } from './fixtures.ts'
import { retained } from './retained.ts'

const NAME = '__Host-Http-session'
const keys = new KeyRing(parseKeys([KEY]))
const otherKeys = new KeyRing(parseKeys([OTHER_KEY]))
const rolledKeys = new KeyRing(parseKeys([KEY, OTHER_KEY]))
const token = tokenOf({ parent: sha256(secretOf('parent')) })
const text = formatToken(keys, NAME, token)
const visitor = { id: idOf('visitor'), issued: NOW }
const visitorText = formatVisitor(keys, NAME, visitor)
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/% \0é'

describe('token: a round trip', () => {
  test('of any token', () => {
    const id = fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes) => Buffer.from(bytes).toString('base64url'))
    const hash = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('base64url'))
    const era = fc.nat(999_999_999)
    const issued = fc.integer({ min: 0, max: 999_999_999_999_999 })
    const tokens = fc.record({ id, era, parent: fc.oneof(fc.constant(''), hash), secret: hash, issued })
    fc.assert(
      fc.property(tokens, fc.string(), (fields, name) => {
        const written = formatToken(keys, name, fields)
        const proof = hashSecret(fields.secret)
        assert.deepEqual(parseToken(keys, name, written), { ...fields, proof, oldKey: false })
        assert.match(written, /^[\w.-]+$/)
        assert.ok(written.length <= 256)
      }),
    )
  })
  test('it is id.era.parent.secret.issued.tag', () => {
    assert.equal(
      text.slice(0, text.lastIndexOf('.')),
      `${token.id}.1.${token.parent}.${token.secret}.${token.issued}`,
    )
  })
  test("of a visitor's", () => assert.deepEqual(parseVisitor(keys, NAME, visitorText), visitor))
})

describe('token: changed by one character', () => {
  for (const [kind, genuine, parse] of [
    ["a session's", text, parseToken],
    ["a visitor's", visitorText, parseVisitor],
  ] as const) {
    test(`${kind}: any character into any other`, () => {
      for (let at = 0; at < genuine.length; at++) {
        for (const char of ALPHABET) {
          if (char === genuine[at]) continue
          const forged = genuine.slice(0, at) + char + genuine.slice(at + 1)
          assert.equal(parse(keys, NAME, forged), null, `${at}: ${char}`)
        }
      }
    })
    test(`${kind}: any character left out, doubled, or added`, () => {
      for (let at = 0; at <= genuine.length; at++) {
        assert.equal(parse(keys, NAME, genuine.slice(0, at)) !== null, at === genuine.length)
        assert.equal(
          parse(keys, NAME, genuine.slice(0, at) + genuine.slice(at + 1)) !== null,
          at === genuine.length,
        )
        assert.equal(parse(keys, NAME, `${genuine.slice(0, at)}A${genuine.slice(at)}`), null)
      }
    })
  }
  test('its tag, spelt differently for the same bytes: 43 characters carry 258 bits', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(text.at(-1)!)
    const twins = [1, 2, 3].map((bits) => text.slice(0, -1) + alphabet[last ^ bits])
    const bytes = (value: string) => Buffer.from(value.split('.').at(-1)!, 'base64url').toString('hex')
    for (const twin of twins) {
      assert.equal(bytes(twin), bytes(text))
      assert.equal(parseToken(keys, NAME, twin), null)
    }
  })
})

describe('token: not ours', () => {
  const fields = [token.id, '1', token.parent, token.secret, String(token.issued)]
  const tag = text.slice(text.lastIndexOf('.') + 1)
  const rows: readonly [rule: string, text: string][] = [
    ['nothing', ''],
    ['an id alone', token.id],
    ['64 KB', 'A'.repeat(65_536)],
    ['64 KB of dots', '.'.repeat(65_536)],
    ['64 KB with a genuine beginning', text + 'A'.repeat(65_536)],
    ['64 KB with a genuine end', 'A'.repeat(65_536) + text],
    ['a genuine one in quotes', `"${text}"`],
    ['... with a space', `${text} `],
    ['... with a line break', `${text}\n`],
    ['... with a NUL', `${text}\0`],
    ['... in percent-encoding', encodeURIComponent(`${text} `)],
    ['... with padding', `${text}=`],
    ['no tag', fields.join('.')],
    ['an empty tag', `${fields.join('.')}.`],
    ['two tags', `${text}.${tag}`],
    ['fields in another order', [fields[1], fields[0], ...fields.slice(2), tag].join('.')],
    ['an era with a leading zero', [fields[0], '01', ...fields.slice(2), tag].join('.')],
    ['a negative era', [fields[0], '-1', ...fields.slice(2), tag].join('.')],
    ['another era', [fields[0], '2', ...fields.slice(2), tag].join('.')],
    ['without its parent', [fields[0], '1', '', ...fields.slice(3), tag].join('.')],
    ['another moment', [...fields.slice(0, 4), String(token.issued + 1), tag].join('.')],
    ['digits of other scripts', [fields[0], '١', ...fields.slice(2), tag].join('.')],
    ['a path', '../../../etc/passwd'],
    ['SQL', "' OR 1=1 --"],
    ['JSON', '{"id":"x"}'],
    ['a JWT without algorithm', 'eyJhbGciOiJub25lIn0.e30.'],
  ]
  for (const [rule, value] of rows) {
    test(rule, () => {
      assert.equal(parseToken(keys, NAME, value), null)
      assert.equal(parseVisitor(keys, NAME, value), null)
    })
  }
  test('by another key', () => assert.equal(parseToken(otherKeys, NAME, text), null))
  test('R-08: for a cookie of another name', () => {
    for (const name of ['__Host-Http-visitor', '__Secure-session', '__Host-Http-session ', '']) {
      assert.equal(parseToken(keys, name, text), null)
    }
  })
  test("R-46: a visitor's token is no session's, and none is a CSRF token", () => {
    assert.equal(parseToken(keys, NAME, visitorText), null)
    assert.equal(parseVisitor(keys, NAME, text), null)
    const tags = ['session', 'visitor', 'csrf'] as const
    const body = text.slice(0, text.lastIndexOf('.'))
    for (const purpose of tags) {
      const forged = `${body}.${keys.sign(purpose, `${NAME} ${body}`)}`
      assert.equal(parseToken(keys, NAME, forged) !== null, purpose === 'session')
    }
  })
  test('and 64 KB cost next to nothing', () => {
    const started = performance.now()
    for (let i = 0; i < 1_000; i++) parseToken(keys, NAME, rows[3]![1])
    assert.ok(performance.now() - started < 200)
  })
  test('whatever it is, it is null and never throws', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 300 }),
        (value) => parseToken(keys, NAME, value) === null,
      ),
    )
  })
})

describe('token: keys roll', () => {
  test('one by an older key is genuine, and says so', () => {
    const old = formatToken(otherKeys, NAME, token)
    assert.equal(parseToken(rolledKeys, NAME, old)!.oldKey, true)
    assert.equal(parseToken(rolledKeys, NAME, text)!.oldKey, false)
    assert.deepEqual(parseVisitor(rolledKeys, NAME, formatVisitor(otherKeys, NAME, visitor)), visitor)
  })
  test('what is written is signed by the newest', () => {
    assert.equal(formatToken(rolledKeys, NAME, token), text)
  })
})

describe('token: those read before', () => {
  test('are what they were, offers and all; another name or key makes another reader', () => {
    const read = tokenReader(keys, NAME)
    const offer = formatOffer(keys, NAME, token, NOW)
    for (const each of [text, offer]) {
      const first = read(each)
      assert.deepEqual(first, parseToken(keys, NAME, each))
      assert.deepEqual(read(each), first)
    }
    assert.equal(tokenReader(keys, 'another')(text), null)
    assert.equal(tokenReader(otherKeys, NAME)(text), null)
    assert.equal(tokenReader(rolledKeys, NAME)(formatToken(otherKeys, NAME, token))!.oldKey, true)
  })
  test('are none that was refused, however often it comes, nor one that differs in a letter', () => {
    const read = tokenReader(keys, NAME)
    read(text)
    for (let at = 0; at < text.length; at++) {
      const forged = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
      assert.equal(read(forged), null)
      assert.equal(read(forged), null)
    }
    assert.equal(read('x'.repeat(10_000)), null)
    assert.deepEqual(read(text), parseToken(keys, NAME, text))
  })
  test('keep nothing of the header that they came in, and are not too many', () => {
    const read = tokenReader(keys, NAME)
    const padding = Buffer.alloc(32_768, 'x; ').toString('latin1')
    const inHeader = (secret: string) => {
      const written = formatToken(keys, NAME, { ...token, secret: secretOf(secret) })
      const header = Buffer.from(padding + written, 'latin1').toString('latin1')
      return header.slice(padding.length)
    }
    const held = retained(() => {
      for (let index = 0; index < 900; index++) assert.ok(read(inHeader(String(index))))
    })
    assert.ok(held < 5, `900 tokens hold ${held} MiB`)
    const more = retained(() => {
      for (let index = 0; index < 24_000; index++)
        read(formatToken(keys, NAME, { ...token, secret: secretOf(`more ${index}`) }))
    })
    assert.ok(more < 5, `24,000 tokens hold ${more} MiB`)
  })
})

describe('token: an offer', () => {
  const offers = [1, 2].map(() => parseToken(keys, NAME, formatOffer(keys, NAME, token, NOW))!)
  test('names the shown secret as its parent, by its hash', () => {
    for (const offer of offers) assert.equal(offer.parent, sha256(token.secret))
    assert.equal(hashParent(offers[0]!.parent), hashSecret(token.secret))
  })
  test('has a secret of its own', () => {
    assert.equal(new Set([token.secret, ...offers.map((offer) => offer.secret)]).size, 3)
  })
  test('keeps id and era, and knows when it was made', () => {
    for (const offer of offers)
      assert.deepEqual([offer.id, offer.era, offer.issued], [token.id, token.era, NOW])
  })
})

describe('token: randomness', () => {
  test('ASVS 7.2.3: an id has 128 bits, a secret 256', () => {
    assert.equal(Buffer.from(drawId(), 'base64url').length, 16)
    assert.equal(Buffer.from(drawSecret(), 'base64url').length, 32)
  })
  for (const [name, draw, bits] of [
    ['ids', drawId, 128],
    ['secrets', drawSecret, 256],
  ] as const) {
    test(`of 20 000 ${name} none repeats, and each bit is set in about half of them`, () => {
      const drawn = Array.from({ length: 20_000 }, draw)
      assert.equal(new Set(drawn).size, drawn.length)
      if (draw === drawId)
        assert.ok(
          drawn.every((id) => !id.startsWith('-')),
          'a command line takes options for options',
        )
      const set = new Array<number>(bits).fill(0)
      for (const text of drawn) {
        const bytes = Buffer.from(text, 'base64url')
        for (let bit = 0; bit < bits; bit++) set[bit]! += (bytes[bit >> 3]! >> (bit & 7)) & 1
      }
      // Seven standard deviations of a fair coin. That no id begins with a dash moves its first bits by one.
      for (const count of set) assert.ok(Math.abs(count - 10_000) < 500, String(count))
    })
  }
})
