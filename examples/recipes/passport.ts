/** Passport on Express, with a strategy of names and passwords. */

import express, { type Express } from 'express'
import type { Sessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { passportSession } from 'holdfast/passport'
import passport from 'passport'
import { Strategy } from 'passport-local'

const users = [{ id: 'ada-1', name: 'ada', password: 'analytical-engine' }]

export function passportApp(sessions: Sessions): Express {
  // snippet: passport
  passport.use(
    new Strategy((name, password, done) => {
      done(null, users.find((user) => user.name === name && user.password === password) ?? false)
    }),
  )
  passport.serializeUser((user, done) => done(null, (user as { id: string }).id))
  passport.deserializeUser((id, done) => done(null, users.find((user) => user.id === id) ?? false))

  const app = express().use(express.urlencoded({ extended: false }), protect(sessions))
  app.use(passportSession(sessions, { login: () => ({ methods: ['pwd'], level: 1 }) }), passport.session())

  app.post('/login', passport.authenticate('local', { successRedirect: '/', failureRedirect: '/login' }))
  app.post('/logout', (req, res, next) => {
    req.logout((error) => (error ? next(error) : res.redirect('/')))
  })
  app.get('/', (req, res) => {
    const name = (req.user as { name: string } | undefined)?.name ?? null
    res.json({ name, methods: sessions.current().methods })
  })
  app.use(answerErrors())
  // /snippet
  return app
}
