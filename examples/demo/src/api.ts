/** The JSON API. @module */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Request, type RequestHandler, Router } from 'express'
import { SessionError } from 'holdfast'
import { type DemoSessions, field, type Json, RequestError } from './parts.ts'

const NAME = /^[\w-]{1,64}$/
const LONGEST_DELAY = 30_000

export function api(sessions: DemoSessions): Router {
  const router = Router()

  router.get('/session', (_request, response) => {
    const session = sessions.current()
    const user = session.require()
    const { id, createdAt, authenticatedAt, expiresAt, idleExpiresAt } = session
    const csrfToken = session.csrfToken()
    response.json({ user, id, createdAt, authenticatedAt, expiresAt, idleExpiresAt, csrfToken })
  })

  router.get('/data', async (request, response) => {
    const session = sessions.current()
    const names = session.keys().filter((name) => NAME.test(name))
    const data = Object.fromEntries(names.map((name) => [name, session.get(name)]))
    await pause(request)
    response.json(data)
  })

  router.post('/data', jsonOnly, async (request, response) => {
    const session = sessions.current()
    const name = readName(request)
    const value = (request.body as { value?: Json }).value
    if (value === undefined) throw new RequestError(400, 'ERR_REQUEST', 'value: expected any JSON value.')
    const previous = session.get(name) ?? null
    await pause(request)
    try {
      session.set(name, value)
    } catch (error) {
      // Here it was the client who gave what can't be kept.
      if (!(error instanceof SessionError) || error.code !== 'ERR_SESSION_DATA') throw error
      throw new RequestError(400, error.code, error.message)
    }
    response.json({ name, value, previous })
  })

  router.post('/increment', jsonOnly, async (request, response) => {
    const session = sessions.current()
    const name = readName(request)
    await pause(request)
    session.update(name, (value) => (typeof value === 'number' ? value : 0) + 1)
    // Committed at once, so that the answer is the number which this request has made.
    await session.commit()
    response.json({ name, value: session.get(name) })
  })

  router.post('/rotate', (_request, response) => {
    const session = sessions.current()
    const user = session.require()
    session.renew()
    response.json({ user, id: session.id })
  })

  return router
}

/** Forms of other sites can send three content types without asking first, and JSON is none of them. */
const jsonOnly: RequestHandler = (request, _response, next) => {
  if (!request.is('application/json')) {
    throw new RequestError(415, 'ERR_REQUEST', 'Content-Type: expected application/json.')
  }
  next()
}

function readName(request: Request): string {
  const name = field(request.body, 'name')
  if (NAME.test(name)) return name
  throw new RequestError(
    400,
    'ERR_REQUEST',
    'name: expected 1 to 64 letters, digits, hyphens or underscores.',
  )
}

/** Waits as long as `?delay=` says, so that requests can be made to overtake one another. */
async function pause(request: Request): Promise<void> {
  const delay = Number(request.query.delay ?? 0)
  if (delay > 0) await sleep(Math.min(delay, LONGEST_DELAY))
}
