/** A user's sessions among each other: listed, limited, revoked, and what a crash leaves half done. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine } from '../../src/core/engine.ts'
import type { SessionEvent } from '../../src/core/events.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import {
  Browser,
  counted,
  DAY,
  HOUR,
  KEY,
  login,
  MINUTE,
  type Parts,
  post,
  refusal,
  visit,
} from './fixtures.ts'

/** What operators call has no request, and reads the clock. */
const NOW = Date.now()
const later = (ms: number): Parts => ({ now: NOW + ms })
const soon = () => ({ now: Date.now() + 1_000 })

function setUp(options: Partial<SessionsOptions<Record<string, unknown>>> = {}) {
  const engine = counted(options.engine ?? memory())
  const events: SessionEvent[] = []
  const sessions = new Sessions({
    keys: [KEY],
    onEvent: (event) => void events.push(event),
    ...options,
    engine,
  })
  const heard = () =>
    events.splice(0).map(({ name, reason }) => (reason === null ? name : `${name}:${reason}`))
  const alive = async (browser: Browser) => (await sessions.open(browser.request(soon()))).userId !== null
  const lost = async (browser: Browser) => (await sessions.open(browser.request(soon()))).lost
  /** Logs in anew, so much later. */
  const enter = async (userId: string, after = 0) => {
    const browser = new Browser()
    const id = await login(sessions, browser, userId, later(after))
    return { browser, id }
  }
  return { engine, sessions, heard, alive, lost, enter, called: () => engine.calls.splice(0) }
}

describe('sessions: listed', () => {
  test("a user's own, most recently used first, with what he can tell them by", async () => {
    const { sessions, enter } = setUp()
    const first = await enter('ada')
    const second = await enter('ada', 1)
    await enter('grace', 2)
    await visit(sessions, first.browser, { ...later(2 * MINUTE), ip: '198.51.100.1' }, (session) =>
      session.set('x', 1),
    )
    assert.deepEqual(await sessions.list('ada'), [
      {
        id: first.id,
        userId: 'ada',
        createdAt: NOW,
        authenticatedAt: NOW,
        seenAt: NOW + 2 * MINUTE,
        expiresAt: NOW + 12 * HOUR,
        idleExpiresAt: NOW + 32 * MINUTE,
        remembered: false,
        methods: ['pwd'],
        name: null,
        level: null,
        ip: '198.51.100.1',
        userAgent: first.browser.headers['user-agent'],
      },
      {
        id: second.id,
        userId: 'ada',
        createdAt: NOW + 1,
        authenticatedAt: NOW + 1,
        seenAt: NOW + 1,
        expiresAt: NOW + 1 + 12 * HOUR,
        idleExpiresAt: NOW + 1 + 30 * MINUTE,
        remembered: false,
        methods: ['pwd'],
        name: null,
        level: null,
        ip: '203.0.113.7',
        userAgent: first.browser.headers['user-agent'],
      },
    ])
  })
  test('neither ended nor expired ones, nor what a login replaced', async () => {
    const { sessions, enter } = setUp()
    const [gone, replaced] = [await enter('ada'), await enter('ada')]
    await enter('ada', -HOUR)
    await visit(sessions, gone.browser, post(later(1)), (session) => session.terminate())
    const id = await login(sessions, replaced.browser, 'ada', later(1))
    assert.deepEqual(
      (await sessions.list('ada')).map((info) => info.id),
      [id],
    )
  })
  test('nobody has none', async () => assert.deepEqual(await setUp().sessions.list('nobody'), []))
  test('names that every object has are users like any other', async () => {
    const { sessions, enter } = setUp()
    for (const userId of ['__proto__', 'constructor', 'a b;c\n']) {
      const { id } = await enter(userId)
      assert.deepEqual(
        (await sessions.list(userId)).map((info) => info.id),
        [id],
      )
    }
  })
})

describe('sessions: revoked', () => {
  test('P12: by id: dead on the next request, on every server', async () => {
    const { sessions, engine, enter, lost, alive, heard } = setUp()
    const [victim, other] = [await enter('ada'), await enter('ada')]
    heard()
    assert.equal(await sessions.revoke({ id: victim.id }), 1)
    assert.deepEqual(heard(), ['session_revoked:revoked'])
    assert.equal(await lost(victim.browser), 'revoked')
    assert.equal(await alive(other.browser), true)
    const elsewhere = new Sessions({ engine, keys: [KEY] })
    assert.equal((await elsewhere.open(victim.browser.request(soon()))).userId, null)
    assert.deepEqual(
      (await engine.loadUser('ada'))!.sessions.map(({ id }) => id),
      [other.id],
    )
  })
  test("by id and user: only that user's own", async () => {
    const { sessions, enter, alive } = setUp()
    const { browser, id } = await enter('ada')
    assert.equal(await sessions.revoke({ id, userId: 'grace' }), 0)
    assert.equal(await alive(browser), true)
    assert.equal(await sessions.revoke({ id, userId: 'ada' }), 1)
    assert.equal(await alive(browser), false)
  })
  test("a visitor's, too", async () => {
    const { sessions } = setUp()
    const browser = new Browser()
    await visit(sessions, browser, later(0), (session) => session.set('x', 1))
    const id = (await sessions.open(browser.request(later(1)))).id!
    assert.equal(await sessions.revoke({ id, userId: 'ada' }), 0)
    assert.equal(await sessions.revoke({ id }), 1)
    assert.equal((await sessions.open(browser.request(soon()))).lost, 'revoked')
  })
  test('twice is once; nothing is nothing', async () => {
    const { sessions, enter } = setUp()
    const { id } = await enter('ada')
    assert.deepEqual([await sessions.revoke({ id }), await sessions.revoke({ id })], [1, 0])
    assert.equal(await sessions.revoke({ id: 'AAAAAAAAAAAAAAAAAAAAAA' }), 0)
    assert.equal(await sessions.revoke({ userId: 'nobody' }), 0)
  })
  test("all of a user's, and nobody else's", async () => {
    const { sessions, enter, lost, alive, heard } = setUp()
    const [a, b, other] = [await enter('ada'), await enter('ada'), await enter('grace')]
    heard()
    assert.equal(await sessions.revoke({ userId: 'ada' }), 2)
    assert.deepEqual(heard(), ['session_revoked:revoked', 'session_revoked:revoked'])
    assert.deepEqual(
      [await lost(a.browser), await lost(b.browser), await alive(other.browser)],
      ['revoked', 'revoked', true],
    )
  })
  test('all but one', async () => {
    const { sessions, enter, lost, alive } = setUp()
    const [a, b, own] = [await enter('ada'), await enter('ada'), await enter('ada')]
    assert.equal(await sessions.revoke({ userId: 'ada', except: own.id }), 2)
    assert.deepEqual(
      [await lost(a.browser), await lost(b.browser), await alive(own.browser)],
      ['revoked', 'revoked', true],
    )
  })
  test("all, where the exception is another user's", async () => {
    const { sessions, enter, alive } = setUp()
    const [a, other] = [await enter('ada'), await enter('grace')]
    assert.equal(await sessions.revoke({ userId: 'ada', except: other.id }), 1)
    assert.deepEqual([await alive(a.browser), await alive(other.browser)], [false, true])
  })
  test('P1: a request under way does not bring it back', async () => {
    const { sessions, enter, lost } = setUp()
    const { browser } = await enter('ada')
    const slow = await sessions.open(browser.request(post(later(1))))
    slow.set('x', 1)
    await sessions.revoke({ userId: 'ada' })
    await assert.rejects(sessions.commit(slow), refusal('ERR_SESSION_ENDED'))
    assert.equal(await lost(browser), 'revoked')
  })
  for (const query of [
    {},
    { id: undefined },
    { userId: undefined },
    { id: undefined, userId: 'ada' },
    { id: 'x', userId: undefined },
    { userId: null },
    { userId: 5 },
  ]) {
    test(`${JSON.stringify(query, (_, value) => value ?? String(value))} is no query, and ends nothing`, async () => {
      const { sessions, enter, alive } = setUp()
      const { browser } = await enter('ada')
      await assert.rejects(sessions.revoke(query as never), TypeError)
      assert.equal(await alive(browser), true)
    })
  }
  test('of one that somebody ended half-way, the ledger forgets it', async () => {
    const { sessions, engine, enter } = setUp()
    const { id } = await enter('ada')
    const record = (await engine.load(id))!
    await engine.replace(
      { ...record, version: record.version + 1, ended: { reason: 'logout', at: NOW } },
      record.version,
    )
    assert.equal(await sessions.revoke({ id }), 0)
    assert.deepEqual((await engine.loadUser('ada'))!.sessions, [])
  })
  test('after it one can log in again', async () => {
    const { sessions, alive } = setUp()
    await sessions.revoke({ userId: 'ada' })
    const browser = new Browser()
    await login(sessions, browser, 'ada', soon())
    assert.equal(await alive(browser), true)
  })
})

describe('sessions: a login that races a revocation', () => {
  test('of all is refused: it may have been by the old password', async () => {
    const { sessions, engine, heard } = setUp()
    const browser = new Browser()
    const slow = await sessions.open(browser.request(post(later(0))))
    slow.authenticate('ada')
    await sessions.revoke({ userId: 'ada' })
    heard()
    await assert.rejects(sessions.commit(slow), refusal('ERR_SESSION_CHANGED', /log in again/))
    assert.deepEqual(heard(), ['session_write_refused'])
    assert.deepEqual(await sessions.list('ada'), [])
    const { records } = (await engine.scan!({ limit: 10 }))!
    assert.deepEqual(
      records.map(({ ended }) => ended?.reason),
      ['revoked'],
    )
  })
  test("... and a visitor's session that it would have replaced lives on", async () => {
    const { sessions } = setUp()
    const browser = new Browser()
    await visit(sessions, browser, later(0), (session) => session.set('x', 1))
    const slow = await sessions.open(browser.request(post(later(0))))
    slow.authenticate('ada')
    await sessions.revoke({ userId: 'ada' })
    await assert.rejects(sessions.commit(slow), refusal('ERR_SESSION_CHANGED'))
    assert.equal(await visit(sessions, browser, soon(), (session) => session.get('x')), 1)
  })
  test('be the ledger swapped in the very middle of it', async () => {
    const engine = memory()
    let racing = false
    const { sessions } = setUp({
      engine: {
        ...engine,
        async replaceUser(next, version) {
          if (!racing) return engine.replaceUser(next, version)
          racing = false
          await new Sessions({ engine, keys: [KEY] }).revoke({ userId: 'ada' })
          return engine.replaceUser(next, version)
        },
      },
    })
    const slow = await sessions.open(new Browser().request(post(later(0))))
    slow.authenticate('ada')
    racing = true
    await assert.rejects(sessions.commit(slow), refusal('ERR_SESSION_CHANGED'))
    assert.deepEqual(await sessions.list('ada'), [])
  })
  test('of another session is admitted', async () => {
    const { sessions, enter } = setUp()
    const other = await enter('ada')
    const slow = await sessions.open(new Browser().request(post(later(1))))
    slow.authenticate('ada')
    await sessions.revoke({ id: other.id })
    await sessions.commit(slow)
    assert.equal((await sessions.list('ada')).length, 1)
  })
  test('that revokes the others refuses those that were opened before it', async () => {
    const { sessions } = setUp()
    const slow = await sessions.open(new Browser().request(post(later(0))))
    slow.authenticate('ada')
    await visit(sessions, new Browser(), post(later(1)), (session) =>
      session.authenticate('ada', { revokeOthers: true }),
    )
    await assert.rejects(sessions.commit(slow), refusal('ERR_SESSION_CHANGED'))
  })
})

describe('sessions: limited', () => {
  test('the least recently used one ends', async () => {
    const { sessions, enter, alive, lost, heard } = setUp({ maxSessionsPerUser: 2 })
    const [a, b] = [await enter('ada'), await enter('ada', 1)]
    await visit(sessions, a.browser, later(2 * MINUTE), () => {})
    heard()
    const c = await enter('ada', 3 * MINUTE)
    assert.deepEqual(heard(), [
      'excess_sessions_exceeded:more than 2',
      'session_revoked:limit',
      'session_created',
      'authn_login_success:pwd',
    ])
    assert.deepEqual(
      [await alive(a.browser), await lost(b.browser), await alive(c.browser)],
      [true, 'limit', true],
    )
  })
  test('or the one that logged in first, however lately it was used, or the last to come', async () => {
    for (const [onExceeded, expected] of [
      ['revoke-least-recent', 'a c'],
      ['revoke-oldest', 'b c'],
      ['refuse', 'a b'],
    ] as const) {
      const { sessions, enter, alive } = setUp({ maxSessionsPerUser: 2, onExceeded })
      const [a, b] = [await enter('ada'), await enter('ada', 1)]
      await visit(sessions, a.browser, post(later(2 * MINUTE)), (session) => session.reauthenticate())
      const c = new Browser()
      const code = await login(sessions, c, 'ada', later(3 * MINUTE)).then(
        () => null,
        (error) => error.code,
      )
      assert.equal(code, onExceeded === 'refuse' ? 'ERR_SESSION_LIMIT' : null)
      const living = { a: await alive(a.browser), b: await alive(b.browser), c: await alive(c) }
      assert.equal(
        Object.entries(living)
          .flatMap(([name, is]) => (is ? [name] : []))
          .join(' '),
        expected,
        onExceeded,
      )
    }
  })
  test('a login that is refused leaves nothing alive, and the session that it came from as it was', async () => {
    const { sessions, engine, enter, alive, heard } = setUp({ maxSessionsPerUser: 1, onExceeded: 'refuse' })
    const [ada, grace] = [await enter('ada'), await enter('grace')]
    const before = await engine.loadUser('ada')
    heard()
    await assert.rejects(login(sessions, grace.browser, 'ada', later(1)), refusal('ERR_SESSION_LIMIT'))
    assert.deepEqual(heard(), ['excess_sessions_exceeded:more than 1', 'session_write_refused'])
    assert.deepEqual([await alive(ada.browser), await alive(grace.browser)], [true, true])
    const { records } = await engine.scan!({ limit: 10 })
    assert.deepEqual(
      records.filter(({ ended }) => ended).map(({ ended }) => ended!.reason),
      ['limit'],
    )
    assert.deepEqual(await engine.loadUser('ada'), before)
  })
  test('a handler whose early commit is refused can make room, and try again', async () => {
    const { sessions, enter, alive } = setUp({ maxSessionsPerUser: 1, onExceeded: 'refuse' })
    const before = await enter('ada')
    const own = new Browser()
    await visit(sessions, own, post(later(1)), async (session) => {
      session.authenticate('ada')
      await assert.rejects(session.commit(), refusal('ERR_SESSION_LIMIT'))
      assert.equal(session.userId, null)
      await sessions.revoke({ userId: 'ada', id: before.id })
      session.authenticate('ada')
    })
    assert.deepEqual([await alive(before.browser), await alive(own)], [false, true])
  })
  test('where logins are refused, what is replaced, revoked, ended or expired makes room', async () => {
    const { sessions, enter, alive } = setUp({ maxSessionsPerUser: 1, onExceeded: 'refuse' })
    await enter('ada', -HOUR)
    const own = await enter('ada')
    await login(sessions, own.browser, 'ada', later(1))
    const reset = new Browser()
    await visit(sessions, reset, post(later(2)), (session) =>
      session.authenticate('ada', { revokeOthers: true }),
    )
    assert.deepEqual([await alive(own.browser), await alive(reset)], [false, true])
    await visit(sessions, reset, post(later(3)), (session) => session.terminate())
    assert.equal(await alive((await enter('ada', 4)).browser), true)
  })
  test('ended and expired ones take no room', async () => {
    const { sessions, enter, alive, heard } = setUp({ maxSessionsPerUser: 2 })
    await enter('ada', -HOUR)
    const gone = await enter('ada')
    const kept = await enter('ada')
    await visit(sessions, gone.browser, post(later(1)), (session) => session.terminate())
    heard()
    const own = await enter('ada', 1)
    assert.ok(!heard().join().includes('excess'))
    assert.deepEqual([await alive(kept.browser), await alive(own.browser)], [true, true])
  })
  test('nor does what the login replaces', async () => {
    const { sessions, enter, alive, heard } = setUp({ maxSessionsPerUser: 2 })
    const [a, b] = [await enter('ada'), await enter('ada')]
    heard()
    for (let i = 1; i < 5; i++) await login(sessions, b.browser, 'ada', later(i))
    assert.ok(!heard().join().includes('excess'))
    assert.deepEqual([await alive(a.browser), await alive(b.browser)], [true, true])
  })
  for (const onExceeded of ['revoke-least-recent', 'revoke-oldest', 'refuse'] as const) {
    test(`of parallel logins at a limit of one, exactly one lives (ASVS 15.4.2): ${onExceeded}`, async () => {
      const { sessions, alive } = setUp({ maxSessionsPerUser: 1, onExceeded })
      const browsers = Array.from({ length: 10 }, () => new Browser())
      await Promise.allSettled(browsers.map((browser) => login(sessions, browser, 'ada', later(0))))
      const living = await Promise.all(browsers.map(alive))
      assert.equal(living.filter(Boolean).length, 1)
      assert.equal((await sessions.list('ada')).length, 1)
    })
  }
  test('each user has his own', async () => {
    const { enter, alive } = setUp({ maxSessionsPerUser: 1 })
    const [a, b] = [await enter('ada'), await enter('grace')]
    assert.deepEqual([await alive(a.browser), await alive(b.browser)], [true, true])
  })
  test('a ledger does not grow by what has ended', async () => {
    const { sessions, engine, enter } = setUp({ maxSessionsPerUser: 3 })
    const { browser } = await enter('ada')
    for (let i = 1; i < 30; i++) await login(sessions, browser, 'ada', later(i))
    const { sessions: named, ending } = (await engine.loadUser('ada'))!
    assert.ok(named.length <= 4, `${named.length}`)
    assert.equal(ending.length, 0)
  })
})

describe('sessions: what a crash between ledger and records leaves is finished by the next caller', () => {
  /** Whose process dies right after the swap of a ledger, when told so. */
  function mortal() {
    const engine = memory()
    const state = { dying: false }
    const dying: Engine = {
      ...engine,
      async replaceUser(next, version) {
        const written = await engine.replaceUser(next, version)
        if (state.dying) throw new Error('the process died')
        return written
      },
    }
    return {
      ...setUp({ engine: dying, maxSessionsPerUser: 3 }),
      state,
      healthy: setUp({ engine, maxSessionsPerUser: 3 }),
    }
  }

  test('the revocation of all', async () => {
    const { sessions, state, enter, healthy } = mortal()
    const [a, b] = [await enter('ada'), await enter('ada')]
    state.dying = true
    await assert.rejects(sessions.revoke({ userId: 'ada' }), refusal('ERR_ENGINE'))
    await healthy.sessions.revoke({ userId: 'ada' })
    assert.deepEqual([await healthy.lost(a.browser), await healthy.lost(b.browser)], ['revoked', 'revoked'])
    assert.deepEqual((await healthy.engine.loadUser('ada'))!.ending, [])
  })
  for (const [rule, next] of [
    ['a login', (sessions: Sessions) => login(sessions, new Browser(), 'ada', soon())],
    [
      'a logout',
      async (sessions: Sessions, own: Browser) =>
        visit(sessions, own, post(soon()), (session) => session.terminate()),
    ],
    [
      'a reauthentication',
      async (sessions: Sessions, own: Browser) =>
        visit(sessions, own, post(soon()), (session) => session.reauthenticate()),
    ],
  ] as const) {
    test(`... by ${rule}`, async () => {
      const { sessions, state, enter, healthy } = mortal()
      const [a, own] = [await enter('ada'), await enter('ada')]
      state.dying = true
      await assert.rejects(sessions.revoke({ userId: 'ada', except: own.id }), refusal('ERR_ENGINE'))
      await next(healthy.sessions, own.browser)
      assert.equal(await healthy.lost(a.browser), 'revoked')
      assert.deepEqual((await healthy.engine.loadUser('ada'))!.ending, [])
    })
  }
  test('a limit', async () => {
    const { sessions, state, enter, healthy } = mortal()
    const [a] = [await enter('ada'), await enter('ada', 1), await enter('ada', 2)]
    state.dying = true
    await assert.rejects(login(sessions, new Browser(), 'ada', later(3)), refusal('ERR_ENGINE'))
    await login(healthy.sessions, new Browser(), 'ada', later(4))
    assert.equal(await healthy.lost(a!.browser), 'limit')
  })
  test('a login whose ledger was never swapped leaves a record that nobody holds the token of', async () => {
    const engine = memory()
    const { sessions } = setUp({
      engine: {
        ...engine,
        replaceUser: () => {
          throw new Error('died')
        },
      },
    })
    const browser = new Browser()
    await assert.rejects(login(sessions, browser, 'ada', later(0)), refusal('ERR_ENGINE'))
    assert.equal(browser.jar.size, 0)
    assert.deepEqual(await setUp({ engine }).sessions.list('ada'), [])
  })
  test('a logout that died before the ledger has ended all the same', async () => {
    const { sessions, state, enter, healthy } = mortal()
    const { browser } = await enter('ada')
    const old = browser.copy()
    state.dying = true
    await assert.rejects(
      visit(sessions, browser, post(later(1)), (session) => session.terminate()),
      refusal('ERR_ENGINE'),
    )
    assert.equal(await healthy.lost(old), 'logout')
  })
})

describe('sessions: a ledger that is not what it should be', () => {
  test('names what is being ended, and still lives: it is listed', async () => {
    const { sessions, engine, enter } = setUp()
    const { id } = await enter('ada')
    const ledger = (await engine.loadUser('ada'))!
    await engine.replaceUser(
      { ...ledger, version: ledger.version + 1, sessions: [], ending: [{ id, reason: 'revoked' }] },
      ledger.version,
    )
    assert.deepEqual(
      (await sessions.list('ada')).map((info) => info.id),
      [id],
    )
  })
  test("names a stranger's session: neither listed nor ended", async () => {
    const { sessions, engine, enter, alive } = setUp()
    const [own, stranger] = [await enter('ada'), await enter('grace')]
    const ledger = (await engine.loadUser('ada'))!
    const sessionsNamed = [...ledger.sessions, { id: stranger.id, until: NOW + HOUR }]
    await engine.replaceUser(
      { ...ledger, version: ledger.version + 1, sessions: sessionsNamed },
      ledger.version,
    )
    assert.deepEqual(
      (await sessions.list('ada')).map((info) => info.id),
      [own.id],
    )
    assert.equal(await sessions.revoke({ userId: 'ada' }), 1)
    assert.deepEqual([await alive(own.browser), await alive(stranger.browser)], [false, true])
  })
  test("is another user's: ERR_ENGINE", async () => {
    const engine = memory()
    const { sessions } = setUp({ engine: { ...engine, loadUser: () => engine.loadUser('grace') } })
    await setUp({ engine }).enter('grace')
    await assert.rejects(sessions.list('ada'), refusal('ERR_ENGINE'))
    await assert.rejects(sessions.revoke({ userId: 'ada' }), refusal('ERR_ENGINE'))
  })
  test('what a shorter limit ended, a longer one brings back, and the ledger still names it', async () => {
    const engine = memory()
    const short = setUp({ engine, absolute: '1h' })
    const { id } = await short.enter('ada', -2 * HOUR)
    await short.enter('ada')
    const long = setUp({ engine, absolute: '12h', idle: '12h' })
    assert.ok((await long.sessions.list('ada')).some((info) => info.id === id))
  })
})

describe('sessions: the order of writes', () => {
  for (const [rule, work, order] of [
    [
      'a login: new record, ledger, old record',
      (sessions: Sessions, browser: Browser) => login(sessions, browser, 'ada', later(1)),
      ['create', 'replaceUser', 'replace'],
    ],
    [
      "a login as another: and the other's ledger",
      (sessions: Sessions, browser: Browser) => login(sessions, browser, 'grace', later(1)),
      ['create', 'replaceUser', 'replace', 'replaceUser'],
    ],
    [
      'a logout: record, ledger',
      (sessions: Sessions, browser: Browser) =>
        visit(sessions, browser, post(later(1)), (session) => session.terminate()),
      ['replace', 'replaceUser'],
    ],
    [
      'a reauthentication: ledger, record',
      (sessions: Sessions, browser: Browser) =>
        visit(sessions, browser, post(later(1)), (session) => session.reauthenticate()),
      ['replaceUser', 'replace'],
    ],
    [
      'a revocation of all: ledger, records, ledger',
      (sessions: Sessions) => sessions.revoke({ userId: 'ada' }),
      ['replaceUser', 'replace', 'replaceUser'],
    ],
    [
      'a revocation of one: record, ledger',
      async (sessions: Sessions) => sessions.revoke({ id: (await sessions.list('ada'))[0]!.id }),
      ['replace', 'replaceUser'],
    ],
  ] as const) {
    test(rule, async () => {
      const { sessions, enter, called } = setUp()
      const { browser } = await enter('ada')
      called()
      await work(sessions, browser)
      assert.deepEqual(
        called().filter((verb) => !verb.startsWith('load')),
        order,
      )
    })
  }
})

describe('sessions: swept', () => {
  test('an end is remembered for `remembrance` past its limit, then forgotten', async () => {
    const engine = memory()
    const { sessions, enter } = setUp({ engine })
    const { browser, id } = await enter('ada', -DAY)
    await visit(sessions, browser.copy(), post(later(-DAY + 1)), (session) => session.terminate())
    assert.equal(await sessions.sweep(), 0)
    assert.equal(engine.sweep(NOW + 30 * MINUTE, 100), 1)
    assert.equal(engine.load(id), undefined)
  })
  test('of what is past it, as many as asked for', async () => {
    const { sessions, enter } = setUp()
    for (let i = 0; i < 5; i++) await enter(`user ${i}`, -3 * DAY)
    assert.equal(await sessions.sweep(2), 2)
    assert.ok((await sessions.sweep()) >= 3)
    assert.equal(await sessions.sweep(), 0)
  })
  test('a live session never', async () => {
    const { sessions, enter, alive } = setUp()
    const { browser } = await enter('ada')
    assert.equal(await sessions.sweep(), 0)
    assert.equal(await alive(browser), true)
  })
  test('whoever makes 64 sessions sweeps once', async () => {
    const { sessions, called } = setUp()
    for (let i = 0; i < 128; i++)
      await visit(sessions, new Browser(), later(i), (session) => session.set('x', i))
    assert.equal(called().filter((verb) => verb === 'sweep').length, 2)
  })
})

describe('sessions: the current one', () => {
  test('is at hand anywhere below the handler, and its own', async () => {
    const { sessions } = setUp()
    const [a, b] = await Promise.all([
      sessions.open(new Browser().request()),
      sessions.open(new Browser().request()),
    ])
    const below = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      return sessions.current()
    }
    assert.deepEqual(await Promise.all([sessions.run(a!, below), sessions.run(b!, below)]), [a, b])
  })
  test('outside of a request there is none', () => {
    assert.throws(() => setUp().sessions.current(), refusal('ERR_NO_SESSION'))
  })
})

test('closing closes the engine', async () => {
  let closed = 0
  await new Sessions({ engine: { ...memory(), close: () => void closed++ }, keys: [KEY] }).close()
  await new Sessions({ engine: memory(), keys: [KEY] }).close()
  assert.equal(closed, 1)
})
