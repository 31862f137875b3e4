/** What the tests of sockets share: an application with sockets, and a user's browser that opens some. @module */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSessions, type Engine, type SessionEvent } from 'holdfast'
import { createLive, type Live, type LiveEnd, type LiveOptions } from 'holdfast/live'
import { memory } from 'holdfast/memory'
import { protect, upgrade } from 'holdfast/node'
import { WebSocket, WebSocketServer } from 'ws'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { KEY } from '../core/fixtures.ts'
import type { AnySession, AnySessions } from '../flow/harness.ts'

export interface Scope {
  after(work: () => unknown): void
}

export interface Site {
  readonly sessions: AnySessions
  readonly live: Live
  readonly server: Server
  readonly port: number
  readonly events: SessionEvent[]
  /** What the sockets' handlers got. */
  readonly received: string[]
  /** What the server holds of the sockets that were opened. */
  readonly sockets: WebSocket[]
}

export interface SiteOptions {
  readonly engine?: Engine
  readonly sessions?: Partial<SessionsOptions<Record<string, unknown>>>
  readonly live?: LiveOptions
  /** @defaultValue any that is free */
  readonly port?: number
  /** Before the socket is held. */
  readonly beforeHold?: (session: AnySession) => unknown
}

/** Serves logins at `/login?user`, logouts, events at `/events`, and sockets everywhere. */
export async function serveLive(scope: Scope, options: SiteOptions = {}): Promise<Site> {
  const events: SessionEvent[] = []
  const received: string[] = []
  const sockets: WebSocket[] = []
  const sessions: AnySessions = createSessions({
    engine: options.engine ?? memory(),
    keys: KEY,
    onEvent: (event) => void events.push(event),
    ...options.sessions,
  })
  const live = createLive(sessions, options.live)
  const handle = protect(sessions, async (req, res, session) => {
    const url = new URL(req.url!, 'http://localhost')
    if (url.pathname === '/login') session.authenticate(url.search.slice(1))
    if (url.pathname === '/again') session.reauthenticate()
    if (url.pathname === '/logout') session.terminate()
    if (url.pathname === '/events') return void live.eventStream(res, session)
    res.end(session.userId ?? 'visitor')
  })
  const wss = new WebSocketServer({ noServer: true })
  wss.on('connection', (ws: WebSocket) => {
    sockets.push(ws)
    ws.on('message', (data) => received.push(String(data)))
  })
  const server = createServer(handle)
  server.on(
    'upgrade',
    upgrade(sessions, async (req, socket, head, session) => {
      if (req.url !== '/visitors') session.require()
      await options.beforeHold?.(session)
      wss.handleUpgrade(req, socket, head, (ws) => {
        live.webSocket(ws, session)
        wss.emit('connection', ws, req)
      })
    }),
  )
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  scope.after(async () => {
    for (const ws of wss.clients) ws.terminate()
    server.closeAllConnections()
    server.close()
    await live.close()
    await sessions.close()
  })
  const { port } = server.address() as AddressInfo
  return { sessions, live, server, port, events, received, sockets }
}

/** A user's browser, as far as sockets go. */
export class User {
  readonly port: number
  cookie = ''

  constructor(port: number) {
    this.port = port
  }

  static async login(port: number, name = 'ada'): Promise<User> {
    const user = new User(port)
    await user.post(`/login?${name}`)
    return user
  }

  get headers(): Record<string, string> {
    return {
      host: `localhost:${this.port}`,
      origin: `http://localhost:${this.port}`,
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0 Safari/537.36',
      ...(this.cookie !== '' && { cookie: this.cookie }),
    }
  }

  /** @param form - urlencoded */
  async post(path: string, form = ''): Promise<number> {
    const res = await this.#send('POST', path, form)
    res.resume()
    for (const line of res.headers['set-cookie'] ?? []) this.cookie = line.split(';')[0]!
    return res.statusCode!
  }

  /** @param patience - milliseconds, after which the client goes away */
  async get(path: string, patience?: number): Promise<IncomingMessage> {
    return this.#send('GET', path, '', patience)
  }

  /** Loads a page, and takes what cookie it brings. */
  async look(): Promise<void> {
    const res = await this.get('/')
    res.resume()
    for (const line of res.headers['set-cookie'] ?? []) this.cookie = line.split(';')[0]!
  }

  /** Opens a WebSocket. Rejects with the status where it is refused. */
  async open(path = '/', headers: Record<string, string> = {}): Promise<Tab> {
    const ws = new WebSocket(`ws://127.0.0.1:${this.port}${path}`, {
      headers: { ...this.headers, ...headers },
    })
    const tab = new Tab(ws)
    await new Promise<void>((resolve, reject) => {
      ws.on('open', resolve)
      ws.on('unexpected-response', (_, { statusCode }) => reject(new Error(`refused: ${statusCode}`)))
      ws.on('error', reject)
    })
    return tab
  }

  async #send(method: string, path: string, form = '', patience?: number): Promise<IncomingMessage> {
    const headers = {
      ...this.headers,
      ...(form !== '' && { 'content-type': 'application/x-www-form-urlencoded' }),
    }
    const outgoing = request({ host: '127.0.0.1', port: this.port, method, path, headers })
    outgoing.end(form)
    if (patience !== undefined) setTimeout(() => outgoing.destroy(), patience)
    const [res] = (await once(outgoing, 'response')) as [IncomingMessage]
    return res
  }
}

/** A page with a WebSocket. */
export class Tab {
  readonly ws: WebSocket
  readonly messages: string[] = []
  readonly closed: Promise<{ code: number; reason: string; at: number }>

  constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (data) => this.messages.push(String(data)))
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => resolve({ code, reason: String(reason), at: performance.now() }))
    })
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN
  }

  /** Waits for the end, which must be this one. @returns how long that took */
  async endsBy(code: number, reason: string, within = 1_000): Promise<number> {
    const from = performance.now()
    const timer = setTimeout(() => this.ws.terminate(), within + 10_000)
    const closed = await this.closed
    clearTimeout(timer)
    assert.deepEqual([closed.code, closed.reason], [code, reason])
    const took = closed.at - from
    assert.ok(took < within, `it took ${took} ms`)
    return took
  }
}

/** The end that an event stream tells, once it is over; and whatever it said before. */
export async function readEvents(res: IncomingMessage): Promise<{ end: LiveEnd | null; text: string }> {
  let text = ''
  for await (const chunk of res) text += chunk
  const last = /event: session_end\ndata: (.*)\n\n$/.exec(text)
  return { end: last && JSON.parse(last[1]!), text }
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Waits for something that must come to be. */
export async function until(holds: () => boolean, what: string, patience = 10_000): Promise<void> {
  for (const end = performance.now() + patience; !holds(); await pause(10))
    assert.ok(performance.now() < end, `waited in vain until ${what}`)
}
