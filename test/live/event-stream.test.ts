/** Server-sent events: the last one says that the session is over, and why. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import express from 'express'
import { createSessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { createLive } from 'holdfast/live'
import { memory } from 'holdfast/memory'
import { protect as protectNode } from 'holdfast/node'
import { KEY } from '../flow/harness.ts'
import { pause, readEvents, serveLive, User, until } from './site.ts'

describe('a stream of events', { concurrency: true }, () => {
  test('ends with its session, and its last event says why', async (t) => {
    const { port, sessions, live } = await serveLive(t)
    const user = await User.login(port)
    const res = await user.get('/events')
    assert.equal(res.headers['content-type'], 'text/event-stream')
    assert.equal(res.headers['cache-control'], 'no-store')
    await until(() => live.stats().sockets === 1, 'it is held')
    await sessions.revoke({ userId: 'ada' })
    assert.deepEqual(await readEvents(res), {
      end: { code: 4401, reason: 'revoked' },
      text: 'event: session_end\ndata: {"code":4401,"reason":"revoked"}\n\n',
    })
    assert.equal(live.stats().sessions, 0)
  })

  test('is refused to a visitor, by a 401 that EventSource does not try again', async (t) => {
    const { port } = await serveLive(t)
    const res = await new User(port).get('/events')
    assert.equal(res.statusCode, 401)
    res.resume()
  })

  test('whose client goes away is held no longer', async (t) => {
    const { port, live } = await serveLive(t)
    const res = await (await User.login(port)).get('/events')
    await until(() => live.stats().sockets === 1, 'it is held')
    res.destroy()
    await until(() => live.stats().sockets === 0, 'it is not')
  })

  test('whose client has gone before it begins is not held', async (t) => {
    let gone = false
    const sessions = createSessions({ engine: memory(), keys: KEY })
    const live = createLive(sessions)
    const server = createServer(
      protectNode(sessions, async (req, res, session) => {
        if (req.method === 'POST') session.authenticate('ada')
        else {
          await once(res, 'close')
          live.eventStream(res, session)
          gone = true
        }
        res.end()
      }),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(async () => {
      server.closeAllConnections()
      server.close()
      await live.close()
    })
    const user = await User.login((server.address() as AddressInfo).port)
    const leaving = user.get('/events', 100)
    await assert.rejects(leaving)
    await until(() => gone, 'the stream was to begin')
    await pause(50)
    assert.equal(live.stats().sockets, 0)
  })

  test('on Express: what a handler writes after the end goes nowhere, and ends no process', async (t) => {
    const sessions = createSessions({ engine: memory(), keys: KEY })
    const live = createLive(sessions)
    t.after(() => live.close())
    const app = express().use(protect(sessions))
    app.post('/login', (_req, res) => {
      sessions.current().authenticate('ada')
      res.end()
    })
    let written = 0
    app.get('/events', (_req, res) => {
      live.eventStream(res, sessions.current())
      // One that writes at the very moment.
      live.hold(sessions.current(), () => res.write('data: late\n\n'))
      const timer = setInterval(() => res.write(`data: ${++written}\n\n`), 20)
      t.after(() => clearInterval(timer))
    })
    app.use(answerErrors())
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as { port: number }
    const user = await User.login(port)
    const stream = await user.get('/events')
    await until(() => written > 2, 'it flows')
    await sessions.revoke({ userId: 'ada' })
    const { end, text } = await readEvents(stream)
    assert.deepEqual(end, { code: 4401, reason: 'revoked' })
    assert.match(text, /^data: 1\n\ndata: 2\n\n/)
    const before = written
    await pause(100)
    assert.ok(written > before, 'the handler goes on')
    const refused = await user.get('/events')
    assert.equal(refused.statusCode, 401)
    refused.resume()
  })
})
