/** A second factor of six digits (TOTP, RFC 6238): a password first, a code where it matters. */

import express, { type Express } from 'express'
import type { Sessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { Secret, TOTP } from 'otpauth'

export interface TotpUser {
  readonly id: string
  readonly name: string
  readonly password: string
  /** base32, as it was shown to the user's app in a QR code. Keep it encrypted. */
  readonly secret: string
  /** The step of the last code that was taken. */
  lastStep: number
  /** How many wrong codes came one after another. */
  failures: number
}

/** A code is guessed once in 330,000 tries. NIST SP 800-63B-4 §3.2.2 allows 100 before somebody must help the user. */
const MOST_FAILURES = 20

export function totpApp(sessions: Sessions, users: readonly TotpUser[]): Express {
  const app = express().use(express.urlencoded({ extended: false }), protect(sessions))

  // snippet: code
  /** Takes a code once. In a database that is one statement: UPDATE … SET last_step = :step WHERE last_step < :step. */
  function takeCode(user: TotpUser, token: string): boolean {
    const totp = new TOTP({ secret: Secret.fromBase32(user.secret) })
    // One step before and one after: clocks differ, and people take their time.
    const delta = totp.validate({ token, window: 1 })
    if (delta === null) return false
    const step = totp.counter() + delta
    if (step <= user.lastStep) return false
    user.lastStep = step
    return true
  }
  // /snippet

  app.post('/login', (req, res) => {
    const { name, password } = req.body ?? {}
    const user = users.find((each) => each.name === name && each.password === password)
    if (!user) {
      sessions.current().loginFailed(null, 'password')
      return void res.status(401).send('Wrong name or password.')
    }
    sessions.current().authenticate(user.id, { methods: ['pwd'], level: 1 })
    res.send('Logged in.')
  })

  // snippet: step-up
  app.post('/code', (req, res) => {
    const session = sessions.current()
    const userId = session.require({ methods: ['pwd'] }) // the code alone is one factor
    const user = users.find(({ id }) => id === userId)!
    if (user.failures >= MOST_FAILURES)
      return void res.status(429).send('Too many wrong codes: ask us for help.')
    if (!takeCode(user, String(req.body?.code))) {
      user.failures++
      session.loginFailed(userId, 'otp')
      return void res.status(401).send('Wrong code, or one that was used.')
    }
    user.failures = 0
    session.reauthenticate({ methods: ['otp'], level: 2 }) // a new token; with the password that makes two factors
    res.send('Thank you.')
  })

  app.post('/transfer', (_req, res) => {
    const userId = sessions.current().require({ level: 2, authenticatedWithin: '10m' })
    res.send(`${userId} pays.`)
  })
  // /snippet

  return app.use(answerErrors())
}
