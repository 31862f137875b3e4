/** From what a user has logged in before: pure, as functions of his ledger. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { UserLedger } from '../../src/core/engine.ts'
import { describeDevice, noveltyOf, remember } from '../../src/core/known-devices.ts'
import { admit, dismiss, emptyLedger, extend, revokeAll, revokeSome } from '../../src/core/ledger.ts'

const NOW = 1_700_000_000_000
const DAY = 86_400_000
const LOGIN = {
  at: NOW,
  credential: null,
  past: 0,
  replaced: null,
  dead: new Set<string>(),
  displaced: new Set<string>(),
  revokeOthers: false,
}

const device = (id: string, until = NOW + 180 * DAY) => ({ id, until })

/** Logs in from each device in turn; session `s1` is from the first. */
function loggedIn(...from: string[]): UserLedger {
  return from.reduce((ledger, id, index) => {
    const entry = { id: `s${index + 1}`, until: NOW + DAY, device: id }
    return admit(ledger, entry, { ...LOGIN, device: device(id) })
  }, emptyLedger('ada'))
}

const known = ({ devices }: UserLedger) => devices?.map(({ id }) => id).join(' ')

describe('what a login is told of', () => {
  test('nothing is known: the first', () =>
    assert.equal(noveltyOf(emptyLedger('ada'), device('a'), NOW), 'first'))
  test('a known device: nothing', () => assert.equal(noveltyOf(loggedIn('a', 'b'), device('a'), NOW), null))
  test('another one: unknown', () => assert.equal(noveltyOf(loggedIn('a'), device('b'), NOW), 'unknown'))
  test('one that was known too long ago: unknown', () =>
    assert.equal(noveltyOf(loggedIn('a'), device('a'), NOW + 180 * DAY), 'unknown'))
  test('an id is short and tells the texts apart', () => {
    assert.match(describeDevice('x'.repeat(100_000), NOW).id, /^[\w-]{22}$/)
    assert.notEqual(describeDevice('a', NOW).id, describeDevice('b', NOW).id)
    assert.equal(describeDevice('a', NOW).id, describeDevice('a', NOW + 1).id)
  })
})

describe('what is remembered', () => {
  test('each once, the latest last, for as long as since its last login', () => {
    assert.equal(known(loggedIn('a', 'b', 'a')), 'b a')
    const [again] = remember([device('a', NOW + 1)], device('a', NOW + DAY), NOW)
    assert.equal(again!.until, NOW + DAY)
  })
  test('not what has been forgotten', () =>
    assert.deepEqual(remember([device('old', NOW)], device('a'), NOW), [device('a')]))
  test('32 at most: the one of longest ago gives way', () => {
    const names = Array.from({ length: 40 }, (_, index) => `d${index}`)
    assert.equal(known(loggedIn(...names)), names.slice(-32).join(' '))
  })
  test('the ledger is kept for as long', () => {
    assert.equal(loggedIn('a').expiresAt, NOW + 180 * DAY)
    const ended = dismiss(loggedIn('a'), new Set(['s1']))!
    assert.equal(ended.expiresAt, NOW + 180 * DAY)
  })
  test('nothing, where nobody asks', () => {
    const ledger = admit(emptyLedger('ada'), { id: 's', until: NOW }, LOGIN)
    assert.equal('devices' in ledger, false)
    assert.equal('devices' in revokeAll(ledger, null, 'revoked', NOW), false)
  })
})

describe('what is forgotten', () => {
  const rows: [rule: string, after: UserLedger | null, left: string][] = [
    ['a logout: nothing', dismiss(loggedIn('a', 'b'), new Set(['s1'])), 'a b'],
    ['one session that somebody ended: its device', dismiss(loggedIn('a', 'b'), new Set(['s1']), true), 'b'],
    [
      '... unless another session is of the same',
      dismiss(loggedIn('a', 'b', 'a'), new Set(['s1']), true),
      'b a',
    ],
    ['all sessions: all', revokeAll(loggedIn('a', 'b'), null, 'revoked', NOW), ''],
    ['all but one: all but its own', revokeAll(loggedIn('a', 'b'), 's1', 'revoked', NOW), 'a'],
    ['the older ones: nothing', revokeSome(loggedIn('a', 'b'), new Set(['s1']), NOW), 'a b'],
    [
      'a login that ends the others: all but its own',
      admit(
        loggedIn('a', 'b'),
        { id: 'n', until: NOW, device: 'c' },
        { ...LOGIN, device: device('c'), revokeOthers: true },
      ),
      'c',
    ],
    [
      'a login with another password: all but its own',
      admit(
        loggedIn('a'),
        { id: 'n', until: NOW, device: 'c' },
        { ...LOGIN, device: device('c'), credential: 'new' },
      ),
      'c',
    ],
    ['a reauthentication: nothing', extend(loggedIn('a', 'b'), { id: 's2', until: NOW }, null, NOW), 'a b'],
    [
      'a changed password: all but its own',
      extend(loggedIn('a', 'b'), { id: 's2', until: NOW }, 'new', NOW),
      'b',
    ],
  ]
  for (const [rule, after, left] of rows) test(rule, () => assert.equal(known(after!), left))

  test('after all were forgotten, no login is the first', () =>
    assert.equal(noveltyOf(revokeAll(loggedIn('a'), null, 'revoked', NOW), device('a'), NOW), 'unknown'))
  test('a session that was prolonged still says what it is from', () => {
    const prolonged = extend(loggedIn('a', 'b'), { id: 's1', until: NOW + 2 * DAY }, null, NOW)!
    assert.equal(known(revokeAll(prolonged, 's1', 'revoked', NOW)), 'a')
  })
})
