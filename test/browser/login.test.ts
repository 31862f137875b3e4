/** The demo in a real browser: what only a browser can show. */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { type Demo, startDemo } from '../demo/demo-process.ts'

const executablePath = process.env.HOLDFAST_CHROMIUM ?? '/usr/bin/chromium'
const missing = process.env.HOLDFAST_BROWSER_SKIP === '1' || !existsSync(executablePath)
if (missing) {
  console.log(
    `\n!!! NO CHROMIUM AT ${executablePath}: THE BROWSER TESTS ARE SKIPPED. Set HOLDFAST_CHROMIUM. !!!\n`,
  )
}
const QUIET = ['background-networking', 'component-update', 'sync'].map((what) => `--disable-${what}`)

describe('in a browser', { skip: missing && 'no Chromium' }, () => {
  let browser: Browser
  before(async () => {
    const args = ['--headless=new', '--no-sandbox', '--disable-gpu', ...QUIET]
    browser = await chromium.launch({ executablePath, args })
  })
  after(() => browser?.close())

  describe('with the usual limits', () => {
    let demo: Demo
    let context: BrowserContext
    let page: Page
    before(async () => {
      demo = await startDemo('--memory')
      context = await browser.newContext()
      page = await context.newPage()
    })
    after(() => demo.stop())

    test('log in, see the account, log out, go back: the account is not shown', async () => {
      await page.goto(`${demo.url}/`)
      await page.click('text=Go to your account')
      await logIn(page)
      assert.match(await page.innerText('h1'), /Hello, Ada Lovelace/)
      assert.equal(await page.innerText('#user'), 'ada')

      const cookies = await context.cookies()
      assert.deepEqual(
        cookies.map(({ name, secure, httpOnly, sameSite, expires }) => ({
          name,
          secure,
          httpOnly,
          sameSite,
          expires,
        })),
        [{ name: '__Host-Http-session', secure: true, httpOnly: true, sameSite: 'Lax', expires: -1 }],
      )
      assert.equal(await page.evaluate('document.cookie'), '')

      await page.click('text=Log out')
      await page.waitForURL('**/login?left=1')
      assert.match(await page.innerText('[role=status]'), /You have logged out/)
      assert.deepEqual(
        (await context.cookies()).filter(({ name }) => name.endsWith('session')),
        [],
      )
      await page.goBack()
      await page.waitForURL('**/login?next=**')
      assert.doesNotMatch(await page.content(), /Ada Lovelace/)
    })

    test('a note survives a reload, and its message does not', async () => {
      await page.goto(`${demo.url}/login`)
      await logIn(page)
      await page.fill('textarea', 'Ask about the Bernoulli numbers.')
      await page.click('text=Keep it')
      await page.waitForSelector('text=Your note was kept.')
      await page.reload()
      assert.equal(await page.inputValue('textarea'), 'Ask about the Bernoulli numbers.')
      assert.equal(await page.locator('text=Your note was kept.').count(), 0)
    })

    test('a login form that went stale is shown again, and then works', async () => {
      const other = await browser.newContext()
      const stale = await other.newPage()
      await stale.goto(`${demo.url}/login`)
      await other.clearCookies()
      await (await other.newPage()).goto(`${demo.url}/login`)
      await logIn(stale, '**/login')
      assert.match(await stale.innerText('[role=alert]'), /stale.*ERR_CSRF_TOKEN_INVALID/s)
      await stale.fill('[name=password]', 'analytical-engine')
      await stale.press('[name=password]', 'Enter')
      await stale.waitForURL('**/account')
    })

    for (const [where, host] of [
      ['another site', 'localhost'],
      // Another port is another origin on the same site: SameSite=Lax lets the cookie pass.
      ['another port', '127.0.0.1'],
    ] as const) {
      test(`a form of ${where} changes nothing, whoever is logged in`, async (t) => {
        const form = `<form method="post" action="${demo.url}/account/note"><input name="text" value="forged"><button>Win</button></form>`
        const foreign = createServer((_request, response) =>
          response.setHeader('Content-Type', 'text/html').end(form),
        )
        await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve))
        t.after(() => foreign.close())
        const visitor = await browser.newContext()
        const mine = await visitor.newPage()
        await mine.goto(`${demo.url}/login`)
        await logIn(mine)

        const theirs = await visitor.newPage()
        await theirs.goto(`http://${host}:${(foreign.address() as AddressInfo).port}/`)
        await theirs.click('button')
        await theirs.waitForURL(`${demo.url}/account/note`)
        assert.match(await theirs.innerText('main'), /came from another site.*ERR_CROSS_ORIGIN/s)
        await mine.reload()
        assert.equal(await mine.inputValue('textarea'), '')
      })
    }
  })

  describe('left alone', { concurrency: 2 }, () => {
    test('the countdown warns, a click stays, and in the end the login page says why', async (t) => {
      const demo = await startDemo('--memory', '--idle', '8s')
      t.after(() => demo.stop())
      const page = await (await browser.newContext()).newPage()
      await page.goto(`${demo.url}/login`)
      await logIn(page)
      assert.match(await page.innerText('#countdown'), /^\d s$/)

      await page.waitForSelector('dialog[open]', { timeout: 10_000 })
      assert.equal(await page.evaluate('document.activeElement.id'), 'stay')
      assert.match(await page.innerText('#announce'), /^Your session ends in \d seconds\.$/)
      await page.click('#stay')
      await page.waitForSelector('dialog:not([open])', { state: 'attached' })

      await page.waitForSelector('dialog[open]', { timeout: 10_000 })
      await page.waitForURL('**/login?next=%2Faccount', { timeout: 10_000 })
      assert.match(await page.innerText('[data-reason=idle]'), /was not used for a while/)
      await logIn(page)
    })

    test('a session that is ended elsewhere leaves its page by itself', async (t) => {
      const demo = await startDemo('--memory', '--idle', '40s')
      t.after(() => demo.stop())
      const [one, other] = [
        await (await browser.newContext()).newPage(),
        await (await browser.newContext()).newPage(),
      ]
      for (const page of [one, other]) {
        await page.goto(`${demo.url}/login`)
        await logIn(page)
      }
      await one.click('nav >> text=Sessions')
      assert.equal(await one.locator('tbody tr').count(), 2)
      await one.click('text=End all others')
      await one.waitForSelector('text=1 session ended.')
      await other.waitForURL('**/login**', { timeout: 10_000 })
      assert.equal(await other.locator('[data-reason=revoked]').count(), 1)
    })
  })
})

async function logIn(page: Page, leadsTo = '**/account'): Promise<void> {
  await page.fill('[name=username]', 'ada')
  await page.fill('[name=password]', 'analytical-engine')
  const arrived = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.click('main button')
  await arrived
  await page.waitForURL(leadsTo)
}
