/** Others, with the settings that their manuals advise for production, and no write where nothing changed. @module */

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { listenFastify } from './bare.js'
import { listen } from './listen.ts'
import { BODY, nextVisit, profile, userOf } from './tasks.ts'

const secret = randomBytes(32).toString('hex')
const flags = { path: '/', httpOnly: true, secure: true, sameSite: 'lax' }
const idle = 30 * 60

export const expressSession = () => expressSessionOn(undefined)

/** @param makeStore - takes the module `express-session`, as old stores do; undefined for its own memory */
export async function expressSessionOn(makeStore) {
  const { default: createApp } = await import('express')
  const { default: session } = await import('express-session')
  const app = createApp()
  const cookie = { ...flags, maxAge: idle * 1000 }
  const store = await makeStore?.(session)
  app.use(session({ secret, resave: false, saveUninitialized: false, proxy: true, cookie, store }))
  app.get('/none', (_req, res) => res.send(BODY))
  app.get('/read', (req, res) => {
    if (!req.session.userId || !req.session.name) res.status(401)
    res.send(BODY)
  })
  app.get('/value', (req, res) => res.send(String(req.session.visits)))
  app.post('/write', (req, res) => {
    req.session.visits = nextVisit()
    res.send(BODY)
  })
  app.post('/anon', (req, res) => {
    req.session.visits = nextVisit()
    res.send(BODY)
  })
  app.post('/login/:user', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      Object.assign(req.session, { userId: req.params.user }, profile())
      res.send(BODY)
    })
  })
  return listen(createServer(app))
}

export const fastifySession = () => fastifySessionOn(undefined)

/** @param store - undefined for its own memory */
export async function fastifySessionOn(store) {
  const { default: createApp } = await import('fastify')
  const { default: cookies } = await import('@fastify/cookie')
  const { default: session } = await import('@fastify/session')
  const app = createApp({ trustProxy: true })
  await app.register(cookies)
  const cookie = { ...flags, maxAge: idle * 1000 }
  await app.register(session, { secret, rolling: false, saveUninitialized: false, cookie, store })
  fastifyRoutes(app, async (request) => {
    await request.session.regenerate()
    request.session.set('userId', userOf(request.url))
    for (const [name, value] of Object.entries(profile())) request.session.set(name, value)
  })
  return listenFastify(app)
}

export async function fastifySecureSession() {
  const { default: createApp } = await import('fastify')
  const { default: session } = await import('@fastify/secure-session')
  const app = createApp({ trustProxy: true })
  await app.register(session, { key: randomBytes(32), cookie: flags })
  fastifyRoutes(app, async (request) => {
    request.session.set('userId', userOf(request.url))
    for (const [name, value] of Object.entries(profile())) request.session.set(name, value)
  })
  return listenFastify(app)
}

function fastifyRoutes(app, login) {
  const write = async (request) => {
    request.session.set('visits', nextVisit())
    return BODY
  }
  app.get('/none', async () => BODY)
  app.get('/read', async (request, reply) => {
    if (!request.session.get('userId') || !request.session.get('name')) reply.code(401)
    return BODY
  })
  app.get('/value', async (request) => String(request.session.get('visits')))
  app.post('/write', write)
  app.post('/anon', write)
  app.post('/login/:user', async (request) => {
    await login(request)
    return BODY
  })
}

export async function ironSession() {
  const { getIronSession } = await import('iron-session')
  const options = { password: secret, cookieName: 'session', ttl: idle, cookieOptions: flags }
  const tasks = {
    async '/read'(req, res) {
      const session = await getIronSession(req, res, options)
      if (!session.userId || !session.name) res.statusCode = 401
    },
    async '/value'(req, res) {
      const session = await getIronSession(req, res, options)
      return String(session.visits)
    },
    async '/write'(req, res) {
      const session = await getIronSession(req, res, options)
      session.visits = nextVisit()
      await session.save()
    },
  }
  tasks['/anon'] = tasks['/write']
  const login = async (req, res) => {
    const session = await getIronSession(req, res, options)
    Object.assign(session, { userId: userOf(req.url) }, profile())
    await session.save()
  }
  return listen(
    createServer(async (req, res) => {
      const task = req.url.startsWith('/login/') ? login : tasks[req.url]
      res.end((await task?.(req, res)) ?? BODY)
    }),
  )
}
