/** Fastify's WebSockets, which are those of `ws`. */

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { createSessions } from 'holdfast'
import { holdfast } from 'holdfast/fastify'
import { createLive } from 'holdfast/live'
import { memory } from 'holdfast/memory'
import { KEY } from '../core/fixtures.ts'
import { User, until } from './site.ts'

async function serve(t: TestContext) {
  const sessions = createSessions({ engine: memory(), keys: KEY })
  const live = createLive(sessions)
  const app = Fastify()
  await app.register(websocket)
  await app.register(holdfast, { sessions })
  const received: string[] = []
  app.post('/login', (request) => {
    request.session.authenticate('ada')
    return 'ok'
  })
  app.get(
    '/',
    { websocket: true, preValidation: async (request) => void request.session.require() },
    (socket, request) => {
      live.webSocket(socket, request.session)
      socket.on('message', (data) => received.push(String(data)))
    },
  )
  app.get('/events', (request, reply) => {
    reply.hijack()
    live.eventStream(reply.raw, request.session)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(async () => {
    await live.close()
    app.server.closeAllConnections()
    await app.close()
  })
  const { port } = app.server.address() as { port: number }
  return { sessions, live, port, received }
}

describe('Fastify', { concurrency: true }, () => {
  test('a WebSocket ends with its session', async (t) => {
    const { port, sessions, live, received } = await serve(t)
    const tab = await (await User.login(port)).open()
    tab.ws.send('hello')
    await until(() => received.length === 1, 'it is heard')
    assert.equal(live.stats().sockets, 1)
    await sessions.revoke({ userId: 'ada' })
    await tab.endsBy(4401, 'revoked')
  })

  test('a visitor is refused with 401, and another site with 403', async (t) => {
    const { port } = await serve(t)
    await assert.rejects(new User(port).open(), /refused: 401/)
    const user = await User.login(port)
    await assert.rejects(user.open('/', { origin: 'https://evil.example' }), /refused: 403/)
  })

  test('a stream of events ends with its session', async (t) => {
    const { port, sessions, live } = await serve(t)
    const res = await (await User.login(port)).get('/events')
    await until(() => live.stats().sockets === 1, 'it is held')
    await sessions.revoke({ userId: 'ada' })
    let text = ''
    for await (const chunk of res) text += chunk
    assert.match(text, /^event: session_end\ndata: \{"code":4401,"reason":"revoked"\}\n\n$/)
  })
})
