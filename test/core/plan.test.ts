/** What the end of a request writes, and what its client is told. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sha256 } from '#crypto'
import type { SessionRecord } from '../../src/core/engine.ts'
import { judge } from '../../src/core/judge.ts'
import {
  carried,
  type Intent,
  newRecord,
  type Opened,
  plan,
  planToken,
  tombstone,
} from '../../src/core/plan.ts'
import { hashSecret, type Token } from '../../src/core/token.ts'
import { DAY, HOUR, MINUTE, NOW, policyOf, recordOf, request, SECOND, secretOf, tokenOf } from './fixtures.ts'

const policy = policyOf()
const { grace, late, renewal } = policy
const SETTLED = 2 * (grace + late) + 1

function intentOf({ now = NOW, ...changes }: Partial<Intent> & { now?: number } = {}): Intent {
  return {
    context: request({ now }),
    at: now,
    replay: null,
    reauthenticate: null,
    renew: false,
    passive: false,
    ...changes,
  }
}

function openedAt(now: number, record: SessionRecord, token: Partial<Token> = {}): Opened {
  const shown = tokenOf(token)
  return { token: shown, record, verdict: judge(record, shown, request({ now }), policy) }
}

const seen = (ago: number) => recordOf({ seenAt: NOW - ago })
const writing = { replay: () => '{"a":1}' }
const REAUTHENTICATION = {
  secret: secretOf('new'),
  methods: ['pwd'],
  level: null,
  credential: null,
  at: NOW,
}
const offer: Partial<Token> = { secret: secretOf('offer'), parent: sha256(secretOf('current')) }
const sibling: Partial<Token> = { secret: secretOf('sibling'), parent: sha256(secretOf('current')) }

/** Whose offer was adopted so long ago. */
function renewed(ago: number, changes: Partial<SessionRecord> = {}): SessionRecord {
  const secrets = { current: hashSecret(secretOf('offer')), parent: hashSecret(secretOf('current')) }
  return recordOf({ secrets, renewedAt: NOW - ago, seenAt: NOW, ...changes })
}

describe('plan: one write, or none', () => {
  const rows: readonly [
    rule: string,
    opened: Opened,
    latest: SessionRecord | null,
    intent: Partial<Intent>,
    kind: string,
  ][] = [
    ['a read soon after the last use writes nothing', openedAt(NOW, seen(0)), seen(0), {}, 'nothing'],
    [
      'a millisecond before touchEvery, too',
      openedAt(NOW, seen(MINUTE - 1)),
      seen(MINUTE - 1),
      {},
      'nothing',
    ],
    ['at touchEvery it touches', openedAt(NOW, seen(MINUTE)), seen(MINUTE), {}, 'touch'],
    [
      'a passive one never touches',
      openedAt(NOW, seen(HOUR / 3)),
      seen(HOUR / 3),
      { passive: true },
      'nothing',
    ],
    ['a change updates', openedAt(NOW, seen(0)), seen(0), writing, 'update'],
    [
      '... of a passive request, too',
      openedAt(NOW, seen(0)),
      seen(0),
      { ...writing, passive: true },
      'update',
    ],
    [
      'a change that changes nothing writes nothing',
      openedAt(NOW, seen(0)),
      seen(0),
      { replay: (data) => data },
      'nothing',
    ],
    ['an offer shown is adopted', openedAt(NOW, seen(0), offer), seen(0), {}, 'adopt'],
    ['... with the change in the same write', openedAt(NOW, seen(0), offer), seen(0), writing, 'adopt'],
    [
      '... but not by a passive request',
      openedAt(NOW, seen(0), offer),
      seen(0),
      { passive: true },
      'nothing',
    ],
    [
      'an offer that was adopted meanwhile is not adopted again',
      openedAt(NOW, seen(0), offer),
      renewed(0),
      {},
      'nothing',
    ],
    [
      'the adopted one, while siblings may come, writes nothing',
      openedAt(NOW, renewed(SETTLED - 1), offer),
      renewed(SETTLED - 1),
      {},
      'nothing',
    ],
    ['... and after that settles', openedAt(NOW, renewed(SETTLED), offer), renewed(SETTLED), {}, 'settle'],
    [
      'a sibling, while others may come, writes nothing',
      openedAt(NOW, renewed(SETTLED - 1), sibling),
      renewed(SETTLED - 1),
      {},
      'nothing',
    ],
    ['... and after that settles', openedAt(NOW, renewed(SETTLED), sibling), renewed(SETTLED), {}, 'settle'],
    [
      '... but not by a passive request',
      openedAt(NOW, renewed(SETTLED), sibling),
      renewed(SETTLED),
      { passive: true },
      'nothing',
    ],
    [
      'a request that came while siblings might, and ends after that, settles nothing',
      openedAt(NOW, renewed(SETTLED - 1), sibling),
      renewed(SETTLED - 1),
      { at: NOW + MINUTE },
      'nothing',
    ],
    ['a retired secret settles nothing', openedAt(NOW, renewed(grace)), renewed(grace), {}, 'nothing'],
    [
      'nor does one that was replaced meanwhile, be the clock that wrote so ever so slow',
      openedAt(NOW, seen(0)),
      renewed(SETTLED),
      {},
      'nothing',
    ],
    [
      'a reauthentication is one, whatever else was changed',
      openedAt(NOW, seen(0), offer),
      seen(0),
      { ...writing, reauthenticate: REAUTHENTICATION },
      'reauthenticate',
    ],
    [
      'a read of a session that has ended writes nothing',
      openedAt(NOW, seen(0)),
      tombstone(seen(0), 'logout', NOW),
      {},
      'nothing',
    ],
    ['... nor of one that is gone', openedAt(NOW, seen(0)), null, {}, 'nothing'],
    ['... nor of one of a newer era', openedAt(NOW, seen(0)), recordOf({ era: 2 }), {}, 'nothing'],
    [
      'a renewal asked for writes nothing: it is an offer',
      openedAt(NOW, seen(0)),
      seen(0),
      { renew: true },
      'nothing',
    ],
  ]
  for (const [rule, opened, latest, intent, kind] of rows) {
    test(rule, () => assert.equal(plan(opened, latest, intentOf(intent), policy).kind, kind))
  }
})

describe('plan: what comes too late is refused', () => {
  const reauthenticate = REAUTHENTICATION
  const opened = openedAt(NOW, seen(0))
  const rows: readonly [rule: string, latest: SessionRecord | null, at: number, code: string][] = [
    ['to a session that ended', tombstone(seen(0), 'revoked', NOW), NOW, 'ERR_SESSION_ENDED'],
    ['to one that is gone: never created anew', null, NOW, 'ERR_SESSION_ENDED'],
    ['to one that was authenticated meanwhile', recordOf({ era: 2 }), NOW, 'ERR_SESSION_CHANGED'],
    ['to one of an older era', recordOf({ era: 0 }), NOW, 'ERR_SESSION_CHANGED'],
    ['to one that changed hands', recordOf({ userId: 'grace' }), NOW, 'ERR_SESSION_CHANGED'],
    ['to one that expired while the handler ran', seen(0), NOW + 30 * MINUTE, 'ERR_SESSION_ENDED'],
    [
      '... by its absolute limit',
      recordOf({ seenAt: NOW, authenticatedAt: NOW + MINUTE - 12 * HOUR }),
      NOW + MINUTE,
      'ERR_SESSION_ENDED',
    ],
  ]
  for (const [rule, latest, at, code] of rows) {
    test(`a write ${rule}`, () => {
      assert.deepEqual(plan(opened, latest, intentOf({ ...writing, at }), policy), { kind: 'refuse', code })
    })
    test(`a reauthentication ${rule}`, () => {
      assert.deepEqual(plan(opened, latest, intentOf({ reauthenticate, at }), policy), {
        kind: 'refuse',
        code,
      })
    })
  }
  test('not one to a session that another request renewed', () => {
    assert.equal(plan(opened, renewed(0), intentOf(writing), policy).kind, 'update')
  })
})

describe('plan: what is written', () => {
  const next = (
    opened: Opened,
    latest: SessionRecord,
    intent: Partial<Intent> & { now?: number },
    by = policy,
  ) => {
    const step = plan(opened, latest, intentOf(intent), by)
    assert.ok('next' in step, step.kind)
    return step.next
  }

  test('an update: one version more, seen now, and the rest as it was', () => {
    const record = seen(10 * SECOND)
    assert.deepEqual(next(openedAt(NOW, record), record, writing), {
      ...record,
      version: record.version + 1,
      seenAt: NOW,
      client: { ip: '203.0.113.7' },
      data: '{"a":1}',
      expiresAt: NOW + 30 * MINUTE + DAY,
    })
  })
  test('is made of the latest data, not of those that were opened', () => {
    const latest = recordOf({ data: '{"b":2}', version: 9 })
    const replay = (data: string) => `${data}+`
    const written = next(openedAt(NOW, seen(0)), latest, { replay })
    assert.equal(written.data, '{"b":2}+')
    assert.equal(written.version, 10)
  })
  test('seenAt never goes back', () => {
    const latest = recordOf({ seenAt: NOW + SECOND })
    assert.equal(next(openedAt(NOW, seen(0)), latest, writing).seenAt, NOW + SECOND)
  })
  test('a passive write is no use', () => {
    const record = seen(20 * MINUTE)
    const written = next(openedAt(NOW, record), record, { ...writing, passive: true })
    assert.equal(written.seenAt, record.seenAt)
    assert.equal(written.expiresAt, record.seenAt + 30 * MINUTE + DAY)
  })
  test('a touch moves both times, and may be forgotten `remembrance` past its limit', () => {
    const record = seen(2 * MINUTE)
    const step = plan(openedAt(NOW, record), record, intentOf(), policy)
    assert.deepEqual(step, { kind: 'touch', seenAt: NOW, expiresAt: NOW + 30 * MINUTE + DAY })
  })
  test('of idle and absolute limit the earlier one counts for that', () => {
    const record = recordOf({ seenAt: NOW - 2 * MINUTE, authenticatedAt: NOW - 12 * HOUR + MINUTE })
    const step = plan(openedAt(NOW, record), record, intentOf(), policy)
    assert.deepEqual(step, { kind: 'touch', seenAt: NOW, expiresAt: NOW + MINUTE + DAY })
  })
  test('an adoption: the offer in force, the former secret its parent, renewed now, the era kept', () => {
    const record = seen(0)
    const written = next(openedAt(NOW, record, offer), record, {})
    assert.deepEqual(written.secrets, {
      current: hashSecret(secretOf('offer')),
      parent: record.secrets.current,
    })
    assert.equal(written.renewedAt, NOW)
    assert.equal(written.era, record.era)
    assert.equal(written.authenticatedAt, record.authenticatedAt)
    assert.equal(written.id, record.id)
  })
  test('... on the clock of the commit: what was opened long ago starts no window in the past', () => {
    const record = seen(0)
    assert.equal(next(openedAt(NOW, record, offer), record, { at: NOW + MINUTE }).renewedAt, NOW + MINUTE)
  })
  test('settling: the one shown is the only one, and renewal time runs on', () => {
    const record = renewed(SETTLED)
    const written = next(openedAt(NOW, record, sibling), record, {})
    assert.deepEqual(written.secrets, { current: hashSecret(secretOf('sibling')), parent: null })
    assert.equal(written.renewedAt, record.renewedAt)
  })
  test('a reauthentication: a new era, one secret, absolute time anew, the methods added', () => {
    const record = renewed(0, { methods: ['pwd'], authenticatedAt: NOW - HOUR })
    const reauthenticate = { ...REAUTHENTICATION, methods: ['otp', 'pwd'] }
    const written = next(openedAt(NOW, record, offer), record, { reauthenticate })
    assert.equal(written.era, record.era + 1)
    assert.deepEqual(written.secrets, { current: hashSecret(secretOf('new')), parent: null })
    assert.equal(written.authenticatedAt, NOW)
    assert.equal(written.renewedAt, NOW)
    assert.deepEqual(written.methods, ['pwd', 'otp'])
    assert.equal(written.id, record.id)
    assert.equal(written.createdAt, record.createdAt)
  })
  test('... of the level that it reached, and not of the one before', () => {
    const record = recordOf({ level: 1 })
    const raised = (level: 2 | null) =>
      next(openedAt(NOW, record), record, { reauthenticate: { ...REAUTHENTICATION, level } })
    assert.equal(raised(2).level, 2)
    assert.ok(!('level' in raised(null)))
  })
  test('a drift that is only reported is bound anew, the other bindings with it', () => {
    const bindings = [
      {
        name: 'ip',
        onMismatch: 'report' as const,
        capture: () => 'new',
        matches: (bound: string) => bound === 'new',
      },
      { name: 'ua', onMismatch: 'report' as const, capture: () => null, matches: () => true },
    ]
    const by = policyOf({ bindings })
    const record = recordOf({ seenAt: NOW, bound: { ip: 'old' } })
    const opened = { token: tokenOf(), record, verdict: judge(record, tokenOf(), request(), by) }
    assert.deepEqual(next(opened, record, {}, by).bound, { ip: 'new' })
    assert.equal(plan(opened, record, intentOf({ passive: true }), by).kind, 'nothing')
  })
  test('of a client whose address is not known, none', () => {
    const record = seen(0)
    const context = request({ ip: null })
    assert.deepEqual(next(openedAt(NOW, record), record, { ...writing, context }).client, {})
  })
  test('of a user agent 512 characters are kept', () => {
    const context = request({ headers: { 'user-agent': 'x'.repeat(600) } })
    const record = seen(0)
    assert.equal(next(openedAt(NOW, record), record, { ...writing, context }).client.userAgent!.length, 512)
  })
})

describe('plan: what the client is told', () => {
  const due = recordOf({ renewedAt: NOW - renewal, seenAt: NOW })
  const fresh = recordOf({ renewedAt: NOW - renewal + 1, seenAt: NOW })
  const visitor = recordOf({
    userId: null,
    authenticatedAt: null,
    era: 1,
    renewedAt: NOW - DAY,
    createdAt: NOW,
    seenAt: NOW,
  })
  const rows: readonly [
    rule: string,
    record: SessionRecord,
    token: Partial<Token>,
    intent: Partial<Intent>,
    told: string,
    after?: SessionRecord,
  ][] = [
    ['nothing, a millisecond before renewal', fresh, {}, {}, 'nothing'],
    ['an offer, at renewal', due, {}, {}, 'offer'],
    ['an offer, when the handler renews', fresh, {}, { renew: true }, 'offer'],
    ['an offer, when an old key signed the token', fresh, { oldKey: true }, {}, 'offer'],
    ['nothing, to a passive request', due, {}, { passive: true, renew: true }, 'nothing'],
    ['nothing, to who shows an offer himself', due, offer, {}, 'nothing'],
    ['nothing, to a sibling', renewed(SETTLED + renewal), sibling, { renew: true }, 'nothing'],
    [
      'nothing, to a sibling that is the only one from now on',
      renewed(SETTLED + renewal),
      sibling,
      { renew: true },
      'nothing',
      recordOf({
        secrets: { current: hashSecret(secretOf('sibling')), parent: null },
        renewedAt: NOW - SETTLED - renewal,
        seenAt: NOW,
      }),
    ],
    ['nothing, to a retired secret', renewed(grace), {}, { renew: true }, 'nothing'],
    [
      'nothing, while siblings may come, even when the handler renews',
      renewed(SETTLED - 1),
      offer,
      { renew: true },
      'nothing',
    ],
    ['an offer, once they can not', renewed(SETTLED), offer, { renew: true }, 'offer'],
    ['nothing, when another request renewed meanwhile', due, {}, {}, 'nothing', renewed(0)],
    ['nothing, when the session ended meanwhile', due, {}, {}, 'nothing', tombstone(due, 'logout', NOW)],
    ['nothing, when it was authenticated meanwhile', due, {}, {}, 'nothing', { ...due, era: 2 }],
    [
      'nothing, ever, to a visitor: only authenticated sessions renew',
      visitor,
      {},
      { renew: true },
      'nothing',
    ],
    [
      'the same secret under the newest key, to a visitor with an old one',
      visitor,
      { oldKey: true },
      {},
      'reissue',
    ],
  ]
  for (const [rule, record, token, intent, told, after = record] of rows) {
    test(rule, () =>
      assert.equal(planToken(openedAt(NOW, record, token), after, intentOf(intent), policy), told),
    )
  }
  test('nothing, to who shows no token', () => {
    const opened: Opened = { token: null, record: null, verdict: { kind: 'none' } }
    assert.equal(planToken(opened, due, intentOf({ renew: true }), policy), 'nothing')
  })
})

describe('plan: the first record', () => {
  const bindings = [{ name: 'ip', onMismatch: 'report' as const, capture: () => 'net', matches: () => true }]
  const by = policyOf({ bindings })
  const fields = { id: 'i', secret: secretOf('x'), methods: ['pwd'], remembered: false, data: '{"a":1}' }

  test('of a user', () => {
    assert.deepEqual(
      newRecord({ ...fields, userId: 'ada' }, request({ headers: { 'user-agent': 'UA' } }), by),
      {
        id: 'i',
        version: 1,
        userId: 'ada',
        era: 1,
        secrets: { current: hashSecret(secretOf('x')), parent: null },
        createdAt: NOW,
        renewedAt: NOW,
        seenAt: NOW,
        authenticatedAt: NOW,
        methods: ['pwd'],
        remembered: false,
        expiresAt: NOW + 30 * MINUTE + DAY,
        ended: null,
        client: { ip: '203.0.113.7', userAgent: 'UA' },
        bound: { ip: 'net' },
        data: '{"a":1}',
      },
    )
  })
  test('of a user whose level is known', () => {
    assert.equal(newRecord({ ...fields, userId: 'ada', level: 2 }, request(), by).level, 2)
  })
  test('of a visitor: never authenticated', () => {
    const record = newRecord({ ...fields, userId: null, methods: [] }, request(), by)
    assert.equal(record.authenticatedAt, null)
    assert.equal(record.era, 0)
  })
  test('of a remembered user: kept by the other limits', () => {
    const record = newRecord({ ...fields, userId: 'ada', remembered: true }, request(), by)
    assert.equal(record.expiresAt, NOW + 14 * DAY + DAY)
  })
  test('P5: holds no secret', () => {
    const text = JSON.stringify(newRecord({ ...fields, userId: 'ada' }, request(), by))
    for (const secret of [secretOf('x'), sha256(secretOf('x'))]) assert.ok(!text.includes(secret))
  })
})

describe('plan: a tombstone', () => {
  const record = renewed(0, { data: '{"a":1}', bound: { ip: 'net' }, client: { ip: '203.0.113.7' } })
  const stone = tombstone(record, 'limit', NOW + 5)
  test('says why and when, and is one version more', () => {
    assert.deepEqual(stone.ended, { reason: 'limit', at: NOW + 5 })
    assert.equal(stone.version, record.version + 1)
  })
  test('keeps neither secrets nor data nor bindings', () => {
    assert.deepEqual([stone.secrets, stone.data, stone.bound], [{ current: '', parent: null }, '{}', {}])
  })
  test('is remembered as long as the record would have been', () =>
    assert.equal(stone.expiresAt, record.expiresAt))
  test('nothing is planned on it', () => {
    assert.equal(plan(openedAt(NOW, record, offer), stone, intentOf(), policy).kind, 'nothing')
  })
})

describe('plan: what a login takes along', () => {
  const visitor = recordOf({ userId: null })
  const ada = recordOf()
  const live = { kind: 'current', drifted: [] } as const
  const suspended = { kind: 'mismatch', reason: 'ua', action: 'reauthenticate' } as const
  for (const [rule, record, verdict, userId, expected] of [
    ["a visitor's data", visitor, live, 'ada', visitor],
    ["the same user's", ada, live, 'ada', ada],
    ["never another user's", ada, live, 'grace', null],
    ["a suspended session's, of the same user", ada, suspended, 'ada', ada],
    ['... never of another', ada, suspended, 'grace', null],
    ["... nor a suspended visitor's: whose would they be?", visitor, suspended, 'ada', null],
    ['nothing of a session to be revoked', ada, { ...suspended, action: 'revoke' }, 'ada', null],
    ['nothing of an expired one', ada, { kind: 'expired', reason: 'idle' }, 'ada', null],
    ['nothing of an ended one', ada, { kind: 'ended', reason: 'logout', at: NOW }, 'ada', null],
    ['nothing by a superseded token', ada, { kind: 'superseded' }, 'ada', null],
    ['nothing by a replayed token', ada, { kind: 'replayed' }, 'ada', null],
    ['nothing where there is nothing', null, { kind: 'none' }, 'ada', null],
  ] as [string, SessionRecord | null, Opened['verdict'], string, SessionRecord | null][]) {
    test(rule, () => assert.equal(carried({ token: tokenOf(), record, verdict }, userId), expected))
  }
})

test('an idle limit of a second is touched every tenth of it', () => {
  const short = policyOf({ idle: '1s' })
  const at = (ago: number) => {
    const record = seen(ago)
    return plan(
      { token: tokenOf(), record, verdict: { kind: 'current', drifted: [] } },
      record,
      intentOf(),
      short,
    ).kind
  }
  assert.deepEqual([at(99), at(100)], ['nothing', 'touch'])
})
