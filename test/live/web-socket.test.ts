/** WebSockets of `ws`: what ends a session ends them, with a code of its own. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { pause, serveLive, User, until } from './site.ts'

const SHORT = { renewal: '500ms', grace: '50ms', late: '50ms' } as const

describe('a WebSocket', { concurrency: true }, () => {
  test('ends when its session is revoked: 4401', async (t) => {
    const { port, sessions } = await serveLive(t)
    const user = await User.login(port)
    const tabs = [await user.open(), await user.open()]
    const bob = await (await User.login(port, 'bob')).open()
    assert.equal(await sessions.revoke({ userId: 'ada' }), 1)
    for (const tab of tabs) await tab.endsBy(4401, 'revoked')
    assert.ok(bob.isOpen)
  })

  test('ends at once when its user logs out in this process', async (t) => {
    const { port } = await serveLive(t, { live: { checkEvery: '10s' } })
    const user = await User.login(port)
    const tab = await user.open()
    await pause(50)
    await user.post('/logout')
    await tab.endsBy(4401, 'logout')
  })

  test('ends when everybody is revoked', async (t) => {
    const { port, sessions } = await serveLive(t, { live: { checkEvery: '10s' } })
    const tab = await (await User.login(port)).open()
    await pause(50)
    await sessions.revoke({ everybody: true })
    await tab.endsBy(4401, 'revoked')
  })

  test('ends with 4409 when its user logs in again in another tab, which makes a new id', async (t) => {
    const { port } = await serveLive(t, { live: { checkEvery: '10s' } })
    const user = await User.login(port)
    const tab = await user.open()
    await pause(50)
    await user.post('/login?ada')
    await tab.endsBy(4409, 'replaced')
    assert.ok((await user.open()).isOpen)
  })

  test('ends with 4409 when another user logs in in its browser', async (t) => {
    const { port } = await serveLive(t)
    const user = await User.login(port)
    const tab = await user.open()
    await user.post('/login?bob')
    await tab.endsBy(4409, 'replaced')
  })

  test('P3 ends with 4409 at a reauthentication: nothing issued before it works, and no socket opened', async (t) => {
    const { port } = await serveLive(t, { live: { checkEvery: '10s' } })
    const user = await User.login(port)
    const tab = await user.open()
    await pause(50)
    await user.post('/again')
    await tab.endsBy(4409, 'superseded')
    const next = await user.open()
    await pause(100)
    assert.ok(next.isOpen)
  })

  test('P10 ends when nobody uses the session, and at its longest, whatever is sent', async (t) => {
    const { port, sessions } = await serveLive(t, {
      sessions: { idle: '2s', absolute: '6s', ...SHORT },
    })
    const [quiet, busy] = [await User.login(port), await User.login(port)]
    const [one, other] = [await quiet.open(), await busy.open()]
    const asking = setInterval(() => void busy.get('/').then((res) => res.resume()), 300)
    t.after(() => clearInterval(asking))
    const talking = setInterval(() => one.ws.send('I am here'), 100)
    t.after(() => clearInterval(talking))
    await one.endsBy(4401, 'idle', 4_000)
    await other.endsBy(4401, 'absolute', 6_000)
    assert.deepEqual(await sessions.list('ada'), [])
  })

  test('messages keep the session alive where they count as use, and never past its longest', async (t) => {
    const { port, sessions } = await serveLive(t, {
      sessions: { idle: '1s', absolute: '4s', ...SHORT },
      live: { messages: 'used' },
    })
    const user = await User.login(port)
    const tab = await user.open()
    const opened = Date.now()
    const talking = setInterval(() => tab.ws.send('I am here'), 50)
    t.after(() => clearInterval(talking))
    await pause(2_500)
    assert.ok(tab.isOpen)
    const [info] = await sessions.list('ada')
    assert.ok(info!.seenAt > opened + 1_500, 'the store heard of it')
    await tab.endsBy(4401, 'absolute', 3_000)
  })

  test('the store hears of a use at most every idle / 10', async (t) => {
    const { port, sessions } = await serveLive(t, {
      sessions: { idle: '200s', absolute: '1h' },
      live: { messages: 'used' },
    })
    const user = await User.login(port)
    const tab = await user.open()
    const [before] = await sessions.list('ada')
    for (let time = 0; time < 10; time++) {
      tab.ws.send('again')
      await pause(50)
    }
    assert.equal((await sessions.list('ada'))[0]!.seenAt, before!.seenAt)
  })

  test('after the end nothing is delivered, either way', async (t) => {
    const { port, sessions, sockets, received } = await serveLive(t)
    const user = await User.login(port)
    const tab = await user.open()
    tab.ws.send('before')
    await until(() => received.length === 1, 'it is received')
    const [served] = sockets
    // A client that sends on, and does not answer the close.
    tab.ws.pause()
    const ended = once(served!, 'close')
    await sessions.revoke({ userId: 'ada' })
    await until(() => served!.readyState === served!.CLOSING, 'it closes')
    served!.send('after')
    tab.ws.send('after')
    await ended
    tab.ws.resume()
    assert.deepEqual(await tab.closed.then(({ code }) => code), 4401)
    assert.deepEqual([received, tab.messages], [['before'], []])
  })

  test('a client who does not answer is cut off', async (t) => {
    const { port, sessions, sockets } = await serveLive(t)
    const tab = await (await User.login(port)).open()
    tab.ws.pause()
    await until(() => sockets.length === 1, 'it is served')
    const ended = once(sockets[0]!, 'close')
    const from = performance.now()
    await sessions.revoke({ userId: 'ada' })
    await ended
    assert.ok(performance.now() - from < 4_000)
  })

  test('whose session is lost between the upgrade and the holding is closed', async (t) => {
    const site = await serveLive(t, {
      live: { checkEvery: '10s' },
      beforeHold: () => site.sessions.revoke({ userId: 'ada' }),
    })
    const tab = await (await User.login(site.port)).open()
    await tab.endsBy(4401, 'revoked')
  })

  test('of a visitor is refused by session.require, with 401', async (t) => {
    const { port } = await serveLive(t)
    await assert.rejects(new User(port).open(), /refused: 401/)
  })

  test('of a visitor is closed where nobody asked', async (t) => {
    const { port } = await serveLive(t)
    const tab = await new User(port).open('/visitors')
    await tab.endsBy(4401, 'unauthenticated')
  })

  test('of a suspended session is closed where nobody asked', async (t) => {
    const { port } = await serveLive(t)
    const user = new User(port)
    await user.post('/login?ada')
    const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0'
    await assert.rejects(user.open('/', { 'user-agent': firefox }), /refused: 401/)
    const tab = await user.open('/visitors', { 'user-agent': firefox })
    await tab.endsBy(4401, 'suspended')
  })

  test("from another site's page is refused, whatever cookies it brings", async (t) => {
    const { port } = await serveLive(t)
    const user = await User.login(port)
    await assert.rejects(user.open('/', { origin: 'https://evil.example' }), /refused: 403/)
  })

  test('that has closed is held no longer, and without one no timer runs', async (t) => {
    const { port, live } = await serveLive(t)
    const user = await User.login(port)
    const tabs = [await user.open(), await user.open()]
    await until(() => live.stats().sockets === 2, 'both are held')
    assert.equal(live.stats().sessions, 1)
    for (const tab of tabs) tab.ws.close()
    await until(() => live.stats().sessions === 0, 'none is held')
  })

  test('that has closed before it is held is not', async (t) => {
    const { live, sessions, port, sockets } = await serveLive(t)
    const user = await User.login(port)
    const tab = await user.open()
    await until(() => sockets.length === 1, 'it is open')
    tab.ws.terminate()
    await once(sockets[0]!, 'close')
    await until(() => live.stats().sockets === 0, 'it is held no longer')
    const [info] = await sessions.list('ada')
    const { id, userId, authenticatedAt } = info!
    live.webSocket(sockets[0]!, {
      id,
      userId,
      authenticatedAt,
      suspended: false,
      lost: null,
      require: () => userId,
    })
    await pause(50)
    assert.equal(live.stats().sockets, 0)
  })

  test('closing ends them all, and later ones at once: 4503', async (t) => {
    const { port, live } = await serveLive(t)
    const user = await User.login(port)
    const tab = await user.open()
    await until(() => live.stats().sockets === 1, 'it is held')
    await live.close()
    await tab.endsBy(4503, 'unavailable')
    const late = await user.open()
    await late.endsBy(4503, 'unavailable')
  })
})
