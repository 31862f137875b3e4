/** A WebSocket, Socket.IO and server-sent events, which end with the session. */

import { createServer, type Server } from 'node:http'
import express from 'express'
import type { Sessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import type { Live } from 'holdfast/live'
import { upgrade } from 'holdfast/node'
import { Server as SocketIoServer } from 'socket.io'
import { WebSocketServer } from 'ws'

export function liveServer(sessions: Sessions, live: Live): Server {
  const app = express().use(express.urlencoded({ extended: false }), protect(sessions))
  app.post('/login', (req, res) => {
    sessions.current().authenticate(String(req.body.user))
    res.send('Welcome.')
  })
  app.post('/logout', (_req, res) => {
    sessions.current().terminate()
    res.send('Goodbye.')
  })

  // snippet: events
  app.get('/events', (_req, res) => {
    live.eventStream(res, sessions.current()) // a 401 for visitors
    const timer = setInterval(() => res.write(`data: ${Date.now()}\n\n`), 100)
    res.on('close', () => clearInterval(timer))
  })
  // /snippet
  app.use(answerErrors())
  const server = createServer(app)

  // snippet: ws
  const wss = new WebSocketServer({ noServer: true })
  const open = upgrade(sessions, (req, socket, head, session) => {
    session.require() // a 401 for visitors
    wss.handleUpgrade(req, socket, head, (ws) => {
      live.webSocket(ws, session)
      ws.on('message', (data) => ws.send(`${session.userId}: ${data}`))
    })
  })
  server.on('upgrade', (req, socket, head) => req.url === '/chat' && open(req, socket, head))
  // /snippet

  // snippet: socket-io
  const io = new SocketIoServer(server, { transports: ['websocket'] })
  live.socketIo(io) // and each namespace of its own: live.socketIo(io.of('/admin'))
  io.on('connection', (socket) => {
    const { userId } = socket.data.session
    socket.on('say', (text) => io.emit('said', `${userId}: ${text}`))
  })
  // /snippet
  return server
}
