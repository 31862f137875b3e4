// snippet: app
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import { createSessions } from 'holdfast'
import { protect, type SessionState } from 'holdfast/koa'
import { memory } from 'holdfast/memory'
import Koa from 'koa'
import { checkPassword } from './users.ts'
import { home } from './views.ts'

const sessions = createSessions({ engine: memory() }) // or sqlite, redis, postgres, with keys
const router = new Router<SessionState>()

router.post('/login', async (ctx) => {
  const { username, password } = ctx.request.body as Record<string, unknown>
  const user = await checkPassword(username, password)
  if (!user) {
    ctx.status = 401
    ctx.body = home(ctx.state.session, 'Wrong name or password.')
    return
  }
  ctx.state.session.authenticate(user.id) // a new id, a new token, and what was there before is dead
  ctx.status = 303
  ctx.redirect('/') // leaves when the session is stored, and not before
})
router.post('/logout', (ctx) => {
  ctx.state.session.terminate()
  ctx.status = 303
  ctx.redirect('/')
})
router.get('/', (ctx) => {
  ctx.body = home(ctx.state.session)
})

export const app = new Koa()
  .use(bodyParser()) // forms bring their CSRF token in the body
  .use(protect(sessions))
  .use(router.routes())
// /snippet
