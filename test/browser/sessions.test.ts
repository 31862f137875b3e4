/** One user, two browsers: the list, and what ends from elsewhere. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { api, IS_FIREFOX, logIn, SKIP, useBrowser, useDemo } from './launch.ts'

describe('the sessions of a user', SKIP, () => {
  const browser = useBrowser()
  const demo = useDemo('--memory')

  /** Logged in twice, as two browsers are. */
  async function both(): Promise<[Page, Page]> {
    const pages: [Page, Page] = [await browser.newPage(), await browser.newPage()]
    for (const page of pages) await logIn(page, demo.url)
    // A page that shows no countdown doesn't leave by itself: what ends it here is its next request.
    await pages[1].goto(`${demo.url}/static/style.css`)
    return pages
  }

  async function idOf(page: Page): Promise<string> {
    return ((await api(page, '/api/session')).body as { id: string }).id
  }

  test('P12 both see both; one ends the other, whose next request is a visitor’s and is told why', async () => {
    const [one, other] = await both()
    const [own, row] = [await idOf(one), `li[data-id="${await idOf(other)}"]`]
    await one.click('nav >> text=Sessions')
    await one.waitForURL('**/sessions')
    assert.match(await one.innerText(row), IS_FIREFOX ? /Firefox on Linux/ : /Chrom(?:e|ium).* on Linux/)
    assert.match(await one.innerText('li[data-current]'), /this one/)
    assert.equal(await one.getAttribute('li[data-current]', 'data-id'), own)

    await one.click(`${row} >> text=End it`)
    await one.waitForSelector('text=1 session has ended.')
    assert.equal(await one.locator(row).count(), 0)
    const { status, body } = await api(other, '/api/session')
    assert.deepEqual([status, body.reason], [401, 'revoked'])
    await other.goto(`${demo.url}/account`)
    await other.waitForURL('**/login?next=%2Faccount')
    assert.match(await other.innerText('[data-reason=revoked]'), /ended from another device/)
    assert.equal((await one.goto(`${demo.url}/api/session`))?.status(), 200)
  })

  test('P12 a page that counts down leaves by itself', async () => {
    const [one, other] = await both()
    await other.goto(`${demo.url}/account`)
    await one.goto(`${demo.url}/account/sessions`)
    await one.click('text=End all others')
    await one.waitForSelector('text=/sessions? ha(s|ve) ended/')
    await other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await other.waitForURL('**/login?next=%2Faccount')
    assert.equal(await other.locator('[data-reason=revoked]').count(), 1)
  })

  test('ASVS 7.4.3 a new password ends the others, and this one goes on with a new token', async () => {
    const [one, other] = await both()
    const before = (await one.context().cookies())[0]!.value
    await one.goto(`${demo.url}/account/password`)
    await one.fill('[name=current]', 'analytical-engine')
    await one.fill('[name=next]', 'difference-engine')
    await one.click('main button')
    await one.waitForSelector('text=Your password was changed')
    assert.notEqual((await one.context().cookies())[0]!.value, before)
    const { status, body } = await api(other, '/api/session')
    assert.deepEqual([status, body.reason], [401, 'revoked'])
  })
})
