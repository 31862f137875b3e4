/** The application: what is mounted where, in order. @module */

import { join } from 'node:path'
import express, { type Express } from 'express'
import { createDevicePage } from 'holdfast/devices'
import { protect, toListener } from 'holdfast/express'
import { csrfExtension } from 'holdfast/nunjucks'
import nunjucks from 'nunjucks'
import { api } from './api.ts'
import { answerErrors, answerFailures } from './errors.ts'
import { setHeaders } from './headers.ts'
import { pages } from './pages.ts'
import { type DemoSessions, type Parts, RequestError } from './parts.ts'
import { moment, relative } from './words.ts'

const FOLDER = join(import.meta.dirname, '..')

export function createApp(parts: Parts, proxy: readonly string[]): Express {
  const { sessions } = parts
  const app = express()
  app.disable('x-powered-by')
  // The limits on attempts go by the same address as the sessions.
  app.set('trust proxy', [...proxy])

  const environment = nunjucks.configure(join(FOLDER, 'views'), { express: app, autoescape: true })
  environment.addExtension('csrf', csrfExtension(sessions))
  environment.addFilter('iso', (millis: number) => new Date(millis).toISOString())
  environment.addFilter('moment', moment)
  environment.addFilter('relative', (millis: number) => relative(millis))
  app.set('view engine', 'njk')

  app.use(setHeaders(sessions.policy.hsts))

  // Above `protect`: what is the same for everybody reads no session, and any cache may keep it.
  app.get('/healthz', (_request, response) => void response.type('text').send('ok\n'))
  app.use('/static', express.static(join(FOLDER, 'public'), { index: false }))
  app.get('/', (request, response) => {
    response.render('home', { origin: `${request.protocol}://${request.host}` })
  })

  // Bodies come first, for that is where forms carry their CSRF token.
  app.use(express.urlencoded({ extended: false, limit: '32kb' }), express.json({ limit: '96kb' }))
  app.use(protect(sessions, { onError: answerFailures(environment) }))
  app.use('/api', api(sessions))
  app.use('/console', toListener(parts.console))
  app.use('/account/sessions', toListener(devicePage(sessions)))
  app.use(pages(parts))
  app.use((request) => {
    throw new RequestError(404, 'ERR_NOT_FOUND', `Nothing answers ${request.method} ${request.path}.`)
  })
  app.use(answerErrors(parts))
  return app
}

function devicePage(sessions: DemoSessions) {
  const urls = { loginUrl: '/login', reauthenticateUrl: '/reauthenticate', backUrl: '/account' }
  return createDevicePage(sessions, urls)
}
