/** Visitors and forgers cost no I/O, and every other request exactly what design §5 says. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { generateKey } from '../../src/index.ts'
import { Client, counting, MINUTE, namesOf, partsOf, SESSION, serve, VISITOR } from './support.ts'

function watched(options: Parameters<typeof serve>[0] = {}) {
  const { engine, take } = counting(memory())
  const server = serve({ engine, ...options })
  return { server, take }
}

test('P8 a visitor who stores nothing costs no I/O and gets no cookie, whatever he reads', async () => {
  const { server, take } = watched()
  const client = new Client(server)
  const { cookies, effects } = await client.send((session) => {
    void session.userId
    void session.get('cart')
    void session.keys()
    session.delete('cart')
    session.clear()
    session.pop('flash')
    session.update('cart', () => undefined)
  })
  assert.deepEqual(take(), {})
  assert.equal(cookies.size, 0)
  assert.equal(effects.noStore, null)
})

test('P8 a login form costs no I/O: its token needs no row', async () => {
  const { server, take } = watched()
  const client = new Client(server)
  for (let visit = 0; visit < 3; visit++)
    await client.send((session) => void session.csrfToken(), { method: 'GET' })
  assert.deepEqual(take(), {})
  assert.deepEqual([...client.jar.keys()], [VISITOR])
})

test('P8 a thousand forged tokens cost no I/O, and each is an event', async () => {
  const { server, take } = watched()
  const real = new Client(server)
  await real.login('ada')
  const token = real.token!
  take()
  const forger = new Client(server)
  for (let index = 0; index < 1_000; index++) {
    const at = index % token.length
    forger.jar.set(SESSION, token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1))
    assert.equal(await forger.whoami(), null)
  }
  assert.deepEqual(take(), {})
  assert.equal(namesOf(server).filter((name) => name === 'session_token_forged').length, 1_000)
})

test('P8 SM-5 no malformed token reaches the store', async () => {
  const { server, take } = watched()
  const client = new Client(server)
  const id = 'A'.repeat(22)
  for (const token of [
    '',
    '.',
    '.....',
    id,
    `${id}.0..${'A'.repeat(43)}.1.${'A'.repeat(43)}`,
    `../../etc/passwd.1..${'A'.repeat(43)}.1.${'A'.repeat(43)}`,
    "' OR 1=1 --",
    '%00',
    'é'.repeat(100),
    'A'.repeat(1_000_000),
    `"${id}"`,
  ]) {
    client.jar.set(SESSION, token)
    assert.equal(await client.whoami(), null)
  }
  assert.deepEqual(take(), {})
})

test('P8 R-46 a pre-session is no session, nor the other way round, and neither costs I/O', async () => {
  const { server, take } = watched()
  const client = new Client(server)
  await client.send((session) => void session.csrfToken(), { method: 'GET' })
  const visitor = client.jar.get(VISITOR)!
  client.jar.set(SESSION, visitor)
  assert.equal(await client.whoami(), null)
  assert.deepEqual(take(), {})
  const ada = new Client(server)
  await ada.login('ada')
  take()
  const crossed = new Client(server)
  crossed.jar.set(VISITOR, ada.token!)
  await crossed.send((session) => void session.csrfToken())
  assert.notEqual(crossed.jar.get(VISITOR), ada.token)
  assert.deepEqual(take(), {})
})

test('P8 R-08 a token of one cookie name, or of another key, is nothing under ours', async () => {
  const { server, take } = watched()
  const elsewhere = new Client(serve({ cookie: { name: 'admin' } }))
  await elsewhere.login('ada')
  const otherKey = new Client(serve({ keys: [generateKey()] }))
  await otherKey.login('ada')
  const client = new Client(server)
  for (const token of [elsewhere.jar.get('__Host-Http-admin')!, otherKey.token!]) {
    client.jar.set(SESSION, token)
    assert.equal(await client.whoami(), null)
  }
  assert.deepEqual(take(), {})
})

test('P8 design §5: reads and writes of each kind of request', async () => {
  const { server, take } = watched()
  const ada = new Client(server)
  await ada.login('ada')
  assert.deepEqual(take(), { create: 1, loadUser: 1, replaceUser: 1 })
  await ada.whoami()
  assert.deepEqual(take(), { load: 1 }, 'valid token, read only')
  server.clock.now += 2 * MINUTE
  await ada.whoami()
  assert.deepEqual(take(), { load: 1, touch: 1 }, 'valid token, read only, later')
  await ada.send((session) => session.set('a', 1))
  assert.deepEqual(take(), { load: 1, replace: 1 }, 'valid token, data changed')
  await ada.send((session) => session.set('a', 1))
  assert.deepEqual(take(), { load: 1 }, 'valid token, nothing new')
  await ada.send((session) => session.terminate())
  assert.deepEqual(take(), { load: 1, replace: 1, loadUser: 1, replaceUser: 1 }, 'logout')
})

test('P8 a refused request costs no I/O: cross-site posts, plain HTTP', async () => {
  const { server, take } = watched()
  const ada = new Client(server)
  await ada.login('ada')
  take()
  for (const ask of [
    { headers: { 'sec-fetch-site': 'cross-site' } },
    { headers: { 'sec-fetch-site': null, origin: 'https://evil.example' } },
    { origin: 'http://app.example' },
  ]) {
    const { session, end } = await ada.begin(ask)
    assert.ok(session.refusal)
    assert.equal((await end()).cookies.size, 0)
  }
  assert.deepEqual(take(), {})
})

test('P8 touches are throttled: 50 reads in a minute write once at most', async () => {
  const { server, take } = watched()
  const ada = new Client(server)
  await ada.login('ada')
  take()
  for (let read = 0; read < 50; read++) {
    server.clock.now += 1_100
    await ada.whoami()
  }
  assert.deepEqual(take(), { load: 50 })
})

test('R-39 R-40 an id is never anything that a path could be made of', async () => {
  const { server } = watched()
  const ada = new Client(server)
  for (let index = 0; index < 50; index++) {
    await ada.login('ada')
    server.clock.now += 1
    assert.match(partsOf(ada.token!).id, /^[A-Za-z0-9_-]{22}$/)
  }
})
