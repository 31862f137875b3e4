/** What the scenarios run on: one way to write an application for every adapter, servers, and raw requests. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import {
  createSessions,
  type Engine,
  generateKey,
  type MaybePromise,
  type Session,
  type SessionEvent,
  type Sessions,
} from 'holdfast'
import { memory } from 'holdfast/memory'
import { sqlite } from 'holdfast/sqlite'
import { type Browser, type BrowserOptions, browser } from 'holdfast/testing'
import { EVERYBODY } from '../../src/core/ledger.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'

export type AnySession = Session<Record<string, unknown>>
export type AnySessions = Sessions<Record<string, unknown>>

/** A request, as every adapter can show it. */
export interface Exchange {
  readonly session: AnySession
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly text: () => Promise<string>
}

/** A response, as every adapter can send it. */
export interface Reply {
  readonly status?: number
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string | Readable
}

export type Handler = (exchange: Exchange) => MaybePromise<Reply>

export interface Adapter {
  readonly name: string
  listen(sessions: AnySessions, handler: Handler): RequestListener
}

export const engines: Record<string, () => Engine> = {
  memory: () => memory(),
  sqlite: () => sqlite(':memory:'),
}

export const KEY = generateKey()

export interface Site extends AsyncDisposable {
  readonly sessions: AnySessions
  readonly server: Server
  readonly port: number
  readonly events: SessionEvent[]
  browser(options?: BrowserOptions): Browser
  /** A browser behind a proxy that speaks TLS for `https://app.example`. */
  proxied(options?: BrowserOptions): Browser
}

/** The proxy that `proxied` pretends to be: the tests themselves. */
export const PROXY = ['127.0.0.1', '::1']
export const PUBLIC_ORIGIN = 'https://app.example'

export async function start(
  listen: (sessions: AnySessions) => RequestListener,
  options: Partial<SessionsOptions<Record<string, unknown>>> = {},
  secure = false,
): Promise<Site> {
  const events: SessionEvent[] = []
  const onEvent = (event: SessionEvent) => void events.push(event)
  const sessions = createSessions({ engine: memory(), keys: KEY, onEvent, ...options })
  const listener = listen(sessions)
  const server = secure ? createTlsServer(CERTIFICATE, listener) : createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    sessions,
    server,
    port,
    events,
    browser: (options = {}) => browser(server, options),
    proxied: (options = {}) =>
      browser(server, {
        origin: PUBLIC_ORIGIN,
        ...options,
        headers: { 'x-forwarded-proto': 'https', ...options.headers },
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await sessions.close()
    },
  }
}

export interface RawRequest {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
  readonly agent?: false
}

export interface RawResponse {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: string
  readonly bytes: Buffer
}

/** Sends exactly these headers, and Host. @param onHead - called when the head has arrived */
export async function send(
  port: number,
  { method = 'GET', path = '/', headers = {}, body }: RawRequest,
  onHead: () => void = () => {},
): Promise<RawResponse> {
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: { ...length, ...headers } as never,
  })
  outgoing.end(body)
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
  onHead()
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  const { statusCode, rawHeaders } = message
  const bytes = Buffer.concat(chunks)
  return { status: statusCode!, headers: message.headers, rawHeaders, body: bytes.toString(), bytes }
}

export type Verb = 'load' | 'create' | 'replace' | 'touch' | 'loadUser' | 'replaceUser' | 'sweep'

/**
 * Stands between the core and an engine; but for the one read a second of the moment that counts for everybody, which any
 * request may be the one to do.
 *
 * @param around - runs a call, or does something else in its place
 */
export function wrapEngine(
  engine: Engine,
  around: (verb: Verb, call: () => MaybePromise<unknown>) => MaybePromise<unknown>,
): Engine {
  const verbs: Verb[] = ['load', 'create', 'replace', 'touch', 'loadUser', 'replaceUser', 'sweep']
  const wrapped = verbs.map((verb) => {
    const method = engine[verb] as (...args: unknown[]) => MaybePromise<unknown>
    const past = (...args: unknown[]) =>
      args[0] === EVERYBODY ? method.apply(engine, args) : around(verb, () => method.apply(engine, args))
    return [verb, past]
  })
  return { ...engine, ...Object.fromEntries(wrapped) }
}

/** A promise, and what settles it. */
export function signal(): { readonly given: Promise<string>; give(text?: string): void } {
  let give: (text?: string) => void = () => {}
  const given = new Promise<string>((resolve) => {
    give = (text = '') => resolve(text)
  })
  return { given, give }
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** For localhost, until 2126. It proves nothing to anybody, so its key may lie here. */
export const CERTIFICATE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGHQRTlf9ZQPFibQs
cXyD62/N58dxoGi22CB9a3NFnz+hRANCAAS7SwadePY1FwIzxr7Z0qBAv32iPvvl
Zt4977Jhy1md7i5C8vshW626/CsVh/GNqnEoJOsfVLLUxBhW6EPzt8Nk
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUOyQDbXtLDZIC2OGRaHgKVPaK0jYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzA5MjUzN1oYDzIxMjYxMDMw
MDkyNTM3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAS7SwadePY1FwIzxr7Z0qBAv32iPvvlZt4977Jhy1md7i5C8vshW626
/CsVh/GNqnEoJOsfVLLUxBhW6EPzt8Nko2kwZzAdBgNVHQ4EFgQUHgkk/qoXoWtP
djbcEPGzk4Tx0+QwHwYDVR0jBBgwFoAUHgkk/qoXoWtPdjbcEPGzk4Tx0+QwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIhAOVMOZ6x+NzjGi74s0IWxNKlR48b95B1+3gs1e3HRBSJAiAeL4EU3iaW
8YrDjVKGlAufJ7tIFd5vc161+ycGaMYBug==
-----END CERTIFICATE-----`,
}
