import assert from 'node:assert/strict'
import { test } from 'node:test'
import express from 'express'
import { createSessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { browser } from 'holdfast/testing'

const sessions = createSessions({ engine: memory() })

const app = express()
app.use(express.urlencoded({ extended: false }), protect(sessions))
app.post('/login', (req, res) => {
  sessions.current().authenticate(req.body.user, { methods: ['pwd'], level: 1 })
  res.sendStatus(204)
})
app.post('/code', (_req, res) => {
  const session = sessions.current()
  session.require() // and here the code is checked
  session.reauthenticate({ methods: ['otp'], level: 2 }) // with the password of before that makes two factors
  res.sendStatus(204)
})
app.get('/account', (_req, res) => {
  res.send(`Hello ${sessions.current().require()}`)
})
app.post('/pay', (_req, res) => {
  const userId = sessions.current().require({ authenticatedWithin: '10m', level: 2 })
  res.send(`${userId} pays`)
})
app.use(answerErrors())

test('a payment asks for two factors within ten minutes', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  await using client = browser(app)
  const pay = () => client.fetch('/pay', { method: 'POST' })
  await client.post('/login', { user: 'ada' })
  assert.equal((await client.get('/account')).status, 200)

  const refused = await pay()
  assert.equal(refused.status, 401)
  assert.equal(
    refused.headers.get('www-authenticate'),
    'Session error="insufficient_user_authentication", max_age="600", acr_values="aal2"',
  )
  assert.deepEqual(await refused.json(), {
    error: {
      code: 'ERR_LEVEL',
      message: 'This needs an authentication of level 2: authenticate again.',
      required: { maxAge: 600, level: 2 },
    },
  })

  await client.post('/code')
  assert.equal(await (await pay()).text(), 'ada pays')

  t.mock.timers.tick(11 * 60_000)
  const late = (await (await pay()).json()) as { error: { code: string } }
  assert.equal(late.error.code, 'ERR_NOT_RECENT')
})
