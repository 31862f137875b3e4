/**
 * The operators' console: a page that shows sessions, events and figures, live, and ends sessions. `docs/console.md` says
 * who sees what.
 * @module
 */

import { readText } from '../adapters/mount.ts'
import { SessionError } from '../core/errors.ts'
import type { Session } from '../core/session.ts'
import { engineOf, type Sessions } from '../core/sessions.ts'
import { isId } from '../core/token.ts'
import { answerError, answerJson, answerPage, refuse } from './answer.ts'
import type { Me } from './api.ts'
import { openAssets } from './assets.ts'
import { type EventsQuery, logFeed, memoryFeed } from './feed.ts'
import { lifeOf } from './life.ts'
import { type ConsoleOptions, readOptions, type UserSession } from './options.ts'
import { readRevokeRequest, revoke } from './revoking.ts'
import { readSearch, search } from './search.ts'
import { showSession } from './shape.ts'
import { openStream } from './stream.ts'
import { Watch } from './watch.ts'

export type { ConsoleOptions, UserSession } from './options.ts'

/** A handler, for any adapter: in Node's by `toListener`. */
export interface Console {
  (request: Request): Promise<Response>
  /** Stops listening, and ends the open streams at their next second. */
  close(): void
}

const LONGEST_BODY = 64 * 1024
/** Of one session: a page in each of so many tabs. */
const MOST_STREAMS = 4
const MOST_EVENTS = 500

/**
 * Makes the console. Mount it below `protect(sessions)`, at `path`; nobody but whom `guard` lets in sees anything of it, and
 * whoever else is logged in and tries makes the event `authz_fail`.
 *
 * What ends sessions needs a recent authentication and a CSRF token, whatever the application demands elsewhere, and is
 * in the events with the operator's name. No answer holds a token or session data.
 *
 * @example
 * const consolePage = createConsole(sessions, { guard: (session) => operators.has(session.userId) })
 * app.use('/console', toListener(consolePage)) // Express, behind protect(sessions)
 *
 * @throws {SessionError} `ERR_OPTION`
 * @see ASVS 8.2.1, 8.3.1, 7.4.5
 */
export function createConsole<Data extends object>(
  sessions: Sessions<Data>,
  options: ConsoleOptions<Data>,
): Console {
  const settings = readOptions(options)
  const { path, guard, audit, authenticatedWithin, loginUrl } = settings
  const all = sessions as unknown as Sessions<never>
  const feed = audit ? logFeed(audit.reader) : memoryFeed(all)
  const canSearch = engineOf(sessions).scan !== undefined
  const watch = new Watch(all, feed, canSearch)
  const assets = openAssets()
  const streams = new Map<string, number>()
  let closed = false

  /** @throws {SessionError} whatever keeps somebody out */
  async function admit(session: Session<Data>): Promise<string> {
    const userId = session.require()
    if ((await guard(session as UserSession<Data>)) !== true) session.forbid('console')
    return userId
  }

  function me(session: Session<Data>, userId: string): Me {
    const { limits, renewal } = sessions.policy
    const { reauthenticateUrl, logoutUrl, title } = settings
    return {
      userId,
      csrfToken: session.csrfToken(),
      title,
      now: Date.now(),
      audit: feed.isLog,
      canSearch,
      reauthenticateUrl,
      logoutUrl,
      limits: { ...limits, renewal },
    }
  }

  async function listSessions(query: URLSearchParams, own: string | null): Promise<Response> {
    const wanted = readSearch(query)
    if ('wrong' in wanted) return refuse(400, 'ERR_QUERY', `${wanted.wrong}.`)
    const { sessions: found, ...rest } = await search(all, wanted)
    return answerJson({ sessions: found.map((info) => showSession(info, own)), ...rest })
  }

  async function listEvents(query: URLSearchParams): Promise<Response> {
    const wanted = readEventsQuery(query)
    if (!wanted)
      return refuse(400, 'ERR_QUERY', 'limit: expected 1 to 500; before: expected the next of another page.')
    return answerJson(await feed.find(wanted))
  }

  async function stream(request: Request, session: Session<Data>): Promise<Response> {
    const id = session.id!
    const open = streams.get(id) ?? 0
    if (open >= MOST_STREAMS)
      return refuse(
        429,
        'ERR_TOO_MANY_STREAMS',
        `The console is open ${MOST_STREAMS} times already: close one.`,
        { 'Retry-After': '5' },
      )
    streams.set(id, open + 1)
    const onEnd = () => {
      const left = streams.get(id)! - 1
      if (left > 0) streams.set(id, left)
      else streams.delete(id)
    }
    const { authenticatedAt } = session
    const mayGoOn = async () => {
      // A store that is down says nothing of the session: the next request is told so.
      const found = closed ? null : await sessions.find(id).catch(() => 'unknown' as const)
      if (found === 'unknown') return 'anew'
      if (!found || (await guard(session as UserSession<Data>)) !== true) return false
      // Nothing from before an authentication counts after it: perhaps it was opened with a copy of the old token.
      return found.authenticatedAt === authenticatedAt || 'anew'
    }
    return openStream(watch, { mayGoOn, onEnd, signal: request.signal })
  }

  async function end(request: Request, session: Session<Data>, userId: string): Promise<Response> {
    session.verifyCsrf(request.headers.get('x-csrf-token'))
    session.require({ authenticatedWithin })
    if (!/^application\/json\s*(?:;|$)/i.test(request.headers.get('content-type') ?? ''))
      return refuse(415, 'ERR_CONTENT_TYPE', 'The body must be application/json.')
    const text = await readText(request, LONGEST_BODY)
    if (text === null) return refuse(413, 'ERR_BODY_TOO_LARGE', 'The body is longer than 64 KiB.')
    const wanted = readRevokeRequest(text)
    if (!wanted)
      return refuse(
        400,
        'ERR_QUERY',
        'Expected ids, at most 1000; a userId; or everybody, confirmed by that word.',
      )
    return answerJson(await revoke(all, wanted, userId))
  }

  async function route(
    request: Request,
    url: URL,
    session: Session<Data>,
    userId: string,
  ): Promise<Response> {
    const place = url.pathname.slice(path.length)
    const { searchParams: query } = url
    const [, kind, name] = /^(assets|api\/sessions)\/([\w.-]+)$/.exec(place) ?? []
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (place === 'api/revoke')
      return request.method === 'POST' ? end(request, session, userId) : wrongMethod('POST')
    if (!isRead) return wrongMethod('GET, HEAD')
    if (place === '') return assets.index()
    if (kind === 'assets') return assets.asset(name!)
    if (place === 'api/me') return answerJson(me(session, userId))
    if (place === 'api/figures') return answerJson(await watch.figures())
    if (place === 'api/sessions') return listSessions(query, session.id)
    if (place === 'api/events') return listEvents(query)
    if (place === 'api/stream' && request.method === 'GET') return stream(request, session)
    const life = kind && isId(name!) ? await lifeOf(all, feed, name!, session.id) : null
    return life ? answerJson(life) : refuse(404, 'ERR_NOT_FOUND', 'The console knows no such thing.')
  }

  async function handle(request: Request): Promise<Response> {
    const url = new URL(request.url)
    if (`${url.pathname}/` === path) return new Response(null, { status: 308, headers: { Location: path } })
    if (!url.pathname.startsWith(path))
      return refuse(404, 'ERR_NOT_FOUND', `The console is mounted at ${path}.`)
    const session = sessions.current()
    try {
      return await route(request, url, session, await admit(session))
    } catch (error) {
      if (!(error instanceof SessionError)) throw error
      return url.pathname === path && request.method === 'GET' ? turnAway(error) : answerError(error)
    }
  }

  /** For somebody who opened the page itself. */
  function turnAway({ status, code, message }: SessionError): Response {
    if (status === 401) {
      const link = loginUrl === null ? null : { href: loginUrl, text: 'Log in' }
      return answerPage(401, 'Not logged in', 'The console is for operators who are logged in.', link)
    }
    if (status === 403)
      return answerPage(403, 'Not an operator', 'Your account may not use the console.', null)
    return answerPage(status, 'The console is not available', `${code}: ${message}`, null)
  }

  return Object.assign(handle, {
    close() {
      closed = true
      watch.close()
    },
  })
}

function readEventsQuery(query: URLSearchParams): EventsQuery | null {
  const text = (name: string) => query.get(name)?.trim() || undefined
  const limit = Number(text('limit') ?? 100)
  const before = text('before')
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST_EVENTS) return null
  if (before !== undefined && !/^[1-9]\d{0,14}$/.test(before)) return null
  const [sessionId, userId, name] = [text('session'), text('user'), text('name')]
  return {
    limit,
    ...(sessionId !== undefined && { sessionId }),
    ...(userId !== undefined && { userId }),
    ...(name !== undefined && { name }),
    ...(before !== undefined && { before }),
  }
}

function wrongMethod(allow: string): Response {
  return refuse(405, 'ERR_METHOD', `Only ${allow}.`, { Allow: allow })
}
