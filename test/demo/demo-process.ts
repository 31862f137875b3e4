/** Starts the demo as its users do, in a process of its own, and talks to it over the wire. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const ENTRY = join(import.meta.dirname, '../../examples/demo/server.ts')

export interface Line {
  readonly name: string
  readonly [field: string]: unknown
}

export interface Demo {
  readonly url: string
  /** The plain port, with `--tls`. */
  readonly plainUrl: string
  /** Every line of standard output, as it came. */
  readonly lines: string[]
  /** Those lines, read. */
  events(): Line[]
  /** What went to standard error. */
  words(): string
  /** Sends SIGTERM. @returns the exit code */
  stop(): Promise<number | null>
}

/** Starts it with `--json` on a free port, and waits until it listens. */
export async function startDemo(...args: string[]): Promise<Demo> {
  const child = run('--port', '0', '--json', ...args)
  const lines: string[] = []
  const words: Buffer[] = []
  child.stderr!.on('data', (chunk: Buffer) => words.push(chunk))
  const reader = createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line))
  await Promise.race([once(reader, 'line'), once(child, 'exit')])
  const events = () => lines.map((line) => JSON.parse(line) as Line)
  const [first] = events()
  if (first?.name !== 'listening') throw new Error(`the demo did not start:\n${Buffer.concat(words)}`)

  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    return child.exitCode
  }
  return {
    url: String(first.url),
    plainUrl: String(first.plainUrl),
    lines,
    events,
    words: () => Buffer.concat(words).toString(),
    stop,
  }
}

/** Runs it to its end. */
export async function runDemo(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = run(...args)
  const streams = [child.stdout!, child.stderr!].map(async (stream) => {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  })
  const [out = '', err = ''] = await Promise.all(streams)
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, out, err }
}

function run(...args: string[]): ChildProcess {
  // The sources, not dist, whatever the tests themselves were started with.
  return spawn(process.execPath, ['--conditions=holdfast-source', '--no-warnings', ENTRY, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

export interface Answer {
  readonly status: number
  header(name: string): string | null
  /** `Set-Cookie`, one line each. */
  readonly setCookies: readonly string[]
  readonly text: string
  json(): Record<string, unknown>
}

export interface Ask {
  readonly method?: string
  readonly form?: Record<string, string>
  readonly json?: unknown
  /** Sent as JSON, as it is. */
  readonly body?: string
  readonly headers?: Record<string, string | undefined>
}

/** One browser's worth of HTTP: keeps cookies, says where requests come from, follows no redirect by itself. */
export class Client {
  readonly #url: string
  readonly #userAgent: string
  readonly cookies: Map<string, string>

  constructor(url: string, userAgent = FIREFOX, cookies: ReadonlyMap<string, string> = new Map()) {
    this.#url = url
    this.#userAgent = userAgent
    this.cookies = new Map(cookies)
  }

  /** A second client that holds the same cookies: somebody who copied them, or a request of the same moment. */
  copy(): Client {
    return new Client(this.#url, this.#userAgent, this.cookies)
  }

  async get(path: string, headers: Ask['headers'] = {}): Promise<Answer> {
    return this.ask(path, { headers })
  }

  /** Sends a form as the page at `from` has it, with that page's CSRF token. */
  async submit(path: string, fields: Record<string, string>, from = path): Promise<Answer> {
    return this.post(path, { ...fields, csrf_token: tokenIn((await this.get(from)).text) })
  }

  async post(path: string, form: Record<string, string>): Promise<Answer> {
    return this.ask(path, { method: 'POST', form })
  }

  async postJson(path: string, json: unknown, csrfToken?: string): Promise<Answer> {
    return this.ask(path, { method: 'POST', json, headers: { 'X-CSRF-Token': csrfToken } })
  }

  async logIn(
    username = 'ada',
    password = 'analytical-engine',
    more: Record<string, string> = {},
  ): Promise<Answer> {
    return this.submit('/login', { username, password, ...more })
  }

  /** The API's CSRF token, which it gives to visitors, too. */
  async csrfToken(): Promise<string> {
    return String((await this.get('/api/session')).json().csrfToken)
  }

  async ask(path: string, { method = 'GET', headers = {}, ...content }: Ask = {}): Promise<Answer> {
    const url = new URL(path, this.#url)
    const body = bodyOf(content)
    const type = content.form ? 'application/x-www-form-urlencoded' : 'application/json'
    const all: Record<string, string | undefined> = {
      'User-Agent': this.#userAgent,
      Cookie: this.cookies.size > 0 ? [...this.cookies].map((pair) => pair.join('=')).join('; ') : undefined,
      ...(method === 'GET' ? {} : { 'Sec-Fetch-Site': 'same-origin', Origin: url.origin }),
      ...(body === undefined
        ? {}
        : { 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(body)) }),
      ...headers,
    }
    const answer = await send(url, method, all, body)
    for (const line of answer.setCookies) this.#store(line)
    return answer
  }

  #store(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
    const split = pair.indexOf('=')
    const [name, value] = [pair.slice(0, split), pair.slice(split + 1)]
    if (attributes.some((attribute) => /^max-age=0$/i.test(attribute))) this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
export const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

/** The CSRF token of a page's first form. */
export function tokenIn(html: string): string {
  const token = /name="csrf_token" value="([\w-]+)"/.exec(html)?.[1]
  if (token === undefined) throw new Error(`there is no CSRF field in:\n${html.slice(0, 2_000)}`)
  return token
}

function bodyOf({ form, json, body }: Pick<Ask, 'form' | 'json' | 'body'>): string | undefined {
  if (form) return new URLSearchParams(form).toString()
  return json === undefined ? body : JSON.stringify(json)
}

async function send(
  url: URL,
  method: string,
  headers: Record<string, string | undefined>,
  body: string | undefined,
): Promise<Answer> {
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const options = {
    method,
    headers: Object.fromEntries(given),
    agent: false as const,
    rejectUnauthorized: false,
  }
  const request = url.protocol === 'https:' ? tlsRequest(url, options) : plainRequest(url, options)
  request.end(body)
  const [response] = await once(request, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return {
    status: response.statusCode,
    header: (name) => [response.headers[name] ?? []].flat().join(', ') || null,
    setCookies: response.headers['set-cookie'] ?? [],
    text,
    json: () => JSON.parse(text),
  }
}
