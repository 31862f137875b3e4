/** Renewal in a browser: many tabs, many requests, one cookie jar; and somebody who has copied the cookie. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client } from '../demo/demo-process.ts'
import {
  api,
  apiPost,
  logIn,
  PATIENCE,
  SESSION,
  SKIP,
  sessionCookie,
  until,
  useBrowser,
  useDemo,
  userOf,
} from './launch.ts'

const GRACE = 3_000
const LATE = 1_000
const ARGS = ['--memory', '--renewal', '8500ms', '--grace', `${GRACE}ms`, '--late', `${LATE}ms`]

describe('renewal', { ...SKIP, concurrency: true }, () => {
  const browser = useBrowser()
  const demo = useDemo(...ARGS)
  const renewals = (id: string) =>
    demo.process.events().filter(({ name, sessionId }) => name === 'session_renewed' && sessionId === id)
  const idOf = (token = '') => token.split('.')[0]!

  test('P4 four tabs and their fetches in parallel go through it, and nobody is logged out', async () => {
    const first = await browser.newPage()
    await logIn(first, demo.url)
    const context = first.context()
    const id = idOf(await sessionCookie(context))
    const tabs = [first, ...(await Promise.all([1, 2, 3].map(() => context.newPage())))]
    await Promise.all(tabs.map((tab) => tab.goto(`${demo.url}/account`)))
    const tokens = new Set<string>()
    const statuses = new Set<number>()
    let writes = 0

    const isOver = () => renewals(id).length >= 2
    const deadline = Date.now() + PATIENCE
    await Promise.all(
      tabs.map(async (tab, index) => {
        while (!isOver()) {
          assert.ok(Date.now() < deadline, 'it was never renewed')
          const path = `/api/increment?delay=${index * 100}`
          const answers = await Promise.all([
            apiPost(tab, path, { name: 'count' }),
            api(tab, `/api/data?delay=${index * 150}`),
            api(tab, '/api/session'),
            api(tab, '/api/session', { headers: { 'Session-Passive': '1' } }),
          ])
          for (const { status } of answers) statuses.add(status)
          if (answers[0].status === 200) writes++
          tokens.add((await sessionCookie(context))!)
          await tab.reload()
          assert.equal(await tab.innerText('#user'), 'ada')
        }
      }),
    )

    assert.deepEqual([...statuses], [200])
    assert.ok(tokens.size >= 3, `${tokens.size} tokens`)
    assert.deepEqual([...tokens].map(idOf), Array(tokens.size).fill(id))
    // P2: none of the writes was lost on the way.
    const { body } = await api(first, '/api/data')
    assert.deepEqual(body, { count: writes })
    const ends = demo.process.events().filter(({ name }) => /superseded|reuse|revoked/.test(name))
    assert.deepEqual(
      ends.filter(({ sessionId }) => sessionId === id),
      [],
    )
  })

  test('P4 the old token, shown by a copy, ends the session, and the login page says so', async () => {
    const page = await browser.newPage()
    await logIn(page, demo.url)
    const userAgent = (await page.evaluate('navigator.userAgent')) as string
    const old = (await sessionCookie(page.context()))!
    const thief = new Client(demo.url, userAgent, new Map([[SESSION, old]]))
    assert.equal((await thief.get('/api/session', { 'Session-Passive': '1' })).status, 200)

    // Not by passive requests, which don't count as use.
    await until(async () => {
      assert.equal((await api(page, '/api/session')).status, 200)
      return renewals(idOf(old)).length > 0
    }, 'it is renewed')
    const renewedAt = renewals(idOf(old))[0]!.at as number
    await until(() => Date.now() > renewedAt + GRACE + LATE, 'grace and late are over')
    assert.equal(await userOf(page), 'ada')

    const answer = await thief.get('/api/session')
    assert.deepEqual([answer.status, answer.json().reason], [401, 'replayed'])
    // The page asks by itself how long its session has, and so finds out.
    await page.waitForURL('**/login?next=**')
    assert.match(await page.innerText('[data-reason=replayed]'), /old copy .* was used/)
    assert.equal((await thief.get('/api/session')).status, 401)
    assert.equal(await userOf(page), null)
  })
})
