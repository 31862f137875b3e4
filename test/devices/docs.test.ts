/** The application that docs/devices.md shows does what the page says. */

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Express } from 'express'
import type { SessionEvent, Sessions } from 'holdfast'
import { browser } from 'holdfast/testing'
import { CHROME, listOf, SAFARI, submit } from './support.ts'

interface Example {
  readonly app: Express
  readonly sessions: Sessions
  readonly mails: readonly SessionEvent[]
}

test('the example of docs/devices.md runs', async (t) => {
  const page = readFileSync('docs/devices.md', 'utf8')
  const [, code] = /```ts\n(import express[\s\S]*?)```/.exec(page)!
  // Inside of the repository, for it imports what is installed here.
  const folder = mkdtempSync(join(process.cwd(), '.holdfast-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const login = "app.post('/login', (req, res) => { sessions.current().authenticate('ada'); res.end() })"
  const rest = `const mails = []\nfunction sendMail(event) { mails.push(event) }\nexport { app, sessions, mails }`
  writeFileSync(
    join(folder, 'app.mjs'),
    `${code!.replace("app.use('/account", `${login}\napp.use('/account`)}\n${rest}`,
  )
  const { app, mails } = (await import(pathToFileURL(join(folder, 'app.mjs')).href)) as Example

  const desk = browser(app, { userAgent: CHROME, redirect: 'manual' })
  t.after(() => desk.close())
  const phone = desk.clone({ userAgent: SAFARI })
  for (const client of [desk, phone]) await client.post('/login')
  assert.deepEqual(
    mails.map(({ userId, userAgent }) => [userId, userAgent]),
    [['ada', SAFARI]],
  )
  const other = (await listOf(desk)).sessions.find(({ current }) => !current)!
  assert.equal((await submit(desk, 'rename', { id: other.id, name: 'My phone' })).status, 303)
  assert.equal((await listOf(phone)).sessions[0]!.name, 'My phone')
  assert.equal((await submit(desk, 'revoke', { others: '1' })).status, 303)
  await assert.rejects(listOf(phone), /401/)
})
