/** Sockets in a real browser: the page learns that its session is over, and by what. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { serveLive } from '../live/site.ts'
import { SKIP, servePage, until, useBrowser } from './launch.ts'

interface Told {
  readonly code: number
  readonly reason: string
}

describe('sockets', { ...SKIP, concurrency: true }, () => {
  const browser = useBrowser()

  async function logIn(page: Page, url: string): Promise<void> {
    await page.goto(url)
    await page.evaluate(() => fetch('/login?ada', { method: 'POST' }))
  }

  test('the page of a WebSocket sees the close code and the reason', async (t) => {
    const { port, live, sessions } = await serveLive(t)
    const page = await browser.newPage()
    await logIn(page, `http://localhost:${port}/`)
    const told = page.evaluate(
      () =>
        new Promise<Told>((resolve) => {
          const ws = new WebSocket('/socket')
          ws.onclose = ({ code, reason }) => resolve({ code, reason })
        }),
    )
    await until(() => live.stats().sockets === 1, 'it is open')
    await sessions.revoke({ userId: 'ada' })
    assert.deepEqual(await told, { code: 4401, reason: 'revoked' })
  })

  test('the page of an EventSource gets session_end, and its attempt to connect again is the last', async (t) => {
    const { port, live, sessions } = await serveLive(t)
    const page = await browser.newPage()
    await logIn(page, `http://localhost:${port}/`)
    const told = page.evaluate(
      () =>
        new Promise<{ end: Told; over: boolean }>((resolve) => {
          const source = new EventSource('/events')
          let end: Told
          source.addEventListener('session_end', (event) => {
            end = JSON.parse((event as MessageEvent).data)
          })
          // It tries again by itself, gets 401, and gives up.
          source.onerror = () => {
            if (source.readyState === EventSource.CLOSED) resolve({ end, over: true })
          }
        }),
    )
    await until(() => live.stats().sockets === 1, 'it is open')
    await sessions.revoke({ userId: 'ada' })
    assert.deepEqual(await told, { end: { code: 4401, reason: 'revoked' }, over: true })
  })

  test("another site's page opens no WebSocket with our user's cookies", async (t) => {
    const { port, live } = await serveLive(t)
    const context = await browser.newContext()
    const page = await context.newPage()
    await logIn(page, `http://localhost:${port}/`)
    const evil = await servePage(t, '<h1>evil</h1>')
    // Another port is another origin, of the same site: SameSite lets the cookie through, and the Origin tells.
    await page.goto(`http://localhost:${evil}/`)
    const code = await page.evaluate(
      (url) =>
        new Promise<number>((resolve) => {
          new WebSocket(url).onclose = ({ code }) => resolve(code)
        }),
      `ws://localhost:${port}/`,
    )
    assert.deepEqual([code, live.stats().sockets], [1006, 0])
  })
})
