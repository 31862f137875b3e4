// snippet: app
import express from 'express'
import { createSessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { checkPassword } from './users.ts'
import { home } from './views.ts'

const sessions = createSessions({ engine: memory() }) // or sqlite, redis, postgres, with keys
export const app = express().use(express.urlencoded(), protect(sessions)) // forms bring their CSRF token in the body

app.post('/login', async (req, res) => {
  const { username, password } = req.body ?? {}
  const user = await checkPassword(username, password)
  if (!user) return void res.status(401).send(home(sessions.current(), 'Wrong name or password.'))
  sessions.current().authenticate(user.id) // a new id, a new token, and what was there before is dead
  return res.redirect(303, '/') // leaves when the session is stored, and not before
})
app.post('/logout', (_req, res) => {
  sessions.current().terminate()
  res.redirect(303, '/')
})
app.get('/', (_req, res) => res.send(home(sessions.current())))
app.use(answerErrors()) // refusals: JSON for scripts, else a line of text; or your own error handler
// /snippet
