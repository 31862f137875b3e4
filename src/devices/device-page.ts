/** The page on which a user sees where he is logged in, and ends what he doesn't want. @module */

import { parseDuration } from '../core/duration.ts'
import { SessionError } from '../core/errors.ts'
import { LONGEST_NAME } from '../core/queries.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { isId } from '../core/token.ts'
import { csrfField } from '../templates/html.ts'
import { asksForJson, createAnswers } from './answers.ts'
import { type Fields, readFields } from './fields.ts'
import { type Notice, renderPage } from './html.ts'
import { type DeviceList, describeSessions } from './list.ts'
import { readName } from './name.ts'
import { type DevicePageOptions, readOptions } from './options.ts'

export type { DevicePageOptions } from './options.ts'

/** What was done, for the page that comes after it. */
type Done = { readonly ended: number } | { readonly renamed: true }

const ACTIONS = ['rename', 'revoke'] as const

const BODIES = {
  400: 'The body is no JSON object.',
  413: 'The body is too long.',
  415: 'Content-Type: expected application/x-www-form-urlencoded or application/json.',
} as const

/**
 * Makes a handler for a user's own sessions: a page of plain forms that needs no script, and the same as JSON for whoever
 * prefers that. To be mounted below `protect`; in Node's adapters by `toListener`.
 *
 * | | |
 * |---|---|
 * | `GET path` | the list |
 * | `POST path/rename` | `id`, `name`, `''` for none |
 * | `POST path/revoke` | `id`, or `others=1` |
 *
 * Every POST needs a CSRF token, whatever the option `csrf` says; ending others, a recent authentication. A session that
 * isn't the user's is answered as one that isn't there. Costs what `list`, `rename` and `revoke` cost.
 *
 * @returns what rejects, for errors that are none of ours
 * @throws {SessionError} `ERR_OPTION`
 * @example app.use('/account/sessions', toListener(createDevicePage(sessions, { loginUrl: '/login' })))
 * @see ASVS 7.4.3, 7.4.5, 7.5.2
 */
export function createDevicePage<Data extends object>(
  sessions: Sessions<Data>,
  options: DevicePageOptions = {},
): (request: Request) => Promise<Response> {
  const settings = readOptions(options)
  const { path, texts, loginUrl, reauthenticateUrl, authenticatedWithin } = settings
  const within = parseDuration(authenticatedWithin, 'authenticatedWithin')
  const answers = createAnswers(settings)

  async function respond(request: Request, session: Session<Data>): Promise<Response> {
    const { pathname } = new URL(request.url)
    const what = [path, `${path}/`].includes(pathname)
      ? 'list'
      : ACTIONS.find((name) => pathname === `${path}/${name}`)
    if (!what) return answers.refuse(request, 404, 'ERR_NOT_FOUND', 'There is no such page.')
    const allowed = what === 'list' ? ['GET', 'HEAD'] : ['POST']
    if (!allowed.includes(request.method)) {
      const headers = { Allow: allowed.join(', ') }
      return answers.refuse(request, 405, 'ERR_REQUEST', `Here it takes ${allowed.join(' or ')}.`, headers)
    }
    if (session.refusal) throw session.refusal
    const userId = session.require()
    if (what === 'list') return show(request, session, userId)
    const fields = await readFields(request)
    if (typeof fields === 'number') return answers.refuse(request, fields, 'ERR_REQUEST', BODIES[fields])
    session.verifyCsrf(request.headers.get('x-csrf-token') ?? fields.get('csrf_token'))
    return what === 'rename'
      ? rename(request, session, userId, fields)
      : revoke(request, session, userId, fields)
  }

  async function rename(request: Request, session: Session<Data>, userId: string, fields: Fields) {
    const name = readName(fields.get('name') ?? '')
    if (name === undefined) {
      const notice = { text: texts.nameTooLong, bad: true }
      const message = `A name may have ${LONGEST_NAME} characters.`
      return asksForJson(request)
        ? answers.refuse(request, 422, 'ERR_REQUEST', message)
        : show(request, session, userId, notice, 422)
    }
    const id = fields.get('id')
    const found = isId(id) && (await sessions.rename({ id, userId, name }))
    return found ? done(request, { renamed: true }) : gone(request, session, userId)
  }

  async function revoke(request: Request, session: Session<Data>, userId: string, fields: Fields) {
    const id = fields.get('id')
    if (id !== undefined && id === session.id) {
      session.terminate()
      return asksForJson(request) ? answers.json({ ended: 1 }) : answers.seeOther(loginUrl ?? path)
    }
    session.require({ authenticatedWithin })
    if (fields.get('others') === '1')
      return done(request, { ended: await sessions.revoke({ userId, except: session.id }) })
    const ended = isId(id) ? await sessions.revoke({ id, userId }) : 0
    return ended > 0 ? done(request, { ended }) : gone(request, session, userId)
  }

  function done(request: Request, what: Done): Response {
    if (asksForJson(request)) return answers.json(what)
    const [[name, value]] = Object.entries(what) as [[string, number | true]]
    return answers.seeOther(`${path}?${name}=${Number(value)}`)
  }

  async function gone(request: Request, session: Session<Data>, userId: string): Promise<Response> {
    return asksForJson(request)
      ? answers.refuse(request, 404, 'ERR_NOT_FOUND', 'There is no such session.')
      : show(request, session, userId, { text: texts.gone, bad: true }, 404)
  }

  async function show(
    request: Request,
    session: Session<Data>,
    userId: string,
    notice: Notice | null = noticeOf(request),
    status = 200,
  ): Promise<Response> {
    const now = Date.now()
    const list: DeviceList = {
      csrfToken: session.csrfToken(),
      fresh: isFresh(session),
      sessions: describeSessions(await sessions.list(userId), session.id),
    }
    if (asksForJson(request)) return answers.json(list)
    return answers.page(renderPage(settings, list, csrfField(session), now, notice), status)
  }

  /** From the page's own address, and so from anybody's link: only what another page of this site led to is said. */
  function noticeOf(request: Request): Notice | null {
    const site = request.headers.get('sec-fetch-site')
    if (site !== null && site !== 'same-origin') return null
    const { searchParams } = new URL(request.url)
    const ended = searchParams.get('ended')
    if (ended !== null && /^\d{1,4}$/.test(ended)) return { text: texts.ended(Number(ended)), bad: false }
    return searchParams.has('renamed') ? { text: texts.renamed, bad: false } : null
  }

  /** Without asking for it: a refusal would be an event. */
  function isFresh(session: Session<Data>): boolean {
    return session.authenticatedAt !== null && Date.now() - session.authenticatedAt <= within
  }

  /** Sends a person to where he can do something about it. */
  function redirectFor(request: Request, { code }: SessionError): Response | null {
    if (asksForJson(request)) return null
    const login = code === 'ERR_NOT_AUTHENTICATED' || code === 'ERR_SESSION_SUSPENDED'
    const url = login ? loginUrl : code === 'ERR_NOT_RECENT' ? reauthenticateUrl : null
    if (url === null) return null
    return answers.seeOther(`${url}${url.includes('?') ? '&' : '?'}next=${encodeURIComponent(path)}`)
  }

  return async (request) => {
    const session = sessions.current()
    try {
      const response = await respond(request, session)
      return request.method === 'HEAD' ? new Response(null, response) : response
    } catch (error) {
      if (!(error instanceof SessionError)) throw error
      return redirectFor(request, error) ?? answers.refuseBy(request, error)
    }
  }
}
