/** Requests that change something, with and without a CSRF token, from our own pages and from everybody else's. */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import {
  api,
  apiPost,
  IS_FIREFOX,
  logIn,
  SKIP,
  servePage,
  submitLogin,
  until,
  useBrowser,
  useDemo,
  userOf,
} from './launch.ts'

describe('a request that changes something', SKIP, () => {
  const browser = useBrowser()

  describe('from our own pages', () => {
    const demo = useDemo('--memory')

    test('a form with its token is accepted; without it, or with another one, it is refused and says why', async () => {
      const page = await browser.newPage()
      await logIn(page, demo.url)
      await page.fill('textarea', 'with its token')
      await page.click('text=Keep it')
      await page.waitForSelector('text=Your note was kept.')

      for (const [change, code] of [
        ['remove()', 'ERR_CSRF_TOKEN_MISSING'],
        ["value = ''", 'ERR_CSRF_TOKEN_MISSING'],
        ["value = 'A'.repeat(86)", 'ERR_CSRF_TOKEN_INVALID'],
      ] as const) {
        await page.goto(`${demo.url}/account`)
        await page.evaluate(
          `document.querySelector('form[action="/account/note"] [name=csrf_token]').${change}`,
        )
        await page.fill('textarea', 'without')
        await page.click('text=Keep it')
        await page.waitForURL('**/account/note')
        assert.match(await page.innerText('main'), new RegExp(code), change)
      }
      await page.goto(`${demo.url}/account`)
      assert.equal(await page.inputValue('textarea'), 'with its token')
    })

    test('a login form without its token is shown again, and then works', async () => {
      const page = await browser.newPage()
      await page.goto(`${demo.url}/login`)
      await page.evaluate("document.querySelector('[name=csrf_token]').remove()")
      await submitLogin(page, '**/login')
      assert.match(await page.innerText('[role=alert]'), /ERR_CSRF_TOKEN_MISSING/)
      assert.equal(await userOf(page), null)
      await submitLogin(page)
    })

    test('a fetch needs the header, and a token of this very session', async () => {
      const [page, other] = [await browser.newPage(), await browser.newPage()]
      await logIn(page, demo.url)
      await logIn(other, demo.url)
      const foreign = (await api(other, '/api/session')).body.csrfToken!
      const change = (token?: string | null) => apiPost(page, '/api/data', { name: 'a', value: 1 }, token)

      assert.equal((await change()).status, 200)
      for (const [token, code] of [
        [null, 'ERR_CSRF_TOKEN_MISSING'],
        [foreign, 'ERR_CSRF_TOKEN_INVALID'],
      ] as const) {
        const { status, body } = await change(token)
        assert.deepEqual([status, body.error?.code], [403, code])
      }
      // The token is looked for in no URL, which is logged and sent on.
      const inUrl = (await api(page, '/api/session')).body.csrfToken
      const path = `/api/data?csrf_token=${inUrl}`
      assert.equal((await apiPost(page, path, { name: 'a', value: 2 }, null)).status, 403)
    })

    test('a token masked anew by each page works in every tab, and dies with the login it belongs to', async () => {
      const first = await browser.newPage()
      await logIn(first, demo.url)
      const second = await first.context().newPage()
      await second.goto(`${demo.url}/account`)
      const tokens = await Promise.all(
        [first, second].map((tab) => tab.inputValue('#logout [name=csrf_token]')),
      )
      assert.notEqual(tokens[0], tokens[1])
      for (const token of tokens) {
        assert.equal((await apiPost(first, '/api/data', { name: 'a', value: 1 }, token)).status, 200)
      }

      await second.click('text=Log out')
      await second.waitForURL('**/login?left=1')
      await submitLogin(second)
      const { status, body } = await apiPost(first, '/api/data', { name: 'a', value: 2 }, tokens[0])
      assert.deepEqual([status, body.error?.code], [403, 'ERR_CSRF_TOKEN_INVALID'])
    })
  })

  describe('from pages of others', () => {
    const demo = useDemo('--memory', '--tls')
    const site = () => `https://app.test:${demo.port}`

    /** Somebody who is logged in, and then opens pages of others in further tabs. */
    let mine: Page
    before(async () => {
      mine = await browser.newPage()
      await logIn(mine, site())
    })

    async function openForeign(host: string, port: number): Promise<Page> {
      const theirs = await mine.context().newPage()
      await theirs.goto(`https://${host}:${port}/`)
      return theirs
    }

    /** Nothing was written, and nobody was logged out. */
    async function assertUnharmed(): Promise<void> {
      assert.deepEqual((await api(mine, '/api/data')).body, {})
      await mine.reload()
      assert.equal(await mine.inputValue('textarea'), '')
    }

    const form = (action: string, fields: Record<string, string>, more = '') =>
      `<form method="post" action="${action}" ${more}>${Object.entries(fields)
        .map(([name, value]) => `<input name="${name}" value="${value}">`)
        .join('')}<button>Win</button></form>`

    const FOREIGN = [
      ['another site', 'attacker.test'],
      // Same site: SameSite=Lax lets the cookie pass, so that only the origin check stands in the way.
      ['a sibling host', 'evil.app.test'],
      ['another port', 'app.test'],
    ] as const

    for (const [where, host] of FOREIGN) {
      test(`a form of ${where} changes nothing, in any encoding`, async (t) => {
        for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
          const html = form(`${site()}/account/note`, { text: 'forged' }, `enctype="${type}"`)
          const port = await servePage(t, html, { tls: true })
          const theirs = await openForeign(host, port)
          await theirs.click('button')
          await theirs.waitForURL(`${site()}/account/note`)
          assert.match(await theirs.innerText('main'), /ERR_CROSS_ORIGIN/, type)
          await assertUnharmed()
        }
      })

      test(`a script of ${where} changes nothing, and reads nothing`, async (t) => {
        const port = await servePage(t, '<h1>foreign</h1>', { tls: true })
        const theirs = await openForeign(host, port)
        const answers = await theirs.evaluate(async (site) => {
          const body = JSON.stringify({ name: 'forged', value: 1 })
          const post = { method: 'POST', credentials: 'include' } as const
          const json = { 'Content-Type': 'application/json' }
          const urlencoded = new URLSearchParams({ text: 'forged' })
          const attempts: [string, RequestInit][] = [
            ['/api/data', { ...post, body, headers: json }],
            ['/api/data', { ...post, body, mode: 'no-cors' }],
            // A body without any content type.
            ['/api/data', { ...post, body: new Blob([body]), mode: 'no-cors' }],
            ['/account/note', { ...post, body: urlencoded, mode: 'no-cors' }],
            ['/api/session', { credentials: 'include' }],
            ['/api/session', { credentials: 'include', mode: 'no-cors' }],
          ]
          return Promise.all(
            attempts.map(([path, init]) =>
              fetch(site + path, init).then(
                async (answer) => `${answer.type} ${await answer.text()}`,
                () => 'refused',
              ),
            ),
          )
        }, site())
        // `opaque` without a text: sent, but not to be read.
        for (const answer of answers) assert.match(answer, /^(?:refused|opaque )$/)
        await assertUnharmed()
      })

      test(`a frame of ${where} shows no page of ours, and a form aimed at it changes nothing`, async (t) => {
        const frame = '<iframe name="hidden"></iframe>'
        const html = frame + form(`${site()}/account/note`, { text: 'forged' }, 'target="hidden"')
        const port = await servePage(t, html, { tls: true })
        const theirs = await openForeign(host, port)
        await theirs.evaluate(`document.querySelector('iframe').src = '${site()}/account'`)
        await until(async () => {
          const shown = theirs.frames()[1]!
          // Firefox tells no URL of its error pages; and while the frame is on its way, it may be gone before it answers.
          return IS_FIREFOX
            ? /^about:neterror\?e=cspBlocked/.test(
                await shown.evaluate<string>('document.documentURI').catch(String),
              )
            : shown.url().startsWith('chrome-error:')
        }, 'the frame is refused')

        const answered = theirs.context().waitForEvent('response', (response) => /note$/.test(response.url()))
        await theirs.click('button')
        assert.equal((await answered).status(), 403)
        await assertUnharmed()
      })
    }

    test('the origin null of a sandboxed frame is not ours', async (t) => {
      const inner = form(`${site()}/account/note`, { text: 'forged' }).replaceAll('"', '&quot;')
      const sandbox = 'sandbox="allow-forms allow-scripts allow-top-navigation"'
      const port = await servePage(
        t,
        `<iframe ${sandbox} srcdoc="${inner.replace('<form', '<form target=_top')}"></iframe>`,
        { tls: true },
      )
      const theirs = await openForeign('evil.app.test', port)
      const sent = theirs.waitForRequest(`${site()}/account/note`)
      await theirs.frameLocator('iframe').locator('button').click()
      assert.equal((await (await sent).allHeaders()).origin, 'null')
      await theirs.waitForURL(`${site()}/account/note`)
      assert.match(await theirs.innerText('main'), /ERR_CROSS_ORIGIN/)
      await assertUnharmed()
    })

    test('R-25 nobody is logged in to an account of somebody else’s choice', async (t) => {
      // With a token of the attacker's own, who has seen a login form, too.
      const attacker = await browser.newPage()
      await attacker.goto(`${site()}/login`)
      const csrf_token = await attacker.inputValue('[name=csrf_token]')
      const fields = { username: 'grace', password: 'nanosecond-wire', csrf_token }
      const port = await servePage(t, form(`${site()}/login`, fields), { tls: true })
      for (const [, host] of FOREIGN) {
        const page = await browser.newPage()
        await page.goto(`https://${host}:${port}/`)
        await page.click('button')
        await page.waitForURL(`${site()}/login`)
        assert.match(await page.innerText('main'), /ERR_CROSS_ORIGIN/, host)
        assert.equal(await userOf(page), null, host)
      }
    })

    test('neither an image nor a link of another site logs anybody out; the link shows the account, as Lax means it to', async (t) => {
      const html = `<img src="${site()}/logout"><a href="${site()}/account">there</a>`
      const port = await servePage(t, html, { tls: true })
      const theirs = await openForeign('attacker.test', port)
      await theirs.waitForFunction("document.querySelector('img').complete")
      assert.equal(await userOf(mine), 'ada')
      await theirs.click('a')
      await theirs.waitForURL(`${site()}/account`)
      assert.equal(await theirs.innerText('#user'), 'ada')
    })
  })
})
