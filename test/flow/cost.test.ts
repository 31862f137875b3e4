/** What each kind of request costs the store: reads and writes, counted, exactly as the documentation promises (P8). */

import assert from 'node:assert/strict'
import { beforeEach, describe, mock, test } from 'node:test'
import express from 'express'
import type { Browser } from 'holdfast/testing'
import { expressAdapter, node, web } from './adapters.ts'
import { engines, type LocalAdapter, type Site, start, type Verb, wrapEngine } from './harness.ts'

const READS: readonly Verb[] = ['load', 'loadUser']
const FORGED = `${'A'.repeat(22)}.1..${'B'.repeat(43)}.1700000000000.${'C'.repeat(43)}`

/** Time moves for all of them at once, so they run one after another. */
for (const adapter of [web, node, expressAdapter('express', express)]) {
  for (const [name, createEngine] of Object.entries(engines)) {
    describe(`${adapter.name}, ${name}`, () => costs(adapter, createEngine))
  }
}

function costs(adapter: LocalAdapter, createEngine: (typeof engines)[string]): void {
  beforeEach(() => mock.timers.reset())

  async function open(): Promise<Site & { readonly verbs: Verb[] }> {
    mock.timers.enable({ apis: ['Date'], now: Date.now() })
    const verbs: Verb[] = []
    const engine = wrapEngine(createEngine(), (verb, call) => {
      verbs.push(verb)
      return call()
    })
    const listen = (sessions: Site['sessions']) =>
      adapter.listen(sessions, ({ session, path }) => {
        if (path === '/read') return { body: String(session.get('a')) }
        if (path === '/same') session.set('a', 1)
        if (path === '/write') session.update('n', (n) => Number(n ?? 0) + 1)
        if (path === '/login') session.authenticate('ada')
        if (path === '/logout') session.terminate()
        if (path === '/token') return { body: session.csrfToken() }
        return { body: 'done' }
      })
    return Object.assign(await start(listen, { engine }), { verbs })
  }

  /** @returns what a request cost: reads, writes, cookies */
  async function cost(site: { readonly verbs: Verb[] }, request: () => Promise<Response>): Promise<number[]> {
    site.verbs.length = 0
    const response = await request()
    assert.equal(response.status, 200)
    const reads = site.verbs.filter((verb) => READS.includes(verb)).length
    return [reads, site.verbs.length - reads, response.headers.getSetCookie().length]
  }

  async function loggedIn(site: Site): Promise<Browser> {
    const client = site.browser()
    await client.post('/same')
    await client.post('/login')
    return client
  }

  test('no token, and nothing stored: nothing, and no cookie', async () => {
    await using site = await open()
    for (const path of ['/public', '/read'])
      assert.deepEqual(await cost(site, () => site.browser().get(path)), [0, 0, 0])
    assert.deepEqual(await cost(site, () => site.browser().post('/logout')), [0, 0, 0])
  })

  test("a visitor's page with a form: no store, one cookie, once", async () => {
    await using site = await open()
    const client = site.browser()
    assert.deepEqual(await cost(site, () => client.get('/token')), [0, 0, 1])
    assert.deepEqual(await cost(site, () => client.get('/token')), [0, 0, 0])
  })

  test('a forged token: nothing', async () => {
    await using site = await open()
    for (const token of [FORGED, 'x', '', `${FORGED}x`]) {
      const cookie = `__Host-Http-session=${token}`
      for (const path of ['/public', '/read']) {
        assert.deepEqual(await cost(site, () => site.browser().get(path, { cookie })), [0, 0, 0])
      }
    }
  })

  test('a request that is refused: nothing', async () => {
    await using site = await open()
    const client = await loggedIn(site)
    site.verbs.length = 0
    assert.equal(
      (await client.clone().fetch('/write', { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }))
        .status,
      403,
    )
    assert.deepEqual(site.verbs, [])
  })

  test('a visitor stores something: one write, one cookie', async () => {
    await using site = await open()
    const client = site.browser()
    assert.deepEqual(await cost(site, () => client.post('/same')), [0, 1, 1])
    assert.deepEqual(await cost(site, () => client.post('/write')), [1, 1, 0])
  })

  test('a session that is only read, touched just now: one read', async () => {
    await using site = await open()
    const client = await loggedIn(site)
    for (const path of ['/public', '/read'])
      assert.deepEqual(await cost(site, () => client.get(path)), [1, 0, 0])
  })

  test('later: one read, one touch', async () => {
    await using site = await open()
    const client = await loggedIn(site)
    mock.timers.tick(59_000)
    assert.deepEqual(await cost(site, () => client.get('/read')), [1, 0, 0])
    mock.timers.tick(1_000)
    assert.deepEqual(await cost(site, () => client.get('/read')), [1, 1, 0])
    assert.deepEqual(site.verbs, ['load', 'touch'])
    assert.deepEqual(await cost(site, () => client.get('/read')), [1, 0, 0])
  })

  test('a passive request: one read, however late', async () => {
    await using site = await open()
    const client = await loggedIn(site)
    mock.timers.tick(20 * 60_000)
    assert.deepEqual(await cost(site, () => client.get('/read', { 'session-passive': '1' })), [1, 0, 0])
  })

  test('a change: one read, one replace; the same value again: one read', async () => {
    await using site = await open()
    const client = await loggedIn(site)
    assert.deepEqual(await cost(site, () => client.post('/write')), [1, 1, 0])
    assert.deepEqual(site.verbs, ['load', 'replace'])
    assert.deepEqual(await cost(site, () => client.post('/same')), [1, 0, 0])
  })

  test('renewal: the offer costs a second look and no write, its adoption the one write', async () => {
    await using site = await open()
    const client = await loggedIn(site)
    mock.timers.tick(15 * 60_000)
    assert.deepEqual(await cost(site, () => client.get('/read')), [2, 1, 1], 'touched, as it would have been')
    assert.deepEqual(await cost(site, () => client.get('/read')), [1, 1, 0])
    assert.deepEqual(site.verbs, ['load', 'replace'])
    assert.deepEqual(await cost(site, () => client.get('/read')), [1, 0, 0])
  })

  test('login without anything before: one read, two writes', async () => {
    await using site = await open()
    assert.deepEqual(await cost(site, () => site.browser().post('/login')), [1, 2, 1])
    assert.deepEqual(site.verbs, ['create', 'loadUser', 'replaceUser'])
  })

  test("login from a visitor's session with data: two reads, three writes", async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/same')
    assert.deepEqual(await cost(site, () => client.post('/login')), [2, 3, 1])
    assert.deepEqual(site.verbs, ['load', 'create', 'loadUser', 'replaceUser', 'replace'])
  })

  test("logout: one read and one write, and the ledger's", async () => {
    await using site = await open()
    const client = await loggedIn(site)
    assert.deepEqual(await cost(site, () => client.post('/logout')), [2, 2, 1])
    assert.deepEqual(site.verbs, ['load', 'replace', 'loadUser', 'replaceUser'])
  })

  test('a token that has ended: one read', async () => {
    await using site = await open()
    const client = await loggedIn(site)
    const thief = client.clone()
    await client.post('/logout')
    assert.deepEqual(await cost(site, () => thief.get('/read')), [1, 0, 0])
  })
}
