/** What attackers do to the console: wherever one of them once succeeded. */

import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { createSessions, generateKey } from 'holdfast'
import { type Audit, auditTo } from 'holdfast/audit'
import { createConsole } from 'holdfast/console'
import { memory } from 'holdfast/memory'
import { sqlite } from 'holdfast/sqlite'
import type { ConsoleEvent, EventsPage, Figures, SessionsPage } from '../../src/console/api.ts'
import { memoryFeed } from '../../src/console/feed.ts'
import { remember } from '../../src/console/page/gone.ts'
import { readSearch, type Search, search } from '../../src/console/search.ts'
import { openStream } from '../../src/console/stream.ts'
import type { Watch, Watcher } from '../../src/console/watch.ts'
import type { SessionEvent } from '../../src/core/events.ts'
import { retained } from '../core/retained.ts'
import { pause, send, wrapEngine } from '../flow/harness.ts'
import { cookieOf, Page } from './stream-page.ts'
import { ADAPTERS, errorOf, place, read, revoke } from './support.ts'

/** A log whose store is down. */
function downLog(): Audit {
  const fail = () => Promise.reject(new Error('connect ECONNREFUSED db.internal:5432'))
  const audit = auditTo(new DatabaseSync(':memory:'))
  return {
    onEvent: () => {},
    lost: 0,
    reader: { find: fail, after: fail, before: fail, last: fail },
    flush: () => audit.flush(),
    close: () => audit.close(),
  }
}

describe('the stream', { concurrency: true }, () => {
  /** Counts who watches, and lets nobody in before `open` is called. */
  function slowWatch() {
    const watchers = new Set<Watcher>()
    const gate = Promise.withResolvers<void>()
    const watch = {
      async join(watcher: Watcher) {
        await gate.promise
        watchers.add(watcher)
        return () => void watchers.delete(watcher)
      },
    } as unknown as Watch
    return { watch, watchers, gate }
  }

  for (const when of ['before it was opened', 'while it was opened'] as const) {
    test(`whoever left ${when} is not told events for ever`, async () => {
      const { watch, watchers, gate } = slowWatch()
      const gone = new AbortController()
      let ended = 0
      if (when === 'before it was opened') gone.abort()
      const opening = openStream(watch, { mayGoOn: () => true, onEnd: () => ended++, signal: gone.signal })
      gone.abort()
      gate.resolve()
      await opening
      assert.deepEqual([watchers.size, ended], [0, 1])
    })
  }

  test('one that can’t be opened asks nobody, and ends once', async () => {
    const { watch, gate } = slowWatch()
    let [asked, ended] = [0, 0]
    gate.reject(new Error('down'))
    const options = { mayGoOn: () => ++asked > 0, onEnd: () => ended++, signal: new AbortController().signal }
    await assert.rejects(openStream(watch, options), /down/)
    await pause(1_200)
    assert.deepEqual([asked, ended], [0, 1])
  })

  test('ends when the guard has no answer', async () => {
    let guard: () => boolean | Promise<boolean> = () => true
    await using site = await place({ console: { guard: () => guard() } })
    const page = await Page.open(site, await cookieOf(site, 'op'))
    guard = () => new Promise(() => {})
    await page.until(() => page.over, 'the end')
    assert.equal(page.messages.at(-1)?.name, 'ended')
  })

  // P3
  test('of whoever copied the cookie ends when its owner proves again who he is', async () => {
    await using site = await place()
    const cookie = await cookieOf(site, 'op')
    const [stolen, other] = [await Page.open(site, cookie), await Page.open(site, await cookieOf(site, 'op'))]
    const headers = { cookie, origin: `http://127.0.0.1:${site.port}` }
    const proof = await send(site.port, { method: 'POST', path: '/prove', headers })
    assert.equal(proof.status, 200)
    await stolen.until(() => stolen.over, 'the end')
    assert.equal(other.over, false)
    other.close()
  })

  test('ends where the store is down, and does not say that the session is over', async () => {
    let down = false
    const engine = wrapEngine(memory(), (_verb, call) => {
      if (down) throw new Error('down')
      return call()
    })
    await using site = await place({ engine })
    const page = await Page.open(site, await cookieOf(site, 'op'))
    down = true
    await page.until(() => page.over, 'the end')
    down = false
    assert.deepEqual(page.named('ended'), [])
  })

  test('an alarm is told in the middle of a flood', async () => {
    let watcher: Watcher | null = null
    const watch = {
      join(joined: Watcher) {
        watcher = joined
        return () => {}
      },
    } as unknown as Watch
    const gone = new AbortController()
    const options = { mayGoOn: () => true, onEnd() {}, signal: gone.signal }
    const { body } = await openStream(watch, options)
    const event = (name: string, severity: string) => ({ name, severity }) as unknown as ConsoleEvent
    for (let n = 0; n < 200; n++) watcher!.event(event('session_token_forged', 'warning'))
    watcher!.event(event('authn_token_reuse', 'alarm'))
    gone.abort()
    const text = await new Response(body).text()
    assert.equal(text.match(/session_token_forged/g)!.length, 50)
    assert.match(text, /authn_token_reuse/)
  })
})

describe('where the log is down', { concurrency: true }, () => {
  for (const adapter of ADAPTERS) {
    test(`${adapter}: 503, and no word of where it is`, async (t) => {
      t.mock.method(console, 'error', () => {})
      await using site = await place({ adapter, audit: downLog() })
      const operator = await site.login('op')
      const { id } = (await site.sessions.list('op'))[0]!
      for (const path of ['events', 'figures', 'stream', `sessions/${id}`]) {
        const response = await operator.fetch(`/console/api/${path}`)
        const text = await response.text()
        assert.equal(response.status, 503, `${path}: ${text}`)
        assert.equal(JSON.parse(text).error.code, 'ERR_ENGINE')
        assert.doesNotMatch(text, /ECONNREFUSED|internal|at /)
      }
    })
  }
})

describe('queries', { concurrency: true }, () => {
  for (const engine of ['memory', 'sqlite']) {
    test(`${engine}: what no page sends is refused, and breaks nothing`, async () => {
      await using site = await place({
        adapter: 'express',
        engine: engine === 'memory' ? memory() : sqlite(':memory:'),
      })
      const operator = await site.login('op')
      for (const query of [
        'createdAfter=Infinity',
        'createdBefore=-Infinity',
        'createdAfter=1e300',
        'createdAfter=1.5',
        'cursor=%00',
        'cursor=%F0%9F%8D%AA',
        `cursor=${'9'.repeat(2_049)}`,
      ]) {
        const response = await operator.fetch(`/console/api/sessions?${query}`)
        assert.equal(response.status, 400, query)
        assert.equal((await errorOf(response)).code, 'ERR_QUERY')
      }
      for (const query of ["device='%20OR%201=1--", 'device=%25', 'device=F_refox/149', 'device=\\'])
        assert.deepEqual((await read<SessionsPage>(operator, `sessions?${query}`)).sessions, [], query)
    })
  }
})

describe('rows of the log that somebody wrote by hand', { concurrency: true }, () => {
  const entry = (changes: object) =>
    JSON.stringify({
      ...{
        at: new Date(Date.now() - 5_000).toISOString(),
        id: 'x.1',
        name: 'authn_login_success',
        server: 'x',
        userId: 'ada',
      },
      ...{ sessionId: null, actor: null, ip: null, userAgent: null, method: null, path: null },
      ...{ reason: null, code: null, ...changes },
    })

  async function siteWith(rows: readonly string[]) {
    const database = new DatabaseSync(':memory:')
    const audit = auditTo(database)
    const insert = database.prepare('INSERT INTO holdfast_audit (seq, entry, seal) VALUES (?, ?, ?)')
    const add = (row: string) =>
      insert.run(Number(database.prepare('SELECT count(*) AS n FROM holdfast_audit').get()!.n) + 1, row, 'x')
    for (const row of rows) add(row)
    const { reader } = audit
    const site = await place({
      audit: { onEvent() {}, lost: 0, reader, flush: () => audit.flush(), close: () => audit.close() },
    })
    return { site, add }
  }

  for (const [name, changes] of Object.entries({
    userAgent: { userAgent: { toString: 1 } },
    sessionId: { sessionId: 7 },
    reason: { reason: ['a'] },
    path: { path: { type: 'script', props: {} } },
    code: { code: true },
    id: { id: null },
  }))
    test(`one whose ${name} is no text hides no other`, async () => {
      const { site } = await siteWith([entry({ id: 'a.1' }), entry(changes), entry({ id: 'a.2' })])
      await using _ = site
      const operator = await site.login('op')
      const { events } = await read<EventsPage>(operator, 'events')
      assert.deepEqual(
        events.map(({ id }) => id),
        ['a.2', name === 'id' ? '' : 'x.1', 'a.1'],
      )
    })

  test('one from long ago does not hide what came before it', async () => {
    const many = Array.from({ length: 499 }, () => entry({}))
    const { site } = await siteWith([entry({}), entry({ at: '1970-01-02' }), ...many])
    await using _ = site
    const { points } = await read<Figures>(await site.login('op'), 'figures')
    assert.equal(
      points.reduce((sum, { logins }) => sum + logins, 0),
      500,
    )
  })

  test('however many, they stop neither the figures nor the news', async () => {
    const junk = Array.from({ length: 1_200 }, () => 'no JSON')
    const { site, add } = await siteWith([entry({ id: 'a.1' }), ...junk, entry({ id: 'a.2' })])
    await using _ = site
    const operator = await site.login('op')
    const { points } = await read<Figures>(operator, 'figures')
    assert.equal(
      points.reduce((sum, { logins }) => sum + logins, 0),
      2,
    )
    const page = await Page.open(site, await cookieOf(site, 'op'))
    for (const row of [...junk, entry({ id: 'a.3' })]) add(row)
    await page.until(() => page.named<ConsoleEvent>('event').some(({ id }) => id === 'a.3'), 'the news')
    page.close()
  })
})

test('what is remembered of a flood of long paths is bounded in bytes', async () => {
  let hear: (event: SessionEvent) => void = () => {}
  const feed = memoryFeed({
    listen(listener) {
      hear = listener
      return () => {}
    },
  })
  const nothing = { sessionId: null, userId: null, actor: null, ip: null, reason: null, code: null }
  const held = retained(() => {
    for (let n = 0; n < 4_000; n++) {
      const path = `/${n}/${Buffer.alloc(15_000, 'x')}`
      const userAgent = `${n}${Buffer.alloc(15_000, 'y')}`.slice(0, 512)
      hear({ ...nothing, id: `x.${n}`, name: 'session_token_forged', at: n, method: 'GET', path, userAgent })
    }
  })
  const { events } = await feed.find({ limit: 1 })
  assert.match(events[0]!.path!, /^\/3999\/x+…$/)
  assert.ok(held < 16, `${held} MiB`)
})

test('large sessions make small pages: nobody else waits for long', async () => {
  const sizes: number[] = []
  const listPage = async ({ limit = 0 }) => {
    sizes.push(limit)
    const until = performance.now() + limit / 3
    while (performance.now() < until);
    return { sessions: [], next: 'more' }
  }
  const query = readSearch(new URLSearchParams('createdAfter=0')) as Search
  await search({ listPage } as never, query)
  assert.ok(sizes.length > 1 && sizes.slice(1).every((size) => size <= 65), `${sizes}`)
})

test('who ended what a failing store had left alive is in the events, and it is counted', async () => {
  let down = false
  const engine = wrapEngine(memory(), (verb, call) => {
    if (down && verb === 'replace') throw new Error('down')
    return call()
  })
  await using site = await place({ engine })
  const operator = await site.login('op')
  const ada = await site.login('ada')
  await site.login('ada')
  down = true
  assert.equal((await revoke(operator, { userId: 'ada' })).status, 503)
  down = false
  assert.deepEqual(await (await revoke(operator, { userId: 'ada' })).json(), { ended: 2 })
  assert.equal((await ada.get('/whoami')).status, 401)
  const told = site.events.filter(({ name }) => name === 'session_revoked')
  assert.deepEqual(
    told.map(({ userId, actor }) => [userId, actor]),
    [
      ['ada', 'op'],
      ['ada', 'op'],
    ],
  )
})

test('no link of the page leads to another host by a backslash', () => {
  const sessions = createSessions({ engine: memory(), keys: generateKey() })
  for (const name of ['loginUrl', 'reauthenticateUrl', 'logoutUrl'])
    assert.throws(() => createConsole(sessions, { guard: () => true, [name]: '/\\host.invalid' }), {
      code: 'ERR_OPTION',
    })
})

test('a page that is open for hours remembers the sessions that ended last', () => {
  let gone: ReadonlySet<string> = new Set()
  for (let n = 0; n < 2_500; n++) gone = remember(gone, `${n}`)
  assert.deepEqual([gone.size, gone.has('2499'), gone.has('0')], [2_000, true, false])
})
