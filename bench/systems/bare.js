/** The frameworks alone: what is subtracted from everything else. @module */

import { createServer } from 'node:http'
import { listen, PATIENCE } from './listen.ts'
import { BODY } from './tasks.ts'

export async function nodeHttp() {
  return listen(createServer((_req, res) => res.end(BODY)))
}

export async function express() {
  const { default: createApp } = await import('express')
  const app = createApp()
  for (const path of ['/none', '/read']) app.get(path, (_req, res) => res.send(BODY))
  for (const path of ['/write', '/anon', '/login/:user']) app.post(path, (_req, res) => res.send(BODY))
  return listen(createServer(app))
}

export async function fastify() {
  const { default: createApp } = await import('fastify')
  const app = createApp({ trustProxy: true })
  for (const path of ['/none', '/read']) app.get(path, async () => BODY)
  for (const path of ['/write', '/anon', '/login/:user']) app.post(path, async () => BODY)
  return listenFastify(app)
}

export async function listenFastify(app) {
  app.server.keepAliveTimeout = PATIENCE
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}
