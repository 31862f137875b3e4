/**
 * What the browser tests share: the browser, the demo, a foreign site, and the ways of a user. The browser is Chromium, or
 * the Firefox that `HOLDFAST_FIREFOX` names.
 */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before } from 'node:test'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  firefox,
  type LaunchOptions,
  type Page,
} from 'playwright-core'
import { createCertificate } from '../../examples/demo/src/tls.ts'
import { type Demo, startDemo } from '../demo/demo-process.ts'

export const SESSION = '__Host-Http-session'
/** For whatever must happen, however slow the machine. */
export const PATIENCE = 20_000

export const IS_FIREFOX = process.env.HOLDFAST_FIREFOX !== undefined
const executablePath = process.env.HOLDFAST_FIREFOX ?? process.env.HOLDFAST_CHROMIUM ?? '/usr/bin/chromium'
const missing = process.env.HOLDFAST_BROWSER_SKIP === '1' || !existsSync(executablePath)
if (missing) {
  console.log(
    `\n!!! NO BROWSER AT ${executablePath}: ITS TESTS ARE SKIPPED. Set HOLDFAST_CHROMIUM or HOLDFAST_FIREFOX. !!!\n`,
  )
}
/** For `describe`. */
export const SKIP = { skip: missing && 'no browser' }
/** For tests of the history and of service workers, of which WebDriver BiDi tells too little, and can't cut them off. */
export const CHROMIUM_ONLY = { skip: IS_FIREFOX && 'not to be driven in Firefox' }

/** Names that lead to this machine, so that sites can be foreign to one another, and hosts no loopback. */
const NAMES = ['app.test', 'evil.app.test', 'attacker.test']
const QUIET = ['background-networking', 'component-update', 'sync'].map((what) => `--disable-${what}`)
const SANDBOX = ['--headless=new', '--no-sandbox', '--disable-gpu']
export const BROWSER = IS_FIREFOX ? firefox : chromium
export const LAUNCH: LaunchOptions = {
  executablePath,
  timeout: PATIENCE,
  ...(IS_FIREFOX
    ? // Debian's Firefox, spoken to by WebDriver BiDi.
      { channel: 'moz-firefox', firefoxUserPrefs: { 'network.dns.localDomains': NAMES.join(',') } }
    : {
        args: [
          ...SANDBOX,
          ...QUIET,
          `--host-resolver-rules=${NAMES.map((name) => `MAP ${name} 127.0.0.1`).join(',')}`,
        ],
      }),
}

/** One browser for all tests of a `describe`. */
export function useBrowser(options: LaunchOptions = {}): {
  newContext(options?: BrowserContextOptions): Promise<BrowserContext>
  newPage(): Promise<Page>
} {
  let browser: Browser
  before(async () => {
    browser = await BROWSER.launch({ ...LAUNCH, ...options })
  })
  after(() => browser?.close())
  const newContext = async (options: BrowserContextOptions = {}) =>
    patient(await browser.newContext({ ignoreHTTPSErrors: true, ...options }))
  return { newContext, newPage: async () => (await newContext()).newPage() }
}

export function patient(context: BrowserContext): BrowserContext {
  context.setDefaultTimeout(PATIENCE)
  context.setDefaultNavigationTimeout(PATIENCE)
  return context
}

/** One demo for all tests of a `describe`. */
export function useDemo(...args: string[]): {
  readonly url: string
  readonly plainUrl: string
  readonly port: string
  readonly process: Demo
} {
  let demo: Demo
  before(async () => {
    demo = await startDemo(...args)
  })
  after(() => demo?.stop())
  return {
    get url() {
      return demo.url
    },
    get plainUrl() {
      return demo.plainUrl
    },
    get port() {
      return new URL(demo.url).port
    },
    get process() {
      return demo
    },
  }
}

/** Serves on a free port of loopback until the test ends. @returns the port */
export async function serveOn(
  t: { after(work: () => void): void },
  listener: RequestListener,
  { tls = false } = {},
): Promise<number> {
  const server = tls
    ? createTlsServer(await createCertificate('127.0.0.1'), listener)
    : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A site of one page, whatever is asked of it. */
export function servePage(
  t: { after(work: () => void): void },
  html: string,
  options: { tls?: boolean; headers?: Record<string, string | string[]> } = {},
): Promise<number> {
  const headers = { 'Content-Type': 'text/html', ...options.headers }
  return serveOn(t, (_request, response) => void response.writeHead(200, headers).end(html), options)
}

/** Fills in the login form that the page shows, and sends it. */
export async function submitLogin(
  page: Page,
  leadsTo = '**/account',
  { remember = false } = {},
): Promise<void> {
  await page.fill('[name=username]', 'ada')
  await page.fill('[name=password]', 'analytical-engine')
  if (remember) await page.check('[name=remember]')
  const arrived = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.click('main button')
  await arrived
  await page.waitForURL(leadsTo)
}

export async function logIn(page: Page, url: string, options: { remember?: boolean } = {}): Promise<void> {
  await page.goto(`${url}/login`)
  await submitLogin(page, '**/account', options)
}

export async function sessionCookie(context: BrowserContext): Promise<string | undefined> {
  return (await context.cookies()).find(({ name }) => name === SESSION)?.value
}

export interface ApiAnswer {
  readonly status: number
  readonly body: {
    readonly user?: string
    readonly reason?: string
    readonly csrfToken?: string
    readonly value?: unknown
    readonly error?: { readonly code: string }
  }
}

/** Fetches from inside of the page, as its own scripts do. */
export function api(
  page: Page,
  path: string,
  init: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<ApiAnswer> {
  return page.evaluate(
    async ([path, init]) => {
      const answer = await fetch(path, init)
      return { status: answer.status, body: (await answer.json()) as ApiAnswer['body'] }
    },
    [path, init] as const,
  )
}

/** Sends JSON, with the CSRF token that the API gives, or another one, or none. */
export async function apiPost(
  page: Page,
  path: string,
  json: unknown,
  token?: string | null,
): Promise<ApiAnswer> {
  const csrf = token === undefined ? (await api(page, '/api/session')).body.csrfToken! : token
  const headers = { 'Content-Type': 'application/json', ...(csrf !== null && { 'X-CSRF-Token': csrf }) }
  return api(page, path, { method: 'POST', headers, body: JSON.stringify(json) })
}

/** Whom the demo takes the page for; asks passively, so that the question changes nothing. */
export async function userOf(page: Page): Promise<string | null> {
  const { status, body } = await api(page, '/api/session', { headers: { 'Session-Passive': '1' } })
  assert.ok(status === 200 || status === 401, String(status))
  return body.user ?? null
}

/** Waits until something is so. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE; !(await holds()); ) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
