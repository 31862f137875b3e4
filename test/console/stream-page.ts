/** A page that has the console's stream open. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { pause, send } from '../flow/harness.ts'
import type { Place } from './support.ts'

interface Message {
  readonly name: string
  readonly value: unknown
}

/** A page that reads the stream as it comes. */
export class Page {
  readonly messages: Message[] = []
  readonly #request: ClientRequest
  status = 0
  headers: IncomingMessage['headers'] = {}
  text = ''
  over = false

  constructor(outgoing: ClientRequest) {
    this.#request = outgoing
  }

  static async open(site: Place, cookie: string): Promise<Page> {
    const headers = { cookie, 'session-passive': '1', 'sec-fetch-site': 'same-origin' }
    const outgoing = request({
      host: '127.0.0.1',
      port: site.port,
      path: '/console/api/stream',
      headers,
    }).end()
    const page = new Page(outgoing)
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    page.status = message.statusCode!
    page.headers = message.headers
    message.setEncoding('utf8')
    message.on('data', (text: string) => page.#take(text))
    message.on('close', () => {
      page.over = true
    })
    message.on('error', () => {})
    return page
  }

  named<T>(name: string): T[] {
    return this.messages.filter((message) => message.name === name).map(({ value }) => value as T)
  }

  async until(holds: (page: Page) => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 20_000
    while (!holds(this)) {
      assert.ok(performance.now() < deadline, `${what}: it never came to that`)
      await pause(20)
    }
  }

  close(): void {
    this.#request.destroy()
  }

  #take(text: string): void {
    const parts = (this.text + text).split('\n\n')
    this.text = parts.pop()!
    for (const part of parts) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(part) ?? []
      if (name) this.messages.push({ name, value: JSON.parse(data!) })
    }
  }
}

export async function cookieOf(site: Place, user: string): Promise<string> {
  const headers = { origin: `http://127.0.0.1:${site.port}` }
  const { headers: answered } = await send(site.port, {
    method: 'POST',
    path: `/login?user=${user}`,
    headers,
  })
  return answered['set-cookie']![0]!.split(';')[0]!
}
