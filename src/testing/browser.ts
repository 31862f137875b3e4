/**
 * A browser for tests, as far as sessions can tell: it keeps cookies by the rules that browsers keep (prefixes, `Secure`,
 * SameSite, loopback), sends the headers that they send, and follows redirects.
 *
 * Common test clients drop `Secure` cookies on plain loopback, know no `__Host-`, and send no Fetch Metadata.
 * @module
 */

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request as requestHttp,
  type Server,
} from 'node:http'
import { request as requestHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import { Cookie, CookieJar, type MemoryCookieStore } from 'tough-cookie'

/**
 * What is tested: a fetch handler, an object that has one, a listener of `node:http`, an Express application, a server, or the
 * base URL of one that runs. A function of two or more parameters is taken for a listener, any other for a fetch handler.
 */
export type App =
  | string
  | Server
  | RequestListener
  | ((request: Request) => Response | Promise<Response>)
  | { fetch(request: Request): Response | Promise<Response> }

export interface BrowserOptions {
  /**
   * What stands in the address bar, if it differs: `'https://app.example'` for a server behind a proxy that speaks TLS.
   * @defaultValue the server's; `'https://localhost'` for a fetch handler
   */
  readonly origin?: string
  /** Sent with every request, such as what a proxy adds. */
  readonly headers?: Readonly<Record<string, string>>
  /** @defaultValue Firefox's on Linux */
  readonly userAgent?: string
  /** @defaultValue `'follow'`, as a browser does */
  readonly redirect?: 'follow' | 'manual'
}

/** What a page's script asks for, beyond a URL. */
export interface ScriptRequest {
  /** @defaultValue `'POST'` with a body, else `'GET'` */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  readonly body?: string | Uint8Array<ArrayBuffer> | URLSearchParams | FormData | Blob
}

/** What another site does to ours. */
export interface ForeignRequest extends ScriptRequest {
  /** A link or a form that takes the user along, rather than something loaded in the background. @defaultValue true */
  readonly navigate?: boolean
}

interface Step {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly content: { readonly type: string | null; readonly bytes: Uint8Array<ArrayBuffer> } | null
  readonly by: 'user' | 'page' | 'foreign page'
  readonly navigate: boolean
}

interface Wire {
  origin(): Promise<string>
  send(url: URL, method: string, headers: Headers, body: Uint8Array<ArrayBuffer> | null): Promise<Response>
  close(): Promise<void>
}

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0'
const PAGES = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const FOREIGN_ORIGIN = 'https://elsewhere.example'
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const BODILESS = new Set([101, 204, 205, 304])

/** Starts a browser with nothing in its jar. A server that doesn't listen yet is started at the first request. */
export function browser(app: App, options: BrowserOptions = {}): Browser {
  return new Browser(wireTo(app), options, new CookieJar(undefined, { prefixSecurity: 'strict' }))
}

/** One user's browser, with one page open. */
export class Browser implements AsyncDisposable {
  readonly #wire: Wire
  readonly #options: BrowserOptions
  readonly #jar: CookieJar
  #page: URL | null = null

  constructor(wire: Wire, options: BrowserOptions, jar: CookieJar) {
    this.#wire = wire
    this.#options = options
    this.#jar = jar
  }

  /** Opens a page, as the address bar does at first, and a link after that. */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const by = this.#page ? 'page' : 'user'
    return this.#go(path, { method: 'GET', headers, content: null, by, navigate: true })
  }

  /** Submits a form of our own pages: urlencoded, or multipart for `FormData`. */
  async post(
    path: string,
    form: Readonly<Record<string, string>> | URLSearchParams | FormData = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const content = await encode(form instanceof FormData ? form : new URLSearchParams(form))
    return this.#go(path, { method: 'POST', headers, content, by: 'page', navigate: true })
  }

  /**
   * Fills in and submits a form of a page, with what the page has put into it: a CSRF token, for one.
   *
   * @param page - its HTML
   * @param action - which form, where there are several. @defaultValue the first
   */
  async submit(
    page: string,
    fields: Readonly<Record<string, string>> = {},
    action?: string,
  ): Promise<Response> {
    const form = formsIn(page).find((each) => action === undefined || each.action === action)
    if (!form) throw new Error(`The page has no form${action === undefined ? '' : ` for ${action}`}`)
    const target = form.action ?? this.#page?.pathname ?? '/'
    const filled = { ...form.fields, ...fields }
    return form.post ? this.post(target, filled) : this.get(`${target}?${new URLSearchParams(filled)}`)
  }

  /** Does what a script of our own pages does: `fetch`, with cookies. */
  async fetch(path: string, request: ScriptRequest = {}): Promise<Response> {
    return this.#go(path, { ...(await stepOf(request)), by: 'page', navigate: false })
  }

  /**
   * Has another site start a request to ours, with as many of our cookies as SameSite lets through.
   *
   * @param request - a `GET` that navigates, if nothing else is said
   */
  async crossSite(path: string, request: ForeignRequest = {}): Promise<Response> {
    return this.#go(path, {
      ...(await stepOf(request)),
      by: 'foreign page',
      navigate: request.navigate ?? true,
    })
  }

  /** What the jar holds for us: names and values. */
  async cookies(): Promise<Record<string, string>> {
    const cookies = await this.#jar.getCookies(await this.#origin())
    return Object.fromEntries(cookies.map(({ key, value }) => [key, value]))
  }

  /** Puts a cookie into the jar, as if a response had set it. @param line - the value of a `Set-Cookie` */
  async setCookie(line: string): Promise<void> {
    await this.#keep([line], new URL(await this.#origin()), false)
  }

  /** A thief with a copy of the jar, or the same profile on another machine. */
  clone(options: BrowserOptions = {}): Browser {
    return new Browser(this.#wire, { ...this.#options, ...options }, this.#jar.cloneSync()!)
  }

  /** Closes all windows and starts again: cookies without a lifetime are gone. */
  async restart(): Promise<void> {
    const store = this.#jar.store as MemoryCookieStore
    for (const cookie of await store.getAllCookies()) {
      if (!cookie.isPersistent()) await store.removeCookie(cookie.domain!, cookie.path!, cookie.key)
    }
    this.#page = null
  }

  /** Stops the server, if `browser` started it. */
  async close(): Promise<void> {
    await this.#wire.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #origin(): Promise<string> {
    return this.#options.origin ?? (await this.#wire.origin())
  }

  async #go(path: string, first: Step): Promise<Response> {
    const origin = await this.#origin()
    let url = new URL(path, this.#page ?? origin)
    let step = first
    for (let hops = 0; hops <= 20; hops++) {
      const response = await this.#send(url, step)
      const location =
        response.status >= 300 && response.status < 400 ? response.headers.get('location') : null
      const next = location === null ? null : new URL(location, url)
      // Where it leads out of reach, the redirect is all there is to see.
      if (!next || next.origin !== origin || this.#options.redirect === 'manual') {
        if (step.navigate) this.#page = url
        return Object.defineProperties(response, {
          url: { value: url.href },
          redirected: { value: hops > 0 },
        })
      }
      await response.body?.cancel()
      url = next
      step = followed(step, response.status)
    }
    throw new Error(`More than 20 redirects, the last one to ${url}`)
  }

  async #send(url: URL, step: Step): Promise<Response> {
    const background = step.by === 'foreign page' && !step.navigate
    const headers = new Headers({ ...this.#headers(url, step), ...this.#options.headers, ...step.headers })
    const lax = step.navigate && SAFE.has(step.method)
    const sameSiteContext = step.by !== 'foreign page' ? 'strict' : lax ? 'lax' : 'none'
    const cookies = await this.#jar.getCookieString(url.href, { sameSiteContext })
    if (cookies !== '' && !headers.has('cookie')) headers.set('cookie', cookies)
    const response = await this.#wire.send(url, step.method, headers, step.content?.bytes ?? null)
    await this.#keep(response.headers.getSetCookie(), url, background)
    return response
  }

  #headers(url: URL, { method, content, by, navigate }: Step): Record<string, string> {
    const foreign = by === 'foreign page'
    const sameOrigin = this.#page?.origin === url.origin || by === 'page'
    return {
      host: url.host,
      'user-agent': this.#options.userAgent ?? FIREFOX,
      accept: navigate ? PAGES : '*/*',
      'accept-language': 'en',
      ...(content?.type && { 'content-type': content.type }),
      ...(isTrustworthy(url) && {
        'sec-fetch-site': foreign ? 'cross-site' : sameOrigin ? 'same-origin' : 'none',
        'sec-fetch-mode': navigate ? 'navigate' : foreign ? 'no-cors' : 'cors',
        'sec-fetch-dest': navigate ? 'document' : 'empty',
        ...(navigate && { 'sec-fetch-user': '?1', 'upgrade-insecure-requests': '1' }),
      }),
      ...(!SAFE.has(method) && { origin: foreign ? FOREIGN_ORIGIN : url.origin }),
      // Another site that means harm sends none: its page asks for that.
      ...(by === 'page' && this.#page && { referer: this.#page.href }),
    }
  }

  /** @throws when a cookie breaks the rules of its prefix: a browser drops it in silence, and its test would wonder */
  async #keep(lines: readonly string[], url: URL, background: boolean): Promise<void> {
    for (const line of lines) {
      const cookie = Cookie.parse(line)
      if (!cookie) throw new Error(`Set-Cookie is malformed: ${line}`)
      checkPrefix(cookie)
      // What says nothing is Lax to browsers (RFC 6265bis §5.7).
      cookie.sameSite ??= 'lax'
      const options = background ? ({ sameSiteContext: 'none', ignoreError: true } as const) : {}
      await this.#jar.setCookie(cookie, url.href, options)
    }
  }
}

/** `__Http-` and `__Host-Http-` promise that no script wrote the cookie; tough-cookie looks after `__Host-` and `__Secure-`. */
function checkPrefix({ key, secure, httpOnly, path, domain }: Cookie): void {
  const name = key.toLowerCase()
  const host = name.startsWith('__host-') && (path !== '/' || domain !== null)
  const http = /^__(?:host-)?http-/.test(name) && !httpOnly
  if (host || http || (/^__(?:host|secure|http)-/.test(name) && !secure)) {
    throw new Error(`A browser would drop the cookie ${key}: its prefix demands other attributes`)
  }
}

async function stepOf(request: ScriptRequest): Promise<Pick<Step, 'method' | 'headers' | 'content'>> {
  const { json, headers = {} } = request
  const body =
    json === undefined ? request.body : new Blob([JSON.stringify(json)], { type: 'application/json' })
  const content = body === undefined ? null : await encode(body)
  return { method: request.method ?? (content ? 'POST' : 'GET'), headers, content }
}

async function encode(body: NonNullable<ScriptRequest['body']>): Promise<NonNullable<Step['content']>> {
  const encoded = new Response(body)
  const type =
    encoded.headers.get('content-type')?.replace(/^(application\/x-www-form-urlencoded);.*$/, '$1') ?? null
  return { type, bytes: new Uint8Array(await encoded.arrayBuffer()) }
}

/** A redirect turns a POST into a GET, unless it says otherwise (Fetch §4.4). */
function followed(step: Step, status: number): Step {
  const rewrites = status === 303 ? step.method !== 'HEAD' : status < 303 && step.method === 'POST'
  return rewrites ? { ...step, method: 'GET', content: null } : step
}

function isTrustworthy({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}

function formsIn(html: string): { action: string | null; post: boolean; fields: Record<string, string> }[] {
  return [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gis)].map(([, attributes = '', content = '']) => {
    const inputs = [...content.matchAll(/<input\b([^>]*)>/gi)].map(([tag]) => tag)
    const named = inputs.filter(
      (tag) => !/\btype\s*=\s*["']?(?:submit|button|reset|checkbox|radio)/i.test(tag),
    )
    const pairs = named.map((tag) => [attribute(tag, 'name'), attribute(tag, 'value') ?? ''])
    return {
      action: attribute(attributes, 'action'),
      post: attribute(attributes, 'method')?.toLowerCase() === 'post',
      fields: Object.fromEntries(pairs.filter(([name]) => name !== null)),
    }
  })
}

function attribute(tag: string, name: string): string | null {
  const match = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(tag)
  const text = match?.[1] ?? match?.[2] ?? match?.[3] ?? null
  const entities: Record<string, string> = { amp: '&', quot: '"', lt: '<', gt: '>', '#39': "'", '#x27': "'" }
  return text?.replace(/&(#?\w+);/g, (whole, entity) => entities[entity.toLowerCase()] ?? whole) ?? null
}

function wireTo(app: App): Wire {
  if (typeof app === 'string')
    return wireToServer(
      async () => new URL(app),
      async () => {},
      {},
    )
  if (typeof app === 'object' && 'fetch' in app) return wireToHandler((request) => app.fetch(request))
  if (typeof app === 'function' && app.length < 2) return wireToHandler(app as (request: Request) => Response)
  const server = typeof app === 'function' ? createServer(app as RequestListener) : app
  const ours = !server.listening
  const scheme = server instanceof TlsServer ? 'https' : 'http'
  const start = async () => {
    if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new URL(`${scheme}://localhost:${(server.address() as AddressInfo).port}`)
  }
  const stop = async () => {
    if (!ours || !server.listening) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  // The certificate is the test's own, and nobody is in between.
  return wireToServer(start, stop, { rejectUnauthorized: false })
}

function wireToHandler(handler: (request: Request) => Response | Promise<Response>): Wire {
  return {
    origin: async () => 'https://localhost',
    send: async (url, method, headers, body) => {
      if (body) headers.set('content-length', String(body.byteLength))
      return handler(new Request(url, { method, headers, body }))
    },
    close: async () => {},
  }
}

function wireToServer(
  start: () => Promise<URL>,
  close: () => Promise<void>,
  options: { readonly rejectUnauthorized?: boolean },
): Wire {
  let started: Promise<URL> | undefined
  const base = () => (started ??= start())
  return {
    origin: async () => (await base()).origin,
    async send(url, method, headers, body) {
      const { protocol, hostname, port } = await base()
      const request = protocol === 'https:' ? requestHttps : requestHttp
      const message = await new Promise<IncomingMessage>((resolve, reject) => {
        const path = url.pathname + url.search
        const target = {
          host: hostname,
          port,
          method,
          path,
          headers: Object.fromEntries(headers),
          ...options,
        }
        request(target, resolve)
          .on('error', reject)
          .end(body ?? undefined)
      })
      return toResponse(message, method)
    },
    close,
  }
}

function toResponse(message: IncomingMessage, method: string): Response {
  const headers = new Headers()
  for (let at = 0; at < message.rawHeaders.length; at += 2) {
    headers.append(message.rawHeaders[at]!, message.rawHeaders[at + 1]!)
  }
  const status = message.statusCode!
  const bodiless = BODILESS.has(status) || method === 'HEAD'
  if (bodiless) message.resume()
  const body = bodiless ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array<ArrayBuffer>>)
  return new Response(body, { status, statusText: message.statusMessage ?? '', headers })
}
