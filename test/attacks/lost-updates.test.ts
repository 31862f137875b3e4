/** No committed write is lost: parallel requests, on one server and on two. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { type AnySession, Client, codeOf, ENGINES, partsOf, pausing, serve, twoServers } from './support.ts'

const count = (session: AnySession) => session.update('count', (count) => Number(count ?? 0) + 1)

for (const [engineName, engine] of ENGINES) {
  describe(engineName, () => {
    test('P2 of 20 parallel writes to different names all survive', async () => {
      const server = serve({ engine: engine() })
      const ada = new Client(server)
      await ada.login('ada')
      const requests = await Promise.all(Array.from({ length: 20 }, () => ada.begin()))
      requests.forEach(({ session }, index) => void session.set(`name-${index}`, index))
      await Promise.all(requests.map((request) => request.end()))
      const { session } = await ada.begin()
      assert.equal(session.keys().length, 20)
    })

    test('P2 200 parallel increments are exact', async () => {
      const server = serve({ engine: engine() })
      const ada = new Client(server)
      await ada.login('ada')
      const requests = await Promise.all(Array.from({ length: 200 }, () => ada.begin()))
      await Promise.all(
        requests.map((request) => {
          count(request.session)
          return request.end()
        }),
      )
      assert.equal((await ada.peek()).get('count'), 200)
    })

    test('P2 a write is not lost to a touch, a renewal, a reauthentication or a read that commits later', async () => {
      const server = serve({ engine: engine() })
      const ada = new Client(server)
      await ada.login('ada')
      server.clock.now += 16 * 60_000
      const [touch, renew, writer] = [await ada.begin(), await ada.begin(), await ada.begin()]
      writer.session.set('note', 'kept')
      ada.receive(await writer.end())
      renew.session.renew()
      ada.receive(await touch.end())
      ada.receive(await renew.end())
      await ada.send((session) => session.reauthenticate())
      assert.equal((await ada.peek()).get('note'), 'kept')
    })
  })
}

test('P2 of two servers on one file each, with 40 increments in flight, none is lost', async (t) => {
  const servers = twoServers(t)
  const ada = new Client(servers[0])
  await ada.login('ada')
  const requests = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      ada
        .copy()
        .moveTo(servers[index % 2]!)
        .begin(),
    ),
  )
  await Promise.all(
    requests.map((request) => {
      count(request.session)
      return request.end()
    }),
  )
  assert.equal((await ada.peek()).get('count'), 40)
})

test('P2 what others write to a visitor while he logs in comes along, until the last moment', async () => {
  const gate = pausing(memory())
  const server = serve({ engine: gate.engine })
  const visitor = new Client(server)
  await visitor.send((session) => session.set('cart', 1))
  const other = visitor.copy()
  const stop = gate.hold('replaceUser')
  const login = visitor.login('ada')
  await stop.reached
  await other.send((session) => session.set('late', 2))
  stop.release()
  await login
  const session = await visitor.peek()
  assert.deepEqual([session.get('cart'), session.get('late')], [1, 2])
})

test('P2 a write that is committed while the same user logs in again, in another tab, comes along', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const login = await ada.begin()
  login.session.authenticate('ada')
  await ada.copy().send((session) => session.set('note', 'committed'))
  ada.receive(await login.end())
  assert.equal((await ada.peek()).get('note'), 'committed')
})

test('P2 a write that was committed to a session while its user logs in again is lost to no third request', async () => {
  const gate = pausing(memory())
  const server = serve({ engine: gate.engine })
  const ada = new Client(server)
  await ada.login('ada')
  const { id } = partsOf(ada.token!)
  const tab = ada.copy().moveTo(serve({ engine: gate.engine }, server.clock))
  const isOld = ([record]: readonly unknown[]) => (record as { id: string }).id === id
  const stop = gate.hold('replace', 'before', isOld)
  const login = ada.login('ada')
  await stop.reached
  await tab.send((session) => session.set('note', 'committed'))
  // Another device: its swap of the ledger finishes what the ledger calls ended.
  await new Client(server).login('ada')
  stop.release()
  await login
  assert.equal((await ada.peek()).get('note'), 'committed')
})

test('P2 update is exact where it gives null, which is a value like any other', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  await ada.send((session) => session.set('choice', 'tea'))
  await ada.send((session) => session.update('choice', () => null))
  assert.equal((await ada.peek()).get('choice'), null)
})

test('P2 a value once read or given cannot be changed behind the session, so that no change is half stored', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const given = { items: [1] }
  const { session, end } = await ada.begin()
  session.set('cart', given)
  given.items.push(2)
  const out = session.get('cart') as { items: number[] }
  assert.throws(() => out.items.push(3), TypeError)
  session.update('cart', (cart) => {
    const kept = cart as { items: number[] }
    kept.items.push(4)
    queueMicrotask(() => kept.items.push(5))
    return kept
  })
  await new Promise((resolve) => setTimeout(resolve, 1))
  await end()
  assert.deepEqual((await ada.peek()).get('cart'), { items: [1, 4] })
})

test('P2 one write that is refused, being too large, takes no other with it', async () => {
  const server = serve({ maxDataBytes: 1_000 })
  const ada = new Client(server)
  await ada.login('ada')
  const [large, small] = [await ada.begin(), await ada.begin()]
  large.session.set('large', 'x'.repeat(2_000))
  small.session.set('small', 1)
  const [refused, kept] = await Promise.all([codeOf(large.end()), codeOf(small.end())])
  assert.deepEqual([refused, kept], ['ERR_SESSION_DATA_TOO_LARGE', 'none'])
  assert.equal((await ada.peek()).get('small'), 1)
})

test('P2 a closure that throws when it runs again fails its own commit and no other', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const [first, second] = [await ada.begin(), await ada.begin()]
  for (const { session } of [first, second]) {
    session.update('ticket', (ticket) => {
      if (ticket !== undefined) throw new Error('taken')
      return 'mine'
    })
  }
  const results = await Promise.all([codeOf(first.end()), codeOf(second.end())])
  assert.deepEqual(results.sort(), ['Error: taken', 'none'])
})

test('P2 P9 an early commit that nobody awaits is durable, all the same, when the response may leave', async () => {
  const gate = pausing(memory())
  const server = serve({ engine: gate.engine })
  const ada = new Client(server)
  await ada.login('ada')
  const { session, end } = await ada.begin()
  session.set('note', 'early')
  const stop = gate.hold('replace')
  const early = session.commit()
  await stop.reached
  let left = false
  const response = end().then(() => {
    left = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  const leftEarly = left
  stop.release()
  await Promise.all([early, response])
  assert.equal(leftEarly, false, 'the response left while its write was still on its way')
})

test('P9 a login by an early commit that nobody awaits still hands out its cookie', async () => {
  const gate = pausing(memory())
  const server = serve({ engine: gate.engine })
  const ada = new Client(server)
  const { session, end } = await ada.begin()
  session.authenticate('ada')
  const stop = gate.hold('create')
  const early = session.commit()
  await stop.reached
  const response = end()
  await new Promise((resolve) => setTimeout(resolve, 20))
  stop.release()
  await early
  ada.receive(await response)
  assert.equal(await ada.whoami(), 'ada')
})
