/** Two ways to run the application: through the web adapter, and through `open` and `commit` alone. @module */

import { protect } from '../../src/adapters/web.ts'
import type { Engine, RequestContext, Session, SessionEvent, SessionsOptions } from '../../src/index.ts'
import { createSessions, SessionError } from '../../src/index.ts'
import type { Action } from './actors.ts'

export type AnySession = Session<Record<string, unknown>>

/** One request. */
export interface Ask {
  readonly action: Action
  readonly cookie: string
  readonly csrf: string | null
  /** Written by `mark`, to be found again. */
  readonly mark: string
}

/** What the handler saw when it began. */
export interface Seen {
  readonly id: string | null
  readonly user: string | null
  readonly authenticatedAt: number | null
  readonly lost: string | null
  readonly data: Readonly<Record<string, unknown>>
}

export interface Reply {
  readonly status: number
  readonly code: string | null
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  /** What the session had become when the response left; null when the commit failed. */
  readonly became: { readonly id: string | null; readonly csrf: string | null } | null
}

/** A request whose handler waits. */
export interface Begun {
  /** null when it was refused before it reached a handler */
  readonly seen: Seen | null
  end(): Promise<Reply>
}

export interface Server {
  begin(ask: Ask): Promise<Begun>
  revoke(query: { userId: string } | { id: string }): Promise<number>
  /** Whom a token is taken for, by a request that never ends. */
  peek(cookie: string): Promise<string | null>
}

export interface ServerParts {
  readonly engine: Engine
  readonly keys: string
  readonly options: Partial<SessionsOptions<Record<string, unknown>>>
  readonly onEvent: (event: SessionEvent) => void
}

const ORIGIN = 'https://app.example'
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0'

export function headersFor({
  cookie,
  csrf,
  action,
}: Pick<Ask, 'cookie' | 'csrf' | 'action'>): Record<string, string> {
  return {
    host: 'app.example',
    'user-agent': FIREFOX,
    'sec-fetch-site': 'same-origin',
    ...(cookie && { cookie }),
    ...(csrf !== null && { 'x-csrf-token': csrf }),
    ...(action.do === 'passive' && { 'session-passive': '1' }),
  }
}

const methodOf = ({ do: what }: Action) => (what === 'read' || what === 'passive' ? 'GET' : 'POST')

/** The application. @returns the status of its response */
function perform(session: AnySession, { action, mark }: Ask): number {
  switch (action.do) {
    case 'login':
    case 'login, revoking others':
      session.authenticate(action.user, {
        remember: action.remember,
        revokeOthers: action.do !== 'login',
      })
      break
    case 'increment':
      session.update('count', (count) => Number(count ?? 0) + 1)
      break
    case 'mark':
      session.set('mark', mark)
      break
    case 'renew':
      if (session.userId !== null) session.renew()
      break
    case 'logout':
      session.terminate()
      break
    case 'reauthenticate':
      if (session.userId !== null) session.reauthenticate()
      break
    case 'fail':
      session.update('count', (count) => Number(count ?? 0) + 1_000)
      session.set('mark', 'of a request that failed')
      return 500
  }
  return 200
}

function see(session: AnySession): Seen {
  const { id, userId, authenticatedAt, lost } = session
  const data = Object.fromEntries(session.keys().map((key) => [key, session.get(key)]))
  return { id, user: userId, authenticatedAt, lost, data }
}

interface Waiting {
  readonly ask: Ask
  readonly saw: (seen: Seen) => void
  readonly gate: Promise<void>
  became: Reply['became']
}

/** Whole HTTP exchanges: `Request` in, `Response` out. */
export function webServer({ options, ...parts }: ServerParts): Server {
  const sessions = createSessions({ ...options, ...parts })
  const waiting = new Map<string, Waiting>()
  let number = 0

  const handle = protect(
    sessions,
    async (request, session) => {
      const exchange = waiting.get(request.headers.get('x-request') ?? '')!
      exchange.saw(see(session))
      await exchange.gate
      const status = perform(session, exchange.ask)
      const csrf = exchange.ask.action.do === 'read' ? session.csrfToken() : null
      exchange.became = { id: session.id, csrf }
      return Response.json({ csrf, user: session.userId }, { status })
    },
    { ip: () => '192.0.2.1' },
  )

  return {
    async begin(ask) {
      const key = String(number++)
      const saw = Promise.withResolvers<Seen>()
      const gate = Promise.withResolvers<void>()
      const exchange: Waiting = { ask, saw: saw.resolve, gate: gate.promise, became: null }
      waiting.set(key, exchange)
      const response = handle(
        new Request(`${ORIGIN}/`, {
          method: methodOf(ask.action),
          headers: { ...headersFor(ask), 'x-request': key, accept: 'application/json' },
        }),
      )
      const seen = await Promise.race([saw.promise, response.then(() => null)])
      return {
        seen,
        async end() {
          gate.resolve()
          const answer = await response
          waiting.delete(key)
          const body = await answer.text()
          const { error } = JSON.parse(body) as { error?: { code: string } }
          const became = error ? null : exchange.became
          return {
            status: answer.status,
            code: error?.code ?? null,
            headers: [...answer.headers],
            body,
            became,
          }
        },
      }
    },
    revoke: (query) => sessions.revoke(query),
    peek: async (cookie) => (await sessions.open(contextOf({ cookie }))).userId,
  }
}

/** The core alone. */
export function coreServer({ options, ...parts }: ServerParts): Server {
  const sessions = createSessions({ ...options, ...parts })
  return {
    async begin(ask) {
      const context = contextOf(ask)
      const session = await sessions.open(context)
      const refused = ({ status, code, message }: SessionError): Reply => ({
        status,
        code,
        headers: sessions.failed(context).headers,
        body: message,
        became: null,
      })
      return {
        seen: session.refusal ? null : see(session),
        async end() {
          try {
            if (session.refusal) throw session.refusal
            const status = perform(session, ask)
            const csrf = ask.action.do === 'read' ? session.csrfToken() : null
            const became = { id: session.id, csrf }
            const { headers } = await sessions.commit(session, status)
            return { status, code: null, headers, body: '', became }
          } catch (error) {
            if (error instanceof SessionError) return refused(error)
            throw error
          }
        },
      }
    },
    revoke: (query) => sessions.revoke(query),
    peek: async (cookie) => (await sessions.open(contextOf({ cookie }))).userId,
  }
}

function contextOf({ cookie, csrf = null, action = { do: 'read' } }: Partial<Ask>): RequestContext {
  const headers = headersFor({ cookie: cookie ?? '', csrf, action })
  return {
    method: methodOf(action),
    origin: ORIGIN,
    path: '/',
    search: '',
    ip: '192.0.2.1',
    now: Date.now(),
    header: (name) => headers[name] ?? null,
    field: () => null,
  }
}
