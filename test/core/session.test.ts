/** One request's view of a session: what each call does, in each state, and what the end of the request makes of it. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import type { Binding } from '../../src/core/binding.ts'
import type { Engine } from '../../src/core/engine.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { SessionEvent } from '../../src/core/events.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import type { Session } from '../../src/core/session.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { bearer } from '../../src/core/transport.ts'
import { memory } from '../../src/engines/memory.ts'
import {
  Browser,
  counted,
  HOUR,
  KEY,
  login,
  MINUTE,
  NOW,
  OTHER_KEY,
  type Parts,
  post,
  refusal,
  SECOND,
  visit,
} from './fixtures.ts'

interface Data {
  count: number
  name: string
  cart: { items: string[] }
  [name: string]: unknown
}

const userAgent: Binding = {
  name: 'user-agent',
  onMismatch: 'reauthenticate',
  capture: (context) => context.header('user-agent'),
  matches: (bound, context) => context.header('user-agent') === bound,
}

function setUp(options: Partial<SessionsOptions<Data>> = {}) {
  const engine = counted(options.engine ?? memory())
  const events: SessionEvent[] = []
  const sessions = new Sessions<Data>({
    keys: [KEY],
    onEvent: (event) => void events.push(event),
    ...options,
    engine,
  })
  const heard = () =>
    events.splice(0).map(({ name, reason }) => (reason === null ? name : `${name}:${reason}`))
  const called = () => engine.calls.splice(0)
  return { engine, sessions, events, heard, called, browser: new Browser() }
}

const later = (ms: number): Parts => ({ now: NOW + ms })
const read = (session: Session<Data>) => session.get('count')

describe('session: a visitor', () => {
  test('P8: who stores nothing costs no I/O, no cookie and no Vary', async () => {
    const { sessions, browser, called } = setUp()
    const session = await sessions.open(browser.request())
    assert.deepEqual(await sessions.commit(session), {
      headers: [['Strict-Transport-Security', 'max-age=31536000; includeSubDomains']],
      vary: null,
      noStore: null,
    })
    assert.deepEqual(called(), [])
  })
  test('... to look is free, too, but for Vary', async () => {
    const { sessions, browser, called } = setUp()
    const session = await sessions.open(browser.request())
    assert.deepEqual(
      [session.id, session.userId, session.get('count'), session.has('count'), session.keys()],
      [null, null, undefined, false, []],
    )
    assert.deepEqual(
      [session.createdAt, session.authenticatedAt, session.expiresAt, session.idleExpiresAt],
      [null, null, null, null],
    )
    assert.deepEqual(
      [session.suspended, session.lost, session.refusal, session.methods],
      [false, null, null, []],
    )
    const { headers, vary, noStore } = await sessions.commit(session)
    assert.deepEqual([headers.length, vary, noStore], [1, 'Cookie', null])
    assert.deepEqual(called(), [])
  })
  test('... to delete, clear, renew and pop what is not there, too', async () => {
    const { sessions, browser, called } = setUp()
    await visit(sessions, browser, {}, (session) => {
      session.delete('count')
      session.clear()
      session.renew()
      assert.equal(session.pop('count'), undefined)
      session.update('count', () => undefined)
    })
    assert.deepEqual(called(), [])
    assert.equal(browser.jar.size, 0)
  })
  test('... under a schema with defaults, too', async () => {
    const schema = z.object({ count: z.number().default(5) }).loose() as never
    const { sessions, browser, called } = setUp({ schema })
    assert.equal(await visit(sessions, browser, {}, read), 5)
    assert.deepEqual(called(), [])
  })
  test('who stores something has a session of his own: one write, one cookie', async () => {
    const { sessions, browser, called, heard } = setUp()
    const session = await sessions.open(browser.request())
    session.set('count', 1)
    const effects = await sessions.commit(session)
    assert.deepEqual(called(), ['create'])
    assert.deepEqual(heard(), ['session_created'])
    assert.equal(effects.noStore, 'always')
    assert.equal(effects.vary, 'Cookie')
    const cookies = effects.headers.filter(([name]) => name === 'Set-Cookie')
    assert.equal(cookies.length, 1)
    assert.match(
      cookies[0]![1],
      /^__Host-Http-session=[\w-]{22}\.0\.\.[\w-]{43}\.\d+\.[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
    browser.receive(effects)
    assert.equal(await visit(sessions, browser, later(1), read), 1)
    assert.deepEqual(called(), ['load'])
  })
  test('SM-4: an invented token is a visitor, an event, and no I/O', async () => {
    const { sessions, browser, called, heard } = setUp()
    browser.jar.set('__Host-Http-session', 'AAAAAAAAAAAAAAAAAAAAAA.0..x.1.y')
    await visit(sessions, browser, {}, (session) => assert.equal(session.id, null))
    assert.deepEqual(called(), [])
    assert.deepEqual(heard(), ['session_token_forged'])
  })
  test('R-30: two session cookies under a __Host- name are none, and an event', async () => {
    const { sessions, browser, called, heard } = setUp()
    await login(sessions, browser, 'ada')
    heard()
    called()
    const cookie = `__Host-Http-session=${browser.token}`
    for (const both of [`${cookie}; ${cookie}`, `${cookie}; __Host-Http-session=x`]) {
      const session = await sessions.open(new Browser().request({ headers: { cookie: both } }))
      assert.equal(session.userId, null)
      assert.deepEqual(heard(), ['session_token_ambiguous'])
    }
    assert.deepEqual(called(), [])
  })
  test('... without the prefix the first one counts', async () => {
    const { sessions, browser } = setUp({ cookie: { domain: 'example.com' } })
    await login(sessions, browser, 'ada')
    const cookie = `__Secure-session=${browser.jar.get('__Secure-session')}; __Secure-session=x`
    assert.equal((await sessions.open(new Browser().request({ headers: { cookie } }))).userId, 'ada')
  })
})

describe('session: data', () => {
  const rows: readonly [
    rule: string,
    work: (session: Session<Data>) => unknown,
    result: unknown,
    after: Record<string, unknown>,
  ][] = [
    [
      'set, and read at once',
      (s) => {
        s.set('name', 'b')
        return s.get('name')
      },
      'b',
      { count: 1, name: 'b' },
    ],
    [
      'delete',
      (s) => {
        s.delete('name')
        return s.has('name')
      },
      false,
      { count: 1 },
    ],
    ['pop reads and deletes', (s) => [s.pop('name'), s.get('name')], ['a', undefined], { count: 1 }],
    [
      'pop of null deletes, too',
      (s) => {
        s.set('x', null)
        return [s.pop('x'), s.has('x')]
      },
      [null, false],
      { count: 1, name: 'a' },
    ],
    [
      'clear',
      (s) => {
        s.clear()
        return s.keys()
      },
      [],
      {},
    ],
    [
      'clear, then set',
      (s) => {
        s.clear()
        s.set('name', 'b')
        return s.keys()
      },
      ['name'],
      { name: 'b' },
    ],
    [
      'update by what is returned',
      (s) => {
        s.update('count', (n = 0) => n + 1)
        return s.get('count')
      },
      2,
      { count: 2, name: 'a' },
    ],
    [
      'update by changing the draft',
      (s) => {
        s.set('cart', { items: [] })
        s.update('cart', (cart) => void cart?.items.push('x'))
        return s.get('cart')
      },
      { items: ['x'] },
      { count: 1, name: 'a', cart: { items: ['x'] } },
    ],
    [
      'update of what is not there',
      (s) => {
        s.update('cart', (cart) => cart ?? { items: ['y'] })
        return s.get('cart')
      },
      { items: ['y'] },
      { count: 1, name: 'a', cart: { items: ['y'] } },
    ],
    [
      'update that returns nothing of nothing',
      (s) => {
        s.update('cart', () => undefined)
        return s.has('cart')
      },
      false,
      { count: 1, name: 'a' },
    ],
    [
      'update that returns null stores null',
      (s) => {
        s.update('x', () => null)
        return s.get('x')
      },
      null,
      { count: 1, name: 'a', x: null },
    ],
    ['keys', (s) => s.keys(), ['count', 'name'], { count: 1, name: 'a' }],
    [
      'names that every object has are names',
      (s) => {
        s.set('constructor', 1 as never)
        return [s.has('toString'), s.get('constructor'), s.get('hasOwnProperty')]
      },
      [false, 1, undefined],
      { count: 1, name: 'a', constructor: 1 },
    ],
  ]
  for (const [rule, work, result, after] of rows) {
    test(rule, async () => {
      const { sessions, browser } = setUp()
      await visit(sessions, browser, {}, (session) => {
        session.set('count', 1)
        return session.set('name', 'a')
      })
      assert.deepEqual(await visit(sessions, browser, {}, work), result)
      const stored = await visit(sessions, browser, {}, (session) =>
        session.keys().map((name) => [name, session.get(name)]),
      )
      assert.deepEqual(stored, Object.entries(after))
    })
  }
  test('R-31: __proto__ is a name like any other, and pollutes nothing', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, {}, (session) => session.set('__proto__', { polluted: true }))
    await visit(sessions, browser, {}, (session) => {
      assert.deepEqual(session.keys(), ['__proto__'])
      assert.deepEqual(session.get('__proto__'), { polluted: true })
      session.update('__proto__', (draft) => Object.assign(draft as object, { more: 1 }))
    })
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    assert.deepEqual(await visit(sessions, browser, {}, (session) => session.get('__proto__')), {
      polluted: true,
      more: 1,
    })
  })
  test('... inside a value, and in a draft, too', async () => {
    const { sessions, browser } = setUp()
    const evil = JSON.parse('{"__proto__":{"polluted":true}}')
    await visit(sessions, browser, {}, (session) => session.set('x', evil))
    await visit(sessions, browser, {}, (session) => session.update('x', (draft) => draft))
    const stored = await visit(sessions, browser, {}, (session) => JSON.stringify(session.get('x')))
    assert.equal(stored, '{"__proto__":{"polluted":true}}')
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
  })
  test('D9: what is read is frozen all the way down: a write throws', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, {}, (session) => {
      session.set('cart', { items: [] })
      assert.throws(() => (session.get('cart') as Data['cart']).items.push('x'), TypeError)
    })
    await visit(sessions, browser, {}, (session) => {
      assert.throws(() => (session.get('cart') as Data['cart']).items.push('x'), TypeError)
      assert.throws(() => ((session.get('cart') as Data['cart']).items = []), TypeError)
    })
  })
  test('what is set is copied: its owner may go on with his', async () => {
    const { sessions, browser } = setUp()
    const cart = { items: ['a'] }
    await visit(sessions, browser, {}, (session) => {
      session.set('cart', cart)
      cart.items.push('b')
      assert.deepEqual(session.get('cart'), { items: ['a'] })
    })
  })
  test('what JSON cannot hold is refused at once, and nothing changes', async () => {
    const { sessions, browser, called } = setUp()
    await visit(sessions, browser, {}, (session) => {
      assert.throws(
        () => session.set('x', new Date()),
        refusal('ERR_SESSION_DATA', /: x is of the kind Date/),
      )
      assert.throws(() => session.update('x', () => Number.NaN), refusal('ERR_SESSION_DATA', /: x is NaN/))
      assert.equal(session.has('x'), false)
    })
    assert.deepEqual(called(), [])
  })
  test('an update that throws is not tried again at commit', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, {}, (session) => {
      session.set('count', 1)
      assert.throws(
        () =>
          session.update('count', () => {
            throw new Error('on purpose')
          }),
        /on purpose/,
      )
    })
    assert.equal(await visit(sessions, browser, {}, read), 1)
  })
  test('more than maxDataBytes is refused with 413, and nothing is stored', async () => {
    const { sessions, browser, called } = setUp({ maxDataBytes: 20 })
    await assert.rejects(
      visit(sessions, browser, {}, (session) => session.set('name', 'x'.repeat(20))),
      refusal('ERR_SESSION_DATA_TOO_LARGE'),
    )
    assert.deepEqual(called(), [])
  })
  test('a schema is asked when data are read, and when they are committed', async () => {
    const engine = memory()
    const loose = setUp({ engine })
    await visit(loose.sessions, loose.browser, {}, (session) => session.set('count', 'many' as never))
    const schema = z.object({ count: z.number().default(0) }) as never
    const strict = setUp({ engine, schema })
    const session = await strict.sessions.open(loose.browser.request())
    assert.throws(() => session.get('count'), refusal('ERR_SESSION_DATA', /count/))
    await visit(strict.sessions, loose.browser, {}, (session) => {
      session.clear()
      return session.set('count', 1)
    })
    assert.equal(await visit(strict.sessions, loose.browser, {}, read), 1)
    await assert.rejects(
      visit(strict.sessions, loose.browser, {}, (session) => session.set('count', 'x' as never)),
      refusal('ERR_SESSION_DATA'),
    )
  })
})

describe('session: who may do what', () => {
  type Call =
    | 'get'
    | 'set'
    | 'delete'
    | 'clear'
    | 'update'
    | 'authenticate'
    | 'reauthenticate'
    | 'renew'
    | 'terminate'
    | 'require'
  const calls: Record<Call, (session: Session<Data>) => unknown> = {
    get: (session) => session.get('count'),
    set: (session) => session.set('count', 2),
    delete: (session) => session.delete('count'),
    clear: (session) => session.clear(),
    update: (session) => session.update('count', () => 3),
    authenticate: (session) => session.authenticate('ada'),
    reauthenticate: (session) => session.reauthenticate(),
    renew: (session) => session.renew(),
    terminate: (session) => session.terminate(),
    require: (session) => session.require(),
  }
  const writes = (code: ErrorCode) => ({ set: code, delete: code, clear: code, update: code })
  const noUser = { reauthenticate: 'ERR_NOT_AUTHENTICATED', require: 'ERR_NOT_AUTHENTICATED' } as const

  /** Each opens a session in its state. What it does not name succeeds. */
  const states: Record<
    string,
    { open: () => Promise<Session<Data>>; refused: Partial<Record<Call, ErrorCode>> }
  > = {
    'a visitor': { open: async () => setUp().sessions.open(new Browser().request(post())), refused: noUser },
    'a visitor with data': {
      async open() {
        const { sessions, browser } = setUp()
        await visit(sessions, browser, {}, (session) => session.set('count', 1))
        return sessions.open(browser.request(post()))
      },
      refused: noUser,
    },
    'a user': { open: async () => (await loggedIn()).open(post()), refused: {} },
    'a suspended session': {
      open: async () =>
        (await loggedIn({ bindings: [userAgent] })).open(post({ headers: { 'user-agent': 'other' } })),
      refused: { ...noUser, ...writes('ERR_SESSION_SUSPENDED'), require: 'ERR_SESSION_SUSPENDED' },
    },
    'a token from before a reauthentication': {
      async open() {
        const { sessions, browser, open } = await loggedIn()
        const old = browser.copy()
        await visit(sessions, browser, post(), (session) => session.reauthenticate())
        return open(post(), old)
      },
      refused: { ...noUser, ...writes('ERR_SESSION_CHANGED') },
    },
    'a token from before a login in the same browser': {
      async open() {
        const { sessions, browser, open } = await loggedIn()
        const old = browser.copy()
        await login(sessions, browser, 'ada', later(1))
        return open(post(later(1)), old)
      },
      refused: { ...noUser, ...writes('ERR_SESSION_CHANGED') },
    },
    'an idle session': {
      open: async () => (await loggedIn()).open(post(later(30 * MINUTE))),
      refused: noUser,
    },
    'a session past its absolute limit': {
      open: async () => (await loggedIn()).open(post(later(12 * HOUR))),
      refused: noUser,
    },
    'a session that was terminated': {
      async open() {
        const { sessions, browser, open } = await loggedIn()
        const old = browser.copy()
        await visit(sessions, browser, post(), (session) => session.terminate())
        return open(post(), old)
      },
      refused: noUser,
    },
    'a session whose binding revoked it': {
      open: async () =>
        (await loggedIn({ bindings: [{ ...userAgent, onMismatch: 'revoke' }] })).open(
          post({ headers: { 'user-agent': 'other' } }),
        ),
      refused: noUser,
    },
    'a refused request': {
      open: async () =>
        (await loggedIn()).open({ method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }),
      refused: {
        ...Object.fromEntries(Object.keys(calls).map((call) => [call, 'ERR_CROSS_ORIGIN'])),
        get: undefined,
        require: 'ERR_NOT_AUTHENTICATED',
      } as never,
    },
    'a response that has begun': {
      async open() {
        const { sessions, open } = await loggedIn()
        const session = await open(post())
        await sessions.commit(session)
        return session
      },
      refused: {
        ...Object.fromEntries(Object.keys(calls).map((call) => [call, 'ERR_SESSION_COMMITTED'])),
        get: undefined,
        require: undefined,
      } as never,
    },
    'a session that this request has terminated': {
      async open() {
        const session = await (await loggedIn()).open(post())
        session.terminate()
        return session
      },
      refused: {
        ...writes('ERR_SESSION_ENDED'),
        authenticate: 'ERR_SESSION_ENDED',
        reauthenticate: 'ERR_SESSION_ENDED',
        renew: 'ERR_SESSION_ENDED',
        require: 'ERR_NOT_AUTHENTICATED',
      },
    },
  }
  for (const [state, { open, refused }] of Object.entries(states)) {
    for (const call of Object.keys(calls) as Call[]) {
      const code = refused[call]
      test(`${state}: ${call} ${code ? `throws ${code}` : 'succeeds'}`, async () => {
        const session = await open()
        if (code) assert.throws(() => calls[call](session), refusal(code))
        else calls[call](session)
      })
    }
  }
})

/** A user of an hour's standing, and a way to send his requests. */
async function loggedIn(options: Partial<SessionsOptions<Data>> = {}) {
  const set = setUp(options)
  await login(set.sessions, set.browser, 'ada')
  set.called()
  set.heard()
  const open = (parts: Parts = {}, browser = set.browser) => set.sessions.open(browser.request(parts))
  return { ...set, open }
}

describe('session: why it is lost', () => {
  const rows: readonly [rule: string, reason: string | null, lose: () => Promise<Session<Data>>][] = [
    ['a good one is not', null, async () => (await loggedIn()).open()],
    ['idle', 'idle', async () => (await loggedIn()).open(later(30 * MINUTE))],
    ['absolute', 'absolute', async () => (await loggedIn()).open(later(12 * HOUR))],
    [
      'by a binding that suspends',
      'mismatch',
      async () => (await loggedIn({ bindings: [userAgent] })).open({ headers: { 'user-agent': 'x' } }),
    ],
    [
      'unknown to the store: nothing is known',
      null,
      async () => {
        const { browser } = await loggedIn()
        return setUp().sessions.open(browser.request())
      },
    ],
  ]
  for (const [rule, reason, lose] of rows) {
    test(rule, async () => {
      const session = await lose()
      assert.equal(session.lost, reason)
      if (reason)
        assert.throws(
          () => session.require(),
          reason === 'mismatch'
            ? refusal('ERR_SESSION_SUSPENDED')
            : refusal('ERR_NOT_AUTHENTICATED', new RegExp(reason)),
        )
    })
  }
  for (const [reason, how] of [
    ['logout', (session: Session<Data>) => session.terminate()],
    ['replaced', (session: Session<Data>) => session.authenticate('ada')],
    ['superseded', (session: Session<Data>) => session.reauthenticate()],
  ] as const) {
    test(reason, async () => {
      const { sessions, browser, open } = await loggedIn()
      const old = browser.copy()
      await visit(sessions, browser, post(later(1)), how)
      assert.equal((await open(later(2), old)).lost, reason)
    })
  }
  test('revoked, and afterwards what was stored as a visitor is a new session', async () => {
    const { sessions, browser, open } = await loggedIn()
    await sessions.revoke({ userId: 'ada' })
    const session = await open()
    assert.equal(session.lost, 'revoked')
    session.set('count', 1)
    browser.receive(await sessions.commit(session))
    assert.equal((await open()).lost, null)
  })
})

describe('session: authenticate', () => {
  test('P3: a new id, a new token, a new CSRF token; the old ones are dead', async () => {
    const { sessions, browser, open } = await loggedIn()
    const before = await open()
    const [id, csrf, old] = [before.id, before.csrfToken(), browser.copy()]
    const next = await login(sessions, browser, 'ada', later(1))
    assert.notEqual(next, id)
    assert.notEqual(browser.token, old.token)
    assert.equal((await open(later(2), old)).userId, null)
    const session = await open(post(later(2)))
    assert.throws(() => session.verifyCsrf(csrf), refusal('ERR_CSRF_TOKEN_INVALID'))
  })
  test("R-01: a visitor's token and id are dead, too", async () => {
    const { sessions, browser } = setUp()
    const before = await visit(sessions, browser, {}, (session) => {
      session.set('count', 1)
      return session.id
    })
    const old = browser.copy()
    const id = await login(sessions, browser, 'ada', later(1))
    assert.notEqual(id, before)
    const session = await sessions.open(old.request(later(2)))
    assert.deepEqual([session.userId, session.get('count'), session.lost], [null, undefined, 'replaced'])
  })
  test('is seen at once, before the commit', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada', { methods: ['pwd', 'otp'], remember: true })
      assert.equal(session.userId, 'ada')
      assert.match(session.id!, /^[\w-]{22}$/)
      assert.deepEqual(session.methods, ['pwd', 'otp'])
      assert.deepEqual([session.authenticatedAt, session.createdAt], [NOW, NOW])
      assert.deepEqual(
        [session.idleExpiresAt, session.expiresAt],
        [NOW + 14 * 24 * HOUR, NOW + 30 * 24 * HOUR],
      )
      assert.equal(session.require({ authenticatedWithin: '1s', methods: ['otp'] }), 'ada')
    })
  })
  test('the CSRF token of the answer is good for the next request', async () => {
    const { sessions, browser } = setUp({ csrf: { requireToken: true } })
    const page = await visit(sessions, browser, {}, (session) => session.csrfToken())
    const csrf = await visit(sessions, browser, post({ fields: { csrf_token: page } }), (session) => {
      session.authenticate('ada')
      return session.csrfToken()
    })
    const session = await sessions.open(browser.request(post({ fields: { csrf_token: csrf } })))
    assert.equal(session.refusal, null)
  })
  for (const [rule, before, userId, data] of [
    ["a visitor's data come along", null, 'ada', 1],
    ["the same user's, too", 'ada', 'ada', 1],
    ["another user's never do", 'grace', 'ada', undefined],
  ] as const) {
    test(rule, async () => {
      const { sessions, browser } = setUp()
      if (before) await login(sessions, browser, before)
      await visit(sessions, browser, post(), (session) => session.set('count', 1))
      await visit(sessions, browser, post(later(1)), (session) => {
        session.authenticate(userId)
        assert.equal(session.get('count'), data)
      })
      assert.equal(await visit(sessions, browser, later(2), read), data)
    })
  }
  test('what a visitor set in the same request comes along, though he had no session', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.set('count', 1)
      return session.authenticate('ada')
    })
    assert.equal(await visit(sessions, browser, later(1), read), 1)
  })
  test('... but nothing that was set as another user', async () => {
    const { sessions, browser } = await loggedIn()
    await visit(sessions, browser, post(), (session) => {
      session.set('count', 1)
      return session.authenticate('grace')
    })
    assert.equal(await visit(sessions, browser, later(1), read), undefined)
  })
  test('... be it that he became that user in the same request', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada')
      session.set('count', 1)
      session.authenticate('grace')
    })
    assert.equal(await visit(sessions, browser, later(1), read), undefined)
  })
  test('what is set after it is set for the user', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada')
      return session.set('count', 2)
    })
    assert.deepEqual(
      await visit(sessions, browser, later(1), (session) => [session.userId, session.get('count')]),
      ['ada', 2],
    )
  })
  test('P2: what others wrote to the old session until the last moment comes along', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, {}, (session) => session.set('count', 1))
    const slow = await sessions.open(browser.request(post(later(1))))
    await visit(sessions, browser, later(1), (session) => session.update('count', (n = 0) => n + 1))
    slow.authenticate('ada')
    browser.receive(await sessions.commit(slow))
    assert.equal(await visit(sessions, browser, later(2), read), 2)
  })
  test('three writes: the new record, the ledger, the old record; the cookie last', async () => {
    const { sessions, browser, called, heard } = setUp()
    await visit(sessions, browser, {}, (session) => session.set('count', 1))
    called()
    heard()
    const session = await sessions.open(browser.request(post(later(1))))
    session.authenticate('ada')
    assert.equal((await sessions.commit(session)).noStore, 'always')
    assert.deepEqual(called(), ['load', 'create', 'loadUser', 'replaceUser', 'replace'])
    assert.deepEqual(heard(), ['session_created', 'authn_login_success:pwd'])
  })
  test('remembered: the cookie lives until the absolute limit; else until the browser closes', async () => {
    for (const [remember, life] of [
      [true, /; Max-Age=2592000;/],
      [false, /^(?!.*Max-Age)/],
    ] as const) {
      const { sessions, browser } = setUp()
      const session = await sessions.open(browser.request(post()))
      session.authenticate('ada', { remember })
      const cookie = (await sessions.commit(session)).headers.find(([name]) => name === 'Set-Cookie')!
      assert.match(cookie[1], life)
    }
  })
  test("revokeOthers ends the user's other sessions in the same step", async () => {
    const { sessions, browser } = await loggedIn()
    const other = new Browser()
    await visit(sessions, other, post(later(1)), (session) =>
      session.authenticate('ada', { revokeOthers: true }),
    )
    assert.equal((await sessions.open(browser.request(later(2)))).lost, 'revoked')
    assert.equal((await sessions.open(other.request(later(2)))).userId, 'ada')
  })
  for (const wrong of ['', 'a\0b', '\ud800', 5, null, undefined, {}]) {
    test(`${JSON.stringify(wrong)} is no user`, async () => {
      const session = await setUp().sessions.open(new Browser().request(post()))
      assert.throws(() => session.authenticate(wrong as never), TypeError)
    })
  }
  test('an unsafe request that shows nothing of where it comes from needs a CSRF token', async () => {
    const { sessions, browser } = setUp()
    const bare = { method: 'POST' }
    const session = await sessions.open(browser.request(bare))
    assert.equal(session.refusal, null)
    assert.throws(() => session.authenticate('ada'), refusal('ERR_CSRF_TOKEN_MISSING'))
    const csrf = await visit(sessions, browser, {}, (session) => session.csrfToken())
    const proven = await sessions.open(browser.request({ ...bare, fields: { csrf_token: csrf } }))
    proven.authenticate('ada')
  })
  test("a login by a suspended session's user resumes it; by another it does not", async () => {
    for (const [userId, data] of [
      ['ada', 1],
      ['grace', undefined],
    ] as const) {
      const { sessions, browser } = await loggedIn({ bindings: [userAgent] })
      await visit(sessions, browser, post(), (session) => session.set('count', 1))
      const old = browser.copy()
      browser.headers['user-agent'] = 'other'
      await visit(sessions, browser, later(1), (session) =>
        assert.deepEqual([session.suspended, session.userId, session.get('count')], [true, null, undefined]),
      )
      await login(sessions, browser, userId, later(2))
      await visit(sessions, browser, later(3), (session) =>
        assert.deepEqual([session.suspended, session.userId, session.get('count')], [false, userId, data]),
      )
      assert.equal((await sessions.open(old.request(later(3)))).lost, 'replaced')
    }
  })
  test('by a token of an older era it ends the session that the token names', async () => {
    const { sessions, browser, open } = await loggedIn()
    const old = browser.copy()
    await visit(sessions, browser, post(), (session) => session.reauthenticate())
    await login(sessions, old, 'grace', later(1))
    assert.equal((await open(later(2))).lost, 'replaced')
    assert.deepEqual((await sessions.list('ada')).length, 0)
  })
})

describe('session: reauthenticate', () => {
  test('the id stays; the token and the CSRF token are new, and the old ones dead at once', async () => {
    const { sessions, browser, open } = await loggedIn()
    const before = await open()
    const [id, csrf, old] = [before.id, before.csrfToken(), browser.copy()]
    await visit(sessions, browser, post(later(1)), (session) => session.reauthenticate({ methods: ['otp'] }))
    const session = await open(post(later(2)))
    assert.deepEqual(
      [session.id, session.userId, session.authenticatedAt, session.methods],
      [id, 'ada', NOW + 1, ['pwd', 'otp']],
    )
    assert.throws(() => session.verifyCsrf(csrf), refusal('ERR_CSRF_TOKEN_INVALID'))
    assert.equal((await open(later(2), old)).userId, null)
  })
  test('the CSRF token of the answer is good for the next request', async () => {
    const { sessions, browser, open } = await loggedIn()
    const csrf = await visit(sessions, browser, post(), (session) => {
      session.reauthenticate()
      return session.csrfToken()
    })
    const session = await open(post())
    session.verifyCsrf(csrf)
  })
  test('in the very millisecond of the login, too', async () => {
    const { sessions, browser, open } = await loggedIn()
    const csrf = (await open()).csrfToken()
    await visit(sessions, browser, post(), (session) => session.reauthenticate())
    const session = await open(post())
    assert.throws(() => session.verifyCsrf(csrf), refusal('ERR_CSRF_TOKEN_INVALID'))
  })
  test('N-9: absolute time begins anew', async () => {
    const { sessions, browser, open } = await loggedIn({ idle: '12h' })
    await visit(sessions, browser, post(later(11 * HOUR)), (session) => session.reauthenticate())
    assert.equal((await open(later(12 * HOUR))).userId, 'ada')
    assert.equal((await open(later(22 * HOUR))).expiresAt, NOW + 23 * HOUR)
    assert.equal((await open(later(23 * HOUR))).lost, 'absolute')
  })
  test('a request under way that writes is refused: ERR_SESSION_CHANGED', async () => {
    const { sessions, browser, open, heard } = await loggedIn()
    const slow = await open(post())
    slow.set('count', 1)
    await visit(sessions, browser, post(), (session) => session.reauthenticate())
    heard()
    await assert.rejects(sessions.commit(slow), refusal('ERR_SESSION_CHANGED'))
    assert.deepEqual(heard(), ['session_write_refused'])
    assert.equal(await visit(sessions, browser, {}, read), undefined)
  })
  test("a session that its user's ledger does not name (any more) is not extended", async () => {
    const { sessions, engine, open } = await loggedIn()
    const session = await open(post())
    session.reauthenticate()
    const ledger = (await engine.loadUser('ada'))!
    await engine.replaceUser({ ...ledger, version: ledger.version + 1, sessions: [] }, ledger.version)
    await assert.rejects(sessions.commit(session), refusal('ERR_SESSION_ENDED'))
  })
  test('after authenticate in the same request it does nothing', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada')
      return session.reauthenticate({ methods: ['otp'] })
    })
    assert.deepEqual(await visit(sessions, browser, {}, (session) => session.methods), ['pwd'])
  })
})

describe('session: renew', () => {
  test('the answer offers a token, nothing is stored; shown, it is adopted, and the id stays', async () => {
    const { sessions, browser, called, heard } = await loggedIn()
    const before = browser.token
    await visit(sessions, browser, post(later(1)), (session) => session.renew())
    assert.notEqual(browser.token, before)
    assert.deepEqual(called(), ['load', 'load'])
    assert.deepEqual(heard(), [])
    await visit(sessions, browser, later(2), (session) => assert.equal(session.userId, 'ada'))
    assert.deepEqual(called(), ['load', 'replace'])
    assert.deepEqual(heard(), ['session_renewed'])
  })
  test('nothing is offered against a secret that another request has renewed meanwhile', async () => {
    const { sessions, browser, open } = await loggedIn()
    const slow = await open(later(20 * MINUTE))
    await visit(sessions, browser, later(20 * MINUTE), () => {})
    await visit(sessions, browser, later(20 * MINUTE + 1), () => {})
    const { headers } = await sessions.commit(slow)
    assert.deepEqual(
      headers.filter(([name]) => name === 'Set-Cookie'),
      [],
    )
  })
  test('after `renewal` it happens by itself', async () => {
    const { sessions, browser } = await loggedIn()
    const before = browser.token
    await visit(sessions, browser, later(15 * MINUTE - 1), () => {})
    assert.equal(browser.token, before)
    await visit(sessions, browser, later(15 * MINUTE), () => {})
    assert.notEqual(browser.token, before)
  })
  test('SM: not for visitors', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, {}, (session) => session.set('count', 1))
    const before = browser.token
    await visit(sessions, browser, later(20 * MINUTE), (session) => session.renew())
    assert.equal(browser.token, before)
  })
  test('the CSRF token survives it', async () => {
    const { sessions, browser, open } = await loggedIn()
    const csrf = (await open()).csrfToken()
    await visit(sessions, browser, post(later(1)), (session) => session.renew())
    await visit(sessions, browser, later(2), () => {})
    const session = await open(post(later(3)))
    session.verifyCsrf(csrf)
  })
  test("a remembered session's offer has the rest of its life", async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => session.authenticate('ada', { remember: true }))
    const session = await sessions.open(browser.request(later(HOUR)))
    const cookie = (await sessions.commit(session)).headers.find(([name]) => name === 'Set-Cookie')!
    assert.match(cookie[1], new RegExp(`; Max-Age=${(30 * 24 * HOUR - HOUR) / SECOND};`))
  })
  test("a token by an old key is renewed, a visitor's reissued", async () => {
    const engine = memory()
    const old = setUp({ engine, keys: [OTHER_KEY] })
    await login(old.sessions, old.browser, 'ada')
    const visitor = new Browser()
    await visit(old.sessions, visitor, {}, (session) => session.set('count', 1))
    const rolled = setUp({ engine, keys: [KEY, OTHER_KEY] })
    const latest = setUp({ engine, keys: [KEY] })
    for (const browser of [old.browser, visitor]) {
      await visit(rolled.sessions, browser, later(1), () => {})
      await visit(rolled.sessions, browser, later(2), () => {})
      const session = await latest.sessions.open(browser.request(later(3)))
      assert.equal(session.lost, null)
      assert.ok(session.id)
    }
  })
})

describe('session: terminate', () => {
  test('the session has ended, its cookie is cleared, and whoever keeps the token has nothing', async () => {
    const { sessions, browser, open, called, heard } = await loggedIn()
    const old = browser.copy()
    const session = await open(post())
    called()
    session.terminate({ clearSiteData: ['cache', 'storage'] })
    assert.deepEqual([session.id, session.userId, session.get('count')], [null, null, undefined])
    const { headers, noStore } = await sessions.commit(session)
    assert.deepEqual(headers.slice(1), [
      ['Set-Cookie', '__Host-Http-session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax'],
      ['Clear-Site-Data', '"cache", "storage"'],
    ])
    assert.equal(noStore, 'always')
    assert.deepEqual(called(), ['replace', 'loadUser', 'replaceUser'])
    assert.deepEqual(heard(), ['session_logout'])
    assert.equal((await open(later(1), old)).lost, 'logout')
  })
  test('P1: a request under way that writes is refused, one that reads is answered, and nothing comes back', async () => {
    const { sessions, browser, open } = await loggedIn()
    const [writer, reader, toucher] = [await open(post()), await open(), await open(later(2 * MINUTE))]
    writer.set('count', 1)
    await visit(sessions, browser.copy(), post(later(1)), (session) => session.terminate())
    await assert.rejects(sessions.commit(writer), refusal('ERR_SESSION_ENDED'))
    for (const session of [reader, toucher]) await sessions.commit(session)
    assert.equal((await open(later(3 * MINUTE))).lost, 'logout')
  })
  test('... nor does an offer that is shown afterwards', async () => {
    const { sessions, browser, open } = await loggedIn()
    const old = browser.copy()
    await visit(sessions, browser, post(), (session) => session.renew())
    await visit(sessions, old, post(later(1)), (session) => session.terminate())
    await visit(sessions, browser, later(2), (session) => assert.equal(session.lost, 'logout'))
    assert.equal((await open(later(3))).userId, null)
  })
  test("a visitor's session ends, too; without one there is nothing to do", async () => {
    const { sessions, browser, called } = setUp()
    await visit(sessions, browser, post(), (session) => session.terminate())
    assert.deepEqual(called(), [])
    await visit(sessions, browser, {}, (session) => session.set('count', 1))
    called()
    await visit(sessions, browser, post(), (session) => session.terminate())
    assert.deepEqual(called(), ['load', 'replace'])
    assert.equal(browser.jar.size, 0)
  })
  test('what was changed before it in the same request is dropped', async () => {
    const { sessions, browser } = await loggedIn()
    await visit(sessions, browser, post(), (session) => {
      session.set('count', 1)
      return session.terminate()
    })
    assert.equal(browser.token, undefined)
  })
  test('a login before it in the same request does not happen', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada')
      return session.terminate()
    })
    assert.equal(browser.token, undefined)
    assert.deepEqual(await sessions.list('ada'), [])
  })
  test('a suspended session can be terminated', async () => {
    const { sessions, browser, open } = await loggedIn({ bindings: [userAgent] })
    const old = browser.copy()
    await visit(sessions, browser, post({ headers: { 'user-agent': 'x' } }), (session) => session.terminate())
    assert.equal((await open(later(1), old)).lost, 'logout')
  })
  test('by a token from before a reauthentication, too: whoever clicks in an old page means the session', async () => {
    const { sessions, browser, open } = await loggedIn()
    const old = browser.copy()
    await visit(sessions, browser, post(), (session) => session.reauthenticate())
    await visit(sessions, old, post(later(1)), (session) => session.terminate())
    assert.equal(old.token, undefined)
    assert.equal((await open(later(2))).lost, 'logout')
  })
  for (const [rule, slow] of [
    ['by a token from before a login it is refused: the new session is another', false],
    ['... be it opened before that login', true],
  ] as const) {
    test(rule, async () => {
      const { sessions, browser, open } = await loggedIn()
      const old = browser.copy()
      const early = await open(post(later(1)))
      await login(sessions, browser, 'ada', later(1))
      const session = slow ? early : await open(post(later(2)), old)
      session.terminate()
      await assert.rejects(sessions.commit(session), refusal('ERR_SESSION_CHANGED'))
      assert.equal((await open(later(3))).userId, 'ada')
    })
  }
  test('... and when the answer to that login must have been lost, it clears the cookie', async () => {
    const { sessions, browser } = await loggedIn()
    const old = browser.copy()
    await login(sessions, browser, 'ada', later(1))
    await visit(sessions, old, post(later(4 * MINUTE)), (session) => session.terminate())
    assert.equal(old.token, undefined)
  })
  test('of two at once one ends it, and both are cleared', async () => {
    const { sessions, browser, open, heard } = await loggedIn()
    const both = [await open(post()), await open(post())]
    for (const session of both) {
      session.terminate()
      const copy = browser.copy()
      copy.receive(await sessions.commit(session))
      assert.equal(copy.token, undefined)
    }
    assert.deepEqual(heard(), ['session_logout'])
  })
  test('of a session that is lost the cookie is cleared', async () => {
    const { sessions, browser } = await loggedIn()
    await visit(sessions, browser, post(later(HOUR)), (session) => session.terminate())
    assert.equal(browser.token, undefined)
  })
})

describe('session: require', () => {
  for (const [rule, after, requirement, code] of [
    ['a user', HOUR / 4, {}, null],
    ['a recent authentication', MINUTE, { authenticatedWithin: '1m' }, null],
    ['... not a millisecond older', MINUTE + 1, { authenticatedWithin: '1m' }, 'ERR_NOT_RECENT'],
    ['methods that were used', 0, { methods: ['pwd'] }, null],
    ['... every one of them', 0, { methods: ['pwd', 'otp'] }, 'ERR_METHODS'],
    ['... none', 0, { methods: [] }, null],
    ['recency before methods', MINUTE + 1, { authenticatedWithin: '1m', methods: ['otp'] }, 'ERR_NOT_RECENT'],
    ["a wrong duration is the application's error", 0, { authenticatedWithin: 60 }, 'ERR_OPTION'],
  ] as [string, number, object, ErrorCode | null][]) {
    test(rule, async () => {
      const session = await (await loggedIn()).open(later(after))
      if (code) assert.throws(() => session.require(requirement), refusal(code))
      else assert.equal(session.require(requirement), 'ada')
    })
  }
  test('what is not met calls off the login of the same request, and what was set as its user', async () => {
    const { sessions, browser, called } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada')
      session.set('count', 1)
      assert.throws(() => session.require({ methods: ['otp'] }), refusal('ERR_METHODS'))
      assert.deepEqual([session.userId, session.get('count')], [null, undefined])
    })
    assert.deepEqual(called(), [])
    assert.equal(browser.jar.size, 0)
  })
  test('... and nothing else', async () => {
    const { sessions, browser } = await loggedIn()
    await visit(sessions, browser, post(), (session) => {
      session.set('count', 1)
      assert.throws(() => session.require({ methods: ['otp'] }), refusal('ERR_METHODS'))
    })
    assert.equal(await visit(sessions, browser, {}, read), 1)
  })
  test('reauthentication in the same request counts', async () => {
    const session = await (await loggedIn()).open(post(later(20 * MINUTE)))
    session.reauthenticate({ methods: ['hwk'] })
    session.require({ authenticatedWithin: '1s', methods: ['pwd', 'hwk'] })
  })
})

describe('session: time', () => {
  test('what a page shows of the limits is what counts', async () => {
    const { open } = await loggedIn()
    const at = async (ms: number, parts: Parts = {}) => (await open({ ...later(ms), ...parts })).idleExpiresAt
    assert.equal((await open()).expiresAt, NOW + 12 * HOUR)
    assert.equal(await at(0), NOW + 30 * MINUTE)
    // Not yet worth a touch: the limit is that of the last one.
    assert.equal(await at(MINUTE - 1), NOW + 30 * MINUTE)
    assert.equal(await at(MINUTE), NOW + 31 * MINUTE)
    assert.equal(await at(MINUTE, { headers: { 'session-passive': '1' } }), NOW + 30 * MINUTE)
  })
  test('the idle limit is never shown past the absolute one', async () => {
    const { open } = await loggedIn({ idle: '12h' })
    assert.equal((await open(later(HOUR))).idleExpiresAt, NOW + 12 * HOUR)
  })
  test('use keeps it alive, by a touch a minute at most', async () => {
    const { sessions, browser, called } = await loggedIn()
    for (let minute = 0; minute < 60; minute += 0.5)
      await visit(sessions, browser, later(minute * MINUTE), (session) => assert.equal(session.userId, 'ada'))
    const calls = called()
    assert.ok(calls.filter((verb) => verb === 'touch').length <= 60)
    // One for each request, and one for each offer.
    const loads = calls.filter((verb) => verb === 'load').length
    assert.ok(loads >= 120 && loads <= 124, `${loads}`)
  })
  test('a touch that a write overtook is made on what that wrote', async () => {
    const { sessions, browser, open } = await loggedIn()
    const slow = await open(later(5 * MINUTE))
    await visit(sessions, browser, post(later(4 * MINUTE)), (session) => session.set('count', 1))
    await sessions.commit(slow)
    const passive = { ...later(5 * MINUTE), headers: { 'session-passive': '1' } }
    const seen = await visit(sessions, browser, passive, (session) => [
      session.idleExpiresAt,
      session.get('count'),
    ])
    assert.deepEqual(seen, [NOW + 35 * MINUTE, 1])
  })
  test('a passive request neither touches nor renews', async () => {
    const { sessions, browser, called, open } = await loggedIn()
    const before = browser.token
    await visit(
      sessions,
      browser,
      { ...later(20 * MINUTE), headers: { 'session-passive': '1' } },
      (session) => assert.equal(session.userId, 'ada'),
    )
    assert.deepEqual(called(), ['load'])
    assert.equal(browser.token, before)
    assert.equal((await open(later(30 * MINUTE))).lost, 'idle')
  })
  test('... not even when its handler writes', async () => {
    const { sessions, browser, open } = await loggedIn()
    await visit(
      sessions,
      browser,
      { ...later(20 * MINUTE), headers: { 'session-passive': '1' } },
      (session) => session.set('count', 1),
    )
    assert.equal((await open(later(30 * MINUTE))).lost, 'idle')
  })
  test('... and an unsafe request is never passive', async () => {
    const { sessions, browser, called } = await loggedIn()
    await visit(
      sessions,
      browser,
      post({ ...later(5 * MINUTE), headers: { 'session-passive': '1' } }),
      () => {},
    )
    assert.deepEqual(called(), ['load', 'touch'])
  })
  test('a handler that outlasts the session loses its write', async () => {
    const { sessions, open } = await loggedIn({ idle: '50ms', renewal: '15m' })
    const session = await open(post())
    session.set('count', 1)
    await new Promise((resolve) => setTimeout(resolve, 60))
    await assert.rejects(sessions.commit(session), refusal('ERR_SESSION_ENDED'))
  })
})

describe('session: a response of 5xx', () => {
  for (const [rule, work] of [
    ['a change', (session: Session<Data>) => session.set('count', 1)],
    ['a reauthentication', (session: Session<Data>) => session.reauthenticate()],
    ['a login', (session: Session<Data>) => session.authenticate('grace')],
    ['a renewal', (session: Session<Data>) => session.renew()],
  ] as const) {
    test(`drops ${rule}`, async () => {
      const { sessions, browser, called } = await loggedIn()
      const before = browser.token
      await visit(sessions, browser, post(), work, 500)
      assert.deepEqual(called(), ['load'])
      assert.equal(browser.token, before)
      assert.deepEqual(
        await visit(sessions, browser, {}, (session) => [session.userId, session.get('count')]),
        ['ada', undefined],
      )
    })
  }
  test('keeps the end of a session', async () => {
    const { sessions, browser, open } = await loggedIn()
    const old = browser.copy()
    await visit(sessions, browser, post(), (session) => session.terminate(), 503)
    assert.equal((await open({}, old)).lost, 'logout')
  })
  test('keeps a touch', async () => {
    const { sessions, browser, called } = await loggedIn()
    await visit(sessions, browser, later(5 * MINUTE), () => {}, 500)
    assert.deepEqual(called(), ['load', 'touch'])
  })
  test('keeps an adoption', async () => {
    const { sessions, browser, called, heard } = await loggedIn()
    await visit(sessions, browser, post(later(1)), (session) => session.renew())
    called()
    await visit(sessions, browser, later(2), (session) => session.set('count', 1), 500)
    assert.deepEqual(called(), ['load', 'replace'])
    assert.deepEqual(heard(), ['session_renewed'])
    assert.equal(await visit(sessions, browser, later(3), read), undefined)
  })
  test('499 keeps everything', async () => {
    const { sessions, browser } = await loggedIn()
    await visit(sessions, browser, post(), (session) => session.set('count', 1), 499)
    assert.equal(await visit(sessions, browser, {}, read), 1)
  })
})

describe('session: a response of 4xx', () => {
  for (const [rule, work] of [
    ['a login', (session: Session<Data>) => session.authenticate('grace')],
    ['a reauthentication', (session: Session<Data>) => session.reauthenticate()],
    [
      'a login with what was set for it',
      (session: Session<Data>) => {
        session.authenticate('grace')
        session.set('count', 1)
      },
    ],
  ] as const) {
    test(`drops ${rule}: it was answered by an error`, async () => {
      const { sessions, browser, called } = await loggedIn()
      await visit(sessions, browser, post(), work, 400)
      assert.deepEqual(called(), ['load'])
      const [userId, count, at] = await visit(sessions, browser, later(1), (session) => [
        session.userId,
        session.get('count'),
        session.authenticatedAt,
      ])
      assert.deepEqual([userId, count, at], ['ada', undefined, NOW])
    })
  }
  test('keeps a change without a login: a count of failures', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => session.set('count', 1), 401)
    assert.equal(await visit(sessions, browser, {}, read), 1)
  })
  test('399 keeps a login', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => session.authenticate('ada'), 399)
    assert.notEqual(browser.token, undefined)
  })
})

describe('session: parallel requests', () => {
  test('update runs once when nobody else was there', async () => {
    const { sessions, browser } = await loggedIn()
    let runs = 0
    await visit(sessions, browser, post(), (session) =>
      session.update('count', (n = 0) => {
        runs++
        return n + 1
      }),
    )
    assert.equal(runs, 1)
  })
  test('... and once more when another request was faster', async () => {
    const { sessions, browser, open } = await loggedIn()
    const slow = await open(post())
    let runs = 0
    slow.update('count', (n = 0) => {
      runs++
      return n + 1
    })
    await visit(sessions, browser, post(), (session) => session.set('count', 41))
    await sessions.commit(slow)
    assert.equal(runs, 2)
    assert.equal(await visit(sessions, browser, {}, read), 42)
  })
  test('... but not when the other one changed nothing of the data', async () => {
    const { sessions, browser, open } = await loggedIn()
    const slow = await open(post(later(1)))
    let runs = 0
    slow.update('count', (n = 0) => {
      runs++
      return n + 1
    })
    await visit(sessions, browser, later(2 * MINUTE), () => {})
    await sessions.commit(slow)
    assert.equal(runs, 1)
  })
  for (const processes of [1, 2]) {
    test(`P2: of 200 increments in ${processes} process${processes > 1 ? 'es' : ''} none is lost`, async () => {
      const { sessions, browser, engine } = await loggedIn({ engineTimeout: '20s' })
      const all = [sessions, new Sessions<Data>({ engine, keys: [KEY], engineTimeout: '20s' })].slice(
        0,
        processes,
      )
      const opened = await Promise.all(
        Array.from(
          { length: 200 },
          async (_, i) =>
            [all[i % processes]!, await all[i % processes]!.open(browser.request(post()))] as const,
        ),
      )
      await Promise.all(
        opened.map(([by, session]) => {
          session.update('count', (n = 0) => n + 1)
          return by.commit(session)
        }),
      )
      assert.equal(await visit(sessions, browser, {}, read), 200)
    })
  }
  test('P2: changes of different names all survive; of the same name, the last', async () => {
    const { sessions, browser, open } = await loggedIn()
    const opened = await Promise.all(Array.from({ length: 20 }, () => open(post())))
    opened.forEach((session, i) => {
      session.set(`n${i}`, i)
      session.set('name', String(i))
    })
    for (const session of opened) await sessions.commit(session)
    await visit(sessions, browser, {}, (session) => {
      for (let i = 0; i < 20; i++) assert.equal(session.get(`n${i}`), i)
      assert.equal(session.get('name'), '19')
    })
  })
  test('a swap that is never won ends in ERR_ENGINE', async () => {
    const engine = memory()
    const { sessions, browser, heard } = await loggedIn({
      engine: { ...engine, replace: () => false },
      engineTimeout: '50ms',
    })
    await assert.rejects(
      visit(sessions, browser, post(), (session) => session.set('count', 1)),
      refusal('ERR_ENGINE', /Too many/),
    )
    assert.match(heard().join(), /engine_failure/)
  })
})

describe('session: commit, early', () => {
  test('is done when it returns, and the request goes on', async () => {
    const { sessions, browser, called } = await loggedIn()
    await visit(sessions, browser, post(), async (session) => {
      session.set('count', 1)
      await session.commit()
      assert.equal(await visit(sessions, browser, {}, read), 1)
      assert.equal(session.get('count'), 1)
      session.update('count', (n = 0) => n + 1)
    })
    assert.equal(called().filter((verb) => verb === 'replace').length, 2)
    assert.equal(await visit(sessions, browser, {}, read), 2)
  })
  test('twice, with nothing in between, writes once', async () => {
    const { sessions, browser, called } = await loggedIn()
    await visit(sessions, browser, post(), async (session) => {
      session.set('count', 1)
      await session.commit()
      await session.commit()
    })
    assert.deepEqual(called(), ['load', 'replace'])
  })
  test('P9: of a login: the session is there before the response leaves', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), async (session) => {
      session.authenticate('ada')
      const id = session.id
      await session.commit()
      assert.deepEqual([session.id, session.userId], [id, 'ada'])
      session.set('count', 1)
    })
    assert.deepEqual(
      await visit(sessions, browser, {}, (session) => [session.userId, session.get('count')]),
      ['ada', 1],
    )
  })
  test("of a visitor's first data: one session, not two", async () => {
    const { sessions, browser, called } = setUp()
    await visit(sessions, browser, post(), async (session) => {
      session.set('count', 1)
      await session.commit()
      session.set('count', 2)
    })
    assert.deepEqual(called(), ['create', 'replace'])
    assert.equal(await visit(sessions, browser, {}, read), 2)
  })
  test('that nobody awaits is done all the same before the response leaves, and in its turn', async () => {
    const { sessions, browser, called } = await loggedIn()
    await visit(sessions, browser, post(), (session) => {
      for (let i = 1; i <= 3; i++) {
        session.set('count', i)
        void session.commit()
      }
    })
    assert.equal(called().filter((verb) => verb === 'replace').length > 0, true)
    assert.equal(await visit(sessions, browser, {}, read), 3)
  })
  test("P9: of a login that nobody awaits: what follows is that user's", async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, post(), (session) => {
      session.authenticate('ada')
      void session.commit()
      session.set('count', 1)
    })
    const seen = await visit(sessions, browser, {}, (session) => [session.userId, session.get('count')])
    assert.deepEqual(seen, ['ada', 1])
  })
  test('that fails leaves the rest to the end of the request', async () => {
    const { sessions, browser } = await loggedIn({ maxDataBytes: 30 })
    await visit(sessions, browser, post(), async (session) => {
      session.set('name', 'x'.repeat(30))
      await assert.rejects(session.commit(), refusal('ERR_SESSION_DATA_TOO_LARGE'))
      session.set('name', 'a')
    })
    assert.equal(await visit(sessions, browser, {}, (session) => session.get('name')), 'a')
  })
  test('of an end: nothing can be changed after it', async () => {
    const { sessions, browser } = await loggedIn()
    await visit(sessions, browser, post(), async (session) => {
      session.terminate()
      await session.commit()
      assert.throws(() => session.set('count', 1), refusal('ERR_SESSION_ENDED'))
    })
    assert.equal(browser.token, undefined)
  })
  test('what was committed early stays, be the response a 5xx', async () => {
    const { sessions, browser } = await loggedIn()
    await visit(
      sessions,
      browser,
      post(),
      async (session) => {
        session.set('count', 1)
        await session.commit()
        session.set('count', 2)
      },
      500,
    )
    assert.equal(await visit(sessions, browser, {}, read), 1)
  })
})

describe('session: CSRF tokens', () => {
  const strict = { csrf: { requireToken: true } }
  test('a visitor gets a cookie of his own for it, and no row', async () => {
    const { sessions, browser, called } = setUp()
    const session = await sessions.open(browser.request())
    const tokens = [session.csrfToken(), session.csrfToken()]
    assert.notEqual(tokens[0], tokens[1])
    const { headers, noStore } = await sessions.commit(session)
    const cookies = headers.filter(([name]) => name === 'Set-Cookie')
    assert.equal(cookies.length, 1)
    assert.match(
      cookies[0]![1],
      /^__Host-Http-visitor=[\w-]{22}\.\d+\.[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
    assert.equal(noStore, 'always')
    browser.receive({ headers, vary: null, noStore })
    for (const value of tokens) {
      assert.equal(
        (await sessions.open(browser.request(post({ fields: { csrf_token: value } })))).refusal,
        null,
      )
    }
    await visit(sessions, browser, {}, (session) => session.csrfToken())
    assert.deepEqual(called(), [])
  })
  test('... which is cleared when he has logged in, and is no session', async () => {
    const { sessions, browser } = setUp()
    await visit(sessions, browser, {}, (session) => session.csrfToken())
    const visitor = browser.jar.get('__Host-Http-visitor')!
    await login(sessions, browser, 'ada')
    assert.deepEqual([...browser.jar.keys()], ['__Host-Http-session'])
    const forged = new Browser()
    forged.jar.set('__Host-Http-session', visitor)
    assert.equal((await sessions.open(forged.request())).id, null)
  })
  test('... and serves as long as an absolute limit', async () => {
    const { sessions, browser } = setUp()
    const csrf = await visit(sessions, browser, {}, (session) => session.csrfToken())
    const at = async (ms: number) =>
      (await sessions.open(browser.request(post({ ...later(ms), fields: { csrf_token: csrf } })))).refusal
        ?.code
    assert.equal(await at(12 * HOUR - 1), undefined)
    assert.equal(await at(12 * HOUR), 'ERR_CSRF_TOKEN_INVALID')
  })
  test('one is not drawn for a page that another site made the browser ask for: it would replace his own', async () => {
    const { sessions, browser } = setUp()
    const session = await sessions.open(
      browser.request({ method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }),
    )
    session.csrfToken()
    const { headers } = await sessions.commit(session)
    assert.deepEqual(
      headers.filter(([name]) => name === 'Set-Cookie'),
      [],
    )
  })
  const rows: readonly [rule: string, parts: (csrf: string) => Parts, code: ErrorCode | null][] = [
    ['none', () => ({}), 'ERR_CSRF_TOKEN_MISSING'],
    ['in the form', (csrf) => ({ fields: { csrf_token: csrf } }), null],
    ['in the header', (csrf) => ({ headers: { 'x-csrf-token': csrf } }), null],
    [
      'R-22: in the URL',
      (csrf) => ({ search: `?csrf_token=${csrf}`, path: `/${csrf}` }),
      'ERR_CSRF_TOKEN_MISSING',
    ],
    ['in a cookie', (csrf) => ({ headers: { cookie: `csrf_token=${csrf}` } }), 'ERR_CSRF_TOKEN_MISSING'],
    ['a wrong one', () => ({ fields: { csrf_token: 'A'.repeat(86) } }), 'ERR_CSRF_TOKEN_INVALID'],
    ['an empty one', () => ({ fields: { csrf_token: '' } }), 'ERR_CSRF_TOKEN_MISSING'],
    [
      'a wrong header, a good form',
      (csrf) => ({ headers: { 'x-csrf-token': 'x' }, fields: { csrf_token: csrf } }),
      'ERR_CSRF_TOKEN_INVALID',
    ],
  ]
  for (const [rule, parts, code] of rows) {
    test(`demanded: ${rule}: ${code ?? 'passes'}`, async () => {
      const { sessions, browser, heard } = await loggedIn(strict)
      const csrf = await visit(sessions, browser, {}, (session) => session.csrfToken())
      const { headers = {}, ...rest } = parts(csrf)
      const cookie = `__Host-Http-session=${browser.token}${headers.cookie ? `; ${headers.cookie}` : ''}`
      const session = await sessions.open(browser.request(post({ ...rest, headers: { ...headers, cookie } })))
      assert.equal(session.refusal?.code ?? null, code)
      assert.deepEqual(heard(), code ? ['malicious_csrf'] : [])
    })
  }
  test('R-13: of another session it is refused', async () => {
    const { sessions, browser } = await loggedIn(strict)
    const other = new Browser()
    await login(sessions, other, 'grace')
    const csrf = await visit(sessions, other, {}, (session) => session.csrfToken())
    const session = await sessions.open(browser.request(post({ fields: { csrf_token: csrf } })))
    assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
  })
  test("a visitor's is worth nothing for a user", async () => {
    const { sessions, browser } = setUp(strict)
    const csrf = await visit(sessions, browser, {}, (session) => session.csrfToken())
    const visitor = browser.jar.get('__Host-Http-visitor')!
    await visit(sessions, browser, post({ fields: { csrf_token: csrf } }), (session) =>
      session.authenticate('ada'),
    )
    browser.jar.set('__Host-Http-visitor', visitor)
    const session = await sessions.open(browser.request(post({ fields: { csrf_token: csrf } })))
    assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
  })
  test('present and wrong it is refused, though none is demanded', async () => {
    const { open } = await loggedIn()
    assert.equal((await open(post({ fields: { csrf_token: 'x' } }))).refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
    assert.equal((await open(post())).refusal, null)
    assert.equal((await open({ fields: { csrf_token: 'x' } })).refusal, null)
  })
  test("two visitors' cookies are none: one may be an intruder's", async () => {
    const { sessions, browser } = setUp()
    const csrf = await visit(sessions, browser, {}, (session) => session.csrfToken())
    const pair = `__Host-Http-visitor=${browser.jar.get('__Host-Http-visitor')}`
    const open = (cookie: string) =>
      sessions.open(new Browser().request(post({ headers: { cookie }, fields: { csrf_token: csrf } })))
    assert.equal((await open(pair)).refusal, null)
    assert.equal((await open(`${pair}; ${pair}`)).refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
  })
  test('verifiedByHandler: who does not look at it commits nothing', async () => {
    const { sessions, browser, called, open } = await loggedIn({
      csrf: { requireToken: true, verifiedByHandler: ['/upload'] },
    })
    const csrf = (await open()).csrfToken()
    const upload = post({ path: '/upload' })
    called()
    await assert.rejects(
      visit(sessions, browser, upload, (session) => session.set('count', 1)),
      refusal('ERR_CSRF_TOKEN_MISSING', /verifyCsrf/),
    )
    assert.deepEqual(called(), ['load'])
    await visit(sessions, browser, upload, () => {})
    await visit(sessions, browser, upload, (session) => {
      session.verifyCsrf(csrf)
      return session.set('count', 2)
    })
    assert.equal(await visit(sessions, browser, {}, read), 2)
    for (const work of [
      (session: Session<Data>) => session.terminate(),
      (session: Session<Data>) => session.authenticate('grace'),
      (session: Session<Data>) => session.reauthenticate(),
      (session: Session<Data>) => session.renew(),
    ]) {
      await assert.rejects(visit(sessions, browser, upload, work), refusal('ERR_CSRF_TOKEN_MISSING'))
    }
    assert.equal((await open()).userId, 'ada')
  })
  test('... and who finds it wrong commits nothing of what he did before', async () => {
    const { sessions, browser, called } = await loggedIn({
      csrf: { requireToken: true, verifiedByHandler: ['/upload'] },
    })
    await visit(sessions, browser, post({ ...later(5 * MINUTE), path: '/upload' }), (session) => {
      session.set('count', 1)
      assert.throws(() => session.verifyCsrf('x'), refusal('ERR_CSRF_TOKEN_INVALID'))
    })
    assert.deepEqual(called(), ['load'])
  })
  test('... and who finds it wrong commits nothing, though he goes on', async () => {
    const { sessions, browser, called } = await loggedIn({
      csrf: { requireToken: true, verifiedByHandler: ['/upload'] },
    })
    await visit(sessions, browser, post({ path: '/upload' }), (session) => {
      for (const wrong of ['x', '', null, undefined]) assert.throws(() => session.verifyCsrf(wrong))
      assert.throws(() => session.set('count', 1), refusal('ERR_CSRF_TOKEN_INVALID'))
    })
    assert.deepEqual(called(), ['load'])
  })
  test('a bearer token needs none, has none, and any is good', async () => {
    const { sessions } = setUp({ transport: bearer(), csrf: { requireToken: true } })
    const first = await sessions.open(new Browser().request({ method: 'POST' }))
    first.authenticate('ada')
    assert.equal(first.csrfToken(), '')
    const [, token] = (await sessions.commit(first)).headers.find(([name]) => name === 'Session-Token')!
    const session = await sessions.open(
      new Browser().request({ method: 'POST', headers: { authorization: `Bearer ${token}` } }),
    )
    assert.equal(session.userId, 'ada')
    assert.equal(session.csrfToken(), '')
    session.verifyCsrf(session.csrfToken())
    session.set('count', 1)
    assert.equal((await sessions.commit(session)).headers.length, 1)
  })
  test("one for a response that has begun can't be drawn: its cookie would be lost", async () => {
    const { sessions, browser } = setUp()
    const session = await sessions.open(browser.request())
    await sessions.commit(session)
    assert.throws(() => session.csrfToken(), refusal('ERR_SESSION_COMMITTED'))
  })
})

describe('session: what is read from a replica', () => {
  test('that it knows of no such session is for the primary to confirm', async () => {
    const engine = memory()
    const { browser } = await loggedIn({ engine })
    const lagging: Engine = {
      ...engine,
      load: (id, options) => (options?.fresh ? engine.load(id) : undefined),
    }
    const { sessions, heard } = setUp({ engine: lagging })
    await visit(sessions, browser, later(1), (session) => assert.equal(session.userId, 'ada'))
    assert.deepEqual(heard(), [])
  })
  test('... once, and then it is unknown', async () => {
    const { browser } = await loggedIn()
    const { sessions, called, heard } = setUp()
    await visit(sessions, browser, later(1), (session) => assert.equal(session.userId, null))
    assert.deepEqual(called(), ['load', 'load'])
    assert.deepEqual(heard(), ['session_unknown'])
  })
})

describe('session: bindings', () => {
  const network: Binding = {
    name: 'ip',
    onMismatch: 'report',
    capture: ({ ip }) => ip,
    matches: (bound, { ip }) => ip === bound,
  }
  test('report: it goes on, says so once, and is bound anew', async () => {
    const { sessions, browser, heard } = await loggedIn({ bindings: [network] })
    for (const expected of [['session_binding_mismatch:ip'], []]) {
      await visit(sessions, browser, { ip: '198.51.100.1' }, (session) => assert.equal(session.userId, 'ada'))
      assert.deepEqual(heard(), expected)
    }
  })
  test('reauthenticate: suspended, not touched, not adopted; whoever comes back as before goes on', async () => {
    const { sessions, browser, called, heard, open } = await loggedIn({ bindings: [userAgent] })
    await visit(sessions, browser, post(later(1)), (session) => session.renew())
    called()
    await visit(sessions, browser, { ...later(5 * MINUTE), headers: { 'user-agent': 'x' } }, (session) =>
      assert.equal(session.suspended, true),
    )
    assert.deepEqual(called(), ['load'])
    assert.deepEqual(heard(), ['session_binding_mismatch:user-agent', 'session_suspended:user-agent'])
    const session = await open(later(5 * MINUTE))
    assert.deepEqual([session.suspended, session.userId], [false, 'ada'])
  })
  test('revoke: it ends, by a fresh read', async () => {
    const { called, heard, open } = await loggedIn({ bindings: [{ ...userAgent, onMismatch: 'revoke' }] })
    await open({ headers: { 'user-agent': 'x' } })
    assert.deepEqual(called(), ['load', 'load', 'replace', 'loadUser', 'replaceUser'])
    assert.deepEqual(heard(), ['session_binding_mismatch:user-agent', 'session_revoked:mismatch'])
    assert.equal((await open()).lost, 'mismatch')
  })
})

describe('session: the store fails', () => {
  for (const [rule, fail] of [
    [
      'by throwing',
      () => {
        throw new Error('sesame')
      },
    ],
    ['by a rejection', () => Promise.reject(new Error('sesame'))],
    ['by hanging', () => new Promise(() => {})],
    [
      'by mixing up its replies',
      (engine: ReturnType<typeof memory>, id: string) => ({ ...engine.load(id), id: 'another' }),
    ],
  ] as const) {
    test(`P7: ${rule}: ERR_ENGINE, never a visitor`, async () => {
      const engine = memory()
      const good = setUp({ engine })
      await login(good.sessions, good.browser, 'ada')
      const { sessions, heard } = setUp({
        engine: { ...engine, load: ((id: string) => fail(engine, id)) as never },
        engineTimeout: '20ms',
      })
      await assert.rejects(sessions.open(good.browser.request()), refusal('ERR_ENGINE', /^(?!.*sesame)/))
      assert.match(heard().join(), /^engine_failure/)
    })
  }
  test('many requests that wait for one another end together, when the store hangs', async () => {
    const engine: Engine = { ...memory(), replace: () => new Promise(() => {}) }
    const { sessions, open } = await loggedIn({ engine, engineTimeout: '200ms' })
    const opened = await Promise.all(Array.from({ length: 20 }, () => open(post())))
    const started = performance.now()
    await Promise.all(
      opened.map((session) => {
        session.set('count', 1)
        return assert.rejects(sessions.commit(session), refusal('ERR_ENGINE'))
      }),
    )
    // One after another they would take four seconds.
    assert.ok(performance.now() - started < 2_000)
  })
  test('at commit: ERR_ENGINE, and the effects of failure hold no token', async () => {
    const engine = {
      ...memory(),
      create: () => {
        throw new Error('disk')
      },
    }
    const { sessions, browser } = setUp({ engine })
    const context = browser.request()
    const session = await sessions.open(context)
    session.set('count', 1)
    await assert.rejects(sessions.commit(session), refusal('ERR_ENGINE'))
    assert.deepEqual(sessions.failed(context), {
      headers: [['Strict-Transport-Security', 'max-age=31536000; includeSubDomains']],
      vary: null,
      noStore: 'always',
    })
  })
  test('an id that is taken, of 128 bits, is a failure, too', async () => {
    const { sessions, browser } = setUp({ engine: { ...memory(), create: () => false } })
    await assert.rejects(
      visit(sessions, browser, {}, (session) => session.set('count', 1)),
      refusal('ERR_ENGINE'),
    )
    assert.equal(browser.jar.size, 0)
  })
})

describe('session: P6, the token is in one cookie and nowhere else', () => {
  test('not in events, errors or the store', async () => {
    const { sessions, browser, engine, events } = setUp({ bindings: [userAgent] })
    await visit(sessions, browser, {}, (session) => {
      session.csrfToken()
      return session.set('count', 1)
    })
    const shown = [browser.token!]
    await login(sessions, browser, 'ada', later(1))
    shown.push(browser.token!)
    await visit(sessions, browser, post(later(2)), (session) => session.renew())
    await visit(sessions, browser, later(3), () => {})
    shown.push(browser.token!)
    await visit(sessions, browser, { ...later(4), headers: { 'user-agent': 'x' } }, () => {})
    const kept = JSON.stringify([events, await engine.scan!({ limit: 100 }), await engine.loadUser('ada')])
    for (const token of shown) {
      const [, , parent, secret, , tag] = token.split('.')
      for (const part of [parent, secret, tag]) if (part) assert.ok(!kept.includes(part))
    }
  })
})

describe('session: what only the application, or a refusal, can tell (ASVS 16.3.1, 16.3.2)', () => {
  test('a login that failed: whom it was for, and why', async () => {
    const { sessions, browser, events } = setUp()
    await visit(sessions, browser, post(), (session) => session.loginFailed('ada', 'password'))
    await visit(sessions, browser, post(), (session) => session.loginFailed(null))
    assert.deepEqual(
      events.map(({ name, userId, reason, path, ip }) => [name, userId, reason, path, ip]),
      [
        ['authn_login_fail', 'ada', 'password', '/', '203.0.113.7'],
        ['authn_login_fail', null, null, '/', '203.0.113.7'],
      ],
    )
    assert.equal(browser.jar.size, 0, 'and nothing is stored')
  })
  test('a login that failed, told of what a client made of its body: strings or nothing', async () => {
    const { sessions, browser, events } = setUp()
    const bodies: unknown[] = [
      { a: 1 },
      { length: 1, toString: 1 },
      ['ada'],
      7,
      '',
      'a\0b',
      '\ud800',
      undefined,
    ]
    for (const body of bodies)
      await visit(sessions, browser, post(), (session) => session.loginFailed(body as string, body as string))
    assert.deepEqual(
      events.map(({ userId, reason }) => [userId, reason]),
      bodies.map((body) => [null, typeof body === 'string' ? body : null]),
    )
  })
  test('who is logged in and is refused is told; a visitor, and a mistake of the application, are not', async () => {
    const { sessions, browser, events } = await loggedIn()
    events.splice(0)
    const ask = (requirement: object) =>
      visit(sessions, browser, later(MINUTE), (session) => assert.throws(() => session.require(requirement)))
    await ask({ methods: ['otp'] })
    await ask({ authenticatedWithin: '1s' })
    await ask({ authenticatedWithin: 1 })
    await visit(sessions, new Browser(), {}, (session) => assert.throws(() => session.require()))
    await visit(sessions, browser, later(MINUTE), (session) => session.require())
    assert.deepEqual(
      events.map(({ name, userId, sessionId, code }) => [name, userId, sessionId?.length, code]),
      [
        ['authz_fail', 'ada', 22, 'ERR_METHODS'],
        ['authz_fail', 'ada', 22, 'ERR_NOT_RECENT'],
      ],
    )
  })
})
