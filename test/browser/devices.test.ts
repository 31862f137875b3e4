/** The device page as people use it: by mouse, by keyboard alone, on a phone, in the dark; and its picture in the docs. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import AxeBuilder from '@axe-core/playwright'
import { browser as testBrowser } from 'holdfast/testing'
import type { Page } from 'playwright-core'
import { openWire, TRAFFIC_ADDRESS } from '../../examples/demo/src/wire.ts'
import { SAFARI } from '../demo/demo-process.ts'
import { CHROMIUM_ONLY, IS_FIREFOX, logIn, SKIP, useBrowser, useDemo } from './launch.ts'

/** Where pictures are kept to be looked at; with it the one of the docs is made anew. */
const PICTURES = process.env.HOLDFAST_PICTURES

describe('the device page', SKIP, () => {
  const browser = useBrowser()
  const demo = useDemo('--memory', '--proxy', TRAFFIC_ADDRESS)

  /** A page that shows the list, and a phone that is logged in elsewhere. */
  async function both(
    user: 'ada' | 'grace' = 'ada',
  ): Promise<{ page: Page; phone: ReturnType<typeof testBrowser> }> {
    const page = await browser.newPage()
    await logIn(page, demo.url)
    await page.goto(`${demo.url}/account/sessions`)
    if (await page.locator('text=End all others').count()) await page.click('text=End all others')
    const wire = await openWire(demo.url, null, TRAFFIC_ADDRESS)
    const phone = testBrowser(wire, {
      origin: wire.origin,
      userAgent: SAFARI,
      headers: { 'x-forwarded-for': '198.51.100.23' },
    })
    const form = await (await phone.get('/login')).text()
    await phone.submit(form, { username: user, password: 'analytical-engine' }, '/login')
    await page.goto(`${demo.url}/account/sessions`)
    return { page, phone }
  }

  async function violations(page: Page): Promise<string[]> {
    const { violations } = await new AxeBuilder({ page }).analyze()
    return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]?.html}`)
  }

  test('lists, renames, and ends: the other browser is out at its next request', async () => {
    const { page, phone } = await both()
    assert.equal(await page.locator('.sessions > li').count(), 2)
    assert.match(
      await page.innerText('li[data-current]'),
      IS_FIREFOX ? /Firefox on Linux\s+this one/ : /Chrom(?:e|ium).* on Linux\s+this one/,
    )
    const other = page.locator('li:not([data-current])')
    assert.match(await other.innerText(), /Safari on iOS[\s\S]*198\.51\.100\.23/)

    await other.locator('summary').click()
    await other.locator('[name=name]').fill('<b>My phone</b> שלי')
    await other.locator('text=Keep').click()
    await page.waitForSelector('[role=status] >> text=The name was kept.')
    assert.equal(await other.locator('h2').innerText(), '<b>My phone</b> שלי')
    assert.equal(await page.locator('b').count(), 0)

    await other.locator('text=End it').click()
    await page.waitForSelector('[role=status] >> text=1 session has ended.')
    assert.equal(await other.count(), 0)
    const response = await phone.fetch('/api/session')
    assert.equal(response.status, 401)
    assert.equal(((await response.json()) as { reason: string }).reason, 'revoked')
    assert.equal((await page.goto(`${demo.url}/api/session`))?.status(), 200)
  })

  test('by the keyboard alone', async () => {
    const { page } = await both()
    await page.focus('a')
    const press = async (key: string, until: string) => {
      for (let count = 0; count < 20; count++) {
        await page.keyboard.press(key)
        if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(until)})`)) return
      }
      throw new Error(`never came to ${until}`)
    }
    await press('Tab', 'li:not([data-current]) summary')
    await page.keyboard.press('Enter')
    await press('Tab', '[name=name]')
    await page.keyboard.type('Phone')
    await page.keyboard.press('Enter')
    await page.waitForSelector('text=The name was kept.')
    await page.focus('a')
    await press('Tab', 'button[aria-label="End it: Phone"]')
    await page.keyboard.press('Enter')
    await page.waitForSelector('text=1 session has ended.')
  })

  test('no script runs in it, and it works without', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    await logIn(page, demo.url)
    const errors: string[] = []
    page.on('console', (message) => errors.push(message.text()))
    const response = await page.goto(`${demo.url}/account/sessions`)
    assert.doesNotMatch(response!.headers()['content-security-policy']!, /script-src/)
    assert.equal(await page.locator('script').count(), 0)
    await page.evaluate(`
      const script = document.createElement('script')
      script.textContent = "document.title = 'taken over'"
      document.body.append(script)`)
    assert.equal(await page.title(), 'Where you are logged in')
    // The style is allowed by its hash: it is there.
    assert.equal(await page.evaluate('getComputedStyle(document.body).marginTop'), '0px')
    assert.ok(
      errors.every((text) => /script/i.test(text)),
      errors.join('\n'),
    )
  })

  test('another page can’t frame it', async () => {
    const { page } = await both()
    await page.goto(`${demo.url}/static/style.css`)
    await page.setContent(`<iframe src="${demo.url}/account/sessions"></iframe>`)
    await page.waitForTimeout(500)
    const frames = page.frames().slice(1)
    for (const frame of frames) assert.equal(await frame.locator('.sessions').count(), 0)
  })

  test(
    'axe finds nothing, in light and dark, on a desk and on a phone; nothing is cut off',
    CHROMIUM_ONLY,
    async () => {
      const { page } = await both()
      const found: string[] = []
      for (const colorScheme of ['light', 'dark'] as const) {
        for (const [device, width, height] of [
          ['desk', 1100, 760],
          ['phone', 360, 740],
        ] as const) {
          await page.emulateMedia({ colorScheme })
          await page.setViewportSize({ width, height })
          for (const at of ['', '?ended=1']) {
            await page.goto(`${demo.url}/account/sessions${at}`)
            await page.click('li:not([data-current]) summary')
            found.push(...(await violations(page)).map((each) => `${colorScheme} ${device} ${at}: ${each}`))
            assert.ok(
              await page.evaluate(
                'document.documentElement.scrollWidth <= document.documentElement.clientWidth',
              ),
              `${device} scrolls sideways`,
            )
          }
          if (PICTURES)
            await page.screenshot({
              path: `${PICTURES}/devices-${device}-${colorScheme}.png`,
              fullPage: true,
            })
        }
      }
      assert.deepEqual(found, [])
    },
  )

  test('its picture for the docs', CHROMIUM_ONLY, async () => {
    const { page } = await both()
    await page.setViewportSize({ width: 860, height: 640 })
    const other = page.locator('li:not([data-current])')
    await other.locator('summary').click()
    await other.locator('[name=name]').fill('My phone')
    await other.locator('text=Keep').click()
    await page.waitForSelector('text=The name was kept.')
    const picture = await page.screenshot({ fullPage: true })
    assert.ok(picture.length > 10_000)
    if (PICTURES) writeFileSync('docs/images/devices.png', picture)
  })
})
