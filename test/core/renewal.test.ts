/** P4: renewal never logs out an honest client, and a replayed token ends the session. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Effects } from '../../src/core/effects.ts'
import type { SessionEvent } from '../../src/core/events.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { Browser, HOUR, KEY, login, MINUTE, NOW, type Parts, post, SECOND, visit } from './fixtures.ts'

const GRACE = 60 * SECOND
const LATE = 2 * MINUTE
const WINDOW = 2 * (GRACE + LATE)

async function setUp(options: Partial<SessionsOptions<Record<string, unknown>>> = {}) {
  const events: SessionEvent[] = []
  const sessions = new Sessions({
    engine: memory(),
    keys: [KEY],
    idle: '12h',
    ...options,
    onEvent: (event) => void events.push(event),
  })
  const browser = new Browser()
  await login(sessions, browser, 'ada')
  events.length = 0
  const heard = () =>
    events.splice(0).map(({ name, reason }) => (reason === null ? name : `${name}:${reason}`))
  return { sessions, browser, heard }
}

const later = (ms: number): Parts => ({ now: NOW + ms })

/** A browser in which an offer was adopted at `NOW + 1`, or a little later, and a copy from before. */
async function renewed(options: Parameters<typeof setUp>[0] = {}) {
  const set = await setUp(options)
  const old = set.browser.copy()
  await visit(set.sessions, set.browser, post(later(0)), (session) => session.renew())
  await visit(set.sessions, set.browser, later(1), () => {})
  set.heard()
  return { ...set, old }
}

describe('renewal: a retired token', () => {
  const rows: readonly [
    rule: string,
    after: number,
    userId: string | null,
    lost: string | null,
    heard: string[],
  ][] = [
    ['serves within grace', GRACE, 'ada', null, []],
    ['is refused within late, quietly', GRACE + SECOND, null, 'superseded', ['session_superseded']],
    ['... to its end', GRACE + LATE, null, 'superseded', ['session_superseded']],
    [
      'is replayed after that, and ends the session',
      GRACE + LATE + SECOND,
      null,
      'replayed',
      ['authn_token_reuse', 'session_revoked:replayed'],
    ],
    ['... ever after', 5 * HOUR, null, 'replayed', ['authn_token_reuse', 'session_revoked:replayed']],
  ]
  for (const [rule, after, userId, lost, events] of rows) {
    test(rule, async () => {
      const { sessions, browser, old, heard } = await renewed()
      await visit(sessions, old, later(1 + after), (session) =>
        assert.deepEqual([session.userId, session.lost], [userId, lost]),
      )
      assert.deepEqual(heard(), events)
      await visit(sessions, browser, later(2 + after), (session) => {
        assert.deepEqual(
          [session.userId, session.lost],
          lost === 'replayed' ? [null, 'replayed'] : ['ada', null],
        )
      })
    })
  }
  test("within late gets no Set-Cookie: the browser's is newer", async () => {
    const { sessions, old } = await renewed()
    const session = await sessions.open(old.request(post(later(GRACE + SECOND))))
    session.renew()
    const { headers } = await sessions.commit(session)
    assert.deepEqual(
      headers.filter(([name]) => name === 'Set-Cookie'),
      [],
    )
  })
  test('within late may log out: whoever clicks in an old page means the session', async () => {
    const { sessions, browser, old } = await renewed()
    await visit(sessions, old, post(later(GRACE + SECOND)), (session) => session.terminate())
    assert.equal(old.token, undefined)
    await visit(sessions, browser, later(GRACE + 2 * SECOND), (session) =>
      assert.equal(session.lost, 'logout'),
    )
  })
  test('within late may log in, and what it names has ended', async () => {
    const { sessions, browser, old } = await renewed()
    await login(sessions, old, 'ada', later(GRACE + SECOND))
    await visit(sessions, old, later(GRACE + 2 * SECOND), (session) => assert.equal(session.userId, 'ada'))
    await visit(sessions, browser, later(GRACE + 2 * SECOND), (session) =>
      assert.equal(session.lost, 'replaced'),
    )
  })
  test('onReplay report: it is refused, and the session goes on', async () => {
    const { sessions, browser, old, heard } = await renewed({ onReplay: 'report' })
    await visit(sessions, old, later(HOUR), (session) =>
      assert.deepEqual([session.userId, session.lost], [null, 'replayed']),
    )
    assert.deepEqual(heard(), ['authn_token_reuse'])
    await visit(sessions, browser, later(HOUR), (session) => assert.equal(session.userId, 'ada'))
  })
  test('a replay is read again from the primary before it ends anything', async () => {
    const engine = memory()
    const { sessions, old, browser } = await renewed({ engine })
    const fresh: boolean[] = []
    const lagging = new Sessions({
      engine: {
        ...engine,
        load(id, options) {
          fresh.push(options?.fresh === true)
          const record = engine.load(id) as never as { secrets: { current: string; parent: string | null } }
          // The replica has not yet heard of the renewal.
          return (options?.fresh ? record : { ...record, secrets: { current: 'x', parent: null } }) as never
        },
      },
      keys: [KEY],
      idle: '12h',
    })
    await visit(lagging, browser, later(2), (session) => assert.equal(session.userId, 'ada'))
    assert.deepEqual(fresh.slice(0, 2), [false, true])
    await visit(sessions, old, later(3), (session) => assert.equal(session.userId, 'ada'))
  })
})

describe('renewal: siblings', () => {
  test('of parallel requests any answer may come last', async () => {
    const { sessions, browser } = await setUp()
    const tabs = [browser.copy(), browser.copy(), browser.copy()]
    for (const tab of tabs) await visit(sessions, tab, later(20 * MINUTE), () => {})
    for (const tab of tabs)
      await visit(sessions, tab, later(20 * MINUTE + GRACE), (session) => assert.equal(session.userId, 'ada'))
  })
  test('the first one shown after the window is the only one; the others are replays', async () => {
    const { sessions, browser, heard } = await setUp()
    const [a, b] = [browser.copy(), browser.copy()]
    for (const tab of [a, b]) await visit(sessions, tab, later(20 * MINUTE), () => {})
    await visit(sessions, a, later(20 * MINUTE + 1), () => {})
    await visit(sessions, b, later(20 * MINUTE + WINDOW + SECOND), (session) =>
      assert.equal(session.userId, 'ada'),
    )
    heard()
    await visit(sessions, a, later(20 * MINUTE + WINDOW + 2 * SECOND), (session) =>
      assert.equal(session.lost, 'replayed'),
    )
    assert.deepEqual(heard(), ['authn_token_reuse', 'session_revoked:replayed'])
  })
  test('a lost response costs nothing: the old token is still the current one', async () => {
    const { sessions, browser } = await setUp()
    const before = browser.copy()
    for (let i = 0; i < 5; i++) {
      const again = before.copy()
      await visit(sessions, again, later(20 * MINUTE + i * HOUR), (session) =>
        assert.equal(session.userId, 'ada'),
      )
      assert.notEqual(again.token, before.token)
    }
  })
  test('a thief and his victim can not both go on unnoticed', async () => {
    const { sessions, browser, heard } = await setUp()
    const thief = browser.copy()
    for (let minute = 0; minute < 60; minute += 2) {
      for (const client of [browser, thief]) await visit(sessions, client, later(minute * MINUTE), () => {})
    }
    assert.ok(heard().includes('session_revoked:replayed'))
    for (const client of [browser, thief])
      await visit(sessions, client, later(61 * MINUTE), (session) => assert.equal(session.userId, null))
  })
})

interface Sent {
  /** Since the request before. */
  readonly pause: number
  readonly handling: number
  readonly travelling: number
  readonly kind: 'read' | 'write' | 'renew' | 'lost'
}

describe('renewal: an honest browser', () => {
  // Answers that arrive within grace, in any order; requests open meanwhile with whatever the jar holds then.
  const half = fc.integer({ min: 0, max: GRACE / 2 })
  const sent: fc.Arbitrary<Sent> = fc.record({
    pause: fc.oneof(fc.integer({ min: 0, max: 5 * SECOND }), fc.integer({ min: 0, max: 20 * MINUTE })),
    handling: half,
    travelling: half,
    kind: fc.constantFrom('read', 'write', 'renew', 'lost'),
  })

  test('is never refused, however its requests interleave', async (t) => {
    let clock = 0
    t.mock.method(performance, 'now', () => clock)
    await fc.assert(
      fc.asyncProperty(fc.array(sent, { minLength: 2, maxLength: 30 }), async (requests) => {
        const { sessions, browser, heard } = await setUp({ absolute: '30d', idle: '30d' })
        let writes = 0
        const timeline: { at: number; run: () => Promise<void> }[] = []
        const add = (at: number, run: () => Promise<void>) => timeline.push({ at, run })
        let at = 10 * MINUTE
        let open = 0
        for (const request of requests) {
          at += request.pause
          const start = at
          add(start, async () => {
            // Browsers send no more than six at once.
            if (open >= 6) return
            open++
            const session = await sessions.open(browser.request(post(later(start))))
            assert.equal(session.userId, 'ada', heard().join())
            if (request.kind === 'renew') session.renew()
            if (request.kind === 'write') {
              writes++
              session.update('n', (n) => ((n as number | undefined) ?? 0) + 1)
            }
            add(start + request.handling, async () => {
              const effects: Effects = await sessions.commit(session)
              add(start + request.handling + request.travelling, async () => {
                open--
                if (request.kind !== 'lost') browser.receive(effects)
              })
            })
          })
        }
        while (timeline.length > 0) {
          timeline.sort((a, b) => a.at - b.at)
          const next = timeline.shift()!
          clock = next.at
          await next.run()
        }
        await visit(sessions, browser, later(at + HOUR), (session) => {
          assert.deepEqual([session.userId, session.get('n')], ['ada', writes || undefined])
        })
        assert.ok(!heard().some((name) => /reuse|revoked|superseded|unknown|refused/.test(name)))
      }),
      { numRuns: 150 },
    )
  })
})
