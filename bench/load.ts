/**
 * Sends requests and counts what comes back, over raw sockets: each keeps one request under way, no pipelining. A
 * client library would take more processor time than the servers that it is to keep busy.
 * @module
 */

import { connect, type Socket } from 'node:net'

/** One answer, as far as anybody looks at it. */
export interface Answer {
  readonly status: number
  readonly cookies: readonly string[]
  readonly body: string
}

/** What a browser sends with a request to a site that it is on, by way of a proxy that speaks TLS. */
const HEADERS = [
  'Host: shop.example',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.7',
  'Sec-Fetch-Dest: document',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Site: same-origin',
  'X-Forwarded-For: 203.0.113.7',
  'X-Forwarded-Proto: https',
]

/** Writes a request, all of it. */
export function request(method: 'GET' | 'POST', path: string, cookie: string | null): string {
  const own = [
    ...(cookie === null ? [] : [`Cookie: ${cookie}`]),
    ...(method === 'POST' ? ['Content-Length: 0'] : []),
  ]
  return [`${method} ${path} HTTP/1.1`, ...HEADERS, ...own, '', ''].join('\r\n')
}

/** A few connections to one server, kept open. */
export class Load {
  readonly #sockets: readonly Socket[]

  static async connect(port: number, connections: number): Promise<Load> {
    const sockets = await Promise.all(
      Array.from({ length: connections }, async () => {
        const socket = connect(port, '127.0.0.1').setNoDelay(true)
        await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
        return socket
      }),
    )
    return new Load(sockets)
  }

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
  }

  /** Sends one request. */
  ask(text: string): Promise<Answer> {
    const socket = this.#sockets[0]!
    return new Promise((resolve, reject) => {
      let received = ''
      const take = (chunk: Buffer) => {
        received += chunk.toString('latin1')
        if (!isWhole(received)) return
        socket.off('data', take).off('error', reject)
        const [head, body] = received.split('\r\n\r\n') as [string, string]
        const cookies = [...head.matchAll(/^set-cookie: ([^;\r\n]+)/gim)].map((match) => match[1]!)
        resolve({ status: Number(head.slice(9, 12)), cookies, body })
      }
      socket.on('data', take).once('error', reject)
      socket.write(text)
    })
  }

  /**
   * Sends requests, each connection the next one when it has its answer, and waits for the last.
   *
   * @param requests - taken in turn
   * @param count - how many at least
   * @param milliseconds - how long at least
   * @param times - takes how many milliseconds each answer took
   * @returns how many were answered
   * @throws when an answer is not a 200
   */
  async run(
    requests: readonly Buffer[],
    count: number,
    milliseconds: number,
    times?: number[],
  ): Promise<number> {
    const until = performance.now() + milliseconds
    let sent = 0
    const each = (socket: Socket) =>
      new Promise<void>((resolve, reject) => {
        let received = ''
        const finish = (error?: Error) => {
          socket.off('data', take).off('error', finish).off('close', lost)
          if (error) reject(error)
          else resolve()
        }
        const lost = () => finish(new Error('the server has closed a connection'))
        let asked = 0
        const send = () => {
          if (times) asked = performance.now()
          socket.write(requests[sent++ % requests.length]!)
        }
        const take = (chunk: Buffer) => {
          received += chunk.toString('latin1')
          if (!isWhole(received)) return
          if (!received.startsWith('200', 9))
            return finish(new Error(`an answer that is no 200:\n${received}`))
          received = ''
          times?.push(performance.now() - asked)
          if (sent < count || performance.now() < until) send()
          else finish()
        }
        socket.on('data', take).once('error', finish).once('close', lost)
        send()
      })
    // Never asleep: else each answer of a slow server pays for waking us up, and those of a fast one don't.
    let busy = true
    const spin = () => void (busy && setImmediate(spin))
    spin()
    try {
      await Promise.all(this.#sockets.map(each))
    } finally {
      busy = false
    }
    return sent
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1]
  if (length === undefined) throw new Error(`an answer without a length:\n${text}`)
  return text.length >= end + 4 + Number(length)
}
