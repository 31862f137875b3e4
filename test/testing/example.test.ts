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
app.get('/login', (_req, res) => {
  const token = sessions.current().csrfToken()
  res.send(`<form method="post"><input name="csrf_token" value="${token}"><input name="user"></form>`)
})
app.post('/login', (req, res) => {
  sessions.current().authenticate(req.body.user)
  res.redirect('/account')
})
app.get('/account', (_req, res) => {
  res.send(`Hello ${sessions.current().require()}`)
})
app.post('/logout', (_req, res) => {
  sessions.current().terminate()
  res.redirect('/login')
})
app.use(answerErrors())

test('a user logs in and out, and a stolen cookie dies with the session', async () => {
  await using client = browser(app)
  const page = await client.get('/login')
  const account = await client.submit(await page.text(), { user: 'ada' })
  assert.equal(await account.text(), 'Hello ada')

  const thief = client.clone()
  await client.post('/logout')
  assert.equal((await thief.get('/account')).status, 401)
})

test('another site can log nobody out', async () => {
  await using client = browser(app)
  await client.post('/login', { user: 'ada' })
  const forged = await client.crossSite('/logout', { method: 'POST' })
  assert.equal(forged.status, 403)
  assert.equal((await client.get('/account')).status, 200)
})

test('the session ends when the browser is closed', async () => {
  await using client = browser(app)
  await client.post('/login', { user: 'ada' })
  await client.restart()
  assert.equal((await client.get('/account')).status, 401)
})
