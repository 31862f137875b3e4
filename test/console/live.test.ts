/** What the open page is told: figures, events, and that it is over. And one session's life. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { auditTo } from 'holdfast/audit'
import { memory } from 'holdfast/memory'
import type { ConsoleEvent, EventsPage, Figures, FiguresPoint, SessionDetail } from '../../src/console/api.ts'
import { pause, send } from '../flow/harness.ts'
import { recordOf } from './many.ts'
import { cookieOf, Page } from './stream-page.ts'
import { ADAPTERS, me, type Place, place, read, revoke } from './support.ts'

function auditOf(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return auditTo(join(folder, 'audit.db'))
}

for (const adapter of ADAPTERS) {
  test(`${adapter}: the stream tells figures each second, and events as they happen`, async () => {
    await using site = await place({ adapter })
    const page = await Page.open(site, await cookieOf(site, 'op'))
    assert.equal(page.status, 200)
    assert.equal(page.headers['content-type'], 'text/event-stream; charset=utf-8')
    assert.match(page.headers['cache-control']!, /no-store/)
    await site.login('ada')
    await page.until(() => page.named<ConsoleEvent>('event').some(({ userId }) => userId === 'ada'), 'events')
    const counted = () => page.named<FiguresPoint>('figures').reduce((sum, { logins }) => sum + logins, 0)
    await page.until(() => counted() >= 1, 'figures')
    await page.until(() => page.named<FiguresPoint>('figures').at(-1)?.live === 2, 'live')
    const event = page.named<ConsoleEvent>('event').find(({ name }) => name === 'authn_login_success')!
    assert.equal(event.severity, 'info')
    assert.match(event.what, /logged in/)
    page.close()
  })
}

describe('the stream', { concurrency: true }, () => {
  test('ends within some seconds when its operator is revoked, and says so', async () => {
    await using site = await place()
    const page = await Page.open(site, await cookieOf(site, 'op'))
    await pause(100)
    const other = await site.login('op2')
    const began = performance.now()
    await revoke(other, { userId: 'op' })
    await page.until(() => page.over, 'the end')
    assert.ok(performance.now() - began < 5_000)
    assert.equal(page.messages.at(-1)?.name, 'ended')
  })

  test('ends when the guard no longer lets its operator in, or fails', async () => {
    for (const change of [() => false, () => Promise.reject(new Error('down'))]) {
      let guard: () => boolean | Promise<boolean> = () => true
      await using site = await place({ console: { guard: () => guard() } })
      const page = await Page.open(site, await cookieOf(site, 'op'))
      guard = change
      await page.until(() => page.over, 'the end')
      assert.equal(page.messages.at(-1)?.name, 'ended')
    }
  })

  test('is opened four times by one session at most; what was closed counts no more', async () => {
    await using site = await place()
    const cookie = await cookieOf(site, 'op')
    const pages = await Promise.all(Array.from({ length: 5 }, () => Page.open(site, cookie)))
    assert.deepEqual(pages.map(({ status }) => status).sort(), [200, 200, 200, 200, 429])
    pages.find(({ status }) => status === 200)!.close()
    const deadline = performance.now() + 10_000
    let again = await Page.open(site, cookie)
    while (again.status !== 200 && performance.now() < deadline) {
      await pause(50)
      again = await Page.open(site, cookie)
    }
    assert.equal(again.status, 200)
    assert.equal((await Page.open(site, await cookieOf(site, 'op'))).status, 200)
    for (const page of [...pages, again]) page.close()
  })

  test('of a flood it tells fifty events a second, and how many it left out', async () => {
    await using site = await place()
    const page = await Page.open(site, await cookieOf(site, 'op'))
    const forged = { headers: { cookie: '__Host-Http-session=forged' } }
    for (let round = 0; round < 4; round++)
      await Promise.all(Array.from({ length: 50 }, () => send(site.port, { path: '/', ...forged })))
    await page.until(() => page.named('skipped').length > 0, 'skipped')
    await page.until(() => {
      const skipped = page.named<{ count: number }>('skipped').reduce((sum, { count }) => sum + count, 0)
      const told = page
        .named<ConsoleEvent>('event')
        .filter(({ name }) => name === 'session_token_forged').length
      return skipped + told >= 200
    }, 'all of them')
    const refused = () =>
      page
        .named<FiguresPoint>('figures')
        .reduce((sum, { refusals }) => sum + (refusals.session_token_forged ?? 0), 0)
    await page.until(() => refused() === 200, 'the figures count all of them')
    page.close()
  })
})

describe('figures', { concurrency: true }, () => {
  test('count what happened since the console began, and how many are live', async () => {
    await using site = await place()
    const operator = await site.login('op')
    await site.login('ada')
    const bob = await site.login('bob')
    await revoke(operator, { userId: 'ada' })
    await bob.fetch('/console/api/me')
    const deadline = performance.now() + 20_000
    const figures = async () => {
      const { points } = await read<Figures>(operator, 'figures')
      const sum = (name: 'logins' | 'ended') => points.reduce((total, point) => total + point[name], 0)
      return {
        logins: sum('logins'),
        ended: sum('ended'),
        refusals: points.flatMap(({ refusals }) => Object.keys(refusals)),
        live: points.at(-1)?.live ?? null,
      }
    }
    let seen = await figures()
    while (seen.live !== 2 || seen.logins !== 3) {
      assert.ok(performance.now() < deadline, JSON.stringify(seen))
      await pause(100)
      seen = await figures()
    }
    assert.deepEqual(
      { ...seen, refusals: [...new Set(seen.refusals)] },
      { logins: 3, ended: 1, refusals: ['authz_fail'], live: 2 },
    )
  })

  test('with an audit log: also from before this process, and of other servers', async (t) => {
    const audit = auditOf(t)
    await using site = await place({ audit })
    const elsewhere = {
      ...(await anEvent(site)),
      at: Date.now() - 600_000,
      sessionId: 'BBBBBBBBBBBBBBBBBBBBBB',
      userId: 'eve',
    }
    audit.onEvent(elsewhere)
    audit.onEvent({ ...elsewhere, at: Date.now() - 7_200_000 })
    await audit.flush()
    const operator = await site.login('op')
    assert.equal((await me(operator)).audit, true)
    const { points, counting } = await read<Figures>(operator, 'figures')
    assert.equal(points.reduce((sum, { logins }) => sum + logins, 0) >= 1, true)
    assert.ok(points[0]!.at <= Date.now() - 590_000 && points[0]!.at > Date.now() - 3_700_000)
    assert.ok(counting.from <= elsewhere.at)
    const page = await Page.open(site, await cookieOf(site, 'op'))
    audit.onEvent({ ...elsewhere, at: Date.now(), id: 'elsewhere.1' })
    await page.until(() => page.named<ConsoleEvent>('event').some(({ id }) => id === 'elsewhere.1'), 'news')
    assert.ok(page.named<ConsoleEvent>('event').every(({ at }) => at > Date.now() - 60_000))
    page.close()
  })

  test('where the engine can list nobody, none is counted, and a search says so', async () => {
    const { scan: _, ...engine } = memory()
    await using site = await place({ engine })
    const operator = await site.login('op')
    assert.equal((await me(operator)).canSearch, false)
    assert.equal((await operator.fetch('/console/api/sessions')).status, 500)
    assert.equal((await read<{ sessions: unknown[] }>(operator, 'sessions?user=op')).sessions.length, 1)
    const page = await Page.open(site, await cookieOf(site, 'op'))
    await page.until(() => page.named('figures').length > 1, 'figures')
    assert.equal(page.named<FiguresPoint>('figures').at(-1)!.live, null)
    page.close()
  })
})

describe("one session's life", { concurrency: true }, () => {
  for (const logged of [false, true]) {
    test(`${logged ? 'from an audit log' : 'from memory'}: its events in words, its end, the others of its user`, async (t) => {
      await using site = await place(logged ? { audit: auditOf(t) } : {})
      const operator = await site.login('op')
      await site.login('ada')
      await site.login('ada', { 'user-agent': 'curl/8.14.1' })
      const [one, other] = await site.sessions.list('ada')
      const settled = async () => {
        if (logged) await pause(100)
      }
      await settled()
      const live = await read<SessionDetail>(operator, `sessions/${one!.id}`)
      assert.deepEqual([live.state, live.ended, live.userId, live.complete], ['live', null, 'ada', true])
      assert.equal(live.session!.id, one!.id)
      assert.deepEqual(
        live.others.map(({ id }) => id),
        [other!.id],
      )
      assert.deepEqual(
        live.events.map(({ name }) => name),
        ['session_created', 'authn_login_success'],
      )
      await revoke(operator, { ids: [one!.id] })
      await settled()
      const over = await read<SessionDetail>(operator, `sessions/${one!.id}`)
      assert.deepEqual(
        [over.state, over.session, over.ended!.reason, over.until],
        ['ended', null, 'revoked', over.ended!.at],
      )
      assert.equal(over.events.at(-1)!.actor, 'op')
      assert.match(over.events.at(-1)!.what, /ended/)
      const { events, next } = await read<EventsPage>(operator, 'events?user=ada&limit=2')
      assert.deepEqual(
        events.map(({ name }) => name),
        ['session_revoked', 'authn_login_success'],
      )
      const rest = await read<EventsPage>(operator, `events?user=ada&limit=10&before=${next}`)
      assert.deepEqual(
        rest.events.map(({ name }) => name),
        ['session_created', 'authn_login_success', 'session_created'],
      )
      assert.equal(rest.next, null)
      const named = await read<EventsPage>(operator, 'events?name=session_revoked')
      assert.deepEqual(
        named.events.map(({ userId }) => userId),
        ['ada'],
      )
    })
  }

  test('a session of which nothing is known is not found; one that ended with everybody, or expired, says so', async (t) => {
    const engine = memory()
    await using site = await place({ engine, audit: auditOf(t) })
    const operator = await site.login('op')
    assert.equal((await operator.fetch('/console/api/sessions/AAAAAAAAAAAAAAAAAAAAAA')).status, 404)
    const id = 'CCCCCCCCCCCCCCCCCCCCCC'
    const now = Date.now()
    await engine.create({ ...recordOf(1, now), id, createdAt: now - 3_600_000, seenAt: now - 1_900_000 })
    const expired = await read<SessionDetail>(operator, `sessions/${id}`)
    assert.deepEqual([expired.state, expired.ended], ['expired', { reason: 'idle', at: now - 100_000 }])
    await site.login('bob')
    const [bob] = await site.sessions.list('bob')
    await site.sessions.revoke({ everybody: true })
    await pause(5)
    const again = await site.login('op')
    const ended = await read<SessionDetail>(again, `sessions/${bob!.id}`)
    assert.deepEqual([ended.state, ended.ended!.reason], ['ended', 'revoked'])
  })
})

async function anEvent(site: Place) {
  await site.login('zoe')
  return site.events.find(({ name }) => name === 'authn_login_success')!
}
