/** One neutral handler, through each adapter. */

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import formbody from '@fastify/formbody'
import { getRequestListener } from '@hono/node-server'
import { bodyParser } from '@koa/bodyparser'
import type express from 'express'
import fastifyFramework from 'fastify'
import { answerErrors, protect as protectExpress } from 'holdfast/express'
import { answerErrors as answerErrorsOfFastify, holdfast } from 'holdfast/fastify'
import { answerErrors as answerErrorsOfHono, protect as protectHono } from 'holdfast/hono'
import { answerErrors as answerErrorsOfKoa, protect as protectKoa } from 'holdfast/koa'
import { protect as protectNode } from 'holdfast/node'
import { protect as protectWeb } from 'holdfast/web'
import { Hono } from 'hono'
import Koa from 'koa'
import { exchangeOf, type Reply, responseOf } from './application.ts'
import type { AnySession, Exchange, LocalAdapter } from './harness.ts'

export const web: LocalAdapter = {
  name: 'Request and Response',
  listen: (sessions, handler) =>
    serveFetch(
      protectWeb(sessions, async (request, session, _info: object) =>
        responseOf(await handler(exchangeOf(request, session))),
      ),
    ),
}

export const node: LocalAdapter = {
  name: 'node:http',
  listen(sessions, handler) {
    const listener = protectNode(sessions, async (req, res, session) => {
      await reply(res, await handler(exchange(req, session)))
    })
    return async (req, res) => {
      if (/urlencoded/i.test(req.headers['content-type'] ?? '')) {
        Object.assign(req, { body: Object.fromEntries(new URLSearchParams(await text(req))) })
      }
      listener(req, res)
    }
  },
}

/** @param framework - `express` of either version */
export function expressAdapter(name: string, framework: typeof express): LocalAdapter {
  return {
    name,
    listen(sessions, handler) {
      const app = framework()
      // Or it writes errors to the console.
      app.set('env', 'test')
      app.use(framework.urlencoded({ extended: false }), protectExpress(sessions))
      app.use((req, res, next) => {
        Promise.resolve(handler(exchange(req, sessions.current())))
          .then((given) => reply(res, given))
          .catch(next)
      })
      app.use(answerErrors())
      return app
    },
  }
}

export const fastify: LocalAdapter = {
  name: 'Fastify 5',
  async listen(sessions, handler) {
    let listener: RequestListener = () => {}
    const app = fastifyFramework({
      serverFactory(given) {
        listener = given as RequestListener
        return createServer(given)
      },
    })
    await app.register(formbody)
    // What has no parser is left to the handler.
    app.addContentTypeParser('*', (_request, _payload, done) => done(null))
    await app.register(holdfast, { sessions })
    app.setErrorHandler(answerErrorsOfFastify())
    app.all('/*', async (request, reply) => {
      const { status = 200, headers = [], body } = await handler(exchange(request.raw, request.session))
      for (const [name, lines] of grouped(headers)) reply.header(name, lines)
      return reply.code(status).send(body)
    })
    await app.ready()
    return listener
  },
}

export const hono: LocalAdapter = {
  name: 'Hono 4',
  listen(sessions, handler) {
    const app = new Hono().use(protectHono(sessions))
    app.onError(answerErrorsOfHono())
    app.all('/*', async (c) => responseOf(await handler(exchangeOf(c.req.raw, c.var.session))))
    return getRequestListener(app.fetch)
  },
}

export const koa: LocalAdapter = {
  name: 'Koa 3',
  listen(sessions, handler) {
    const app = new Koa().use(answerErrorsOfKoa()).use(bodyParser()).use(protectKoa(sessions))
    app.use(async (ctx) => {
      const { status = 200, headers = [], body } = await handler(exchange(ctx.req, ctx.state.session))
      ctx.status = status
      ctx.body = body ?? null
      // An empty body takes the status away.
      ctx.status = status
      for (const [name, lines] of grouped(headers)) ctx.set(name, lines.length > 1 ? lines : lines[0]!)
    })
    return app.callback()
  },
}

/** For frameworks that can set a header, and not add to it. */
function grouped(headers: NonNullable<Reply['headers']>): [name: string, lines: string[]][] {
  const lines = Object.groupBy(headers, ([name]) => name)
  return Object.entries(lines).map(([name, pairs]) => [name, pairs!.map(([, value]) => value)])
}

export function exchange(req: IncomingMessage, session: AnySession): Exchange {
  const { pathname, searchParams: query } = new URL(req.url!, 'http://host.invalid')
  return { session, method: req.method!, path: pathname, query, text: () => text(req) }
}

export async function reply(res: ServerResponse, { status = 200, headers = [], body }: Reply): Promise<void> {
  res.statusCode = status
  for (const [name, value] of headers) res.appendHeader(name, value)
  if (body instanceof Readable) await pipeline(body, res)
  else res.end(body)
}

/** Serves a fetch handler as Deno does: what is known of the connection comes second. */
export function serveFetch(fetch: (request: Request, info: object) => Promise<Response>): RequestListener {
  return async (req, res) => {
    const headers = new Headers()
    for (let at = 0; at < req.rawHeaders.length; at += 2)
      headers.append(req.rawHeaders[at]!, req.rawHeaders[at + 1]!)
    const scheme = 'encrypted' in req.socket ? 'https' : 'http'
    const bodiless = req.method === 'GET' || req.method === 'HEAD'
    const body = bodiless ? null : (Readable.toWeb(req) as ReadableStream)
    const url = `${scheme}://${req.headers.host}${req.url}`
    try {
      const request = new Request(url, { method: req.method!, headers, body, duplex: 'half' } as RequestInit)
      const response = await fetch(request, { remoteAddr: { hostname: req.socket.remoteAddress } })
      res.writeHead(response.status, [...response.headers].flat())
      if (response.body) await pipeline(Readable.fromWeb(response.body as never), res)
      else res.end()
    } catch {
      if (!res.headersSent) res.writeHead(500)
      res.end()
    }
  }
}
