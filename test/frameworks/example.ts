/** What every example does, in a browser with scripts and without them, and what it refuses. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { PATIENCE, SESSION, SKIP, useBrowser } from '../browser/launch.ts'
import { type RunningApp, startApp } from './prepare.ts'

interface Example {
  readonly folder: string
  /** @returns what starts it, on that port of 127.0.0.1 */
  command(port: number): readonly [string, ...string[]]
  env?(port: number): NodeJS.ProcessEnv
  /** What a form of the page posts to. @defaultValue `/` */
  readonly loginPath?: string
}

export function exampleTests(name: string, example: Example): void {
  describe(`the example of ${name}`, () => {
    let app: RunningApp
    before(async () => {
      const port = await freePort()
      app = await startApp(example.folder, example.command(port), port, example.env?.(port))
    })
    after(() => app?.[Symbol.asyncDispose]())

    test('a visitor who only asks costs no cookie', async () => {
      const response = await fetch(`${app.origin}/api/me`)
      assert.deepEqual(await response.json(), { user: null })
      assert.deepEqual(response.headers.getSetCookie(), [])
      assert.match(response.headers.get('vary') ?? '', /\bcookie\b/i)
    })

    test('a forged post is refused, and looks it', async () => {
      const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
      const body = new URLSearchParams({ name: 'ada', password: 'correct horse' })
      for (const accept of ['text/html', 'application/json']) {
        const response = await fetch(`${app.origin}${example.loginPath ?? '/'}`, {
          method: 'POST',
          headers: { ...headers, accept },
          body,
          redirect: 'manual',
        })
        const text = await response.text()
        assert.equal(response.status, 403, text)
        assert.match(text, /ERR_CROSS_ORIGIN/)
        assert.deepEqual(response.headers.getSetCookie(), [])
        assert.doesNotMatch(text, /node_modules|at .*:\d+:\d+/)
      }
    })

    describe('in a browser', SKIP, () => {
      const browser = useBrowser()

      for (const javaScriptEnabled of [true, false]) {
        test(`log in, count, log out, ${javaScriptEnabled ? 'with' : 'without'} scripts`, async () => {
          const context = await browser.newContext({ javaScriptEnabled })
          const page = await context.newPage()
          await page.goto(`${app.origin}/`, { waitUntil: 'networkidle' })
          await logIn(page, 'wrong')
          await page.waitForSelector('[role=alert]')
          assert.equal(
            (await context.cookies()).some((cookie) => cookie.name === SESSION),
            false,
          )
          // React empties a form when its action is done, whatever has been typed into it meanwhile.
          await page.goto(`${app.origin}/`, { waitUntil: 'networkidle' })
          await logIn(page, 'correct horse')
          await page.waitForURL('**/account')
          assert.equal(await page.innerText('h1'), 'Hello ada')
          const [cookie, ...others] = await context.cookies()
          assert.deepEqual(others, [], "the visitor's has gone")
          const { name, secure, httpOnly, sameSite, path } = cookie!
          assert.deepEqual(
            { name, secure, httpOnly, sameSite, path },
            { name: SESSION, secure: true, httpOnly: true, sameSite: 'Lax', path: '/' },
          )

          for (const count of ['1', '2']) {
            await page.click('text=Count')
            await page.waitForFunction(
              (count) => document.querySelector('#visits')?.textContent === count,
              count,
            )
          }
          const me = await page.request.get(`${app.origin}/api/me`)
          assert.deepEqual(await me.json(), { user: 'ada' })
          assert.match(me.headers()['cache-control'] ?? '', /no-store/)

          await page.click('text=Log out')
          await page.waitForSelector('[name=password]')
          await page.goto(`${app.origin}/account`)
          await page.waitForSelector('[name=password]')
          assert.equal(
            (await context.cookies()).some((cookie) => cookie.name === SESSION),
            false,
          )
          await context.close()
        })
      }
    })
  })
}

async function logIn(page: Page, password: string): Promise<void> {
  await page.fill('[name=name]', 'ada')
  await page.fill('[name=password]', password)
  await page.click('text=Log in', { timeout: PATIENCE })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
