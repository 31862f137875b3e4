// snippet: app
import formbody from '@fastify/formbody'
import Fastify from 'fastify'
import { createSessions } from 'holdfast'
import { holdfast } from 'holdfast/fastify'
import { memory } from 'holdfast/memory'
import { checkPassword } from './users.ts'
import { home } from './views.ts'

const sessions = createSessions({ engine: memory() }) // or sqlite, redis, postgres, with keys
declare module 'holdfast/fastify' {
  interface Register {
    sessions: typeof sessions // so that request.session has its type
  }
}

export const app = Fastify()
await app.register(formbody) // forms bring their CSRF token in the body
await app.register(holdfast, { sessions })

app.post<{ Body: { username?: string; password?: string } }>('/login', async (request, reply) => {
  const { username, password } = request.body ?? {}
  const user = await checkPassword(username, password)
  if (!user) return reply.code(401).type('text/html').send(home(request.session, 'Wrong name or password.'))
  request.session.authenticate(user.id) // a new id, a new token, and what was there before is dead
  return reply.redirect('/', 303) // leaves when the session is stored, and not before
})
app.post('/logout', async (request, reply) => {
  request.session.terminate()
  return reply.redirect('/', 303)
})
app.get('/', (request, reply) => reply.type('text/html').send(home(request.session)))
// /snippet
