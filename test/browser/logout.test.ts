/** After the logout: other tabs, the history, the back-forward cache, and service workers that keep pages. */

import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, test } from 'node:test'
import express from 'express'
import type { Page } from 'playwright-core'
import { protect } from '../../src/adapters/express.ts'
import { memory } from '../../src/engines/memory.ts'
import { createSessions, generateKey } from '../../src/index.ts'
import { csrfField } from '../../src/templates/html.ts'
import { apiPost, CHROMIUM_ONLY, logIn, SESSION, SKIP, serveOn, useBrowser, useDemo } from './launch.ts'

describe('after the logout', SKIP, () => {
  // Playwright turns the back-forward cache off, which browsers have.
  const browser = useBrowser({ ignoreDefaultArgs: ['--disable-back-forward-cache'] })

  describe('of the demo', () => {
    const demo = useDemo('--memory')

    test(
      'neither the back button nor the forward button shows what was seen before it',
      CHROMIUM_ONLY,
      async () => {
        const page = await browser.newPage()
        await logIn(page, demo.url)
        await page.click('nav >> text=Sessions')
        await page.waitForURL('**/sessions')
        await page.click('text=Log out')
        await page.waitForURL('**/login')
        for (const move of ['goBack', 'goBack', 'goForward'] as const) {
          await page[move]()
          await page.waitForURL('**/login?**')
          assert.doesNotMatch(await page.content(), /Ada Lovelace|Where you are logged in/)
        }
      },
    )

    test('a second tab can do nothing, leaves its page by itself, and says why', async () => {
      const page = await browser.newPage()
      await logIn(page, demo.url)
      const second = await page.context().newPage()
      await second.goto(`${demo.url}/account`)
      const token = await second.inputValue('#logout [name=csrf_token]')
      await page.click('text=Log out')
      await page.waitForURL('**/login?left=1')

      const answer = await apiPost(second, '/api/data', { name: 'late', value: 1 }, token)
      assert.ok([401, 403].includes(answer.status), `${answer.status}`)
      // It asks as soon as somebody looks at it.
      await second.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
      await second.waitForURL('**/login?next=**')
      assert.deepEqual(
        (await page.context().cookies()).filter(({ name }) => name === SESSION),
        [],
      )
    })
  })

  describe('of an app with pages that browsers may keep', CHROMIUM_ONLY, () => {
    // Chromium keeps pages that say no-store there, too, and neither the end of the cookie nor Clear-Site-Data on the
    // answer to the logout itself takes them out: only the page can, when it comes back.
    for (const reloads of [true, false]) {
      const does = reloads ? 'brings back no account whose page reloads then' : 'is what that is for'
      test(`the back-forward cache brings back a public page; it ${does}`, async (t) => {
        const url = await serveApp(t, { reloads, clears: true })
        const page = await browser.newPage()
        await enter(page, url)
        await page.click('text=Leave')
        await page.waitForURL('**/public')
        await page.goBack({ waitUntil: 'commit' })
        await page.waitForFunction("location.pathname === '/account' && document.readyState === 'complete'")
        if (reloads) await page.waitForFunction("document.querySelector('h1').innerText === 'Nobody'")
        else
          t.diagnostic(
            `without it: ${await page.innerText('h1')}, persisted: ${await page.evaluate('persisted')}`,
          )

        // The control: the cache is at work here.
        await page.goto(`${url}/public?1`)
        await page.goto(`${url}/public?2`)
        await page.goBack({ waitUntil: 'commit' })
        await page.waitForFunction("location.search === '?1'")
        assert.equal(await page.evaluate('persisted'), true)
      })
    }

    for (const [kind, keeps, clears, shows] of [
      ['that heeds no-store', 'heeding', false, 'Offline'],
      ['that keeps everything, with Clear-Site-Data', 'careless', true, null],
      // Why the logout should clear: the Cache API asks nobody (Service Workers §5.4.3).
      ['that keeps everything, without Clear-Site-Data', 'careless', false, 'Hello ada'],
    ] as const) {
      const outcome = shows === 'Hello ada' ? 'brings back' : 'doesn’t bring back'
      test(`a service worker ${kind} ${outcome} an account`, async (t) => {
        const url = await serveApp(t, { worker: keeps, clears })
        const page = await browser.newPage()
        await page.goto(`${url}/public`)
        await page.evaluate("navigator.serviceWorker.register('/worker.js')")
        await page.waitForFunction('navigator.serviceWorker.controller !== null')
        await enter(page, url)
        // Once more, through the worker for certain.
        await page.reload()
        assert.equal(await page.innerText('h1'), 'Hello ada')
        await page.click('text=Leave')
        await page.waitForURL('**/public')

        await page.context().setOffline(true)
        if (shows === null) {
          await assert.rejects(page.goto(`${url}/account`), /ERR_INTERNET_DISCONNECTED|ERR_FAILED/)
        } else {
          await page.goto(`${url}/account`)
          assert.equal(await page.innerText('h1'), shows)
        }
        await page.context().setOffline(false)
        await page.context().close()
      })
    }
  })
})

async function enter(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/public`)
  await page.click('text=Enter')
  await page.waitForURL('**/account')
  assert.equal(await page.innerText('h1'), 'Hello ada')
}

/** An app whose pages set no headers of their own, and where anybody is ada at a click. */
async function serveApp(
  t: { after(work: () => void): void },
  options: { worker?: 'heeding' | 'careless'; clears?: boolean; reloads?: boolean } = {},
): Promise<string> {
  const { worker, clears = false, reloads = false } = options
  const sessions = createSessions({ engine: memory(), keys: generateKey() })
  const app = express()
  const script = `<script>persisted = false; addEventListener('pageshow', (event) => (persisted = event.persisted))</script>`
  const reload = `<script>addEventListener('pageshow', (event) => event.persisted && location.reload())</script>`
  const page = (title: string, body = '') =>
    `<!doctype html><title>.</title>${script}<h1>${title}</h1>${body}`
  app.get('/worker.js', (_request, response) => void response.type('js').send(workerOf(worker === 'heeding')))
  app.get('/public', (_request, response) => {
    response.send(page('Public', '<form method="post" action="/enter"><button>Enter</button></form>'))
  })
  app.use(express.urlencoded(), protect(sessions))
  app.post('/enter', (_request, response) => {
    sessions.current().authenticate('ada')
    response.redirect(303, '/account')
  })
  app.get('/account', (_request, response) => {
    const session = sessions.current()
    const leave = `<form method="post" action="/leave">${csrfField(session)}<button>Leave</button></form>`
    const title = session.userId === null ? 'Nobody' : `Hello ${session.userId}`
    response.send(page(title, leave + (reloads ? reload : '')))
  })
  app.post('/leave', (_request, response) => {
    sessions.current().terminate(clears ? { clearSiteData: ['cache', 'storage'] } : {})
    response.redirect(303, '/public')
  })
  return `http://127.0.0.1:${await serveOn(t, app as unknown as RequestListener)}`
}

/** Goes to the network first, and offline shows what it has kept. */
function workerOf(heedsNoStore: boolean): string {
  return `
    addEventListener('install', () => skipWaiting())
    addEventListener('activate', (event) => event.waitUntil(clients.claim()))
    addEventListener('fetch', (event) => event.request.method === 'GET' && event.respondWith(answer(event.request)))
    async function answer(request) {
      const cache = await caches.open('pages')
      try {
        const response = await fetch(request)
        const forbidden = /no-store/.test(response.headers.get('cache-control') ?? '')
        if (!(${heedsNoStore} && forbidden)) await cache.put(request, response.clone())
        return response
      } catch {
        const html = { headers: { 'Content-Type': 'text/html' } }
        return (await cache.match(request)) ?? new Response('<h1>Offline</h1>', html)
      }
    }`
}
