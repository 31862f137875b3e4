// snippet: app
import { createSessions } from 'holdfast'
import { protect } from 'holdfast/hono'
import { memory } from 'holdfast/memory'
import { Hono } from 'hono'
import { checkPassword } from './users.ts'
import { home } from './views.ts'

const sessions = createSessions({ engine: memory() }) // or sqlite, redis, postgres, with keys

export const app = new Hono()
  .use(protect(sessions)) // c.var.session has its type below
  .post('/login', async (c) => {
    const { username, password } = await c.req.parseBody()
    const user = await checkPassword(username, password)
    if (!user) return c.html(home(c.var.session, 'Wrong name or password.'), 401)
    c.var.session.authenticate(user.id) // a new id, a new token, and what was there before is dead
    return c.redirect('/', 303) // leaves when the session is stored, and not before
  })
  .post('/logout', (c) => {
    c.var.session.terminate()
    return c.redirect('/', 303)
  })
  .get('/', (c) => c.html(home(c.var.session)))
// /snippet
