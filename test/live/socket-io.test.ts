/** Socket.IO: its handshakes are judged, its sockets end with their session. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, type TestContext, test } from 'node:test'
import { createSessions, type SessionEvent } from 'holdfast'
import { createLive, type LiveEnd, type LiveOptions } from 'holdfast/live'
import { memory } from 'holdfast/memory'
import { protect } from 'holdfast/node'
import { Server, type ServerOptions } from 'socket.io'
import { io as connect, type Socket } from 'socket.io-client'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { type AnySessions, KEY } from '../flow/harness.ts'
import { pause, User, until } from './site.ts'

interface Options {
  readonly sessions?: Partial<SessionsOptions<Record<string, unknown>>>
  readonly live?: LiveOptions
  readonly io?: Partial<ServerOptions>
}

async function serve(t: TestContext, options: Options = {}) {
  const events: SessionEvent[] = []
  const onEvent = (event: SessionEvent) => void events.push(event)
  const sessions: AnySessions = createSessions({ engine: memory(), keys: KEY, onEvent, ...options.sessions })
  const live = createLive(sessions, options.live)
  const server = createServer(
    protect(sessions, (req, res, session) => {
      if (req.method === 'POST') session.authenticate('ada')
      res.end()
    }),
  )
  const io = new Server(server, options.io)
  const received: string[] = []
  live.socketIo(io)
  live.socketIo(io.of('/admin'))
  io.on('connection', (socket) => {
    socket.emit('hello', socket.data.session.userId)
    socket.on('say', (text: string) => received.push(text))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    await io.close()
    server.closeAllConnections()
    await live.close()
  })
  const { port } = server.address() as { port: number }
  return { sessions, live, io, port, received, events }
}

function open(t: TestContext, user: User, path = '/', transports = ['websocket'], more = {}): Client {
  const socket = connect(`http://localhost:${user.port}${path}`, {
    transports,
    extraHeaders: { ...user.headers, ...more },
    forceNew: true,
    reconnection: false,
  })
  t.after(() => socket.disconnect())
  return new Client(socket)
}

class Client {
  readonly socket: Socket
  readonly heard: unknown[] = []
  end: LiveEnd | null = null
  refusal: (Error & { data?: { code: string; status: number } }) | null = null
  disconnected: string | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('hello', (name) => this.heard.push(name))
    socket.on('news', (text) => this.heard.push(text))
    socket.on('session_end', (end) => (this.end = end))
    socket.on('connect_error', (error) => (this.refusal = error))
    socket.on('disconnect', (reason) => (this.disconnected = reason))
  }
}

describe('Socket.IO', { concurrency: true }, () => {
  for (const transport of ['websocket', 'polling']) {
    test(`by ${transport}: the session of the handshake, until it is revoked`, async (t) => {
      const { port, sessions, live, io } = await serve(t)
      const user = await User.login(port)
      const clients = [open(t, user, '/', [transport]), open(t, user, '/admin', [transport])]
      await until(() => live.stats().sockets === 2, 'both are held')
      await until(() => clients[0]!.heard.length === 1, 'it is greeted')
      assert.equal(clients[0]!.heard[0], 'ada')
      await sessions.revoke({ userId: 'ada' })
      await until(() => clients.every(({ disconnected }) => disconnected), 'both are disconnected')
      io.emit('news', 'after the end')
      for (const { end, disconnected } of clients) {
        assert.deepEqual(end, { code: 4401, reason: 'revoked' })
        assert.equal(disconnected, 'io server disconnect')
      }
      assert.deepEqual(clients[0]!.heard, ['ada'])
      await until(() => live.stats().sockets === 0, 'none is held')
    })

    test(`by ${transport}: a visitor is refused, and told why`, async (t) => {
      const { port } = await serve(t)
      const { socket } = open(t, new User(port), '/', [transport])
      const [error] = await once(socket as never, 'connect_error')
      assert.deepEqual(error.data, { code: 'ERR_NOT_AUTHENTICATED', status: 401 })
    })

    test(`by ${transport}: another site's page is refused, whatever cookies it brings`, async (t) => {
      const { port } = await serve(t)
      const user = await User.login(port)
      const { socket } = open(t, user, '/', [transport], { origin: 'https://evil.example' })
      const [error] = await once(socket as never, 'connect_error')
      assert.deepEqual(error.data, { code: 'ERR_CROSS_ORIGIN', status: 403 })
    })
  }

  test('a recovered connection, which skips the middleware, is not taken for judged', async (t) => {
    const { port, io } = await serve(t, { io: { connectionStateRecovery: { skipMiddlewares: true } } })
    const user = await User.login(port)
    const client = open(t, user)
    await until(() => client.heard.length === 1, 'it is greeted')
    io.emit('news', 'an offset to recover from')
    await until(() => client.heard.length === 2, 'it hears')
    client.socket.io.engine.close()
    await until(() => client.disconnected !== null, 'it is gone')
    client.disconnected = null
    client.socket.connect()
    await until(() => client.disconnected !== null, 'it is refused')
    assert.deepEqual(client.end, { code: 4409, reason: 'superseded' })
  })

  test('what a client sends after the end reaches no handler', async (t) => {
    const { port, sessions, live, received } = await serve(t)
    const user = await User.login(port)
    const client = open(t, user)
    await until(() => live.stats().sockets === 1, 'it is held')
    client.socket.emit('say', 'before')
    await until(() => received.length === 1, 'it is heard')
    client.socket.on('session_end', () => client.socket.emit('say', 'after'))
    await sessions.revoke({ userId: 'ada' })
    await until(() => client.disconnected !== null, 'it is disconnected')
    await pause(100)
    assert.deepEqual(received, ['before'])
  })

  test('P4 a namespace that is joined late, by a token that has been renewed since, is no replay', async (t) => {
    const times = { renewal: '500ms', grace: '50ms', late: '50ms' } as const
    const { port, sessions, live, events } = await serve(t, { sessions: times })
    const user = await User.login(port)
    const client = open(t, user)
    await until(() => live.stats().sockets === 1, 'it is held')
    for (let request = 0; request < 4; request++) {
      await pause(600)
      await user.look()
    }
    const admin = client.socket.io.socket('/admin')
    await Promise.race([once(admin as never, 'connect'), once(client.socket as never, 'disconnect')])
    assert.ok(events.every(({ name }) => name !== 'authn_token_reuse'))
    assert.equal((await sessions.list('ada')).length, 1)
    await until(() => live.stats().sockets === 2, 'both are held')
  })

  test('P12 a namespace that is joined when the session has ended is refused, though its connection is still there', async (t) => {
    const { port, sessions, live, io } = await serve(t)
    io.of('/public')
    const user = await User.login(port)
    const client = open(t, user)
    await until(() => live.stats().sockets === 1, 'it is held')
    await once(client.socket.io.socket('/public') as never, 'connect')
    client.socket.disconnect()
    await until(() => live.stats().sockets === 0, 'nobody is held')
    await sessions.revoke({ userId: 'ada' })
    const admin = client.socket.io.socket('/admin')
    const [error] = await once(admin as never, 'connect_error')
    assert.deepEqual(error.data, { code: 'ERR_NOT_AUTHENTICATED', status: 401 })
  })
})
