/** What a handler may demand of an authentication, and what it is worth over the life of a session. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AssuranceLevel } from '../../src/core/engine.ts'
import { SessionError } from '../../src/core/errors.ts'
import { demand, type Requirement } from '../../src/core/requirement.ts'
import type { Session } from '../../src/core/session.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { bearer } from '../../src/core/transport.ts'
import { memory } from '../../src/engines/memory.ts'
import { Browser, HOUR, KEY, login, MINUTE, NOW, type Parts, post, visit } from './fixtures.ts'

const later = (ms: number): Parts => ({ now: NOW + ms })

function shortOf(requirement: Requirement, changes: object = {}): SessionError | null {
  const authentication = { authenticatedAt: NOW - MINUTE, methods: ['pwd'], level: null, ...changes }
  try {
    demand(requirement, authentication, NOW, 'Session')
    return null
  } catch (error) {
    if (error instanceof SessionError) return error
    throw error
  }
}

describe('requirement: what is met', () => {
  for (const [rule, requirement, had, code] of [
    ['nothing is demanded, and nothing was said', {}, null, null],
    ['a level that was reached', { level: 2 }, 2, null],
    ['a higher one is enough', { level: 1 }, 3, null],
    ['a lower one is not', { level: 2 }, 1, 'ERR_LEVEL'],
    ['none is not, for the lowest either', { level: 1 }, null, 'ERR_LEVEL'],
    [
      'recency before methods before level',
      { authenticatedWithin: '1s', methods: ['otp'], level: 3 },
      1,
      'ERR_NOT_RECENT',
    ],
    ['... methods', { authenticatedWithin: '1m', methods: ['otp'], level: 3 }, 1, 'ERR_METHODS'],
    ['... level', { authenticatedWithin: '1m', methods: ['pwd'], level: 3 }, 1, 'ERR_LEVEL'],
  ] as [string, Requirement, AssuranceLevel | null, string | null][]) {
    test(rule, () => assert.equal(shortOf(requirement, { level: had })?.code ?? null, code))
  }
  for (const level of [0, 4, 1.5, Number.NaN, '2', null, true]) {
    test(`${String(level)} is no level, and meets nothing by being none`, async () => {
      assert.throws(() => shortOf({ level: level as never }, { level: 3 }), TypeError)
      const sessions = new Sessions({ engine: memory(), keys: [KEY] })
      const session = await sessions.open(new Browser().request(post()))
      assert.throws(() => session.authenticate('ada', { level: level as never }), TypeError)
      assert.equal(session.userId, null)
    })
  }
})

describe('requirement: a demand that is misspelt, or there and undefined, is no demand that all meet', () => {
  for (const options of [
    { within: '10m' },
    { level: undefined },
    { methods: undefined },
    { authenticatedWithin: undefined },
  ]) {
    test(`require ${Object.keys(options)}: ${Object.values(options)}`, () =>
      assert.throws(() => shortOf(options as never, { level: 3 }), TypeError))
  }
  for (const options of [{ levels: 2 }, { level: undefined }, { method: ['otp'] }]) {
    test(`authenticate ${Object.keys(options)}: ${Object.values(options)}`, async () => {
      const sessions = new Sessions({ engine: memory(), keys: [KEY] })
      const browser = new Browser()
      await visit(sessions, browser, post(), (session) => {
        assert.throws(() => session.authenticate('ada', options as never), TypeError)
        assert.equal(session.userId, null)
        session.authenticate('ada')
      })
      await visit(sessions, browser, post(), (session) =>
        assert.throws(() => session.reauthenticate(options as never), TypeError),
      )
    })
  }
})

describe('requirement: what the client is told', () => {
  for (const [rule, requirement, required, parameters] of [
    ['a level', { level: 2 }, { level: 2 }, ', acr_values="aal2"'],
    ['methods', { methods: ['otp', 'hwk'] }, { methods: ['otp', 'hwk'] }, ''],
    ['a time, in whole seconds', { authenticatedWithin: '1500ms' }, { maxAge: 1 }, ', max_age="1"'],
    [
      'all of it, whichever falls short',
      { authenticatedWithin: '1h', methods: ['otp'], level: 3 },
      { maxAge: 3600, methods: ['otp'], level: 3 },
      ', max_age="3600", acr_values="aal3"',
    ],
  ] as [string, Requirement, object, string][]) {
    test(rule, () => {
      const error = shortOf(requirement)!
      assert.deepEqual(error.required, required)
      assert.equal(error.challenge, `Session error="insufficient_user_authentication"${parameters}`)
      assert.equal(error.status, 401)
    })
  }
})

describe('requirement: the level of a session', () => {
  function setUp(options: object = {}) {
    const engine = memory()
    const sessions = new Sessions({ engine, keys: [KEY], ...options })
    return { engine, sessions, browser: new Browser() }
  }
  const levelOf = (session: Session) => session.level

  test('is that of its login, at once and from then on', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada', { methods: ['pwd', 'otp'], level: 2 })
      assert.equal(session.level, 2)
      session.require({ level: 2 })
    })
    assert.equal(await visit(sessions, browser, later(HOUR / 4), levelOf), 2)
  })
  test('is none where nobody said so, and for visitors', async () => {
    const { sessions, browser } = setUp()
    assert.equal(await visit(sessions, browser, {}, levelOf), null)
    await login(sessions, browser, 'ada')
    assert.equal(await visit(sessions, browser, {}, levelOf), null)
  })
  test('survives renewal', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => session.authenticate('ada', { level: 2 }))
    for (const minutes of [16, 17, 33, 34]) {
      assert.equal(await visit(sessions, browser, later(minutes * MINUTE), levelOf), 2)
    }
  })
  for (const [rule, level, after] of [
    ['is raised by a stronger proof', 3, 3],
    ['falls with a weaker one: a password now is no second factor now', 1, 1],
    ['... and with one of which nobody says what it is worth', undefined, null],
  ] as const) {
    test(rule, async () => {
      const { engine, sessions, browser } = setUp()
      await visit(sessions, browser, post(), (session) => session.authenticate('ada', { level: 2 }))
      await visit(sessions, browser, post(later(1)), (session) => {
        session.reauthenticate(level === undefined ? {} : { level })
        assert.equal(session.level, after)
      })
      assert.equal(await visit(sessions, browser, later(2), levelOf), after)
      const { records } = await engine.scan!({ limit: 1 })
      assert.equal(Object.hasOwn(records[0]!, 'level'), after !== null)
    })
  }
  test('is not that of the login before, nor of another user', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => session.authenticate('ada', { level: 3 }))
    await login(sessions, browser, 'ada', later(1))
    assert.equal(await visit(sessions, browser, later(2), levelOf), null)
  })
  test('a step-up that is answered by an error raises nothing', async () => {
    const { sessions, browser } = setUp()
    await login(sessions, browser, 'ada')
    await visit(sessions, browser, post(), (session) => session.reauthenticate({ level: 2 }), 401)
    assert.equal(await visit(sessions, browser, later(1), levelOf), null)
  })
  test('a record from before there were levels still loads, and has none', async () => {
    const { engine, sessions, browser } = setUp()
    await login(sessions, browser, 'ada')
    const { level: _, ...old } = (await engine.scan!({ limit: 1 })).records[0]!
    assert.equal(await engine.replace({ ...old, version: old.version + 1 }, old.version), true)
    assert.equal(await visit(sessions, browser, {}, levelOf), null)
    await visit(sessions, browser, {}, (session) =>
      assert.throws(() => session.require({ level: 1 }), { code: 'ERR_LEVEL' }),
    )
  })
  test('with a bearer token the challenge is of that scheme', async () => {
    const { sessions } = setUp({ transport: bearer() })
    const session = await sessions.open(new Browser().request(post()))
    session.authenticate('ada', { level: 1 })
    assert.throws(() => session.require({ level: 2 }), { challenge: /^Bearer error=/ })
  })
})

describe('a 401 names the scheme of a bearer token, and says whether one was shown that is worth nothing (RFC 6750 §3)', () => {
  const serve = (options: object = {}) =>
    new Sessions({ engine: memory(), keys: [KEY], bindings: [], ...options })
  const challengeOf = async (sessions: Sessions, headers: Record<string, string>) => {
    const session = await sessions.open(new Browser().request({ headers }))
    try {
      session.require()
    } catch (error) {
      return (error as SessionError).challenge
    }
    return 'nothing'
  }
  test('with no token, a worthless one, one that nobody has logged in by', async () => {
    const sessions = serve({ transport: bearer() })
    const visit = await sessions.open(new Browser().request(post()))
    visit.set('a', 1)
    const { headers } = await sessions.commit(visit)
    const token = headers.find(([name]) => name === 'Session-Token')![1]
    assert.equal(await challengeOf(sessions, {}), 'Bearer')
    assert.equal(await challengeOf(sessions, { authorization: `Bearer ${token}` }), 'Bearer')
    assert.equal(
      await challengeOf(sessions, { authorization: `Bearer ${token.slice(0, -2)}AA` }),
      'Bearer error="invalid_token"',
    )
  })
  test('a cookie has no scheme', async () => {
    assert.equal(await challengeOf(serve(), {}), null)
  })
})
