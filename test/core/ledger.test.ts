/** One user's sessions, decided without a store. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { EndReason, UserLedger } from '../../src/core/engine.ts'
import {
  admit,
  dismiss,
  EVERYBODY,
  emptyLedger,
  endsOthers,
  excess,
  extend,
  isFormer,
  isTooLate,
  isUserId,
  revokeAll,
  revokeSome,
} from '../../src/core/ledger.ts'
import { DAY, HOUR, NOW } from './fixtures.ts'

const entry = (id: string, until = NOW + HOUR) => ({ id, until })
const none = {
  at: NOW,
  credential: null,
  past: NOW,
  replaced: null,
  dead: new Set<string>(),
  displaced: new Set<string>(),
  revokeOthers: false,
}

function ledgerOf(ids: string, changes: Partial<UserLedger> = {}): UserLedger {
  return { ...emptyLedger('ada'), version: 4, sessions: [...ids].map((id) => entry(id)), ...changes }
}

/** `'ab|c:limit'`: a and b stay, c ends by the limit. */
function shown({ sessions, ending }: UserLedger): string {
  return `${sessions.map(({ id }) => id).join('')}|${ending.map(({ id, reason }) => `${id}:${reason}`).join(' ')}`
}

describe('ledger: a login', () => {
  const rows: readonly [
    rule: string,
    ids: string,
    options: Partial<Omit<typeof none, 'replaced'> & { replaced: string }>,
    after: string,
  ][] = [
    ['is admitted last', 'ab', {}, 'abn|'],
    ['leaves what it replaces to the commit, which ends it last', 'abc', { replaced: 'b' }, 'abcn|'],
    ['ends those that the limit displaces', 'abc', { displaced: new Set(['a', 'b']) }, 'cn|a:limit b:limit'],
    ['drops those that were found dead', 'abc', { dead: new Set(['a']) }, 'bcn|'],
    [
      'that revokes the others ends them all',
      'abc',
      { revokeOthers: true },
      'n|a:revoked b:revoked c:revoked',
    ],
    ['... but what it replaces', 'abc', { revokeOthers: true, replaced: 'b' }, 'bn|a:revoked c:revoked'],
    [
      'the limit does not end what it replaces',
      'abc',
      { replaced: 'b', displaced: new Set(['a', 'b']) },
      'bcn|a:limit',
    ],
    ['replaces nothing that is not there', 'ab', { replaced: 'z' }, 'abn|'],
  ]
  for (const [rule, ids, options, after] of rows) {
    test(rule, () => {
      const ledger = admit(ledgerOf(ids), entry('n'), { ...none, ...options })
      assert.equal(shown(ledger), after)
      assert.equal(ledger.version, 5)
    })
  }
  test('prunes what can be alive under no policy', () => {
    const sessions = [entry('a', NOW), entry('b', NOW + 1)]
    assert.equal(shown(admit(ledgerOf('', { sessions }), entry('n'), none)), 'bn|')
  })
  test('... and nothing else: a longer limit may have brought it back to life', () => {
    const sessions = [entry('a', NOW - DAY), entry('b', NOW - DAY + 1)]
    const options = { ...none, past: NOW - DAY }
    assert.equal(shown(admit(ledgerOf('', { sessions }), entry('n'), options)), 'bn|')
  })
  test('keeps what is still to be ended', () => {
    const ending = [{ id: 'x', reason: 'revoked' as const }]
    assert.equal(
      shown(admit(ledgerOf('a', { ending }), entry('n'), { ...none, replaced: 'a' })),
      'an|x:revoked',
    )
  })
  test('that revokes the others refuses logins under way; another does not', () => {
    assert.equal(admit(ledgerOf('a'), entry('n'), { ...none, revokeOthers: true }).notBefore, NOW)
    assert.equal(admit(ledgerOf('a', { notBefore: 5 }), entry('n'), none).notBefore, 5)
  })
  test('never turns notBefore back', () => {
    const ledger = ledgerOf('a', { notBefore: NOW + HOUR })
    assert.equal(admit(ledger, entry('n'), { ...none, revokeOthers: true }).notBefore, NOW + HOUR)
  })
})

describe('ledger: which login comes too late', () => {
  for (const [rule, openedAt, expected] of [
    ['one opened before the revocation', NOW - 1, true],
    ['one opened at the same moment', NOW, true],
    ['not one opened after it', NOW + 1, false],
  ] as [string, number, boolean][]) {
    test(rule, () => assert.equal(isTooLate(ledgerOf('', { notBefore: NOW }), openedAt), expected))
  }
  test('none, where nothing was ever revoked', () => assert.equal(isTooLate(emptyLedger('ada'), 1), false))
})

describe('ledger: the limit', () => {
  const rows: readonly [rule: string, ids: string, replaced: string | null, max: number, over: number][] = [
    ['room for one more', 'ab', null, 3, 0],
    ['no room for one more', 'abc', null, 3, 1],
    ['a lowered limit', 'abcde', null, 2, 4],
    ['what is replaced makes room', 'abc', 'b', 3, 0],
    ['a stranger replaced makes none', 'abc', 'z', 3, 1],
    ['a limit of one', 'a', null, 1, 1],
  ]
  for (const [rule, ids, replaced, max, over] of rows) {
    test(rule, () => assert.equal(excess(ledgerOf(ids), replaced, NOW, max), over))
  }
  test('what is past its absolute limit takes no room', () => {
    assert.equal(excess(ledgerOf('', { sessions: [entry('a', NOW)] }), null, NOW, 1), 0)
    assert.equal(excess(ledgerOf('', { sessions: [entry('a', NOW + 1)] }), null, NOW, 1), 1)
  })
})

describe('ledger: revoking all', () => {
  for (const [rule, except, after] of [
    ['ends every session', null, '|a:revoked b:revoked c:revoked'],
    ['but one', 'b', 'b|a:revoked c:revoked'],
    ['but one that is not there', 'z', '|a:revoked b:revoked c:revoked'],
  ] as [string, string | null, string][]) {
    test(rule, () => {
      const ledger = revokeAll(ledgerOf('abc'), except, 'revoked', NOW)
      assert.equal(shown(ledger), after)
      assert.equal(ledger.notBefore, NOW)
      assert.equal(ledger.version, 5)
    })
  }
  test('keeps what is still to be ended', () => {
    const ending = [{ id: 'x', reason: 'limit' as const }]
    assert.equal(shown(revokeAll(ledgerOf('a', { ending }), null, 'revoked', NOW)), '|x:limit a:revoked')
  })
  test('never turns notBefore back', () => {
    assert.equal(revokeAll(ledgerOf('', { notBefore: NOW + 1 }), null, 'revoked', NOW).notBefore, NOW + 1)
  })
})

describe('ledger: dismissing and extending', () => {
  test('what has ended leaves, admitted or ending', () => {
    const ending = [
      { id: 'x', reason: 'limit' as const },
      { id: 'y', reason: 'limit' as const },
    ]
    const ledger = dismiss(ledgerOf('ab', { ending }), new Set(['a', 'x', 'z']))
    assert.equal(shown(ledger!), 'b|y:limit')
    assert.equal(ledger!.version, 5)
  })
  test('strangers need no write', () => assert.equal(dismiss(ledgerOf('ab'), new Set(['z'])), null))
  test("a new deadline takes the old one's place", () => {
    const ledger = extend(ledgerOf('abc'), entry('b', NOW + DAY), null, NOW)!
    assert.deepEqual(ledger.sessions, [entry('a'), entry('b', NOW + DAY), entry('c')])
    assert.equal(ledger.version, 5)
  })
  test('what is not admitted is not extended', () => {
    const ending = [{ id: 'x', reason: 'revoked' as const }]
    assert.equal(extend(ledgerOf('ab', { ending }), entry('x'), null, NOW), null)
  })
})

describe('ledger: by which password', () => {
  const old = { credential: 'old', credentialAt: NOW - HOUR }
  const at = NOW + 5
  for (const [rule, before, credential, after] of [
    ['the same one as ever ends nobody', old, 'old', 'abn| old -60m'],
    ['another one ends the others', old, 'new', 'n|a:revoked b:revoked new +5'],
    [
      'the first that is told, too: nobody knows by which they were made',
      {},
      'new',
      'n|a:revoked b:revoked new +5',
    ],
    ['none that is told ends nobody, and changes nothing', old, null, 'abn| old -60m'],
    ['... nor where none was ever told', {}, null, 'abn| null undefined'],
  ] as [string, Partial<UserLedger>, string | null, string][]) {
    const told = ({ credential, credentialAt }: UserLedger) =>
      `${credential} ${credentialAt === undefined ? credentialAt : credentialAt === at ? '+5' : '-60m'}`
    test(`a login: ${rule}`, () => {
      const ledger = admit(ledgerOf('ab', before), entry('n'), { ...none, at, credential })
      assert.equal(`${shown(ledger)} ${told(ledger)}`, after)
      assert.equal(ledger.notBefore, 0)
    })
    test(`a reauthentication: ${rule}`, () => {
      const ledger = extend(ledgerOf('abn', before), entry('n', NOW + DAY), credential, at)!
      assert.equal(`${shown(ledger)} ${told(ledger)}`, after)
      assert.deepEqual([ledger.sessions.at(-1), ledger.notBefore], [entry('n', NOW + DAY), 0])
    })
  }
  for (const [rule, credential, openedAt, expected] of [
    ['another one, of a request that began before it was told', 'old', NOW - 1, true],
    ['... or at that moment', 'old', NOW, true],
    ['not one that began later: that is a change', 'newer', NOW + 1, false],
    ['not the same, whenever', 'new', NOW - 1, false],
    ['not none: it was not by a password', null, NOW - 1, false],
  ] as [string, string | null, number, boolean][]) {
    test(`a former one: ${rule}`, () => {
      const ledger = ledgerOf('a', { credential: 'new', credentialAt: NOW })
      assert.equal(isFormer(ledger, credential, openedAt), expected)
    })
  }
  test('none is former where none was told', () => {
    assert.equal(isFormer(ledgerOf('a'), 'new', 1), false)
    assert.equal(endsOthers(ledgerOf('a'), null), false)
  })
})

test('ledger: one that is not stored yet holds nothing', () => {
  assert.deepEqual(emptyLedger('ada'), {
    userId: 'ada',
    version: 0,
    notBefore: 0,
    credential: null,
    sessions: [],
    ending: [],
    expiresAt: 0,
  })
})

describe("ledger: whose id is a user's", () => {
  for (const [rule, userId, expected] of [
    ['a name', 'ada', true],
    ['a character beyond 16 bits', '\u{1f511}', true],
    ['no empty one', '', false],
    ['none with a NUL, at which stores cut', 'ada\0', false],
    ["... so that everybody's is no user's", EVERYBODY, false],
    ['none with half a character, which stores replace', 'ada\ud83d', false],
    ['no number', 7, false],
    ['not nobody', null, false],
  ] as [string, unknown, boolean][]) {
    test(rule, () => assert.equal(isUserId(userId), expected))
  }
  test("everybody's keeps its name: stores hold it", () => assert.equal(EVERYBODY, '\0everybody'))
})

describe('ledger: revoking some', () => {
  test('ends those, and refuses the logins that were opened by then', () => {
    const ending = [{ id: 'x', reason: 'limit' as const }]
    const ledger = revokeSome(ledgerOf('abc', { ending }), new Set(['a', 'c', 'z']), NOW - 1)
    assert.equal(shown(ledger), 'b|x:limit a:revoked c:revoked')
    assert.deepEqual([ledger.notBefore, ledger.version], [NOW - 1, 5])
  })
  test('never turns notBefore back', () => {
    assert.equal(revokeSome(ledgerOf('a', { notBefore: NOW }), new Set(), NOW - 1).notBefore, NOW)
  })
})

describe('ledger: how long it is kept', () => {
  test('a day past the last deadline', () => {
    assert.equal(admit(ledgerOf('a'), entry('n', NOW + DAY), none).expiresAt, NOW + 2 * DAY)
  })
  test('a day past notBefore, when nothing is left: a forgotten one would admit the login it must refuse', () => {
    assert.equal(revokeAll(ledgerOf(''), null, 'revoked', NOW).expiresAt, NOW + DAY)
  })
  test('never less than before', () => {
    assert.equal(
      dismiss(ledgerOf('a', { expiresAt: NOW + 9 * DAY }), new Set(['a']))!.expiresAt,
      NOW + 9 * DAY,
    )
  })
})

type Step =
  | {
      readonly kind: 'admit'
      readonly replaced: number
      readonly displaced: number[]
      readonly dead: number[]
      readonly revokeOthers: boolean
      readonly until: number
    }
  | { readonly kind: 'dismiss'; readonly ids: number[] }
  | { readonly kind: 'revokeAll'; readonly except: number }
  | { readonly kind: 'extend'; readonly id: number; readonly until: number }

test('whatever happens, no id is lost and none is there twice', () => {
  const index = fc.nat(20)
  const some = fc.uniqueArray(index, { maxLength: 4 })
  const until = fc.integer({ min: -2, max: 20 }).map((hours) => NOW + hours * HOUR)
  const steps: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      kind: fc.constant('admit' as const),
      replaced: index,
      displaced: some,
      dead: some,
      revokeOthers: fc.boolean(),
      until,
    }),
    fc.record({ kind: fc.constant('dismiss' as const), ids: some }),
    fc.record({ kind: fc.constant('revokeAll' as const), except: index }),
    fc.record({ kind: fc.constant('extend' as const), id: index, until }),
  )
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 25 }), (list) => {
      let ledger = emptyLedger('ada')
      let drawn = 0
      const named = (numbers: number[]) => new Set(numbers.map(String))
      for (const step of list) {
        const before = ledger
        const gone = new Set<string>()
        if (step.kind === 'admit') {
          const options = {
            at: NOW,
            credential: null,
            past: NOW,
            replaced: String(step.replaced),
            displaced: named(step.displaced),
            dead: named(step.dead),
            revokeOthers: step.revokeOthers,
          }
          for (const { id, until } of before.sessions) if (until <= NOW || options.dead.has(id)) gone.add(id)
          ledger = admit(before, entry(String(drawn++), step.until), options)
          assert.equal(ledger.sessions.at(-1)!.id, String(drawn - 1))
        } else if (step.kind === 'dismiss') {
          for (const id of named(step.ids)) gone.add(id)
          ledger = dismiss(before, named(step.ids)) ?? before
        } else if (step.kind === 'revokeAll') {
          ledger = revokeAll(before, String(step.except), 'revoked', NOW)
        } else {
          ledger = extend(before, entry(String(step.id), step.until), null, NOW) ?? before
        }
        const held = idsOf(ledger)
        assert.equal(new Set(held).size, held.length, 'twice')
        for (const id of idsOf(before))
          assert.ok(gone.has(id) !== held.includes(id), `${id} is lost, or came back`)
        // What has been ended is never admitted again.
        for (const { id } of before.ending) assert.ok(!ledger.sessions.some((session) => session.id === id))
        assert.ok(ledger.notBefore >= before.notBefore)
        assert.ok(ledger === before || ledger.version === before.version + 1)
      }
    }),
    { numRuns: 300 },
  )
})

test('a ledger is never changed in place', () => {
  const ledger = deepFreeze(ledgerOf('abc', { ending: [{ id: 'x', reason: 'limit' as EndReason }] }))
  admit(ledger, entry('n'), { ...none, revokeOthers: true })
  revokeAll(ledger, 'a', 'revoked', NOW)
  dismiss(ledger, new Set(['a', 'x']))
  extend(ledger, entry('a', NOW + DAY), 'new', NOW)
})

function idsOf({ sessions, ending }: UserLedger): string[] {
  return [...sessions, ...ending].map(({ id }) => id)
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) deepFreeze(child)
  return Object.freeze(value)
}
