/** Sessions that nobody uses, and sessions that have lasted long enough. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { logIn, SKIP, submitLogin, useBrowser, useDemo, userOf } from './launch.ts'

describe('left alone', { ...SKIP, concurrency: true }, () => {
  const browser = useBrowser()
  const idle = useDemo('--memory', '--idle', '8s')
  const absolute = useDemo('--memory', '--idle', '12s', '--absolute', '12s')

  test('P10 the countdown warns, a click stays, and in the end the login page says why', async () => {
    const page = await browser.newPage()
    await logIn(page, idle.url)
    assert.match(await page.innerText('#countdown'), /^\d s$/)

    await page.waitForSelector('dialog[open]')
    assert.equal(await page.evaluate('document.activeElement.id'), 'stay')
    assert.match(await page.innerText('#announce'), /^Your session ends in \d+ seconds\.$/)
    await page.click('#stay')
    await page.waitForSelector('dialog:not([open])', { state: 'attached' })

    await page.waitForSelector('dialog[open]')
    await page.waitForURL('**/login?next=%2Faccount')
    assert.match(await page.innerText('[data-reason=idle]'), /was not used for a while/)
    assert.equal(await userOf(page), null)
    // Where he was is where he comes back to.
    await submitLogin(page)
  })

  test('P10 at the absolute limit the countdown offers the password, and without it the session ends', async () => {
    const page = await browser.newPage()
    await logIn(page, absolute.url)
    await page.waitForSelector('dialog[open]')
    assert.equal(await page.isVisible('#stay'), false)
    await page.click('#again')
    await page.waitForURL('**/reauthenticate?next=%2Faccount')
    await page.fill('[name=password]', 'analytical-engine')
    await page.click('main button')
    await page.waitForURL('**/account')
    assert.equal(await userOf(page), 'ada')

    await page.waitForURL('**/login?next=%2Faccount')
    assert.match(await page.innerText('[data-reason]'), /longest time|was not used/)
  })
})
