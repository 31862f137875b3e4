/** Listing in pages, and revoking by the moment of authentication. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine } from '../../src/core/engine.ts'
import { EVERYBODY } from '../../src/core/ledger.ts'
import type { ListQuery } from '../../src/core/queries.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { Browser, HOUR, KEY, login, MINUTE, type Parts, post, refusal, visit } from './fixtures.ts'

const NOW = Date.now()
const ago = (ms: number): Parts => ({ now: NOW - ms })

function setUp(engine: Engine = memory()) {
  const sessions = new Sessions({ engine, keys: [KEY] })
  const enter = async (userId: string, before = 0) => {
    const browser = new Browser()
    return { browser, id: await login(sessions, browser, userId, ago(before)) }
  }
  const lost = async ({ browser }: { browser: Browser }) =>
    (await sessions.open(browser.request({ now: NOW }))).lost
  return { engine, sessions, enter, lost }
}

async function all(sessions: Sessions, query: ListQuery): Promise<string[]> {
  const found: string[] = []
  let cursor: string | null = null
  do {
    const page = await sessions.listPage({ ...query, cursor })
    assert.ok(page.sessions.length <= (query.limit ?? 100))
    found.push(...page.sessions.map(({ id }) => id))
    cursor = page.next
  } while (cursor !== null)
  return found.sort()
}

for (const [name, make] of [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(':memory:')],
] as [string, () => Engine][]) {
  describe(`directory, ${name}: listed in pages`, () => {
    test("everybody's, each once, of whatever size the page is; and nobody who is gone, or a visitor", async (t) => {
      const { engine, sessions, enter } = setUp(make())
      t.after(() => engine.close?.())
      const ids = []
      for (let user = 0; user < 7; user++)
        ids.push((await enter(`user${user}`)).id, (await enter(`user${user}`)).id)
      await enter('expired', HOUR)
      const gone = await enter('gone')
      await visit(sessions, gone.browser, post({ now: NOW }), (session) => session.terminate())
      await visit(sessions, new Browser(), post({ now: NOW }), (session) => session.set('cart', 1))
      for (const limit of [1, 2, 5, 100]) assert.deepEqual(await all(sessions, { limit }), ids.sort())
      assert.deepEqual(await all(sessions, {}), ids.sort())
    })
    test("a user's, and nobody else's", async (t) => {
      const { engine, sessions, enter } = setUp(make())
      t.after(() => engine.close?.())
      const ids = []
      for (let index = 0; index < 5; index++) ids.push((await enter('ada')).id)
      await enter('grace')
      for (const limit of [1, 2, 5, 6])
        assert.deepEqual(await all(sessions, { userId: 'ada', limit }), ids.sort())
      assert.deepEqual(await sessions.listPage({ userId: 'nobody' }), { sessions: [], next: null })
    })
    test('a page tells of a session what the whole list does', async (t) => {
      const { engine, sessions, enter } = setUp(make())
      t.after(() => engine.close?.())
      await enter('ada')
      const whole = await sessions.list('ada')
      assert.deepEqual((await sessions.listPage({ userId: 'ada' })).sessions, whole)
      assert.deepEqual((await sessions.listPage({})).sessions, whole)
    })
    test('found by its id: what the list tells; and nobody who is gone, or a visitor, or never was', async (t) => {
      const { engine, sessions, enter } = setUp(make())
      t.after(() => engine.close?.())
      const [ada, gone, expired] = [await enter('ada'), await enter('gone'), await enter('late', HOUR)]
      assert.deepEqual([await sessions.find(ada.id)], await sessions.list('ada'))
      await sessions.revoke({ id: gone.id })
      const visitor = new Browser()
      await visit(sessions, visitor, post({ now: NOW }), (session) => session.set('cart', 1))
      const { id } = await sessions.open(visitor.request({ now: NOW }))
      for (const each of [gone.id, expired.id, id!, 'A'.repeat(22), '', "'", 7, null])
        assert.equal(await sessions.find(each as string), null)
      await sessions.revoke({ everybody: true })
      assert.equal(await sessions.find(ada.id), null)
    })
    test('after everybody was revoked: whoever has come since', async (t) => {
      const { engine, sessions, enter } = setUp(make())
      t.after(() => engine.close?.())
      await enter('ada', MINUTE)
      await sessions.revoke({ everybody: true, before: NOW - 1 })
      const { id } = await enter('ada')
      assert.deepEqual(await all(sessions, {}), [id])
      assert.deepEqual(await all(sessions, { userId: 'ada' }), [id])
      assert.deepEqual(
        (await sessions.list('ada')).map((session) => session.id),
        [id],
      )
    })
  })
}

describe('directory: listing', () => {
  test("everybody's, on an engine that can't: an error that names it and says what to do", async () => {
    const { scan: _, ...engine } = memory()
    const { sessions, enter } = setUp({ ...engine, name: 'scanless' })
    const { id } = await enter('ada')
    await assert.rejects(sessions.listPage({}), refusal('ERR_UNSUPPORTED', /scanless engine.*list a user's/))
    assert.deepEqual(await all(sessions, { userId: 'ada' }), [id])
  })
  for (const query of [
    { userId: undefined },
    { userId: null },
    { userId: 5 },
    { cursor: 5 },
    { limit: 0 },
    { limit: 1_001 },
    { limit: 1.5 },
    { limit: '10' },
  ]) {
    test(`is refused for ${JSON.stringify(query)}${'userId' in query && query.userId === undefined ? ' (undefined)' : ''}`, async () => {
      await assert.rejects(setUp().sessions.listPage(query as never), TypeError)
    })
  }
})

describe('directory: revoked by the moment of authentication', () => {
  test("a user's older sessions end, the newer ones and other users' stay", async () => {
    const { sessions, enter, lost } = setUp()
    const [old, edge, young, other] = [
      await enter('ada', 3 * MINUTE),
      await enter('ada', 2 * MINUTE),
      await enter('ada', MINUTE),
      await enter('grace', 3 * MINUTE),
    ]
    assert.equal(await sessions.revoke({ userId: 'ada', before: NOW - 2 * MINUTE }), 2)
    assert.deepEqual(await Promise.all([old, edge, young, other].map(lost)), [
      'revoked',
      'revoked',
      null,
      null,
    ])
  })
  test('... less the one that is excepted', async () => {
    const { sessions, enter, lost } = setUp()
    const [own, other] = [await enter('ada', MINUTE), await enter('ada', MINUTE)]
    assert.equal(await sessions.revoke({ userId: 'ada', except: own.id, before: NOW }), 1)
    assert.deepEqual(await Promise.all([own, other].map(lost)), [null, 'revoked'])
  })
  test('what counts is the last authentication', async () => {
    const { sessions, enter, lost } = setUp()
    const ada = await enter('ada', 3 * MINUTE)
    await visit(sessions, ada.browser, post(ago(MINUTE)), (session) => session.reauthenticate())
    assert.equal(await sessions.revoke({ userId: 'ada', before: NOW - 2 * MINUTE }), 0)
    await sessions.revoke({ everybody: true, before: NOW - 2 * MINUTE })
    assert.equal(await lost(ada), null)
  })
  test('an expired one ends as well, which a longer limit might bring back to life', async () => {
    const { engine, sessions, enter } = setUp()
    const { id } = await enter('ada', 2 * HOUR)
    assert.equal(await sessions.revoke({ userId: 'ada', before: NOW - HOUR }), 1)
    assert.equal((await engine.load(id))!.ended?.reason, 'revoked')
  })
  test("a login that was opened by then is refused, a user's and everybody's", async () => {
    for (const query of [{ userId: 'ada' }, { everybody: true }] as const) {
      const { sessions } = setUp()
      const [slow, late] = [new Browser(), new Browser()]
      const opened = await sessions.open(slow.request(post(ago(MINUTE))))
      opened.authenticate('ada')
      await sessions.revoke({ ...query, before: NOW - MINUTE } as never)
      await assert.rejects(sessions.commit(opened), refusal('ERR_SESSION_CHANGED'))
      assert.equal((await login(sessions, late, 'ada', ago(MINUTE - 1))).length, 22)
    }
  })
  test("everybody's: the event says so, and names nobody", async () => {
    const events: unknown[][] = []
    const sessions = new Sessions({
      engine: memory(),
      keys: [KEY],
      onEvent: ({ name, userId, sessionId, reason }) => void events.push([name, userId, sessionId, reason]),
    })
    await sessions.revoke({ everybody: true })
    assert.deepEqual(events, [['session_revoked', null, null, 'everybody']])
  })
  for (const [rule, query] of [
    ['seconds', { userId: 'ada', before: Math.floor(NOW / 1000) }],
    ['a moment to come', { everybody: true, before: NOW + HOUR }],
    ['no number', { everybody: true, before: new Date(NOW) }],
    ['NaN', { userId: 'ada', before: Number.NaN }],
    ['a before that is there and undefined', { everybody: true, before: undefined }],
    ['a before for one session', { id: 'x', before: NOW }],
    ['everybody and a user', { everybody: true, userId: 'ada' }],
    ['everybody and a session', { everybody: true, id: 'x' }],
    ['everybody: false', { everybody: false }],
    ["everybody: 'ada'", { everybody: 'ada' }],
    ['a user who is undefined', { userId: undefined, before: NOW }],
    ['nothing', {}],
    ['a moment alone', { before: NOW }],
  ] as [string, object][]) {
    test(`is refused for ${rule}, and ends nothing`, async () => {
      const { sessions, enter, lost } = setUp()
      const ada = await enter('ada', MINUTE)
      await assert.rejects(sessions.revoke(query as never), TypeError)
      assert.equal(await lost(ada), null)
    })
  }
  for (const userId of [EVERYBODY, '', 'a\0da', '\ud800']) {
    test(`the user ${JSON.stringify(userId)} is nobody, and not everybody`, async () => {
      const { engine, sessions, enter, lost } = setUp()
      const ada = await enter('ada', MINUTE)
      assert.equal(await sessions.revoke({ userId }), 0)
      assert.equal(await sessions.revoke({ userId, before: NOW }), 0)
      assert.deepEqual(await sessions.list(userId), [])
      assert.deepEqual(await sessions.listPage({ userId }), { sessions: [], next: null })
      assert.equal(await engine.loadUser(EVERYBODY), undefined)
      assert.equal(await lost(ada), null)
      const session = await sessions.open(new Browser().request(post()))
      assert.throws(() => session.authenticate(userId), TypeError)
    })
  }
})
