/** The pages. @module */

import { type Request, type Response, Router } from 'express'
import { showLogin, wants } from './login-page.ts'
import { isOperator } from './operators.ts'
import { field, localPath, type Parts } from './parts.ts'
import { LONGEST_PASSWORD } from './users.ts'

const LONGEST_NOTE = 1_000
const SHORTEST_PASSWORD = 8

export function pages({ sessions, users, attempts }: Parts): Router {
  const router = Router()

  router.get('/login', (request, response) => {
    const session = sessions.current()
    if (session.userId !== null) return response.redirect(303, localPath(request.query.next, '/account'))
    showLogin(request, response, session)
  })

  router.post('/login', async (request, response) => {
    const session = sessions.current()
    const username = field(request.body, 'username')
    const attempt = await check(request, username)
    if ('retryAfter' in attempt) return tooMany(response, attempt.retryAfter)
    if (attempt.result === null) {
      // Not whatever was typed, which is, now and then, a password.
      session.loginFailed(users.has(username) ? username : null, 'password')
      const text = 'There is no such account, or the password is another one.'
      return showLogin(request, response, session, { status: 401, text })
    }
    session.authenticate(attempt.result, { methods: ['pwd'], remember: wants(request.body, 'remember') })
    response.redirect(303, localPath(field(request.body, 'next'), '/account'))
  })

  router.post('/logout', (_request, response) => {
    sessions.current().terminate({ clearSiteData: ['cache', 'storage'] })
    response.redirect(303, '/login?left=1')
  })

  router.get('/account', (_request, response) => {
    const session = sessions.current()
    const userId = session.require()
    response.render('account', {
      ...shell(userId),
      session,
      note: session.get('page.note') ?? '',
      longestNote: LONGEST_NOTE,
      flash: session.pop('page.flash'),
    })
  })

  router.post('/account/note', (request, response) => {
    const session = sessions.current()
    session.require()
    session.set('page.note', field(request.body, 'text').slice(0, LONGEST_NOTE))
    session.set('page.flash', 'Your note was kept.')
    response.redirect(303, '/account')
  })

  router.get('/account/password', (_request, response) => {
    showPassword(response, sessions.current().require({ authenticatedWithin: '10m' }), null)
  })

  router.post('/account/password', async (request, response) => {
    const session = sessions.current()
    const userId = session.require({ authenticatedWithin: '10m' })
    const current = field(request.body, 'current')
    const next = field(request.body, 'next')
    const problem = faultOf(current, next)
    if (problem !== null) return showPassword(response, userId, problem, 422)
    const attempt = await check(request, userId, current)
    if ('retryAfter' in attempt) return tooMany(response, attempt.retryAfter)
    if (attempt.result === null)
      return showPassword(response, userId, 'Your current password is another one.', 422)

    await users.setPassword(userId, next)
    // Whoever knew the old password may hold a session: a new token for this one, and the end of all others.
    session.reauthenticate({ methods: ['pwd'] })
    const ended = await sessions.revoke({ userId, except: session.id })
    session.set('page.flash', `Your password was changed, and ${count(ended, 'other session')} ended.`)
    response.redirect(303, '/account')
  })

  router.get('/reauthenticate', (request, response) => {
    const userId = sessions.current().require()
    showReauthenticate(response, userId, localPath(request.query.next, '/account'), null)
  })

  router.post('/reauthenticate', async (request, response) => {
    const session = sessions.current()
    const userId = session.require()
    const next = localPath(field(request.body, 'next'), '/account')
    const attempt = await check(request, userId)
    if ('retryAfter' in attempt) return tooMany(response, attempt.retryAfter)
    if (attempt.result === null)
      return showReauthenticate(response, userId, next, 'That is not your password.', 401)
    session.reauthenticate({ methods: ['pwd'] })
    response.redirect(303, next)
  })

  return router

  function check(request: Request, name: string, password: string = field(request.body, 'password')) {
    return attempts.run(name, request.ip ?? '', () => users.verify(name, password))
  }

  /** What every page of a user shows. */
  function shell(userId: string) {
    return { user: { id: userId, name: users.nameOf(userId), operator: isOperator(userId) } }
  }

  function showPassword(response: Response, userId: string, problem: string | null, status = 200): void {
    const limits = { shortest: SHORTEST_PASSWORD, longest: LONGEST_PASSWORD }
    response.status(status).render('password', { ...shell(userId), ...limits, problem })
  }

  function showReauthenticate(
    response: Response,
    userId: string,
    next: string,
    problem: string | null,
    status = 200,
  ): void {
    response.status(status).render('reauthenticate', { ...shell(userId), next, problem })
  }
}

function tooMany(response: Response, seconds: number): void {
  const minutes = Math.ceil(seconds / 60)
  response
    .status(429)
    .set('Retry-After', String(seconds))
    .render('error', {
      status: 429,
      code: 'ERR_TOO_MANY_ATTEMPTS',
      title: 'Too many attempts',
      message: `There were too many wrong passwords. Try again in ${count(minutes, 'minute')}.`,
      back: '/login',
    })
}

function faultOf(current: string, next: string): string | null {
  if (next.length < SHORTEST_PASSWORD)
    return `The new password needs at least ${SHORTEST_PASSWORD} characters.`
  if (next.length > LONGEST_PASSWORD)
    return `The new password may have at most ${LONGEST_PASSWORD} characters.`
  return next === current ? 'The new password is the old one.' : null
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`
}
