/** Plain HTTP: nothing of a session goes over it. */

import assert from 'node:assert/strict'
import type { IncomingMessage, RequestListener } from 'node:http'
import { describe, test } from 'node:test'
import express from 'express'
import { answerErrors, protect } from '../../src/adapters/express.ts'
import { memory } from '../../src/engines/memory.ts'
import { createSessions, generateKey } from '../../src/index.ts'
import { logIn, SESSION, SKIP, serveOn, servePage, useBrowser, useDemo, userOf } from './launch.ts'

describe('HTTPS', SKIP, () => {
  const browser = useBrowser()

  describe('of the demo', () => {
    const demo = useDemo('--memory', '--tls')

    test('the plain port leads to it, path and query kept; the login happens there', async () => {
      const page = await browser.newPage()
      await page.goto(`${demo.plainUrl}/login?next=%2Faccount%2Fsessions`)
      assert.equal(page.url(), `${demo.url}/login?next=%2Faccount%2Fsessions`)
      await logIn(page, demo.plainUrl)
      assert.equal(new URL(page.url()).origin, demo.url)
      assert.equal(await userOf(page), 'ada')
    })
  })

  describe('of an app that is reached by a name', () => {
    test('safe requests are sent on, others refused, and no cookie travels either way', async (t) => {
      const plain: IncomingMessage[] = []
      const app = express()
      app.use((request, _response, next) => {
        if (!request.secure) plain.push(request)
        next()
      })
      // The ports are known when both servers listen.
      app.use((request, response, next) => protection(request, response, next))
      app.get(
        '/',
        (_request, response) => void response.send(`<h1>${sessions.current().csrfToken().length}</h1>`),
      )
      app.post('/enter', (_request, response) => {
        sessions.current().authenticate('ada')
        response.redirect(303, '/account')
      })
      app.get('/account', (_request, response) => void response.send(`<h1>${sessions.current().userId}</h1>`))
      app.use(answerErrors())
      const listener = app as unknown as RequestListener
      const ports = [await serveOn(t, listener), await serveOn(t, listener, { tls: true })] as const
      const [plainUrl, url] = [`http://app.test:${ports[0]}`, `https://app.test:${ports[1]}`]
      const sessions = createSessions({ engine: memory(), keys: generateKey(), httpsPort: ports[1] })
      const protection = protect(sessions)

      const page = await browser.newPage()
      const answers: Record<string, string>[] = []
      page.on('response', (response) => {
        if (response.url().startsWith(plainUrl)) void response.allHeaders().then((all) => answers.push(all))
      })
      await page.goto(`${plainUrl}/?a=1`)
      assert.equal(page.url(), `${url}/?a=1`)
      assert.equal(await page.innerText('h1'), '86')
      await page.evaluate("fetch('/enter', { method: 'POST' })")
      await page.goto(`${plainUrl}/account`)
      assert.equal(page.url(), `${url}/account`)
      assert.equal(await page.innerText('h1'), 'ada')

      const form = `<form method="post" action="${plainUrl}/enter"><button>Enter</button></form>`
      const formPort = await servePage(t, form)
      await page.goto(`http://app.test:${formPort}/`)
      await page.click('button')
      await page.waitForURL(`${plainUrl}/enter`)
      assert.match(await page.innerText('body'), /ERR_INSECURE_TRANSPORT/)

      assert.ok(plain.length >= 3)
      assert.deepEqual(
        plain.filter(({ headers }) => headers.cookie !== undefined),
        [],
      )
      for (const headers of answers) assert.equal(headers['set-cookie'], undefined)
      const cookie = (await page.context().cookies()).find(({ name }) => name === SESSION)
      assert.equal(cookie?.secure, true)
    })
  })
})
