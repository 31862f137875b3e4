/** The demo in a real browser: the way of a user, from the front page to the logout. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { logIn, SESSION, SKIP, submitLogin, useBrowser, useDemo } from './launch.ts'

describe('in a browser', SKIP, () => {
  const browser = useBrowser()
  const demo = useDemo('--memory')

  test('log in, see the account, log out, go back: the account is not shown', async () => {
    const page = await browser.newPage()
    const context = page.context()
    await page.goto(`${demo.url}/`)
    assert.deepEqual(await context.cookies(), [])
    await page.click('text=Go to your account')
    await submitLogin(page)
    assert.match(await page.innerText('h1'), /Hello, Ada Lovelace/)
    assert.equal(await page.innerText('#user'), 'ada')

    const cookies = await context.cookies()
    assert.deepEqual(
      cookies.map(({ name, secure, httpOnly, sameSite, expires, path, domain }) => {
        return { name, secure, httpOnly, sameSite, expires, path, domain }
      }),
      [
        {
          name: SESSION,
          secure: true,
          httpOnly: true,
          sameSite: 'Lax',
          expires: -1,
          path: '/',
          domain: '127.0.0.1',
        },
      ],
    )

    await page.click('text=Log out')
    await page.waitForURL('**/login?left=1')
    assert.match(await page.innerText('[role=status]'), /You have logged out/)
    assert.deepEqual(
      (await context.cookies()).filter(({ name }) => name === SESSION),
      [],
    )
    await page.goBack()
    await page.waitForURL('**/login?next=**')
    assert.doesNotMatch(await page.content(), /Ada Lovelace/)
  })

  test('a note survives a reload, and its message does not', async () => {
    const page = await browser.newPage()
    await logIn(page, demo.url)
    await page.fill('textarea', 'Ask about the Bernoulli numbers.')
    await page.click('text=Keep it')
    await page.waitForSelector('text=Your note was kept.')
    await page.reload()
    assert.equal(await page.inputValue('textarea'), 'Ask about the Bernoulli numbers.')
    assert.equal(await page.locator('text=Your note was kept.').count(), 0)
  })

  test('a login form that went stale is shown again, and then works', async () => {
    const stale = await browser.newPage()
    await stale.goto(`${demo.url}/login`)
    await stale.context().clearCookies()
    await (await stale.context().newPage()).goto(`${demo.url}/login`)
    await submitLogin(stale, '**/login')
    assert.match(await stale.innerText('[role=alert]'), /stale.*ERR_CSRF_TOKEN_INVALID/s)
    await stale.fill('[name=password]', 'analytical-engine')
    await stale.press('[name=password]', 'Enter')
    await stale.waitForURL('**/account')
  })
})
