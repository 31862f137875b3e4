/** The store is down: 503, never "anonymous, carry on". */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { SessionError } from '../../src/index.ts'
import {
  around,
  breaking,
  Client,
  codeOf,
  KEYS,
  MINUTE,
  namesOf,
  SESSION,
  serve,
  type Verb,
} from './support.ts'

test('P7 ASVS 16.5.3 a token that cannot be looked up is no visitor: 503', async () => {
  const store = breaking(memory())
  const server = serve({ engine: store.engine })
  const ada = new Client(server)
  await ada.login('ada')
  store.breakAll()
  assert.equal(await codeOf(ada.begin()), 'ERR_ENGINE')
  assert.ok(namesOf(server).includes('engine_failure'))
})

describe('P7 whichever verb fails, no request succeeds, nobody is logged in by halves, and the next try mends it', () => {
  const verbs: readonly Verb[] = ['load', 'create', 'replace', 'touch', 'loadUser', 'replaceUser']
  for (const verb of verbs) {
    test(verb, async () => {
      const store = breaking(memory())
      const server = serve({ engine: store.engine })
      const visitor = new Client(server)
      await visitor.send((session) => session.set('cart', 1))
      const ada = new Client(server)
      await ada.login('ada')
      await ada.send((session) => session.set('note', 'first'))
      server.clock.now += 2 * MINUTE

      store.broken.add(verb)
      const before = [visitor.token, ada.token]
      const results: Record<string, string> = {
        login: await codeOf(visitor.login('grace')),
        logout: await codeOf(ada.send((session) => session.terminate())),
        write: await codeOf(ada.send((session) => session.set('note', 'second'))),
        read: await codeOf(ada.send((session) => session.get('note'), { method: 'GET' })),
      }
      for (const [what, code] of Object.entries(results))
        assert.ok(['ERR_ENGINE', 'none'].includes(code), what)
      if (verb !== 'touch') assert.equal(results.login, 'ERR_ENGINE')
      store.broken.clear()

      if (results.login !== 'none') assert.equal(visitor.token, before[0], 'no cookie came of a failed login')
      await visitor.login('grace')
      assert.equal(await visitor.whoami(), 'grace')
      const tried = ada.copy()
      tried.jar.set(SESSION, before[1]!)
      await tried.send((session) => session.terminate())
      ada.jar.set(SESSION, before[1]!)
      assert.equal(await ada.whoami(), null)
      assert.deepEqual(await server.sessions.list('ada'), [])
      // One that failed at its very last step, the end of what it replaced, stays listed: nobody has its token.
      assert.equal((await server.sessions.list('grace')).length, verb === 'replace' ? 2 : 1)
    })
  }
})

test('P7 a store that hangs is given up: 503 within its deadline, for reads and writes', async () => {
  let hang = false
  const engine = around(memory(), (_verb, run) => (hang ? new Promise(() => {}) : run()))
  const server = serve({ engine, engineTimeout: '50ms' })
  const ada = new Client(server)
  await ada.login('ada')
  const writer = await ada.begin()
  writer.session.set('note', 1)
  hang = true
  const started = performance.now()
  assert.equal(await codeOf(ada.begin()), 'ERR_ENGINE')
  assert.equal(await codeOf(writer.end()), 'ERR_ENGINE')
  assert.equal(await codeOf(server.sessions.revoke({ userId: 'ada' })), 'ERR_ENGINE')
  assert.ok(performance.now() - started < 1_000)
})

test('P7 of twenty writes to one session that meet a store that hangs, none waits for the other nineteen', async () => {
  let hang = false
  const engine = around(memory(), (_verb, run) => (hang ? new Promise(() => {}) : run()))
  const server = serve({ engine, engineTimeout: '100ms' })
  const ada = new Client(server)
  await ada.login('ada')
  const writers = await Promise.all(Array.from({ length: 20 }, () => ada.begin()))
  writers.forEach(({ session }, index) => void session.set(`name-${index}`, 1))
  hang = true
  const started = performance.now()
  const codes = await Promise.all(writers.map((writer) => codeOf(writer.end())))
  assert.deepEqual([...new Set(codes)], ['ERR_ENGINE'])
  assert.ok(performance.now() - started < 1_000, `the last one waited ${performance.now() - started} ms`)
})

test('P7 a store that answers later than its deadline does no harm: no second session, no cookie', async () => {
  const engine = around(memory(), async (verb, run) => {
    if (verb === 'create') await new Promise((resolve) => setTimeout(resolve, 100))
    return run()
  })
  const server = serve({ engine, engineTimeout: '30ms' })
  const client = new Client(server)
  assert.equal(await codeOf(client.login('ada')), 'ERR_ENGINE')
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.equal(client.token, undefined)
  assert.deepEqual(await server.sessions.list('ada'), [])
})

test('P7 a store that denies a fresh id, or returns rubbish, is a failure and no visitor', async () => {
  const full = serve({ engine: around(memory(), (verb, run) => (verb === 'create' ? false : run())) })
  assert.equal(await codeOf(new Client(full).login('ada')), 'ERR_ENGINE')

  for (const rubbish of [{ record: {} }, { record: 'text' }, { record: [] }]) {
    let broken = false
    const engine = around(memory(), (verb, run) => (broken && verb === 'load' ? rubbish.record : run()))
    const server = serve({ engine })
    const ada = new Client(server)
    await ada.login('ada')
    broken = true
    assert.equal(await codeOf(ada.begin()), 'ERR_ENGINE')
  }
})

test('P7 the error that leaves names neither the store nor its address; the cause is for the operator', async () => {
  const store = breaking(memory())
  const server = serve({ engine: store.engine })
  const ada = new Client(server)
  await ada.login('ada')
  store.breakAll()
  const error = await ada.begin().then(
    () => assert.fail('it went on'),
    (error: SessionError) => error,
  )
  assert.ok(error instanceof SessionError)
  assert.equal(error.status, 503)
  assert.doesNotMatch(error.message, /10\.0\.0\.7|ECONNREFUSED/)
  assert.doesNotMatch(error.stack ?? '', /10\.0\.0\.7|ECONNREFUSED/)
})

test('P7 a revoke that failed half-way is finished by the next one, and nobody is told that all is well', async () => {
  const store = breaking(memory())
  const server = serve({ engine: store.engine })
  const [one, two] = [new Client(server), new Client(server)]
  await one.login('ada')
  await two.login('ada')
  store.broken.add('replace')
  assert.equal(await codeOf(server.sessions.revoke({ userId: 'ada' })), 'ERR_ENGINE')
  store.broken.clear()
  assert.equal((await server.sessions.list('ada')).length, 2, 'what still works must still be listed')
  await server.sessions.revoke({ userId: 'ada' })
  assert.equal(await one.whoami(), null)
  assert.equal(await two.whoami(), null)
})

test('P7 a revoke that failed half-way is finished by the next login of that user, too', async () => {
  const store = breaking(memory())
  const server = serve({ engine: store.engine })
  const thief = new Client(server)
  await thief.login('ada')
  store.broken.add('replace')
  await codeOf(server.sessions.revoke({ userId: 'ada' }))
  store.broken.clear()
  const ada = new Client(server)
  await ada.login('ada', {}).catch(() => {})
  server.clock.now = Date.now() + 1
  await ada.login('ada')
  assert.equal(await thief.whoami(), null)
})

test('P7 a logout of which only the record was written is a logout', async () => {
  const store = breaking(memory())
  const server = serve({ engine: store.engine })
  const ada = new Client(server)
  await ada.login('ada')
  store.broken.add('replaceUser')
  assert.equal(await codeOf(ada.send((session) => session.terminate())), 'ERR_ENGINE')
  store.broken.clear()
  assert.equal(await ada.whoami(), null)
  assert.deepEqual(await server.sessions.list('ada'), [])
})

test('P7 keys: no short, repeated, placeholder or missing key starts a server (ASVS 13.3.1)', async () => {
  const shared = { ...memory(), shared: true }
  for (const keys of [
    undefined,
    [],
    '',
    'secret',
    'change-me-change-me-change-me-change-me-change',
    'A'.repeat(43),
    [KEYS[0]!, KEYS[0]!],
    [KEYS[0]!, 'short'],
    `${KEYS[0]},`,
    [new Uint8Array(31)],
    [new Uint8Array(32)],
  ]) {
    assert.throws(() => serve({ engine: shared, keys: keys as never }), { code: 'ERR_OPTION' }, String(keys))
  }
})
