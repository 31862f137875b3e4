/** Requests that are cheap to send and must be cheap to refuse. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { bearer } from '../../src/index.ts'
import { Client, codeOf, contextOf, counting, SESSION, serve, VISITOR } from './support.ts'
import { ADAPTERS, ours } from './wire.ts'

const KIB = 1024

/** Node lets 16 KiB of headers in by default; other servers 64. */
const LIMIT = 64 * KIB

/** Milliseconds of processor time: what else the machine does must not count. */
function spent(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

function timed<T>(work: () => T): { result: T; took: number } {
  const started = spent()
  const result = work()
  return { result, took: spent() - started }
}

describe('ASVS 15.3 R-32 a header of 64 KB, whatever is in it, is read in milliseconds', () => {
  const filler = (text: string) => text.repeat(Math.ceil(LIMIT / text.length)).slice(0, LIMIT)
  const COOKIES: Record<string, string> = {
    'one long value': `${SESSION}=${filler('A')}`,
    'ten thousand cookies': filler('a=b; '),
    'ten thousand of ours': filler(`${SESSION}=x; `),
    'nothing but semicolons': `${SESSION}${filler(';')}`,
    'nothing but equals signs': `${SESSION}${filler('=')}`,
    'spaces within a name': `${SESSION}=x; a${filler(' ')}b=c`,
    'spaces within our value': `${SESSION}=a${filler(' ')}b`,
    'tabs and spaces within a name': `${SESSION}=x; a${filler(' \t')}b=c`,
    dots: `${SESSION}=${filler('.')}`,
    quotes: `${SESSION}=${filler('"')}`,
    'a name that begins like ours': filler(`${SESSION}x=y; `),
    chunks: filler(`${SESSION}.1=x; `),
  }
  for (const [what, cookie] of Object.entries(COOKIES)) {
    test(what, async () => {
      const { sessions } = serve()
      const visitor = cookie.replaceAll(SESSION, VISITOR)
      for (const header of [cookie, visitor]) {
        const started = spent()
        const session = await sessions.open(contextOf({ headers: { cookie: header } }))
        session.csrfToken()
        await sessions.commit(session)
        assert.ok(spent() - started < 100, `took ${spent() - started} ms`)
      }
    })
  }

  const HEADERS: Record<string, string> = {
    'x-csrf-token': filler('A'),
    origin: `https://${filler('a.')}`,
    referer: `http://${filler('a.')}`,
    'sec-fetch-site': filler('same-origin,'),
    'user-agent': filler('Mozilla/5.0 ('),
    upgrade: filler('websocket,'),
    'x-forwarded-for': filler('127.0.0.1,'),
  }
  for (const [name, value] of Object.entries(HEADERS)) {
    test(name, async () => {
      const { sessions } = serve()
      for (const ask of [{}, { origin: 'http://localhost', ip: '127.0.0.1' }]) {
        const started = spent()
        const session = await sessions.open(
          contextOf({ ...ask, headers: { [name]: value, cookie: `${VISITOR}=x` } }),
        )
        await sessions.commit(session)
        assert.ok(spent() - started < 100, `took ${spent() - started} ms`)
      }
    })
  }

  test('authorization, with the bearer transport', async () => {
    const { sessions } = serve({ transport: bearer() })
    for (const authorization of [`Bearer ${filler('a')}!`, filler('Bearer '), `Bearer ${filler('a ')}`]) {
      const started = spent()
      await sessions.open(contextOf({ headers: { authorization } }))
      assert.ok(spent() - started < 100)
    }
  })
})

for (const [adapter, start] of ADAPTERS) {
  test(`through ${adapter}: hostile headers of 60 KB, refusals and parsing included, are answered at once`, async (t) => {
    const { sessions } = serve()
    const wire = await start(t, sessions, (session) => session.csrfToken())
    for (const [name, value] of [
      ['accept', 'application/'.padEnd(60 * KIB, '+')],
      ['accept', 'text/html;'.padEnd(60 * KIB, ';q=')],
      ['content-type', `${'application/json'.padEnd(60 * KIB, ' ')}x`],
      ['content-type', 'application/'.padEnd(60 * KIB, 'a+')],
      ['cookie', `${SESSION}=x; a${' '.repeat(60 * KIB)}b=c`],
      ['origin', 'https://'.padEnd(60 * KIB, 'a')],
    ] as const) {
      const started = spent()
      const headers = { ...ours(), 'sec-fetch-site': 'cross-site', [name]: value }
      const answer = await wire.send({ method: 'POST', headers, body: '{}' })
      const took = spent() - started
      assert.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.status}`)
      assert.ok(took < 250, `${name} took ${took} ms`)
      assert.ok(answer.body.length < KIB, 'and an answer is no amplifier')
    }
  })
}

test('SM-15 a flood of 20 000 forged tokens costs no I/O and little time, and keeps nothing in memory', async () => {
  const { engine, take } = counting(memory())
  const { sessions } = serve({ engine })
  const token = `${'A'.repeat(22)}.1..${'A'.repeat(43)}.1700000000000.${'A'.repeat(43)}`
  const { result, took } = timed(() => {
    const all: Promise<unknown>[] = []
    for (let index = 0; index < 20_000; index++) {
      const cookie = `${SESSION}=${token.slice(0, -6)}${String(index).padStart(6, '0')}`
      all.push(sessions.open(contextOf({ headers: { cookie } })))
    }
    return Promise.all(all)
  })
  await result
  assert.deepEqual(take(), {})
  assert.ok(took < 5_000)
})

test('R-31 deep, wide, circular and exotic values are refused by name, before anything is stored', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { session, end } = await ada.begin()
  let deep: unknown = 1
  for (let depth = 0; depth < 100_000; depth++) deep = [deep]
  const circle: Record<string, unknown> = {}
  circle.self = circle
  const trap = new Proxy(
    {},
    { ownKeys: () => assert.fail('ownKeys') as never, getPrototypeOf: () => Array.prototype },
  )
  for (const value of [
    deep,
    circle,
    Number.NaN,
    Infinity,
    1n,
    Symbol('x'),
    () => 1,
    new Date(),
    new Map(),
    new Set(),
    trap,
    undefined,
  ]) {
    assert.throws(() => session.set('x', value), { code: 'ERR_SESSION_DATA' })
  }
  assert.throws(() => session.update('x', () => deep), { code: 'ERR_SESSION_DATA' })
  await end()
  assert.deepEqual((await ada.peek()).keys(), [])
})

test('a JSON body that is deep reaches a session no more than any other value', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const body = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`)
  const { session } = await ada.begin()
  assert.throws(() => session.set('body', body), { code: 'ERR_SESSION_DATA' })
})

test('a huge name, or a million small ones, is refused with 413 and no echo of what was sent', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const name = 'n'.repeat(1_000_000)
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`n${index}`, index]))
  for (const work of [
    (session: { set(name: string, value: unknown): void }) => session.set(name, 1),
    (session: { set(name: string, value: unknown): void }) => session.set('x', many),
  ]) {
    const { session, end } = await ada.begin()
    work(session)
    assert.equal(await codeOf(end()), 'ERR_SESSION_DATA_TOO_LARGE')
  }
  const { session } = await ada.begin()
  assert.throws(
    () => session.set(name, new Date()),
    (error: Error) => error.message.length < 500,
  )
})

test('P8 a flood of visitors puts no user out of a full memory engine', async () => {
  const server = serve({ engine: memory({ maxRecords: 50 }) })
  const users = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const client = new Client(server)
      await client.login(`user-${index}`)
      return client
    }),
  )
  const codes = new Set<string>()
  for (let index = 0; index < 200; index++) {
    codes.add(await codeOf(new Client(server).send((session) => session.set('cart', index))))
  }
  assert.deepEqual([...codes].sort(), ['ERR_ENGINE_FULL', 'none'])
  for (const [index, client] of users.entries()) assert.equal(await client.whoami(), `user-${index}`)
})

test('P1 a full memory engine that puts out tombstones brings no session back', async () => {
  const server = serve({ engine: memory({ maxRecords: 20 }) })
  const ada = new Client(server)
  await ada.login('ada')
  const copy = ada.copy()
  const slow = await copy.begin()
  slow.session.set('late', 1)
  await ada.send((session) => session.terminate())
  for (let index = 0; index < 40; index++) await new Client(server).login(`user-${index}`)
  assert.equal(await codeOf(slow.end()), 'ERR_SESSION_ENDED')
  assert.equal(await copy.whoami(), null)
})

test('a user who logs in a thousand times keeps a short ledger', async () => {
  const engine = memory()
  const server = serve({ engine, maxSessionsPerUser: 5 })
  const client = new Client(server)
  for (let index = 0; index < 300; index++) {
    server.clock.now += 1
    await (index % 3 ? client : new Client(server)).login('ada')
  }
  const ledger = await engine.loadUser('ada')
  assert.ok(ledger!.sessions.length <= 6, `${ledger!.sessions.length} entries`)
  assert.ok(ledger!.ending.length <= 2)
})

test('P6 an event never carries more of a request than a line', async () => {
  const server = serve()
  const client = new Client(server)
  client.jar.set(SESSION, 'forged')
  await client.send(() => {}, { headers: { 'user-agent': 'x'.repeat(60 * KIB) } })
  for (const event of server.events) assert.ok(JSON.stringify(event).length < 2_000)
})
