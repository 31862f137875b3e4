/** An application with a console, as its operators and users meet it in a browser. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createSessions, type Engine, generateKey, type SessionEvent } from 'holdfast'
import { auditTo } from 'holdfast/audit'
import { type ConsoleOptions, createConsole } from 'holdfast/console'
import { protect, toListener } from 'holdfast/node'
import { sqlite } from 'holdfast/sqlite'
import type { BrowserContext, Page } from 'playwright-core'
import { temporaryFolder } from '../servers/process.ts'
import { CHROMIUM_ONLY, SKIP } from './launch.ts'

/** For `describe`. */
export const IN_CHROMIUM = SKIP.skip ? SKIP : CHROMIUM_ONLY

export interface ConsolePlace {
  readonly url: string
  readonly events: readonly SessionEvent[]
  /** Of the sessions, for whoever fills it. */
  readonly file: string
  readonly tell: (event: SessionEvent) => void
  /** How long each answer of the API took at the server, in ms, by its path and query. */
  readonly took: { readonly what: string; readonly ms: number }[]
  /** Resolves when everything that was told is in the audit log. */
  settle(): Promise<void>
  /** Breaks all connections off, the open streams' too. */
  cut(): void
  /** Whether anybody is let in. */
  refuse(all: boolean): void
}

const OPERATORS = new Set(['grace', 'ada'])

/** `/login?user=…` logs in, or asks again; `/whoami` says who one is. */
export async function startConsole(
  t: { after(work: () => unknown): void },
  options: Partial<ConsoleOptions<Record<string, unknown>>> = {},
  engine?: Engine,
): Promise<ConsolePlace> {
  const folder = temporaryFolder(t, 'console')
  const file = join(folder, 'sessions.db')
  const audit = auditTo(join(folder, 'audit.db'))
  const events: SessionEvent[] = []
  const took: { what: string; ms: number }[] = []
  let isAway = false
  const onEvent = (event: SessionEvent) => {
    events.push(event)
    audit.onEvent(event)
  }
  const sessions = createSessions<Record<string, unknown>>({
    engine: engine ?? sqlite(file),
    keys: generateKey(),
    onEvent,
  })
  const handler = createConsole(sessions, {
    guard: ({ userId }) => OPERATORS.has(userId!),
    audit,
    title: 'Acme sessions',
    reauthenticateUrl: '/again',
    ...options,
  })
  const showConsole = toListener(handler)
  const listener = protect(sessions, (request, response, session) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://host.invalid')
    if (pathname.startsWith('/console')) {
      const began = performance.now()
      response.on('finish', () => took.push({ what: request.url!, ms: performance.now() - began }))
      return showConsole(request, response)
    }
    response.setHeader('Content-Type', 'text/html')
    if (pathname === '/login') session.authenticate(searchParams.get('user')!, { methods: ['pwd'] })
    if (pathname === '/whoami') session.require()
    if (pathname === '/again' && request.method === 'GET')
      return response.end(
        '<title>Again</title><form method="post"><button autofocus>It is me</button></form>',
      )
    if (pathname !== '/again') return response.end(session.userId)
    session.reauthenticate({ methods: ['pwd'] })
    return response.writeHead(303, { Location: searchParams.get('next')! }).end()
  })
  const server = createServer((request, response) => {
    if (isAway) request.socket.destroy()
    else listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    handler.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await audit.close()
    await sessions.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    events,
    file,
    tell: audit.onEvent,
    took,
    settle: () => audit.flush(),
    cut: () => server.closeAllConnections(),
    refuse(all) {
      isAway = all
    },
  }
}

/** A browser in which somebody has logged in, and its page at the console. */
export async function enter(
  context: BrowserContext,
  { url }: ConsolePlace,
  userId: string,
  hash = '',
): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${url}/`)
  await page.evaluate(
    (path) => fetch(path, { method: 'POST' }).then(({ status }) => status),
    `/login?user=${userId}`,
  )
  await page.goto(`${url}/console/${hash}`)
  await page.waitForSelector('main h1')
  return page
}
