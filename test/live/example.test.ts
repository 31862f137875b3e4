/** The example of docs/live.md, as its users see it. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createSessions } from 'holdfast'
import { createLive } from 'holdfast/live'
import { memory } from 'holdfast/memory'
import { io as connect } from 'socket.io-client'
import { liveServer } from '../../examples/recipes/live.ts'
import { KEY } from '../core/fixtures.ts'
import { readEvents, User, until } from './site.ts'

test('a chat, events and Socket.IO on one server end with the session', async (t) => {
  const sessions = createSessions({ engine: memory(), keys: KEY })
  const live = createLive(sessions)
  const server = liveServer(sessions, live).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    await live.close()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const visitor = new User(port)
  await assert.rejects(visitor.open('/chat'), /refused: 401/)
  const refused = await visitor.get('/events')
  assert.equal(refused.statusCode, 401)
  refused.resume()

  const user = new User(port)
  await user.post('/login', 'user=ada')
  const tab = await user.open('/chat')
  const events = await user.get('/events')
  const socket = connect(`http://localhost:${port}`, {
    transports: ['websocket'],
    extraHeaders: user.headers,
    reconnection: false,
  })
  t.after(() => socket.disconnect())
  const heard: unknown[] = []
  socket.on('said', (text) => heard.push(text))
  socket.on('session_end', (end) => heard.push(end))
  await until(() => live.stats().sockets === 3, 'all are held')
  socket.emit('say', 'hello')
  tab.ws.send('hello')
  await until(() => heard.length === 1 && tab.messages.length === 1, 'both are answered')
  assert.deepEqual([heard, tab.messages], [['ada: hello'], ['ada: hello']])

  await user.post('/logout')
  await tab.endsBy(4401, 'logout')
  assert.deepEqual((await readEvents(events)).end, { code: 4401, reason: 'logout' })
  await until(() => heard.length === 2, 'Socket.IO is told')
  assert.deepEqual(heard[1], { code: 4401, reason: 'logout' })
})
