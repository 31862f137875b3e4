/** A site with a device page, mounted by each adapter; users log in by `POST /login?user=`. */

import type { RequestListener } from 'node:http'
import express from 'express'
import { createSessions, generateKey, type Session, type SessionEvent, type Sessions } from 'holdfast'
import { createDevicePage, type DeviceList, type DevicePageOptions, rememberDevices } from 'holdfast/devices'
import { answerErrors, protect as protectExpress, toListener } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { protect as protectNode } from 'holdfast/node'
import { type Browser, type BrowserOptions, browser } from 'holdfast/testing'
import { protect as protectWeb } from 'holdfast/web'
import type { SessionsOptions } from '../../src/core/policy.ts'

type AnySessions = Sessions<Record<string, unknown>>
type Page = (request: Request) => Promise<Response>
type Mount = (
  sessions: AnySessions,
  page: Page,
) => RequestListener | ((request: Request) => Promise<Response>)

export const PATH = '/account/sessions'
export const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'
export const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36'

/** What the application itself answers. */
function application(session: Session, url: URL): string {
  const user = url.searchParams.get('user')
  if (url.pathname === '/login' && user !== null) session.authenticate(user)
  if (url.pathname === '/again') session.reauthenticate()
  if (url.pathname === '/logout') session.terminate()
  if (url.pathname === '/write') session.set('a', Math.random())
  return session.userId ?? 'a visitor'
}

export const MOUNTS: Record<string, Mount> = {
  web: (sessions, page) =>
    protectWeb(sessions, (request, session) => {
      const url = new URL(request.url)
      return url.pathname.startsWith('/account') ? page(request) : new Response(application(session, url))
    }),
  node: (sessions, page) => {
    const listener = toListener(page)
    return protectNode(sessions, (req, res, session) => {
      const url = new URL(req.url!, 'http://here.invalid')
      return url.pathname.startsWith('/account') ? listener(req, res) : res.end(application(session, url))
    })
  },
  express: (sessions, page) => {
    const app = express().set('env', 'test')
    app.use(express.urlencoded({ extended: false }), express.json(), protectExpress(sessions))
    app.use(PATH, toListener(page))
    app.use(
      (req, res) => void res.send(application(sessions.current(), new URL(req.url, 'http://here.invalid'))),
    )
    app.use(answerErrors())
    return app
  },
}

export interface Site extends AsyncDisposable {
  readonly sessions: AnySessions
  readonly events: SessionEvent[]
  readonly visit: (options?: BrowserOptions) => Browser
  readonly logIn: (user?: string, options?: BrowserOptions) => Promise<Browser>
}

export async function open(
  mount: Mount = MOUNTS.web!,
  options: DevicePageOptions = {},
  more: Partial<SessionsOptions<Record<string, unknown>>> = {},
): Promise<Site> {
  const events: SessionEvent[] = []
  const sessions = createSessions({
    engine: memory(),
    keys: generateKey(),
    devices: rememberDevices(),
    onEvent: (event) => events.push(event),
    ...more,
  })
  const page = createDevicePage(sessions, { loginUrl: '/login', reauthenticateUrl: '/again', ...options })
  const first = browser(mount(sessions, page) as RequestListener, { redirect: 'manual' })
  const visit = (options: BrowserOptions = {}) => first.clone({ redirect: 'manual', ...options })
  return {
    sessions,
    events,
    visit,
    async logIn(user = 'ada', options = {}) {
      const client = visit(options)
      await client.post(`/login?user=${user}`)
      return client
    },
    async [Symbol.asyncDispose]() {
      await first.close()
      await sessions.close()
    },
  }
}

export async function listOf(client: Browser): Promise<DeviceList> {
  const response = await client.fetch(PATH, { headers: { accept: 'application/json' } })
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as DeviceList
}

export async function pageOf(client: Browser, search = ''): Promise<string> {
  return (await client.get(PATH + search)).text()
}

/** Sends one of the page's forms, with the token of the page as it is now. */
export async function submit(
  client: Browser,
  what: 'rename' | 'revoke',
  fields: Record<string, string>,
): Promise<Response> {
  const { csrfToken } = await listOf(client)
  return client.post(`${PATH}/${what}`, { csrf_token: csrfToken, ...fields })
}

/** Does the same as a script. */
export async function call(client: Browser, what: 'rename' | 'revoke', json: unknown): Promise<Response> {
  const { csrfToken } = await listOf(client)
  const headers = { accept: 'application/json', 'x-csrf-token': csrfToken }
  return client.fetch(`${PATH}/${what}`, { json, headers })
}

export async function idOf(client: Browser): Promise<string> {
  return (await listOf(client)).sessions.find(({ current }) => current)!.id
}
