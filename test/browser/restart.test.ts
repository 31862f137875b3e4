/** The browser is closed and started again, and so is the server. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { BrowserContext } from 'playwright-core'
import { startDemo } from '../demo/demo-process.ts'
import { BROWSER, LAUNCH, logIn, patient, SESSION, SKIP, userOf } from './launch.ts'

const DAY = 24 * 60 * 60 * 1000

describe('after a restart', SKIP, () => {
  for (const remember of [false, true]) {
    const outcome = remember
      ? 'who asked to be remembered still is'
      : 'nobody is logged in who didn’t ask for it'
    test(`${outcome}: by the browser, and by the server`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'holdfast-browser-'))
      t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
      const start = async (port = '0') => {
        const demo = await startDemo('--database', join(folder, 'demo.db'), '--port', port)
        t.after(() => demo.stop())
        return demo
      }
      const launch = async () => {
        const context = patient(await BROWSER.launchPersistentContext(join(folder, 'profile'), LAUNCH))
        t.after(() => context.close())
        return context
      }

      let demo = await start()
      let context = await launch()
      let page = await context.newPage()
      await logIn(page, demo.url, { remember })
      const { expires } = await sessionOf(context)
      if (remember) assert.ok(Math.abs(expires * 1000 - Date.now() - 30 * DAY) < 2 * DAY || expires > 0)
      else assert.equal(expires, -1)
      await context.close()
      await demo.stop()

      demo = await start(new URL(demo.url).port)
      context = await launch()
      page = await context.newPage()
      await page.goto(`${demo.url}/account`)
      if (remember) assert.equal(await page.innerText('#user'), 'ada')
      else assert.match(page.url(), /\/login\?next=/)
      assert.equal(await userOf(page), remember ? 'ada' : null)
    })
  }
})

async function sessionOf(context: BrowserContext) {
  return (await context.cookies()).find(({ name }) => name === SESSION)!
}
