/** Holdfast as its README shows it: the defaults, behind a proxy that speaks TLS. @module */

import { createServer } from 'node:http'
import createApp from 'express'
import { createSessions, type Engine, generateKey } from 'holdfast'
import { protect as protectExpress } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { protect as protectNode } from 'holdfast/node'
import { sqlite } from 'holdfast/sqlite'
import { temporaryFile } from './files.ts'
import { listen } from './listen.ts'
import { BODY, nextVisit, type Profile, profile, type System, userOf } from './tasks.ts'

/** More than all visitors of a run, so that nothing is refused. */
const ROOM = { maxRecords: 2_000_000, maxBytes: 4 * 1024 ** 3 }

export const nodeMemory = () => onNode(memory(ROOM))
export const nodeSqlite = () => onNode(sqlite(temporaryFile()))
export const expressMemory = () => onExpress(memory(ROOM))
export const expressSqlite = () => onExpress(sqlite(temporaryFile()))

function sessionsOn(engine: Engine) {
  return createSessions<Profile>({ engine, keys: generateKey(), proxy: ['127.0.0.1'] })
}

type SessionOf = ReturnType<ReturnType<typeof sessionsOn>['current']>

function login(session: SessionOf, userId: string): void {
  session.authenticate(userId)
  const { name, roles, locale, cart, visits } = profile()
  session.set('name', name)
  session.set('roles', roles)
  session.set('locale', locale)
  session.set('cart', cart)
  session.set('visits', visits)
}

export function onNode(engine: Engine): Promise<System> {
  const handler = protectNode(sessionsOn(engine), (req, res, session) => {
    const url = req.url ?? '/'
    if (url === '/read') {
      if (!session.userId || !session.get('name')) res.statusCode = 401
    } else if (url === '/write' || url === '/anon') session.set('visits', nextVisit())
    else if (url.startsWith('/login/')) login(session, userOf(url))
    res.end(url === '/value' ? String(session.get('visits')) : BODY)
  })
  return listen(createServer(handler))
}

export function onExpress(engine: Engine): Promise<System> {
  const sessions = sessionsOn(engine)
  const app = createApp()
  app.use(protectExpress(sessions))
  app.get('/none', (_req, res) => void res.send(BODY))
  app.get('/read', (_req, res) => {
    const session = sessions.current()
    if (!session.userId || !session.get('name')) res.status(401)
    res.send(BODY)
  })
  app.get('/value', (_req, res) => void res.send(String(sessions.current().get('visits'))))
  for (const path of ['/write', '/anon']) {
    app.post(path, (_req, res) => {
      sessions.current().set('visits', nextVisit())
      res.send(BODY)
    })
  }
  app.post('/login/:user', (req, res) => {
    login(sessions.current(), req.params.user)
    res.send(BODY)
  })
  return listen(createServer(app))
}
