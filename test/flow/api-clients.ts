/** What `docs/api-clients.md` shows. */

import corsOfFastify from '@fastify/cors'
import cors from 'cors'
import express from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import { bearer, createSessions, type Engine } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { holdfast } from 'holdfast/fastify'
import { protect as protectHono } from 'holdfast/hono'
import { answerErrors as answerErrorsOfKoa, protect as protectKoa } from 'holdfast/koa'
import { Hono } from 'hono'
import { cors as corsOfHono } from 'hono/cors'
import Koa, { type Middleware } from 'koa'
import type { AnySessions } from './site.ts'

// snippet: client
/** Keeps one session's token, as a native client does: in the system's keychain, say. */
export class Client {
  readonly #base: string
  #token: string | null = null

  constructor(base: string) {
    this.#base = base
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.#token) headers.set('Authorization', `Bearer ${this.#token}`)
    const response = await fetch(new URL(path, this.#base), { ...init, headers })
    // At login, and whenever it is renewed. Of parallel responses any may come last.
    this.#token = response.headers.get('Session-Token') ?? this.#token
    if (/error="invalid_token"/.test(response.headers.get('WWW-Authenticate') ?? '')) this.#token = null
    return response
  }

  get loggedIn(): boolean {
    return this.#token !== null
  }
}
// /snippet

/** Pages by cookie, and programs by token, on one store. */
export function both(engine: Engine, keys: string): express.Express {
  // snippet: both
  const pages = createSessions({ engine, keys })
  const programs = createSessions({ engine, keys, transport: bearer(), bindings: [] })

  const api = express.Router().use(express.json(), protect(programs))
  api.post('/login', (req, res) => {
    programs.current().authenticate(req.body.user) // having checked the password, or a code
    res.sendStatus(204)
  })
  api.get('/me', (_req, res) => res.json({ user: programs.current().require() }))
  api.post('/logout', (_req, res) => {
    programs.current().terminate()
    res.sendStatus(204)
  })

  const app = express().use('/api', api) // first: what follows is for pages
  app.use(express.urlencoded(), protect(pages))
  app.use(answerErrors())
  // /snippet
  app.get('/devices/:user', async (req, res) => void res.json(await pages.list(req.params.user)))
  return app
}

// snippet: origins
/** Pages of these origins may use the API with their users' cookies. */
export const origins = ['https://www.example.com']

export const csrf = { trustedOrigins: origins }
const answers = { origin: origins, credentials: true, allowedHeaders: ['Content-Type', 'X-CSRF-Token'] }
// /snippet

export function withExpress(sessions: AnySessions): express.Express {
  // snippet: express
  const app = express().use(cors(answers), express.json(), protect(sessions))
  // /snippet
  app.post('/count', (_req, res) => res.json(sessions.current().update('n', count)))
  return app.use(answerErrors())
}

export async function withFastify(sessions: AnySessions): Promise<FastifyInstance> {
  const app = Fastify()
  // snippet: fastify
  await app.register(corsOfFastify, answers)
  await app.register(holdfast, { sessions })
  // /snippet
  app.post('/count', async (request) => request.session.update('n', count) ?? null)
  await app.ready()
  return app
}

export function withHono(sessions: AnySessions): { fetch: Hono['fetch'] } {
  // snippet: hono
  const app = new Hono().use(corsOfHono({ ...answers, allowHeaders: answers.allowedHeaders }))
  // /snippet
  return app.use(protectHono(sessions)).post('/count', (c) => {
    sessions.current().update('n', count)
    return c.json(null)
  })
}

// snippet: koa-cors
/** CORS as `@koa/cors` does it. */
const corsOfKoa: Middleware = async (ctx, next) => {
  ctx.vary('Origin')
  if (!origins.includes(ctx.get('Origin'))) return next()
  ctx.set('Access-Control-Allow-Origin', ctx.get('Origin'))
  ctx.set('Access-Control-Allow-Credentials', 'true')
  if (ctx.method !== 'OPTIONS') return next()
  ctx.set('Access-Control-Allow-Headers', answers.allowedHeaders.join())
  ctx.set('Access-Control-Allow-Methods', 'GET,POST,PUT,PATCH,DELETE')
  ctx.status = 204
}
// /snippet

export function withKoa(sessions: AnySessions): Koa {
  // snippet: koa
  const app = new Koa().use(corsOfKoa).use(answerErrorsOfKoa()).use(protectKoa(sessions))
  // /snippet
  app.use((ctx) => {
    sessions.current().update('n', count)
    ctx.body = 'done'
  })
  return app as never
}

function count(n: unknown): number {
  return Number(n ?? 0) + 1
}
