/** The CSRF token: bound, masked, compared whole. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { formatCsrfToken, isCsrfToken, sessionSubject, visitorSubject } from '../../src/core/csrf.ts'
import { KeyRing, parseKeys } from '../../src/core/keys.ts'
import { idOf, KEY, NOW, OTHER_KEY } from './fixtures.ts'

const keys = new KeyRing(parseKeys([KEY]))
const subject = sessionSubject(idOf('a'), NOW)
const token = formatCsrfToken(keys, subject)

describe('csrf: bound', () => {
  for (const [rule, other, valid] of [
    ['to its session', sessionSubject(idOf('b'), NOW), false],
    ['R-03: to its authentication', sessionSubject(idOf('a'), NOW + 1), false],
    ["to being a session's", visitorSubject({ id: idOf('a'), issued: NOW }), false],
    ['to nothing else', sessionSubject(idOf('a'), NOW), true],
  ] as [string, string, boolean][]) {
    test(rule, () => assert.equal(isCsrfToken(keys, other, token), valid))
  }
  test("a visitor's to his pre-session, and its moment", () => {
    const visitor = { id: idOf('v'), issued: NOW }
    const made = formatCsrfToken(keys, visitorSubject(visitor))
    assert.equal(isCsrfToken(keys, visitorSubject(visitor), made), true)
    assert.equal(isCsrfToken(keys, visitorSubject({ ...visitor, issued: NOW + 1 }), made), false)
    assert.equal(isCsrfToken(keys, visitorSubject({ ...visitor, id: idOf('w') }), made), false)
  })
  test("R-14: to the server's key", () => {
    assert.equal(isCsrfToken(new KeyRing(parseKeys([OTHER_KEY])), subject, token), false)
  })
  test('and an old key serves until it is gone', () => {
    assert.equal(isCsrfToken(new KeyRing(parseKeys([OTHER_KEY, KEY])), subject, token), true)
  })
  test('subjects have one reading', () => {
    const all = fc.tuple(fc.string(), fc.nat())
    fc.assert(
      fc.property(all, all, ([id, at], [otherId, otherAt]) => {
        if (id === otherId && at === otherAt) return
        assert.notEqual(sessionSubject(id, at), sessionSubject(otherId, otherAt))
        assert.notEqual(sessionSubject(id, at), visitorSubject({ id: otherId, issued: otherAt }))
      }),
    )
  })
})

describe('csrf: masked (BREACH)', () => {
  const tokens = Array.from({ length: 200 }, () => formatCsrfToken(keys, subject))
  test('R-23: it differs at each call, and all of them hold', () => {
    assert.equal(new Set(tokens).size, tokens.length)
    for (const value of tokens) assert.equal(isCsrfToken(keys, subject, value), true)
  })
  test('neither half stays the same, nor is one the MAC itself', () => {
    const mac = Buffer.from(keys.sign('csrf', subject), 'base64url')
    for (const [from, to] of [
      [0, 32],
      [32, 64],
    ] as const) {
      const halves = tokens.map((value) => Buffer.from(value, 'base64url').subarray(from, to).toString('hex'))
      assert.equal(new Set(halves).size, tokens.length)
      assert.ok(!halves.includes(mac.toString('hex')))
    }
  })
  test('it is 86 characters that need no escaping anywhere', () => assert.match(token, /^[\w-]{86}$/))
})

describe('csrf: refused', () => {
  for (const [rule, value] of [
    ['nothing', ''],
    ['one character less', token.slice(0, -1)],
    ['one more', `${token}A`],
    ['padding', `${token}==`],
    ['a space', `${token.slice(0, -1)} `],
    ['the bare MAC', keys.sign('csrf', subject)],
    ['a mask of zeros and zeros', 'A'.repeat(86)],
    ['64 KB', 'A'.repeat(65_536)],
    ['characters that are none', '%'.repeat(86)],
  ] as [string, string][]) {
    test(rule, () => assert.equal(isCsrfToken(keys, subject, value), false))
  }
  test('any byte changed', () => {
    const bytes = Buffer.from(token, 'base64url')
    for (let at = 0; at < 64; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      assert.equal(isCsrfToken(keys, subject, changed.toString('base64url')), false)
    }
  })
  test('a MAC of another purpose, masked', () => {
    for (const purpose of ['session', 'visitor'] as const) {
      const mac = Buffer.from(keys.sign(purpose, subject), 'base64url')
      const forged = Buffer.concat([Buffer.alloc(32), mac]).toString('base64url')
      assert.equal(isCsrfToken(keys, subject, forged), false)
    }
  })
})
