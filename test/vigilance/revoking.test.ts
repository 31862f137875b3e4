import assert from 'node:assert/strict'
import { test } from 'node:test'
import express from 'express'
import { createSessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { browser } from 'holdfast/testing'

const sessions = createSessions({ engine: memory() })

/** Stands for the table of users. `version` is drawn anew whenever the password is changed, and never else. */
const users = new Map([['ada', { password: 'first', version: crypto.randomUUID() }]])

const app = express()
app.use(express.urlencoded({ extended: false }), protect(sessions))
app.post('/login', (req, res) => {
  const user = users.get(req.body.user)
  if (user?.password === req.body.password) {
    sessions.current().authenticate(req.body.user, { credential: user!.version })
  }
  res.redirect('/account')
})
app.get('/account', (_req, res) => {
  res.send(`Hello ${sessions.current().require()}`)
})
app.post('/password', (req, res) => {
  const session = sessions.current()
  const userId = session.require({ authenticatedWithin: '10m' })
  const version = crypto.randomUUID()
  users.set(userId, { password: req.body.password, version })
  session.reauthenticate({ credential: version }) // after the password has been stored
  res.redirect('/account')
})
app.use(answerErrors())

async function enter(password: string) {
  const client = browser(app)
  await client.post('/login', { user: 'ada', password })
  const isIn = async () => (await client.get('/account')).status === 200
  return { isIn, post: client.post.bind(client), close: () => client.close() }
}

test('a changed password ends the other sessions, and not the one that changed it', async () => {
  const [here, there] = [await enter('first'), await enter('first')]
  await here.post('/password', { password: 'second' })
  assert.deepEqual([await here.isIn(), await there.isIn()], [true, false])

  const again = await enter('second')
  assert.deepEqual([await here.isIn(), await again.isIn()], [true, true])
  for (const client of [here, there, again]) await client.close()
})

test('everybody out', async () => {
  users.set('ada', { password: 'third', version: crypto.randomUUID() })
  const ada = await enter('third')
  assert.equal(await ada.isIn(), true)

  let cursor: string | null = null
  do {
    const page = await sessions.listPage({ limit: 50, cursor })
    for (const { userId, ip } of page.sessions) assert.deepEqual([userId, ip], ['ada', '127.0.0.1'])
    cursor = page.next
  } while (cursor !== null)
  await sessions.revoke({ everybody: true })
  assert.equal(await ada.isIn(), false)
  assert.deepEqual(await sessions.listPage(), { sessions: [], next: null })
  await ada.close()
})
