/** The session's cookie in a browser's jar: who can read it, and who can set it. */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { logIn, SESSION, SKIP, servePage, sessionCookie, useBrowser, useDemo, userOf } from './launch.ts'

const VISITOR = '__Host-Http-visitor'

describe('the cookie', SKIP, () => {
  const browser = useBrowser()
  const demo = useDemo('--memory', '--tls')
  const site = () => `https://app.test:${demo.port}`
  let page: Page
  before(async () => {
    page = await browser.newPage()
    await logIn(page, site())
  })

  /** @returns each attempt’s outcome: `done`, or the error’s name */
  const attempt = (attempts: string[], on = page) =>
    on.evaluate(`Promise.all([${attempts.map((each) => `(async () => ${each})()`)}].map((attempt) =>
      attempt.then(() => 'done', (error) => error.name)))`) as Promise<string[]>

  test('no script reads it: not document.cookie, not the Cookie Store, not a response’s headers', async () => {
    assert.ok(await sessionCookie(page.context()))
    assert.equal(await page.evaluate('document.cookie'), '')
    assert.equal(await page.evaluate('cookieStore.getAll().then((all) => all.length)'), 0)
    assert.equal(await page.evaluate(`cookieStore.get('${SESSION}')`), null)
    const form = await browser.newPage()
    await form.goto(`${site()}/`)
    const read =
      "fetch('/login').then((answer) => [answer.headers.get('set-cookie'), answer.headers.getSetCookie()])"
    assert.deepEqual(await form.evaluate(read), [null, []])
    assert.deepEqual(
      (await form.context().cookies()).map(({ name }) => name),
      [VISITOR],
    )
  })

  test('no script overwrites or deletes it', async () => {
    const before = await sessionCookie(page.context())
    const far = 'expires: Date.now() + 1e9'
    const outcomes = await attempt([
      `document.cookie = '${SESSION}=x; Path=/; Secure'`,
      `document.cookie = '${SESSION}=x; Path=/; Secure; HttpOnly'`,
      `document.cookie = '${SESSION}=x; Path=/account; Secure'`,
      `document.cookie = '${SESSION}=; Path=/; Secure; Max-Age=0'`,
      `document.cookie = '${SESSION.toLowerCase()}=x; Path=/; Secure'`,
      // A cookie without a name, whose value reads as one.
      `document.cookie = '=${SESSION}=x; Path=/; Secure'`,
      `cookieStore.set('${SESSION}', 'x')`,
      `cookieStore.set({ name: '${SESSION}', value: 'x', path: '/', ${far} })`,
      `cookieStore.set({ name: '', value: '${SESSION}=x', path: '/', ${far} })`,
      `cookieStore.delete('${SESSION}')`,
    ])
    // document.cookie says nothing when it refuses; the Cookie Store throws.
    assert.deepEqual(outcomes.slice(6, 9), ['TypeError', 'TypeError', 'TypeError'])
    assert.equal(await page.evaluate('document.cookie'), '')
    assert.equal(await sessionCookie(page.context()), before)
    assert.equal(await userOf(page), 'ada')
  })

  test('no script plants one where there is none', async () => {
    const fresh = await browser.newPage()
    await fresh.goto(`${site()}/`)
    const token = await sessionCookie(page.context())
    await attempt(
      [SESSION, VISITOR].flatMap((name) => [
        `document.cookie = '${name}=${token}; Path=/; Secure'`,
        `cookieStore.set('${name}', '${token}')`,
      ]),
      fresh,
    )
    assert.deepEqual(await fresh.context().cookies(), [])
    assert.equal(await userOf(fresh), null)
  })

  test('a script that floods the jar can at worst push it out, and put no other in its place', async () => {
    const flooded = await browser.newPage()
    await logIn(flooded, site())
    const own = await sessionCookie(flooded.context())
    const theirs = await sessionCookie(page.context())
    await flooded.evaluate(`
      for (let i = 0; i < 400; i++) document.cookie = 'flood' + i + '=x; Path=/; Secure'
      document.cookie = '${SESSION}=${theirs}; Path=/; Secure'`)
    // To read is to wait until all of that was written.
    assert.match((await flooded.evaluate('document.cookie')) as string, /flood399=x/)
    const held = await sessionCookie(flooded.context())
    assert.ok(held === own || held === undefined, `${held}`)
  })

  for (const [where, tls] of [
    ['a sibling host', true],
    ['a sibling host over plain HTTP', false],
  ] as const) {
    test(`R-02 R-13 ${where} can’t toss one, by script or by header`, async (t) => {
      const token = await sessionCookie(page.context())
      const lines = [SESSION, VISITOR, ` ${SESSION}`, `=${SESSION}`, SESSION.toLowerCase()].flatMap((name) =>
        ['', '; HttpOnly'].map((more) => `${name}=tossed; Domain=app.test; Path=/; Secure${more}`),
      )
      const port = await servePage(t, '<h1>sibling</h1>', { tls, headers: { 'Set-Cookie': lines } })
      const sibling = await page.context().newPage()
      await sibling.goto(`http${tls ? 's' : ''}://evil.app.test:${port}/`)
      await sibling.evaluate(`${JSON.stringify(lines)}.forEach((line) => (document.cookie = line))`)
      const held = await page.context().cookies()
      assert.deepEqual(
        held.filter(({ value }) => value.includes('tossed')),
        [],
      )
      assert.equal(await sessionCookie(page.context()), token)
      assert.equal(await userOf(page), 'ada')
      await sibling.close()
    })
  }

  test('a cookie by our name for a longer path, which a server on another port sends, doesn’t come before it', async (t) => {
    // Cookies ignore ports (RFC 6265bis §8.5), so that this server might as well be us.
    const headers = { 'Set-Cookie': [`${SESSION}=x; Path=/api; Secure; HttpOnly`] }
    const port = await servePage(t, '<h1>other port</h1>', { tls: true, headers })
    const other = await page.context().newPage()
    await other.goto(`https://app.test:${port}/api/here`)
    assert.equal((await page.context().cookies()).filter(({ name }) => name === SESSION).length, 1)
    assert.equal(await userOf(page), 'ada')
  })

  test('it is for one host alone: a sibling host never gets it', async (t) => {
    const port = await servePage(t, '<h1>sibling</h1>', { tls: true })
    const sibling = await page.context().newPage()
    const request = sibling.waitForRequest('**/*')
    await sibling.goto(`https://evil.app.test:${port}/`)
    assert.equal((await (await request).allHeaders()).cookie, undefined)
  })
})
