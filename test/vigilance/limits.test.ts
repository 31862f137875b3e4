import assert from 'node:assert/strict'
import { test } from 'node:test'
import express from 'express'
import { createSessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { rateLimits } from 'holdfast/rate-limit'
import { browser } from 'holdfast/testing'

const sessions = createSessions({
  engine: memory(),
  maxSessionsPerUser: 2,
  onExceeded: 'refuse',
  rateLimits: rateLimits({ newSessions: { max: 5, per: '1h' }, forgedTokens: { max: 3, per: '1h' } }),
})

const app = express()
app.use(express.urlencoded({ extended: false }), protect(sessions))
app.post('/login', (req, res) => {
  sessions.current().authenticate(req.body.user)
  res.redirect('/account')
})
app.get('/account', (_req, res) => {
  res.send(`Hello ${sessions.current().require()}`)
})
app.use(answerErrors())

test('a user has two sessions at most, and an address makes five in an hour', async () => {
  const clients = Array.from({ length: 6 }, () => browser(app))
  const answers = []
  for (const [index, client] of clients.entries()) {
    const response = await client.post('/login', { user: index < 3 ? 'ada' : 'grace' })
    answers.push(`${response.status} ${/ERR_\w+/.exec(await response.text()) ?? 'welcome'}`)
  }
  assert.deepEqual(answers, [
    '200 welcome',
    '200 welcome',
    '409 ERR_SESSION_LIMIT', // and nothing of it is left but a tombstone
    '200 welcome',
    '200 welcome',
    '429 ERR_RATE_LIMITED', // before the store was asked anything
  ])
  assert.equal((await sessions.list('ada')).length, 2)
  assert.equal(await (await clients[0]!.get('/account')).text(), 'Hello ada') // who was there before goes on
  for (const client of clients) await client.close()
})

test('an address may invent three tokens in an hour', async () => {
  await using client = browser(app)
  const statuses = []
  for (let index = 0; index < 5; index++) {
    statuses.push((await client.get('/account', { cookie: `__Host-Http-session=guess-${index}` })).status)
  }
  assert.deepEqual(statuses, [401, 401, 401, 429, 429])
})
