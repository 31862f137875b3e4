/** A flood from one address is refused before it costs anything; whoever else is at that address goes on. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { memory } from '../../src/engines/memory.ts'
import { type RateLimitsOptions, rateLimits } from '../../src/rate-limit.ts'
import { Client, codeOf, counting, namesOf, SESSION, serve } from './support.ts'

const HERE = '203.0.113.7'
const store = (session: { set(name: string, value: unknown): void }) => session.set('cart', 1)

function limited(options: RateLimitsOptions) {
  const { engine, take } = counting(memory())
  const server = serve({ engine, rateLimits: rateLimits(options), bindings: [] })
  const client = (ip: string | null = HERE) => new Client(server, { ip })
  let drawn = 0
  const forger = (ip: string = HERE) => {
    const forged = client(ip)
    const tag = String(drawn++).padStart(43, 'C')
    forged.jar.set(SESSION, `${'A'.repeat(22)}.1..${'B'.repeat(43)}.1700000000000.${tag}`)
    return forged
  }
  return { server, client, forger, take }
}

describe('new sessions of one address', () => {
  const amount = { newSessions: { max: 3, per: '1h' } } as const

  test('beyond the limit are refused, at no I/O; what reads, and other addresses, are not', async () => {
    const { server, client, take } = limited(amount)
    for (let index = 0; index < 3; index++) await client().send(store)
    take()
    for (let index = 0; index < 50; index++)
      assert.equal(await codeOf(client().send(store)), 'ERR_RATE_LIMITED')
    assert.equal(await client().whoami(), null)
    assert.deepEqual(take(), {})
    assert.equal(await codeOf(client('203.0.113.8').send(store)), 'none')
    const events = server.events.filter(({ name }) => name === 'excess_rate_limit_exceeded')
    assert.equal(events.length, 50)
    assert.deepEqual(
      [events[0]!.ip, events[0]!.reason, events[0]!.code],
      [HERE, 'newSessions', 'ERR_RATE_LIMITED'],
    )
  })
  test('... logins among them: nothing is stored, and nobody is logged in', async () => {
    const { server, client, take } = limited(amount)
    const ada = client()
    for (let index = 0; index < 3; index++) await ada.login('ada')
    take()
    assert.equal(await codeOf(client().login('grace')), 'ERR_RATE_LIMITED')
    assert.deepEqual(take(), {})
    assert.deepEqual(await server.sessions.list('grace'), [])
    assert.equal(await ada.whoami(), 'ada')
    await ada.send(store)
    await ada.send((session) => session.reauthenticate())
    assert.equal(await ada.whoami(), 'ada')
  })
  test('a client that changes its address within its own network stays one', async () => {
    const { client } = limited(amount)
    for (let index = 0; index < 3; index++) await client(`2001:db8:0:1::${index}`).send(store)
    assert.equal(await codeOf(client('2001:db8:0:1:ffff::9').send(store)), 'ERR_RATE_LIMITED')
    assert.equal(await codeOf(client('2001:db8:0:2::1').send(store)), 'none')
  })
  test('one address has many spellings', async () => {
    const { client } = limited(amount)
    for (const spelling of [HERE, `::ffff:${HERE}`, '::FFFF:cb00:7107']) await client(spelling).send(store)
    assert.equal(await codeOf(client().send(store)), 'ERR_RATE_LIMITED')
  })
  test('where the address is not known nothing is limited: all clients would be one', async () => {
    const { client } = limited(amount)
    for (let index = 0; index < 10; index++) await client(null).send(store)
  })
  test('after a while the address may come again', async () => {
    const { client } = limited({ newSessions: { max: 1, per: '1s' } })
    await client().send(store)
    assert.equal(await codeOf(client().send(store)), 'ERR_RATE_LIMITED')
    const deadline = performance.now() + 20_000
    let code = 'ERR_RATE_LIMITED'
    while (code !== 'none' && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      code = await codeOf(client().send(store))
    }
    assert.equal(code, 'none')
  })
})

describe('tokens invented at one address', () => {
  const amount = { forgedTokens: { max: 3, per: '1h' } } as const

  test('beyond the limit are refused, at no I/O; good tokens of that address, and its visitors, are not', async () => {
    const { server, client, forger, take } = limited(amount)
    const ada = client()
    await ada.login('ada')
    for (let index = 0; index < 3; index++) assert.equal(await forger().whoami(), null)
    take()
    for (let index = 0; index < 50; index++) assert.equal(await codeOf(forger().whoami()), 'ERR_RATE_LIMITED')
    assert.deepEqual(take(), {})
    assert.deepEqual([await ada.whoami(), await client().whoami()], ['ada', null])
    assert.equal(await codeOf(forger('203.0.113.8').whoami()), 'none')
    assert.equal(namesOf(server).filter((name) => name === 'excess_rate_limit_exceeded').length, 50)
  })
  test('a browser that repeats a dead cookie invents nothing', async () => {
    const { forger } = limited(amount)
    const [dead, ...others] = Array.from({ length: 4 }, () => forger())
    for (let index = 0; index < 20; index++) assert.equal(await dead!.whoami(), null)
    for (const other of others.slice(0, 2)) assert.equal(await other.whoami(), null)
    assert.equal(await codeOf(others[2]!.whoami()), 'ERR_RATE_LIMITED')
    assert.equal(await others[2]!.whoami(), null, 'refused once, and then known')
  })
  test('what is longer than any token is never remembered, and always counts', async () => {
    const { client } = limited(amount)
    const long = client()
    long.jar.set(SESSION, 'x'.repeat(4_000))
    for (let index = 0; index < 3; index++) await long.whoami()
    assert.equal(await codeOf(long.whoami()), 'ERR_RATE_LIMITED')
  })
  test('an expired, revoked or superseded token is ours, and does not count', async () => {
    const { server, client } = limited({ forgedTokens: { max: 1, per: '1h' } })
    const ada = client()
    await ada.login('ada')
    await server.sessions.revoke({ userId: 'ada' })
    for (let index = 0; index < 5; index++) assert.equal(await ada.whoami(), null)
  })
})

describe('limits', () => {
  test('without the option there are none', async () => {
    const server = serve()
    for (let index = 0; index < 400; index++) await new Client(server, { ip: HERE }).send(store)
  })
  test('the defaults let a classroom in', async () => {
    const { client } = limited({})
    for (let index = 0; index < 300; index++) await client().send(store)
    assert.equal(await codeOf(client().send(store)), 'ERR_RATE_LIMITED')
  })
  test('each can be switched off', async () => {
    assert.deepEqual(Object.keys(rateLimits({ newSessions: false })), ['forgedTokens'])
    assert.deepEqual(rateLimits({ newSessions: false, forgedTokens: false }), {})
  })
  test('one limiter of your own serves for both, and they do not count together', async () => {
    const limiter = new RateLimiterMemory({ points: 2, duration: 3_600 })
    const { client, forger } = limited({ newSessions: limiter, forgedTokens: limiter })
    for (let index = 0; index < 2; index++) await client().send(store)
    for (let index = 0; index < 2; index++) await forger().whoami()
    assert.equal(await codeOf(client().send(store)), 'ERR_RATE_LIMITED')
    assert.equal(await codeOf(forger().whoami()), 'ERR_RATE_LIMITED')
  })
  test('P7 one whose store fails, or hangs, lets nothing through: 503, and the cause in the event', async () => {
    for (const [consume, reason] of [
      [async () => Promise.reject(new Error('connect ECONNREFUSED')), /ECONNREFUSED/],
      [() => new Promise(() => {}), /no answer within 50 ms/],
    ] as const) {
      const { engine, take } = counting(memory())
      const server = serve({
        engine,
        engineTimeout: '50ms',
        rateLimits: rateLimits({ newSessions: { consume } }),
      })
      assert.equal(await codeOf(new Client(server, { ip: HERE }).send(store)), 'ERR_ENGINE')
      assert.match(server.events.find(({ name }) => name === 'engine_failure')!.reason!, reason)
      assert.deepEqual(take(), {})
    }
  })
  for (const options of [
    { newSession: { max: 1, per: '1m' } },
    { newSessions: 5 },
    { newSessions: true },
    { newSessions: { max: 0, per: '1m' } },
    { newSessions: { max: 1, per: 60 } },
    { newSessions: { max: 1 } },
    { forgedTokens: { max: 1.5, per: '1m' } },
    { newSessions: { max: 1, per: '25d' } },
    { v6Prefix: 0 },
    { v4Prefix: 33 },
  ]) {
    test(`${JSON.stringify(options)} is refused at start`, () => {
      assert.throws(() => rateLimits(options as never), { code: 'ERR_OPTION' })
    })
  }
})
