/** Lets a handler that turns a `Request` into a `Response` answer for Node's requests: the pages that this package brings. @module */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import type { MaybePromise } from '../core/engine.ts'
import { anonymousContext } from './context.ts'

/** What `fetch` forbids, and nobody here needs. */
const UNKNOWN = /^(?:connect|trace|track)$/i

/** A request's `signal` hears of its client's going only as long as somebody holds the request, and a handler lets go of it. */
const handled = new WeakMap<ServerResponse, Request>()

/**
 * Mounts a web-standard handler: in `node:http` below `protect`, in Express and Connect behind it. It sees the whole path,
 * whatever a router is mounted on. Its response may be a stream: it is read as fast as the client reads, and cancelled
 * when the client goes away, which also aborts `request.signal`.
 *
 * A body that something before it has parsed is written out again.
 *
 * @returns what rejects when the handler does, or calls `next`, where there is one, with the error
 * @example app.use('/console', toListener(createConsole(sessions, { guard })))
 */
export function toListener(
  handler: (request: Request) => MaybePromise<Response>,
): (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) => Promise<void> {
  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (UNKNOWN.test(req.method ?? '')) {
      res.writeHead(405).end()
      return
    }
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    res.once('finish', () => discardRest(req))
    const request = toRequest(req, gone.signal)
    handled.set(res, request)
    await send(await handler(request), res, gone.signal)
  }

  return async (req, res, next) => {
    try {
      await serve(req, res)
    } catch (error) {
      if (!next) throw error
      next(error)
    }
  }
}

/**
 * Reads a body as text.
 *
 * @param limit - bytes: no more are read
 * @returns null when it is longer
 */
export async function readText(request: Request, limit: number): Promise<string | null> {
  const reader = request.body?.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.byteLength
    // Not cancelled: that would cut the connection, and with it the answer.
    if (length > limit) return null
    chunks.push(value)
  }
  return Buffer.concat(chunks).toString()
}

function toRequest(req: IncomingMessage, signal: AbortSignal): Request {
  const { method, origin, path, search, header } = anonymousContext(req)
  const headers = new Headers()
  for (const [name, value] of Object.entries(req.headers)) {
    if (value !== undefined && !name.startsWith(':')) headers.set(name, value.toString())
  }
  const bodiless = method === 'GET' || method === 'HEAD'
  const body = bodiless ? null : (parsedBody(req) ?? (Readable.toWeb(req) as ReadableStream))
  const claimed = `${new URL(origin).protocol}//${header('host') ?? header(':authority')}`
  // The path of `OPTIONS *` is none.
  const url =
    (URL.canParse(claimed) ? new URL(claimed).origin : origin) + (path.startsWith('/') ? path : '/') + search
  return new Request(url, { method, headers, body, signal, duplex: 'half' } as RequestInit)
}

/** @returns null where nobody has read the body */
function parsedBody(req: IncomingMessage & { readonly body?: unknown }): string | null {
  const { body } = req
  if (!req.readableDidRead && !req.readableEnded) return null
  if (typeof body === 'string') return body
  if (typeof body !== 'object' || body === null) return ''
  if (/json/i.test(req.headers['content-type'] ?? '')) return JSON.stringify(body)
  const fields = Object.entries(body).flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => [name, String(each)]),
  )
  return new URLSearchParams(fields).toString()
}

/** A body that nobody has read to its end would keep the connection, and its client waiting. */
function discardRest(req: IncomingMessage): void {
  if (req.readableEnded) return
  req.removeAllListeners('data')
  req.resume()
}

async function send(response: Response, res: ServerResponse, gone: AbortSignal): Promise<void> {
  res.statusCode = response.status
  for (const [name, value] of response.headers) if (name !== 'set-cookie') res.setHeader(name, value)
  for (const cookie of response.headers.getSetCookie()) res.appendHeader('Set-Cookie', cookie)
  if (!response.body || res.req.method === 'HEAD') {
    await response.body?.cancel()
    res.end()
    return
  }
  try {
    await pipeline(Readable.fromWeb(response.body as ReadableStream), res)
  } catch (error) {
    // Nobody is left to hear of it.
    if (!gone.aborted) throw error
  }
}
