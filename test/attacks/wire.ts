/** One small application behind each adapter, and raw requests to it: what an attacker's script can send. */

import { createServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { answerErrors, protect as protectExpress } from '../../src/adapters/express.ts'
import { protect as protectNode } from '../../src/adapters/node.ts'
import { protect as protectWeb } from '../../src/adapters/web.ts'
import type { Sessions } from '../../src/index.ts'
import type { AnySession, Data } from './support.ts'

export interface WireRequest {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
}

export interface WireResponse {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** All values of a header. */
  all(name: string): string[]
  one(name: string): string | undefined
  /** The new value of a cookie; null when it was cleared. */
  cookie(name: string): string | null | undefined
}

export interface Wire {
  /** As browsers send it in `Origin`. */
  readonly origin: string
  send(request?: WireRequest): Promise<WireResponse>
}

/** What an application does with a request; what it returns is the body. */
export type Route = (
  session: AnySession,
  path: string,
  /** Sets a response header, before the body. */
  setHeader: (name: string, value: string) => void,
) => string | Promise<string>

interface Context {
  after(work: () => unknown): void
}

export type Serve = (t: Context, sessions: Sessions<Data>, route: Route) => Promise<Wire>

const throughNode: Serve = (t, sessions, route) => {
  const handle = protectNode(sessions, async (req, res, session) => {
    res.end(await route(session, req.url ?? '/', (name, value) => void res.setHeader(name, value)))
  })
  return listen(t, async (req, res) => {
    const type = req.headers['content-type'] ?? ''
    if (/^application\/x-www-form-urlencoded/i.test(type)) {
      const form = new URLSearchParams(Buffer.concat(await req.toArray()).toString())
      Object.assign(req, { body: Object.fromEntries(form) })
    }
    handle(req, res)
  })
}

const throughExpress: Serve = (t, sessions, route) => {
  const app = express()
  app.use(express.urlencoded({ extended: true }), express.json(), protectExpress(sessions))
  app.use(async (req: express.Request, res: express.Response) => {
    res.send(await route(sessions.current(), req.path, (name, value) => void res.setHeader(name, value)))
  })
  app.use(answerErrors())
  return listen(t, app as never)
}

const throughWeb: Serve = async (_t, sessions, route) => {
  const handler = protectWeb(
    sessions,
    async (request, session) => {
      const headers = new Headers()
      const body = await route(session, new URL(request.url).pathname, (name, value) =>
        headers.set(name, value),
      )
      return new Response(body, { headers })
    },
    { ip: () => '192.0.2.1' },
  )
  const origin = 'https://app.example'
  return {
    origin,
    async send({ method = 'GET', path = '/', headers = {}, body } = {}) {
      const sent = new Headers()
      for (const [name, value] of Object.entries(headers)) {
        for (const each of [value].flat()) sent.append(name, each as string)
      }
      if (body !== undefined) sent.set('content-length', String(Buffer.byteLength(body)))
      // Without a body of its own type, as a Blob without one is sent.
      const bytes = body === undefined ? null : Buffer.from(body)
      const response = await handler(new Request(origin + path, { method, headers: sent, body: bytes }))
      return responseOf(response.status, [...response.headers], await response.text())
    },
  }
}

export const ADAPTERS: readonly (readonly [name: string, serve: Serve])[] = [
  ['node', throughNode],
  ['express', throughExpress],
  ['web', throughWeb],
]

/** Serves on loopback, until the test ends. */
export async function listen(
  t: Context,
  listener: (req: IncomingMessage, res: ServerResponse) => unknown,
): Promise<Wire> {
  const server = createServer({ maxHeaderSize: 256 * 1024 }, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    send: ({ method = 'GET', path = '/', headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const request = requestHttp(
          { host: '127.0.0.1', port, method, path, headers: headers as Record<string, string>, agent: false },
          (message) => {
            const chunks: Buffer[] = []
            message.on('data', (chunk) => chunks.push(chunk))
            message.on('error', reject)
            message.on('end', () => {
              const pairs = message.rawHeaders.flatMap((name, at) =>
                at % 2 === 0 ? [[name, message.rawHeaders[at + 1]!] as const] : [],
              )
              resolve(responseOf(message.statusCode!, pairs, Buffer.concat(chunks).toString()))
            })
          },
        )
        request.on('error', reject)
        request.end(body)
      }),
  }
}

function responseOf(
  status: number,
  headers: readonly (readonly [string, string])[],
  body: string,
): WireResponse {
  const all = (wanted: string) =>
    headers.filter(([name]) => name.toLowerCase() === wanted.toLowerCase()).map(([, value]) => value)
  return {
    status,
    headers,
    body,
    all,
    one: (name) => all(name)[0],
    cookie(name) {
      const line = all('set-cookie').findLast((each) => each.startsWith(`${name}=`))
      if (line === undefined) return undefined
      return /; max-age=0(?:;|$)/i.test(line) ? null : line.slice(name.length + 1).split(';')[0]!
    },
  }
}

/** The headers of a request that a browser sends for our own page. */
export function ours(
  cookies: Readonly<Record<string, string | null | undefined>> = {},
): Record<string, string> {
  const cookie = Object.entries(cookies)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
  return { 'sec-fetch-site': 'same-origin', 'user-agent': 'Mozilla/5.0', ...(cookie && { cookie }) }
}
