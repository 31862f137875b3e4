/** What the scenarios run on: one way to write an application for every adapter, servers, and raw requests. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createSessions, type Engine, type MaybePromise, type SessionEvent } from 'holdfast'
import { memory } from 'holdfast/memory'
import { sqlite } from 'holdfast/sqlite'
import { type Browser, type BrowserOptions, browser } from 'holdfast/testing'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { type AnySessions, type Handler, KEY } from './site.ts'

export {
  type AnySession,
  type AnySessions,
  type Exchange,
  type Handler,
  KEY,
  PROXY,
  pause,
  signal,
  type Verb,
  wrapEngine,
} from './site.ts'

interface Described {
  /** With its major version, as the README names it. */
  readonly name: string
  /** Scenarios that don't hold through it, by name, and why. */
  readonly except?: Readonly<Record<string, string>>
  /** No framework: its results are not kept. */
  readonly unrecorded?: true
}

/** An adapter whose framework runs in the test's process. */
export interface LocalAdapter extends Described {
  listen(sessions: AnySessions, handler: Handler): MaybePromise<RequestListener>
}

/** An adapter whose framework has a server of its own, which asks `siteOfProcess` for what it serves. */
export interface RemoteAdapter extends Described {
  /** Says how to start it, on `127.0.0.1` (`HOST`) and that port (`PORT`). */
  spawn(port: number): {
    readonly command: string
    readonly args?: readonly string[]
    readonly cwd: string
    readonly env?: Readonly<Record<string, string>>
  }
}

export type Adapter = LocalAdapter | RemoteAdapter

export const engines: Record<string, () => Engine> = {
  memory: () => memory(),
  sqlite: () => sqlite(':memory:'),
}

/** A server with an application of the test's own. */
export interface Site extends AsyncDisposable {
  readonly sessions: AnySessions
  readonly server: Server
  readonly port: number
  readonly events: SessionEvent[]
  browser(options?: BrowserOptions): Browser
  /** A browser behind a proxy that speaks TLS for `https://app.example`. */
  proxied(options?: BrowserOptions): Browser
}

export const PUBLIC_ORIGIN = 'https://app.example'

export async function start(
  serve: (sessions: AnySessions) => MaybePromise<RequestListener>,
  options: Partial<SessionsOptions<Record<string, unknown>>> = {},
  secure = false,
): Promise<Site> {
  const events: SessionEvent[] = []
  const onEvent = (event: SessionEvent) => void events.push(event)
  const sessions = createSessions({ engine: memory(), keys: KEY, onEvent, ...options })
  const { server, port, close } = await listen(await serve(sessions), secure)
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
      await close()
      await sessions.close()
    },
  }
}

/** Serves on a free port of loopback. */
export async function listen(
  listener: RequestListener,
  secure: boolean,
): Promise<{ readonly server: Server; readonly port: number; readonly close: () => Promise<void> }> {
  const server = secure ? createTlsServer(CERTIFICATE, listener) : createServer(listener)
  // On a machine that has no time the server would close a connection just when its client uses it again.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { server, port, close }
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
