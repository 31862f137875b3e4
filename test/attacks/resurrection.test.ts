/** What has ended stays ended: requests under way try to bring it back. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type AnySession,
  Client,
  codeOf,
  ENGINES,
  HOUR,
  MINUTE,
  partsOf,
  pausing,
  type Server,
  serve,
  twoServers,
} from './support.ts'

type End = readonly [how: string, end: (server: Server, other: Client, userId: string) => Promise<unknown>]

const ENDS: readonly End[] = [
  ['a logout', (_server, other) => other.send((session) => session.terminate())],
  ['a revoke by id', (server, other) => server.sessions.revoke({ id: partsOf(other.token!).id })],
  ['a revoke of all', (server, _other, userId) => server.sessions.revoke({ userId })],
]

const WORKS: readonly (readonly [what: string, work: (session: AnySession) => void, refused: boolean])[] = [
  ['a write', (session) => session.set('note', 'late'), true],
  ['an update', (session) => session.update('count', (count) => Number(count ?? 0) + 1), true],
  ['a clear', (session) => session.clear(), true],
  ['a reauthentication', (session) => session.reauthenticate(), true],
  ['a renewal', (session) => session.renew(), false],
  ['a touch', (session) => void session.userId, false],
]

for (const [engineName, engine] of ENGINES) {
  describe(engineName, () => {
    for (const [how, end] of ENDS) {
      for (const [what, work, refused] of WORKS) {
        test(`P1 R-06 ${what} under way does not bring back what ${how} has ended`, async () => {
          const server = serve({ engine: engine() })
          const ada = new Client(server)
          await ada.login('ada')
          await ada.send((session) => session.set('note', 'early'))
          const thief = ada.copy()
          server.clock.now += 2 * MINUTE
          const slow = await ada.copy().begin()
          await end(server, ada.copy(), 'ada')
          let answer: unknown
          const code = await codeOf(
            (async () => {
              work(slow.session)
              answer = await slow.end()
            })(),
          )
          assert.equal(code, refused ? 'ERR_SESSION_ENDED' : 'none')
          if (answer) thief.receive(answer as Awaited<ReturnType<typeof slow.end>>)
          assert.equal(await thief.whoami(), null)
          assert.equal(await ada.whoami(), null)
          assert.deepEqual(await server.sessions.list('ada'), [])
        })
      }
    }

    test('R-05 after a login the old id is empty in the store, secrets and data gone', async () => {
      const store = engine()
      const server = serve({ engine: store })
      const visitor = new Client(server)
      await visitor.send((session) => session.set('cart', ['book']))
      const { id } = partsOf(visitor.token!)
      await visitor.login('ada')
      const old = await store.load(id)
      assert.equal(old?.ended?.reason, 'replaced')
      assert.deepEqual(old.secrets, { current: '', parent: null })
      assert.equal(old.data, '{}')
    })

    test('R-05 after a reauthentication the old token is nothing, by whatever server it is shown', async () => {
      const server = serve({ engine: engine() })
      const ada = new Client(server)
      await ada.login('ada')
      const old = ada.copy()
      await ada.send((session) => session.reauthenticate())
      assert.equal(await old.whoami(), null)
      assert.equal(await ada.whoami(), 'ada')
    })
  })
}

test('P1 R-06 a write that stands before its swap loses to a logout', async () => {
  const gate = pausing(ENGINES[0]![1]())
  const server = serve({ engine: gate.engine })
  const ada = new Client(server)
  await ada.login('ada')
  const writer = await ada.copy().begin()
  writer.session.set('note', 'late')
  const stop = gate.hold('replace')
  const write = codeOf(writer.end())
  await stop.reached
  await ada.copy().send((session) => session.terminate())
  stop.release()
  assert.equal(await write, 'ERR_SESSION_ENDED')
  assert.equal(await ada.whoami(), null)
})

test('P1 a logout that stands at its swap while somebody writes still ends the session', async () => {
  const gate = pausing(ENGINES[0]![1]())
  const server = serve({ engine: gate.engine })
  const ada = new Client(server)
  await ada.login('ada')
  const other = ada.copy().moveTo(serve({ engine: gate.engine }, server.clock))
  const stop = gate.hold('replace')
  const logout = ada.send((session) => session.terminate())
  await stop.reached
  await other.send((session) => session.set('note', 'faster'))
  stop.release()
  await logout
  assert.equal(await other.whoami(), null)
  assert.deepEqual(await server.sessions.list('ada'), [])
})

test('P1 a logout that lost the race against a reauthentication in another tab ends the session all the same', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const logout = await ada.copy().begin()
  await ada.send((session) => session.reauthenticate())
  logout.session.terminate()
  await logout.end()
  assert.equal(await ada.whoami(), null)
})

test('P1 the absolute limit passes while a request is at work: nothing is stored any more', async () => {
  const server = serve({ absolute: '100ms', idle: '100ms', renewal: '50ms', grace: '5ms', late: '5ms' })
  const ada = new Client(server)
  await ada.login('ada')
  const slow = await ada.begin()
  slow.session.set('note', 'late')
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.equal(await codeOf(slow.end()), 'ERR_SESSION_ENDED')
})

test('P1 a row that was swept is not created again by a write under way', async () => {
  const engine = ENGINES[1]![1]()
  const server = serve({ engine })
  const ada = new Client(server)
  await ada.login('ada')
  const slow = await ada.begin()
  slow.session.set('note', 'late')
  await engine.sweep(server.clock.now + 1_000 * HOUR, 10)
  assert.equal(await codeOf(slow.end()), 'ERR_SESSION_ENDED')
  assert.equal(await engine.load(partsOf(ada.token!).id), undefined)
})

test('R-07 a write after terminate, in the same request, throws', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { session, end } = await ada.begin()
  session.terminate()
  for (const write of [
    () => session.set('a', 1),
    () => session.update('a', () => 1),
    () => session.delete('a'),
    () => session.clear(),
    () => session.reauthenticate(),
    () => session.renew(),
    () => session.authenticate('ada'),
  ]) {
    assert.throws(write, { code: 'ERR_SESSION_ENDED' })
  }
  ada.receive(await end())
  assert.equal(ada.token, undefined)
})

test('R-07 a write before terminate is not stored, and a write after an early commit of it throws', async () => {
  const engine = ENGINES[0]![1]()
  const server = serve({ engine })
  const ada = new Client(server)
  await ada.login('ada')
  const { id } = partsOf(ada.token!)
  const { session, end } = await ada.begin()
  session.set('note', 'before')
  session.terminate()
  await session.commit()
  assert.throws(() => session.set('note', 'after'), { code: 'ERR_SESSION_ENDED' })
  await end()
  const record = await engine.load(id)
  assert.equal(record?.ended?.reason, 'logout')
  assert.equal(record.data, '{}')
})

test('P1 a login that is terminated in the same request leaves nobody logged in, not even in this request', async () => {
  const server = serve()
  const client = new Client(server)
  const { session, end } = await client.begin()
  session.authenticate('ada')
  session.terminate()
  assert.equal(session.userId, null, 'whoever asks after terminate must hear that there is no user')
  assert.throws(() => session.require(), { code: 'ERR_NOT_AUTHENTICATED' })
  client.receive(await end())
  assert.equal(client.token, undefined)
  assert.deepEqual(await server.sessions.list('ada'), [])
})

test('P1 a 5xx response still logs out, and its login never happened', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const copy = ada.copy()
  await ada.send((session) => session.terminate(), {}, 500)
  assert.equal(await copy.whoami(), null)
  const grace = new Client(server)
  await grace.send((session) => session.authenticate('grace'), {}, 503)
  assert.equal(grace.token, undefined)
  assert.deepEqual(await server.sessions.list('grace'), [])
})

test('R-08 a copied cookie is dead after logout, on every server, and so is what was offered to it', async (t) => {
  const [one, two] = twoServers(t)
  const ada = new Client(one)
  await ada.login('ada')
  one.clock.now += 20 * MINUTE
  const copies = [ada.copy(), ada.copy()]
  await copies[1]!.whoami()
  await ada.send((session) => session.terminate())
  for (const copy of copies) {
    assert.equal(await copy.whoami(), null)
    assert.equal(await copy.moveTo(two).whoami(), null)
  }
})
