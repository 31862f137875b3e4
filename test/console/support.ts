/** A console on a real server, through each adapter, and those who knock at it. */

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createSessions, type Engine, generateKey, type SessionEvent } from 'holdfast'
import type { Audit } from 'holdfast/audit'
import { type Console, type ConsoleOptions, createConsole } from 'holdfast/console'
import { answerErrors, protect as protectExpress, toListener } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { protect as protectNode } from 'holdfast/node'
import { type Browser, browser } from 'holdfast/testing'
import { protect as protectWeb } from 'holdfast/web'
import type { Me } from '../../src/console/api.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import type { AnySessions } from '../flow/harness.ts'

export interface Place extends AsyncDisposable {
  readonly sessions: AnySessions
  readonly events: SessionEvent[]
  readonly console: Console
  readonly port: number
  /** Somebody who has logged in. */
  login(userId: string, headers?: Record<string, string>): Promise<Browser>
  visitor(headers?: Record<string, string>): Browser
}

export interface PlaceOptions {
  readonly engine?: Engine
  readonly adapter?: keyof typeof adapters
  readonly audit?: Audit
  readonly console?: Partial<ConsoleOptions<Record<string, unknown>>>
  readonly sessions?: Partial<SessionsOptions<Record<string, unknown>>>
}

/** `POST /login?user=…` logs in, `POST /prove` proves it again; everything else below `/console/` is the console's. */
const adapters = {
  node: (sessions: AnySessions, handler: Console): RequestListener => {
    const listener = toListener(handler)
    return protectNode(sessions, (req, res, session) => {
      const { pathname, searchParams } = new URL(req.url!, 'http://host.invalid')
      if (pathname.startsWith('/console')) return listener(req, res)
      if (pathname === '/login') session.authenticate(searchParams.get('user')!)
      if (pathname === '/prove') session.reauthenticate()
      if (pathname === '/whoami') session.require()
      return res.end(session.userId)
    })
  },
  express: (sessions: AnySessions, handler: Console): RequestListener => {
    const app = express().set('env', 'test')
    app.use(express.json(), protectExpress(sessions))
    app.use('/console', toListener(handler))
    app.post('/login', (req, res) => {
      sessions.current().authenticate(String(req.query.user))
      res.end()
    })
    app.get('/whoami', (_req, res) => void res.end(sessions.current().require()))
    app.use(answerErrors())
    return app
  },
  web: (sessions: AnySessions, handler: Console): RequestListener => {
    const fetch = protectWeb(
      sessions,
      (request, session) => {
        const { pathname, searchParams } = new URL(request.url)
        if (pathname.startsWith('/console')) return handler(request)
        if (pathname === '/login') session.authenticate(searchParams.get('user')!)
        if (pathname === '/whoami') session.require()
        return new Response(session.userId)
      },
      { ip: () => '127.0.0.1' },
    )
    return toListener(fetch)
  },
}

export const ADAPTERS = Object.keys(adapters) as (keyof typeof adapters)[]

export async function place(options: PlaceOptions = {}): Promise<Place> {
  const { engine = memory(), adapter = 'node', audit } = options
  const events: SessionEvent[] = []
  const onEvent = (event: SessionEvent) => {
    events.push(event)
    audit?.onEvent(event)
  }
  const sessions = createSessions({ engine, keys: generateKey(), onEvent, ...options.sessions })
  const guard = (session: { readonly userId: string | null }) => session.userId?.startsWith('op') ?? false
  const handler = createConsole(sessions, { guard, ...(audit && { audit }), ...options.console })
  const server = createServer(adapters[adapter](sessions, handler))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = (headers: Record<string, string> = {}) => browser(server, { headers })
  return {
    sessions,
    events,
    console: handler,
    port: (server.address() as AddressInfo).port,
    visitor,
    async login(userId, headers = {}) {
      const somebody = visitor(headers)
      const { status } = await somebody.post(`/login?user=${encodeURIComponent(userId)}`)
      if (status !== 200) throw new Error(`the login was answered by ${status}`)
      return somebody
    },
    async [Symbol.asyncDispose]() {
      handler.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await audit?.close()
      await sessions.close()
    },
  }
}

/** What the console's API answers. @param path - below `api/` */
export async function read<T>(operator: Browser, path: string): Promise<T> {
  const response = await operator.fetch(`/console/api/${path}`)
  if (response.status !== 200) throw new Error(`${path} was answered by ${response.status}`)
  return (await response.json()) as T
}

export function me(operator: Browser): Promise<Me> {
  return read<Me>(operator, 'me')
}

export async function errorOf(
  response: Response,
): Promise<{ readonly code: string; readonly required?: object }> {
  return ((await response.json()) as { error: { code: string } }).error
}

/** Ends sessions as the page does. */
export async function revoke(
  operator: Browser,
  request: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { csrfToken } = await me(operator)
  return operator.fetch('/console/api/revoke', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-csrf-token': csrfToken, ...headers },
    body: JSON.stringify(request),
  })
}
