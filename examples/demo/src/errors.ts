/** Answers whatever went wrong: JSON for the API, a page for people; each names its code. @module */

import type { ErrorRequestHandler, Request, Response } from 'express'
import { SessionError } from 'holdfast'
import type { ErrorOptions } from 'holdfast/express'
import type { Environment } from 'nunjucks'
import { HEADERS } from './headers.ts'
import { showLogin } from './login-page.ts'
import { isOperator } from './operators.ts'
import { type DemoSession, type Parts, RequestError } from './parts.ts'
import { titleOf } from './words.ts'

interface Problem {
  readonly status: number
  readonly code: string
  readonly message: string
}

const STALE: Record<string, string> = {
  ERR_CSRF_TOKEN_MISSING: 'The form came without its token, so nothing was done. Please send it again.',
  ERR_CSRF_TOKEN_INVALID:
    'The form had gone stale, perhaps because you logged in or out in another tab. Nothing was done; please send it again.',
}

export function answerErrors({ sessions, users }: Parts): ErrorRequestHandler {
  return (error, request, response, next) => {
    if (response.headersSent) return next(error)
    const problem = describe(error)
    const session = currentSession()
    if (problem.status === 503) response.set('Retry-After', '1')
    if (request.path.startsWith('/api/')) return answerJson(response, session, problem)
    if (session && answerByLogin(request, response, session, problem)) return
    const userId = session?.userId ?? null
    const user =
      userId === null ? null : { id: userId, name: users.nameOf(userId), operator: isOperator(userId) }
    response.status(problem.status).render('error', { ...page(problem), user, back: user ? '/account' : '/' })
  }

  /** None, when the request failed before its session was opened. */
  function currentSession(): DemoSession | null {
    try {
      return sessions.current()
    } catch {
      return null
    }
  }
}

/**
 * Makes the answer to a request whose session could not be committed, after its response was written: nothing of that
 * may leave, its headers neither.
 */
export function answerFailures(environment: Environment): NonNullable<ErrorOptions['onError']> {
  return (error, request) => {
    const { status, code, message } = describe(error)
    // Inside of a router `url` lacks what the router is mounted at.
    const json = (request as Request).originalUrl.startsWith('/api/')
    const type = json ? 'application/json' : 'text/html; charset=utf-8'
    const retry: [string, string][] = status === 503 ? [['Retry-After', '1']] : []
    return {
      status,
      headers: [...Object.entries(HEADERS), ['Content-Type', type], ['Cache-Control', 'no-store'], ...retry],
      body: json
        ? JSON.stringify({ error: { code, message } })
        : environment.render('error.njk', { ...page({ status, code, message }), back: '/account' }),
    }
  }
}

/** What the error page shows. */
function page({ status, code, message }: Problem) {
  return { status, code, message, title: status === 404 ? 'There is nothing here' : titleOf(code) }
}

function describe(error: unknown): Problem {
  if (error instanceof RequestError) return error
  if (error instanceof SessionError && error.status !== 500) return error
  const { status, message } = error as { status?: unknown; message?: unknown }
  // What body parsers throw.
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { status, code: 'ERR_REQUEST', message: String(message) }
  }
  console.error(error)
  return { status: 500, code: 'ERR_INTERNAL', message: 'The server made a mistake, and has noted it.' }
}

function answerJson(
  response: Response,
  session: DemoSession | null,
  { status, code, message }: Problem,
): void {
  const reason = session && (session.suspended ? 'suspended' : session.lost)
  // Whoever is not logged in needs a token to do so.
  const csrfToken = session && status === 401 ? session.csrfToken() : null
  const body = { error: { code, message }, ...(reason && { reason }), ...(csrfToken && { csrfToken }) }
  response.status(status).json(body)
}

/** Where logging in helps, sends people there. @returns whether it did */
function answerByLogin(
  request: Request,
  response: Response,
  session: DemoSession,
  { code }: Problem,
): boolean {
  const safe = request.method === 'GET' || request.method === 'HEAD'
  if (code === 'ERR_NOT_AUTHENTICATED' || code === 'ERR_SESSION_SUSPENDED') {
    response.redirect(303, `/login${safe ? `?next=${encodeURIComponent(request.originalUrl)}` : ''}`)
    return true
  }
  if (code === 'ERR_NOT_RECENT') {
    response.redirect(303, `/reauthenticate?next=${encodeURIComponent(request.path)}`)
    return true
  }
  const text = STALE[code]
  if (text === undefined || (request.path !== '/login' && session.userId !== null)) return false
  showLogin(request, response, session, { status: 403, text, code })
  return true
}
