/** What a record is worth, for a token, at a time. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { sha256 } from '#crypto'
import type { Binding, OnMismatch } from '../../src/core/binding.ts'
import type { EndReason, SessionRecord } from '../../src/core/engine.ts'
import { isLive, isOutdated, isSettling, judge, judgeSecret, type Verdict } from '../../src/core/judge.ts'
import { hashSecret, type Token } from '../../src/core/token.ts'
import { DAY, HOUR, MINUTE, NOW, policyOf, recordOf, request, secretOf, tokenOf } from './fixtures.ts'

const policy = policyOf()
const { grace, late } = policy
const RENEWED = NOW - MINUTE

/** Seen and authenticated at the very moment, so that only the secret decides. */
function judgeAt(now: number, record: Partial<SessionRecord>, token: Partial<Token>): Verdict {
  const fresh = { seenAt: now, authenticatedAt: now, ...record }
  return judge(recordOf(fresh), tokenOf(token), request({ now }), policy)
}

/** Whose secret `offer` was adopted at `RENEWED`, in place of `current`. */
const renewed = {
  secrets: { current: hashSecret(secretOf('offer')), parent: hashSecret(secretOf('current')) },
  renewedAt: RENEWED,
}
const settled = { secrets: { current: hashSecret(secretOf('offer')), parent: null }, renewedAt: RENEWED }
const offeredAgainst = (name: string) => ({ parent: sha256(secretOf(name)) })

describe('judge: secrets', () => {
  const rows: readonly [
    rule: string,
    after: number,
    record: Partial<SessionRecord>,
    token: Partial<Token>,
    kind: Verdict['kind'],
  ][] = [
    ['the secret in force is current', 0, {}, {}, 'current'],
    ['... at any age', 300 * DAY, {}, {}, 'current'],
    [
      'what is offered against the secret in force is an offer',
      0,
      {},
      { secret: secretOf('new'), ...offeredAgainst('current') },
      'offer',
    ],
    ['... at any age', 300 * DAY, {}, { secret: secretOf('new'), ...offeredAgainst('current') }, 'offer'],
    [
      'an adopted offer is current',
      0,
      renewed,
      { secret: secretOf('offer'), ...offeredAgainst('current') },
      'current',
    ],
    [
      'what is offered against the new secret is an offer',
      0,
      renewed,
      { secret: secretOf('third'), ...offeredAgainst('offer') },
      'offer',
    ],
    [
      'another offer of the same parent is a sibling',
      0,
      renewed,
      { secret: secretOf('sibling'), ...offeredAgainst('current') },
      'sibling',
    ],
    [
      '... until one is settled upon',
      2 * (grace + late) + 1,
      renewed,
      { secret: secretOf('sibling'), ...offeredAgainst('current') },
      'sibling',
    ],
    [
      '... and then somebody kept it',
      0,
      settled,
      { secret: secretOf('sibling'), ...offeredAgainst('current') },
      'replayed',
    ],
    ['the retired secret serves at once', 0, renewed, {}, 'retired'],
    ['... and for grace', grace, renewed, {}, 'retired'],
    ['... a millisecond later it is superseded', grace + 1, renewed, {}, 'superseded'],
    ['... for late', grace + late, renewed, {}, 'superseded'],
    ['... a millisecond later it is replayed', grace + late + 1, renewed, {}, 'replayed'],
    ['... and for ever after', 300 * DAY, renewed, {}, 'replayed'],
    ['... and once siblings are settled, at any time', 0, settled, {}, 'replayed'],
    ['a secret of no known line is replayed', 0, {}, { secret: secretOf('stranger') }, 'replayed'],
    [
      'what is offered against a stranger is replayed',
      0,
      {},
      { secret: secretOf('new'), ...offeredAgainst('stranger') },
      'replayed',
    ],
    ['the grandparent is replayed', 0, renewed, { secret: secretOf('grandparent') }, 'replayed'],
    [
      'what is offered against the grandparent is replayed',
      0,
      renewed,
      { secret: secretOf('new'), ...offeredAgainst('grandparent') },
      'replayed',
    ],
    [
      'no parent is not the parent of a session without one',
      0,
      {},
      { secret: secretOf('stranger'), parent: '' },
      'replayed',
    ],
    [
      'a stranger as old as the record and half the grace is replayed',
      0,
      {},
      { secret: secretOf('stranger'), issued: RENEWED + grace / 2 },
      'replayed',
    ],
    [
      '... a millisecond younger it is unknown: the store was rolled back',
      0,
      {},
      { secret: secretOf('stranger'), issued: RENEWED + grace / 2 + 1 },
      'unknown',
    ],
    ['a token of an older era is superseded', 0, { era: 2 }, {}, 'superseded'],
    ['... for ever, for it may be any page left open', 300 * DAY, { era: 2 }, {}, 'superseded'],
    ['... be its secret ever so wrong', 0, { era: 2 }, { secret: secretOf('stranger') }, 'superseded'],
    ['a token of a newer era is unknown: the store was rolled back', 0, { era: 2 }, { era: 3 }, 'unknown'],
    ['... be its secret the one in force', 0, {}, { era: 2 }, 'unknown'],
  ]
  for (const [rule, after, record, token, kind] of rows) {
    test(rule, () => assert.equal(judgeAt(RENEWED + after, record, token).kind, kind))
  }

  test('the secret alone tells of a rollback, too', () => {
    assert.equal(judgeSecret(recordOf(), tokenOf({ era: 2 }), NOW, policy), 'unknown')
  })
  test('no record is unknown', () => {
    assert.deepEqual(judge(null, tokenOf(), request(), policy), { kind: 'unknown' })
  })
  test('a record holds neither a secret nor what offers name as their parent', () => {
    assert.notEqual(hashSecret(secretOf('current')), secretOf('current'))
    assert.notEqual(hashSecret(secretOf('current')), sha256(secretOf('current')))
  })
})

describe('judge: timeouts', () => {
  const idle = { kind: 'expired', reason: 'idle' }
  const absolute = { kind: 'expired', reason: 'absolute' }
  const live = { kind: 'current', drifted: [] }
  const fresh = { seenAt: NOW, authenticatedAt: NOW, createdAt: NOW }
  const rows: readonly [rule: string, now: number, record: Partial<SessionRecord>, verdict: unknown][] = [
    ['a millisecond before the idle limit it lives', NOW + 30 * MINUTE - 1, fresh, live],
    ['at the idle limit it has ended', NOW + 30 * MINUTE, fresh, idle],
    [
      'a millisecond before the absolute limit it lives',
      NOW + 12 * HOUR - 1,
      { ...fresh, seenAt: NOW + 12 * HOUR - 2 },
      live,
    ],
    [
      'at the absolute limit it has ended, however much used',
      NOW + 12 * HOUR,
      { ...fresh, seenAt: NOW + 12 * HOUR - 1 },
      absolute,
    ],
    ['of both limits the absolute one is named', NOW + DAY, fresh, absolute],
    ['absolute time runs from the authentication', NOW, { ...fresh, createdAt: NOW - 20 * HOUR }, live],
    [
      '... and without one from the creation',
      NOW,
      { ...fresh, createdAt: NOW - 12 * HOUR, userId: null, authenticatedAt: null },
      absolute,
    ],
    [
      'renewal does not move it',
      NOW + 12 * HOUR,
      { ...fresh, seenAt: NOW + 12 * HOUR - 1, renewedAt: NOW + 12 * HOUR - 1 },
      absolute,
    ],
    [
      'a remembered session has limits of its own: idle',
      NOW + 14 * DAY - 1,
      { ...fresh, remembered: true },
      live,
    ],
    ['... which end', NOW + 14 * DAY, { ...fresh, remembered: true }, idle],
    [
      '... and absolute',
      NOW + 30 * DAY,
      { ...fresh, remembered: true, seenAt: NOW + 30 * DAY - 1 },
      absolute,
    ],
    [
      'R-10: what the record says of its own end is not believed: too late',
      NOW + 30 * MINUTE,
      { ...fresh, expiresAt: NOW + 300 * DAY },
      idle,
    ],
    ['... too early', NOW, { ...fresh, expiresAt: NOW - DAY }, live],
  ]
  for (const [rule, now, record, verdict] of rows) {
    test(rule, () => assert.deepEqual(judge(recordOf(record), tokenOf(), request({ now }), policy), verdict))
  }
})

describe('judge: which verdict comes first', () => {
  const ended = { ended: { reason: 'revoked', at: NOW } } as const
  const stale = { seenAt: NOW - DAY }
  const watchful = policyOf({ bindings: [binding('color', 'revoke', 'blue')] })
  for (const [rule, record, token, kind] of [
    ['unknown, before ended', ended, { era: 2 }, 'unknown'],
    ['ended, before expired', { ...ended, ...stale }, {}, 'ended'],
    ['ended, before replayed', ended, { secret: secretOf('stranger') }, 'ended'],
    ['ended, before superseded', { ...ended, era: 2 }, {}, 'ended'],
    [
      'expired, before replayed: a token found in a backup ends nothing',
      stale,
      { secret: secretOf('stranger') },
      'expired',
    ],
    ['expired, before superseded', { ...stale, era: 2 }, {}, 'expired'],
    ['replayed, before a binding', { bound: { color: 'red' } }, { secret: secretOf('stranger') }, 'replayed'],
    [
      'superseded, before a binding: it may not revoke',
      { bound: { color: 'red' }, era: 2 },
      {},
      'superseded',
    ],
    [
      'unknown, before a binding: a store that was rolled back revokes nothing',
      { bound: { color: 'red' } },
      { secret: secretOf('stranger'), issued: NOW },
      'unknown',
    ],
    ['ended, before a binding', { bound: { color: 'red' }, ...ended }, {}, 'ended'],
  ] as [string, Partial<SessionRecord>, Partial<Token>, Verdict['kind']][]) {
    test(rule, () => assert.equal(judge(recordOf(record), tokenOf(token), request(), watchful).kind, kind))
  }
  test('an end says why and when', () => {
    const verdict = judge(recordOf(ended), tokenOf(), request(), policy)
    assert.deepEqual(verdict, { kind: 'ended', reason: 'revoked', at: NOW })
  })
})

describe('judge: bindings', () => {
  const rows: readonly [
    rule: string,
    bindings: Binding[],
    bound: Record<string, string>,
    verdict: unknown,
  ][] = [
    [
      'one that matches changes nothing',
      [binding('color', 'revoke', 'red')],
      { color: 'red' },
      { kind: 'current', drifted: [] },
    ],
    [
      'report: it goes on, and the drift is named',
      [binding('color', 'report', 'blue')],
      { color: 'red' },
      { kind: 'current', drifted: ['color'] },
    ],
    [
      'reauthenticate: a mismatch',
      [binding('color', 'reauthenticate', 'blue')],
      { color: 'red' },
      { kind: 'mismatch', reason: 'color', action: 'reauthenticate' },
    ],
    [
      'revoke: a mismatch',
      [binding('color', 'revoke', 'blue')],
      { color: 'red' },
      { kind: 'mismatch', reason: 'color', action: 'revoke' },
    ],
    [
      'the gravest of several decides',
      [binding('a', 'report', '2'), binding('b', 'reauthenticate', '2'), binding('c', 'revoke', '2')],
      { a: '1', b: '1', c: '1' },
      { kind: 'mismatch', reason: 'c', action: 'revoke' },
    ],
    [
      'several drifts are all named',
      [binding('a', 'report', '2'), binding('b', 'report', '2')],
      { a: '1', b: '1' },
      { kind: 'current', drifted: ['a', 'b'] },
    ],
    [
      'a session that is not bound by it is not judged by it',
      [binding('color', 'revoke', 'blue')],
      { size: 'l' },
      { kind: 'current', drifted: [] },
    ],
    [
      '... be it called constructor',
      [binding('constructor', 'revoke', 'blue')],
      {},
      { kind: 'current', drifted: [] },
    ],
    [
      'a session is not judged by what it was bound by once',
      [],
      { color: 'red' },
      { kind: 'current', drifted: [] },
    ],
  ]
  for (const [rule, bindings, bound, verdict] of rows) {
    test(rule, () => {
      assert.deepEqual(judge(recordOf({ bound }), tokenOf(), request(), policyOf({ bindings })), verdict)
    })
  }
})

describe('judge: settling', () => {
  for (const [rule, after, parent, expected] of [
    ['after a renewal, siblings may come for twice (grace + late)', 2 * (grace + late), 'x', true],
    ['... and no longer', 2 * (grace + late) + 1, 'x', false],
    ['without a renewal, none', 0, null, false],
  ] as [string, number, string | null, boolean][]) {
    test(rule, () => {
      const record = recordOf({ secrets: { current: 'y', parent }, renewedAt: RENEWED })
      assert.equal(isSettling(record, RENEWED + after, policy), expected)
    })
  }
})

describe("judge: of which verdicts is the client's cookie the newer one?", () => {
  const ended = (reason: EndReason, ago = 0): Verdict => ({ kind: 'ended', reason, at: NOW - ago })
  for (const [verdict, live, outdated] of [
    [{ kind: 'none' }, false, false],
    [{ kind: 'unknown' }, false, false],
    [{ kind: 'current', drifted: [] }, true, false],
    [{ kind: 'offer', drifted: [] }, true, false],
    [{ kind: 'sibling', drifted: [] }, true, false],
    [{ kind: 'retired', drifted: [] }, true, false],
    [{ kind: 'superseded' }, false, true],
    [{ kind: 'replayed' }, false, false],
    [{ kind: 'expired', reason: 'idle' }, false, false],
    [{ kind: 'mismatch', reason: 'ip', action: 'reauthenticate' }, false, false],
    [ended('replaced'), false, true],
    [ended('replaced', grace + late), false, true],
    // The answer to that login never came: the client has nothing newer.
    [ended('replaced', grace + late + 1), false, false],
    [ended('logout'), false, false],
    [ended('revoked'), false, false],
    [ended('replayed'), false, false],
    [ended('mismatch'), false, false],
    [ended('limit'), false, false],
  ] as [Verdict, boolean, boolean][]) {
    const name = JSON.stringify({ ...verdict, ...('at' in verdict && { at: NOW - verdict.at }) })
    test(`${name}: ${outdated ? 'outdated' : live ? 'live' : 'neither'}`, () => {
      assert.equal(isLive(verdict), live)
      assert.equal(isOutdated(verdict, NOW, policy), outdated)
    })
  }
})

describe('judge: whatever a store returns', () => {
  const names = fc.constantFrom('current', 'offer', 'sibling', 'stranger')
  const hash = names.map((name) => hashSecret(secretOf(name)))
  const time = fc.integer({ min: -40 * DAY, max: 40 * DAY }).map((offset) => NOW + offset)
  const records = fc.record({
    era: fc.nat(3),
    secrets: fc.record({ current: hash, parent: fc.option(hash) }),
    userId: fc.option(fc.constant('ada')),
    createdAt: time,
    renewedAt: time,
    seenAt: time,
    authenticatedAt: fc.option(time),
    remembered: fc.boolean(),
    expiresAt: time,
    ended: fc.option(fc.constant({ reason: 'logout' as const, at: NOW }), { freq: 2 }),
  })
  const tokens = fc.record({
    era: fc.nat(3),
    secret: names.map(secretOf),
    parent: fc.oneof(
      fc.constant(''),
      names.map((name) => sha256(secretOf(name))),
    ),
    issued: time,
  })

  test('a record that has ended, or is past a limit, is never live', () => {
    fc.assert(
      fc.property(records, tokens, (changes, token) => {
        const record = recordOf(changes)
        const limits = record.remembered ? policy.remembered : policy.limits
        const over =
          NOW >= record.seenAt + limits.idle ||
          NOW >= (record.authenticatedAt ?? record.createdAt) + limits.absolute
        if (!record.ended && !over) return
        assert.equal(isLive(judge(record, tokenOf(token), request(), policy)), false)
      }),
      { numRuns: 500 },
    )
  })

  test('a token of another era is never live, and never replayed', () => {
    fc.assert(
      fc.property(records, tokens, (changes, token) => {
        if (changes.era === token.era) return
        const verdict = judge(recordOf(changes), tokenOf(token), request(), policy)
        assert.ok(!isLive(verdict) && verdict.kind !== 'replayed', verdict.kind)
      }),
      { numRuns: 500 },
    )
  })

  test('who is live shows the secret in force, its parent, or an offer of one of them', () => {
    fc.assert(
      fc.property(records, tokens, (changes, shown) => {
        const token = tokenOf(shown)
        const record = recordOf({ ...changes, seenAt: NOW, authenticatedAt: NOW, ended: null })
        if (!isLive(judge(record, token, request(), policy))) return
        const proofs = [hashSecret(token.secret), sha256(token.parent)]
        assert.ok(proofs.includes(record.secrets.current) || proofs.includes(record.secrets.parent ?? '-'))
      }),
      { numRuns: 500 },
    )
  })
})

function binding(name: string, onMismatch: OnMismatch, seen: string): Binding {
  return { name, onMismatch, capture: () => seen, matches: (bound) => bound === seen }
}
