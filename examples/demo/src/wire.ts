/** Requests from an address of our own choice. @module */

import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'

/**
 * Where the traffic comes from: a loopback address that no browser uses. It alone may say in `X-Forwarded-For` which address
 * it stands for, as a proxy does; whoever visits the demo comes from 127.0.0.1, and is not believed.
 */
export const TRAFFIC_ADDRESS = '127.0.0.2'

/** Sends what a browser asks. */
export interface Wire {
  /** What stands in the address bar. */
  readonly origin: string
  /** Whether requests can stand for other addresses. */
  readonly pretends: boolean
  readonly fetch: (request: Request) => Promise<Response>
}

const BODILESS = new Set([204, 304])

/**
 * @param certificate - the only one that is accepted; null for plain HTTP
 * @param from - the local address that requests come from, where this machine has it
 */
export async function openWire(url: string, certificate: string | null, from: string): Promise<Wire> {
  const { port, hostname } = new URL(url)
  const pretends = await hasAddress(from)
  const origin = pretends ? `https://${hostname}:${port}` : url
  return {
    origin,
    pretends,
    async fetch(asked) {
      const { pathname, search } = new URL(asked.url)
      const body = asked.body === null ? undefined : Buffer.from(await asked.arrayBuffer())
      const headers = Object.fromEntries(asked.headers)
      // As a proxy says it that speaks TLS with those outside.
      if (pretends) headers['x-forwarded-proto'] = 'https'
      else delete headers['x-forwarded-for']
      const target = {
        host: hostname,
        port,
        method: asked.method,
        path: pathname + search,
        headers,
        agent: false as const,
        timeout: 10_000,
        ...(pretends && { localAddress: from }),
        ...(certificate !== null && { ca: certificate }),
      }
      const request = certificate === null ? requestHttp(target) : requestHttps(target)
      return new Promise((resolve, reject) => {
        request.on('error', reject)
        request.on('timeout', () => request.destroy(new Error('the demo does not answer')))
        request.on('response', (message) => {
          const lines = Object.entries(message.headersDistinct).flatMap(([name, values = []]) =>
            values.map((value): [string, string] => [name, value]),
          )
          const status = message.statusCode ?? 500
          text(message).then((content) => {
            resolve(new Response(BODILESS.has(status) ? null : content, { status, headers: lines }))
          }, reject)
        })
        request.end(body)
      })
    },
  }
}

/** Linux has all of 127.0.0.0/8, other systems 127.0.0.1 alone. */
async function hasAddress(address: string): Promise<boolean> {
  const server = new Server((socket: Socket) => socket.destroy())
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(0, address, () => server.close(() => resolve(true)))
  })
}
