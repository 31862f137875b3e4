/**
 * Finds the Node request and response behind a framework that hides them: Next.js shows neither the address at the other
 * end, nor which headers it has added by itself, nor the response of a page; React Router no address, and Nuxt not which
 * requests it makes of itself. Node announces each request before anybody
 * else hears of it (`http.server.request.start`); we put a name of one use on it, as a header, and find it again by that.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Session } from '../core/session.ts'

/** A request that is being served. */
export interface NodeExchange {
  /** As it arrived: Next.js writes X-Forwarded-* into the headers of its own. */
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** The session that the request has by now, of each `Sessions`. */
  readonly opened: Map<object, Promise<Session<never>>>
}

const NAME = 'x-holdfast-request'
const exchanges = new Map<string, NodeExchange>()
let watching = false

/** Takes note of each request that any server of this process gets, from now on. */
export function watchRequests(): void {
  if (watching) return
  watching = true
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    const name = randomUUID()
    const parent = exchanges.get(String(request.headers[NAME]))
    exchanges.set(name, { req: asArrived(request, parent?.req), res: response, opened: new Map() })
    // Over whatever a client has sent under that name.
    request.headers[NAME] = name
    response.once('close', () => exchanges.delete(name))
  })
}

/** @returns undefined where nobody watches, and for requests that are over */
export function exchangeOf(headers: { get(name: string): string | null }): NodeExchange | undefined {
  return exchanges.get(headers.get(NAME) ?? '')
}

/**
 * @param parent - the request that is answered by what this one gets: after an action's redirect Next.js asks itself for the
 *   page, with all headers, its own among them. Nobody else knows the name of a request.
 */
function asArrived(
  { method, url, headers, socket, httpVersionMajor }: IncomingMessage,
  parent?: IncomingMessage,
) {
  const own = { ...headers }
  if (parent) {
    for (const name of Object.keys(own)) if (/^x-forwarded-/.test(name)) delete own[name]
    for (const [name, value] of Object.entries(parent.headers))
      if (name === 'host' || /^x-forwarded-/.test(name)) own[name] = value
  }
  return { method, url, headers: own, socket: parent?.socket ?? socket, httpVersionMajor } as IncomingMessage
}
