/** What the console's page makes of what it is told: the parts that need no browser. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConsoleEvent, FiguresPoint, SessionDetail } from '../../src/console/api.ts'
import { blockOf } from '../../src/console/page/block.ts'
import { bucketsOf } from '../../src/console/page/figures.ts'
import { inWords } from '../../src/console/page/intent.ts'
import { cluster, entriesOf, lastOwn, lifeOf, type Mark, tellLife } from '../../src/console/page/life.ts'
import { linkTo, linkToSession, parseRoute } from '../../src/console/page/route.ts'
import { type Message, readMessages } from '../../src/console/page/sse.ts'
import { distance, length, roundMoments } from '../../src/console/page/time.ts'
import { faceOf } from '../../src/console/page/words.ts'

const HOME = { ip: '203.0.113.20', device: 'Firefox on Linux' }
const TRAIN = { ip: '198.51.100.7', device: 'Firefox on Linux' }
const THIEF = { ip: '192.0.2.66', device: 'curl' }

let count = 0
function event(at: number, name: ConsoleEvent['name'], more: Partial<ConsoleEvent> = {}): ConsoleEvent {
  return {
    id: `e${++count}`,
    name,
    at,
    sessionId: 'A'.repeat(22),
    userId: 'ada',
    actor: null,
    userAgent: null,
    method: 'GET',
    path: '/',
    reason: null,
    code: null,
    what: '',
    todo: '',
    severity: 'info',
    ...HOME,
    ...more,
  }
}

function detail(events: readonly ConsoleEvent[], more: Partial<SessionDetail> = {}): SessionDetail {
  return {
    session: null,
    state: 'ended',
    ended: null,
    id: 'A'.repeat(22),
    userId: 'ada',
    createdAt: 1_000,
    until: 100_000,
    events,
    complete: true,
    others: [],
    ...more,
  }
}

describe('a session’s life', () => {
  test('a network goes from the event that came from it to the one that came from another', () => {
    const { networks, devices } = lifeOf(
      detail([
        event(1_000, 'session_created'),
        event(20_000, 'session_renewed'),
        event(50_000, 'session_binding_mismatch', TRAIN),
        event(70_000, 'session_renewed', TRAIN),
      ]),
    )
    assert.deepEqual(networks, [
      { from: 1_000, to: 50_000, label: HOME.ip },
      { from: 50_000, to: 100_000, label: TRAIN.ip },
    ])
    assert.deepEqual(devices, [{ from: 1_000, to: 100_000, label: HOME.device }])
  })

  const others = [
    'authn_token_reuse',
    'session_revoked',
    'session_use_after_expire',
    'session_superseded',
    'excess_sessions_exceeded',
  ] as const
  for (const name of others) {
    test(`${name} comes from somebody else: no network of the session’s`, () => {
      const events = [event(1_000, 'session_created'), event(60_000, name, THIEF)]
      assert.deepEqual(lifeOf(detail(events)).networks, [{ from: 1_000, to: 100_000, label: HOME.ip }])
      assert.equal(lastOwn(events)?.name, 'session_created')
    })
  }

  test('where no event says from where, what the session itself says', () => {
    const session = { ...HOME, userId: 'ada' } as SessionDetail['session']
    assert.deepEqual(lifeOf(detail([], { session })).networks, [{ from: 1_000, to: 100_000, label: HOME.ip }])
    assert.deepEqual(lifeOf(detail([])).networks, [])
  })

  test('suspended until its user logs in again, or until the end', () => {
    const first = [
      event(1_000, 'session_created'),
      event(30_000, 'session_suspended'),
      event(31_000, 'session_suspended'),
    ]
    assert.deepEqual(lifeOf(detail(first)).suspended, [{ from: 30_000, to: 100_000, label: 'Suspended' }])
    const resumed = [...first, event(40_000, 'authn_login_success')]
    assert.deepEqual(lifeOf(detail(resumed)).suspended, [{ from: 30_000, to: 40_000, label: 'Suspended' }])
  })

  test('what comes after the end is in the picture, too', () => {
    const late = event(140_000, 'session_use_after_expire', THIEF)
    const life = lifeOf(detail([event(1_000, 'session_created'), late]))
    assert.equal(life.to, 140_000)
    assert.equal(life.networks.at(-1)?.to, 100_000)
  })

  test('one moment is one mark, whose sign is that of the worst; renewals are none', () => {
    const { marks, renewals } = lifeOf(
      detail([
        event(1_000, 'session_created'),
        event(1_004, 'authn_login_success'),
        event(20_000, 'session_renewed'),
        event(90_000, 'authn_token_reuse', THIEF),
        event(90_001, 'session_revoked', THIEF),
      ]),
    )
    assert.deepEqual(renewals, [20_000])
    assert.deepEqual(
      marks.map(({ kind, events }) => [kind, events.length]),
      [
        ['login', 2],
        ['alarm', 2],
      ],
    )
  })

  test('marks that would cover each other become one, and none is lost', () => {
    const marks: Mark[] = [0, 5, 12, 30].map((at) => ({
      at,
      kind: 'login',
      events: [event(at, 'authn_login_success')],
    }))
    assert.deepEqual(
      cluster(marks, 10).map(({ at, events }) => [at, events.length]),
      [
        [0, 2],
        [12, 1],
        [30, 1],
      ],
    )
  })

  test('in the list, renewals in a row are one entry, but not over a change of network', () => {
    const events = [
      event(1, 'session_created'),
      ...[2, 3, 4].map((at) => event(at, 'session_renewed')),
      event(5, 'session_renewed', TRAIN),
      event(6, 'session_logout', TRAIN),
    ]
    assert.deepEqual(
      entriesOf(events).map(({ event, times }) => [event.name, event.at, times]),
      [
        ['session_logout', 6, 1],
        ['session_renewed', 5, 1],
        ['session_renewed', 4, 3],
        ['session_created', 1, 1],
      ],
    )
  })

  test('is told in words to whoever doesn’t see it', () => {
    const shown = detail([
      event(1_000, 'session_created'),
      event(20_000, 'session_renewed'),
      event(50_000, 'session_renewed', TRAIN),
      event(90_000, 'authn_token_reuse', THIEF),
    ])
    assert.equal(
      tellLife(lifeOf(shown), shown),
      'This session is ended. Its token was renewed 2 times. It was used from 2 networks and one device. Alarms: Replayed token. The list of events tells the same in order.',
    )
  })
})

describe('figures', () => {
  const point = (at: number, more: Partial<FiguresPoint> = {}): FiguresPoint => ({
    at,
    live: null,
    logins: 0,
    renewals: 0,
    created: 0,
    ended: 0,
    refusals: {},
    ...more,
  })

  test('counts are summed up in a bucket; of the live sessions the last number stands', () => {
    const points = [
      point(10_000, { live: 5, logins: 1 }),
      point(11_000, { live: 7, logins: 2, renewals: 1 }),
      point(12_000, { logins: 4 }),
      point(19_000, { live: 9 }),
    ]
    const buckets = bucketsOf(points, 19_500, 15_000, 5_000)
    assert.deepEqual(buckets.from, [5_000, 10_000, 15_000])
    assert.deepEqual(buckets.live, [null, 7, 9])
    assert.deepEqual(buckets.logins, [0, 7, 0])
    assert.deepEqual(buckets.renewals, [0, 1, 0])
  })

  test('what is older than the span, or later than now, is in no bucket', () => {
    const points = [point(4_999, { logins: 1 }), point(20_000, { logins: 1 })]
    assert.deepEqual(bucketsOf(points, 19_500, 15_000, 5_000).logins, [0, 0, 0])
  })

  test('refusals: the commonest first', () => {
    const points = [
      point(10_000, { refusals: { authn_login_fail: 1, malicious_csrf: 2 } }),
      point(16_000, { refusals: { malicious_csrf: 1 } }),
    ]
    assert.deepEqual(bucketsOf(points, 19_500, 15_000, 5_000).refusals, [
      { name: 'malicious_csrf', counts: [0, 2, 1], total: 3 },
      { name: 'authn_login_fail', counts: [0, 1, 0], total: 1 },
    ])
  })
})

describe('the stream', () => {
  async function read(...chunks: string[]): Promise<Message[]> {
    async function* all() {
      yield* chunks
    }
    const messages: Message[] = []
    for await (const message of readMessages(all())) messages.push(message)
    return messages
  }

  test('messages are found wherever the chunks are cut', async () => {
    const text = 'event: figures\ndata: {"at":1}\n\n: still here\n\nevent: event\ndata: {"id":"é"}\n\n'
    const expected = [
      { event: 'figures', data: '{"at":1}' },
      { event: 'event', data: '{"id":"é"}' },
    ]
    for (let cut = 0; cut <= text.length; cut++)
      assert.deepEqual(await read(text.slice(0, cut), text.slice(cut)), expected, `cut at ${cut}`)
    assert.deepEqual(await read(...text), expected)
  })

  test('half a message is none, and a comment is none', async () => {
    assert.deepEqual(await read(': hello\n\nretry: 2000\n\nevent: event\ndata: {}\n'), [])
  })

  test('every chunk is heard, comments too: they say that the server is there', async () => {
    let heard = 0
    async function* all() {
      yield* [': still here\n\n', ': still here\n\n']
    }
    for await (const message of readMessages(all(), () => heard++)) assert.fail(message.event)
    assert.equal(heard, 2)
  })
})

test('an address is a view and what it shows, and back', () => {
  const id = 'A'.repeat(22)
  assert.deepEqual(parseRoute(linkTo('sessions', { user: 'ada & co', address: '' })), {
    view: 'sessions',
    id: '',
    query: { user: 'ada & co' },
  })
  assert.deepEqual(parseRoute(linkToSession(id)), { view: 'session', id, query: {} })
  for (const unknown of ['', '#', '#/', '#/nothing', '#/session/', '#/../x'])
    assert.equal(parseRoute(unknown).view, 'overview', unknown)
  assert.equal(parseRoute('#/session/%E0%A4%A').id, '%E0%A4%A', 'cut off in the middle of a character')
})

describe('an address that is being typed', () => {
  const rows = [
    ['203', '203.0.0.0/8'],
    ['203.0.', '203.0.0.0/16'],
    ['203.0.113', '203.0.113.0/24'],
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.0/24', '203.0.113.0/24'],
    ['2001:db8', '2001:db8::/32'],
    ['2001:db8:', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1'],
    ['999', '999'],
    ['2001', '2001'],
    ['', ''],
    ['nonsense', 'nonsense'],
  ] as const
  for (const [typed, block] of rows)
    test(`${typed || 'nothing'} is ${block || 'nothing'}`, () => assert.equal(blockOf(typed), block))
})

describe('times', () => {
  test('lengths in their largest unit, rounded down', () => {
    const rows = [
      [999, '0 s'],
      [59_999, '59 s'],
      [60_000, '1 min'],
      [3_599_999, '59 min'],
      [3_600_000, '1 h'],
      [47 * 3_600_000, '47 h'],
      [48 * 3_600_000, '2 days'],
    ] as const
    for (const [millis, text] of rows) assert.equal(length(millis), text)
    assert.equal(distance(0, 5 * 60_000), '5 min ago')
    assert.equal(distance(5 * 60_000, 0), 'in 5 min')
    assert.equal(distance(1_000, 0), 'now')
  })

  test('an axis has round moments, within it, and no more than it has room for', () => {
    const from = Date.UTC(2026, 0, 1, 9, 7, 13)
    for (const span of [5_000, 90_000, 3_600_000, 3 * 3_600_000, 20 * 86_400_000, 400 * 86_400_000]) {
      const moments = roundMoments(from, from + span, 8)
      assert.ok(moments.length >= 2 && moments.length <= 9, `${span}: ${moments.length}`)
      assert.ok(moments.every(({ at }) => at >= from && at <= from + span))
    }
    const minutes = roundMoments(from, from + 3_600_000, 8).map(({ at }) => new Date(at).getUTCMinutes())
    assert.deepEqual(minutes, [10, 20, 30, 40, 50, 0])
  })
})

describe('before something is ended', () => {
  const me = { userId: 'grace' } as Parameters<typeof inWords>[1]
  const session = { id: 'A', userId: 'ada', device: '', ip: null, isOwn: false }

  test('says how much ends, and whose', () => {
    const of = (...sessions: (typeof session)[]) => inWords({ kind: 'sessions', sessions }, me)
    assert.equal(of(session).title, 'End this session of ada?')
    assert.equal(of(session, session).title, 'End 2 sessions of ada?')
    assert.equal(of(session, { ...session, userId: 'alan' }).title, 'End 2 sessions of 2 users?')
  })

  test('says so where it is the operator’s own', () => {
    const own = { ...session, userId: 'grace', isOwn: true }
    assert.match(
      inWords({ kind: 'sessions', sessions: [session, own] }, me).consequence,
      /Your own is among them/,
    )
    assert.doesNotMatch(inWords({ kind: 'sessions', sessions: [session] }, me).consequence, /[Yy]our own/)
    assert.match(inWords({ kind: 'user', userId: 'grace', except: null }, me).consequence, /your own/)
    assert.doesNotMatch(inWords({ kind: 'user', userId: 'ada', except: null }, me).consequence, /your own/)
    assert.match(inWords({ kind: 'everybody' }, me).consequence, /yours too/)
  })
})

test('an event that the page doesn’t know is shown by its name', () => {
  assert.deepEqual(faceOf('session_of_tomorrow'), { label: 'session_of_tomorrow', kind: 'trouble' })
})
