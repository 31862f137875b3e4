/** The server's record decides expiry, and no client stretches it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { around, Client, cookiesOf, ENGINES, HOUR, MINUTE, partsOf, SESSION, serve } from './support.ts'

for (const [engineName, engine] of ENGINES) {
  test(`P10 ASVS 7.3.1 ${engineName}: idle ends the session to the millisecond, whatever the cookie says`, async () => {
    const server = serve({ engine: engine() })
    const [early, late] = [new Client(server), new Client(server)]
    await early.login('ada')
    await late.login('ada')
    const begun = server.clock.now
    server.clock.now = begun + 30 * MINUTE - 1
    assert.equal(await early.whoami(), 'ada')
    server.clock.now = begun + 30 * MINUTE
    assert.equal(await late.whoami(), null)
    assert.equal((await late.peek()).lost, 'idle')
  })

  test(`P10 ASVS 7.3.2 ${engineName}: absolute ends it however it is used, renewed or written`, async () => {
    const server = serve({ engine: engine() })
    const ada = new Client(server)
    await ada.login('ada')
    const begun = server.clock.now
    let alive = 0
    for (let minute = 5; minute <= 12 * 60 + 5; minute += 5) {
      server.clock.now = begun + minute * MINUTE
      const request = await ada.begin()
      if (request.session.userId === null) break
      alive = minute
      request.session.update('count', (count) => Number(count ?? 0) + 1)
      request.session.renew()
      ada.receive(await request.end())
    }
    assert.equal(alive, 12 * 60 - 5)
    assert.equal((await ada.peek()).lost, 'absolute')
  })
}

test('R-10 the engine’s expiresAt decides nothing: a record with one in the far future expires all the same', async () => {
  const engine = around(memory(), (verb, run) => {
    const result = run() as { expiresAt?: number } | undefined
    return verb === 'load' && result ? { ...result, expiresAt: Number.MAX_SAFE_INTEGER } : result
  })
  const server = serve({ engine })
  const ada = new Client(server)
  await ada.login('ada')
  server.clock.now += 31 * MINUTE
  assert.equal(await ada.whoami(), null)
})

test('R-10 a read does not move the deadline of a session beyond what its use gives', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { expiresAt } = await ada.peek()
  for (let read = 0; read < 10; read++) {
    server.clock.now += 10 * MINUTE
    await ada.whoami()
    assert.equal((await ada.peek()).expiresAt, expiresAt)
  }
})

test('P10 N-9 a reauthentication begins absolute time anew, and nothing else does', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { expiresAt } = await ada.peek()
  server.clock.now += 20 * MINUTE
  await ada.send((session) => session.reauthenticate())
  assert.equal((await ada.peek()).expiresAt, expiresAt! + 20 * MINUTE)
})

test('P10 passive requests keep no session alive, even if their handlers write', async () => {
  for (const write of [false, true]) {
    const server = serve()
    const ada = new Client(server)
    await ada.login('ada')
    let count = 0
    for (; count < 60; count++) {
      server.clock.now += MINUTE
      const poll = await ada.begin({ method: 'GET', headers: { 'session-passive': '1' } })
      if (poll.session.userId === null) break
      if (write) poll.session.set('polls', count)
      ada.receive(await poll.end())
    }
    assert.equal(count, 29, `write: ${write}`)
  }
})

test('P10 a POST that calls itself passive is none: only safe requests are', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  server.clock.now += 20 * MINUTE
  await ada.send(() => {}, { headers: { 'session-passive': '1' } })
  server.clock.now += 20 * MINUTE
  assert.equal(await ada.whoami(), 'ada')
})

test('P10 a use that is recorded while an older, slower request commits is not taken back', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  server.clock.now += 10 * MINUTE
  const slow = await ada.begin()
  server.clock.now += 4 * MINUTE
  const read = await ada.begin({ method: 'GET' })
  slow.session.set('note', 'slow')
  await slow.end()
  await read.end()
  server.clock.now += 29 * MINUTE
  assert.equal(await ada.whoami(), 'ada', 'it was used 29 minutes ago')
})

test('P10 a remembered session lives by its own limits and its cookie until the absolute one', async () => {
  const server = serve()
  const ada = new Client(server)
  const { effects } = await ada.login('ada', { remember: true })
  const line = effects.headers.find(([name]) => name === 'Set-Cookie')![1]
  assert.match(line, /; Max-Age=2592000(?:;|$)/)
  const begun = server.clock.now
  for (let day = 1; day <= 29; day += 4) {
    server.clock.now = begun + day * 24 * HOUR
    assert.equal(await ada.whoami(), 'ada', `day ${day}`)
  }
  server.clock.now = begun + 30 * 24 * HOUR
  assert.equal(await ada.whoami(), null)
})

test('P10 a renewed remembered cookie never outlives the session, and a plain one has no Max-Age', async () => {
  for (const remember of [true, false]) {
    const server = serve()
    const ada = new Client(server)
    await ada.login('ada', { remember })
    server.clock.now += 24 * 60 * MINUTE * (remember ? 10 : 0) + 16 * MINUTE
    const { effects } = await ada.send(() => {}, { method: 'GET' })
    assert.ok(cookiesOf(effects).get(SESSION))
    const line = effects.headers.find(([name]) => name === 'Set-Cookie')![1]
    const life = /Max-Age=(\d+)/.exec(line)?.[1]
    const left = ((await ada.peek()).expiresAt! - server.clock.now) / 1_000
    assert.equal(life === undefined ? null : Number(life), remember ? Math.floor(left) : null)
  }
})

test('P10 login without remember over a remembered session is not remembered', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada', { remember: true })
  await ada.login('ada')
  server.clock.now += 31 * MINUTE
  assert.equal(await ada.whoami(), null)
})

test('P10 N-12 presets refuse what is weaker, remembered sessions included', () => {
  for (const options of [
    { preset: 'aal2', absolute: '25h' },
    { preset: 'aal2', idle: '61m' },
    { preset: 'aal3', absolute: '13h' },
    { preset: 'aal3', remembered: { absolute: '13h' } },
    { preset: 'aal2', csrf: { requireToken: false } },
    { preset: 'constructor' },
    { preset: 'toString' },
  ]) {
    assert.throws(() => serve(options as never), { code: 'ERR_OPTION' }, JSON.stringify(options))
  }
})

test('P10 a copied visitor session ends, too: it has no renewal, but both limits', async () => {
  const server = serve()
  const visitor = new Client(server)
  await visitor.send((session) => session.set('cart', 1))
  server.clock.now += 31 * MINUTE
  assert.equal((await visitor.peek()).get('cart'), undefined)
})

test('P10 a record whose times are missing is not one that lives for ever', async () => {
  for (const field of ['seenAt', 'authenticatedAt', 'createdAt'] as const) {
    let broken = false
    const engine = around(memory(), (verb, run) => {
      const record = run() as Record<string, unknown> | undefined
      if (!broken || verb !== 'load' || !record) return record
      const { [field]: _, ...rest } = record
      return field === 'createdAt' ? { ...rest, authenticatedAt: null } : rest
    })
    const server = serve({ engine })
    const ada = new Client(server)
    await ada.login('ada')
    broken = true
    server.clock.now += 100 * 24 * HOUR
    const session = await ada.peek().catch(() => null)
    assert.equal(session?.userId ?? null, null, field)
  }
})

test('P10 the clock of a token decides nothing: its issue time is no expiry', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const parts = partsOf(ada.token!)
  ada.jar.set(SESSION, ada.token!.replace(`.${parts.issued}.`, `.${Number(parts.issued) + HOUR}.`))
  assert.equal(await ada.whoami(), null)
})

test('P10 a login form is no session: a pre-session older than the absolute limit counts for nothing', async () => {
  const server = serve()
  const client = new Client(server)
  let csrf = ''
  await client.send((session) => (csrf = session.csrfToken()), { method: 'GET' })
  server.clock.now += 12 * HOUR
  const { session } = await client.begin({ headers: { 'x-csrf-token': csrf } })
  assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
})
