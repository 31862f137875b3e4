/** The pictures of the README, taken of the console itself: `HOLDFAST_PICTURES=1` puts them into docs/images. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { hour, person, populate, story } from './console-people.ts'
import { type ConsolePlace, enter, IN_CHROMIUM, startConsole } from './console-place.ts'
import { until, useBrowser } from './launch.ts'

const IMAGES = join(import.meta.dirname, '../../docs/images')
const KEEPS = process.env.HOLDFAST_PICTURES === '1'
const SIZE = { width: 1280, height: 800 }

describe('the console’s pictures', IN_CHROMIUM, () => {
  const browser = useBrowser()

  test('the overview, and a session’s life', async (t) => {
    const place = await startConsole(t)
    await populate(place.file, 4_000)
    await hour(place, KEEPS ? 20_000 : 3_000)
    const id = await story(place.file, place.tell)
    await enter(await browser.newContext(), place, 'ada')
    await place.settle()
    const page = await enter(await browser.newContext(), place, 'grace')
    await page.setViewportSize(SIZE)
    await page.click('text=1 min')
    const counted = page.locator('.chart >> nth=0 >> .total')
    await until(async () => /\d/.test(await counted.innerText()), 'the live sessions are counted')
    for (let login = 0; login < (KEEPS ? 150 : 3); login++) {
      await logIn(place, login)
      if (login % 4 === 3) await attack(place, login)
      await page.waitForTimeout(250 + 150 * Math.sin(login / 6))
    }
    await take(page, 'console')

    await page.goto(`${place.url}/console/#/session/${id}`)
    await page.waitForSelector('.mark')
    await page.waitForTimeout(500)
    await take(page, 'session-life')
  })
})

async function logIn({ url }: ConsolePlace, index: number): Promise<void> {
  const { userId, userAgent } = person(index * 37)
  const headers = { Origin: url, 'User-Agent': userAgent }
  const { status } = await fetch(`${url}/login?user=${userId}`, { method: 'POST', headers })
  assert.equal(status, 200)
}

/** A token that somebody made up, or a request from another site. */
async function attack({ url }: ConsolePlace, index: number): Promise<void> {
  const { userAgent } = person(index * 41)
  const [path, headers] =
    index % 8 === 3
      ? (['/', { Cookie: '__Host-Http-session=made.up' }] as const)
      : (['/transfer', { Origin: 'https://evil.example', Cookie: '__Host-Http-session=made.up' }] as const)
  const method = path === '/' ? 'GET' : 'POST'
  await fetch(`${url}${path}`, { method, headers: { 'User-Agent': userAgent, ...headers } })
}

async function take(page: Page, name: string): Promise<void> {
  const picture = await page.screenshot({ animations: 'disabled' })
  assert.ok(picture.length > 30_000, 'there is something on it')
  if (KEEPS) writeFileSync(join(IMAGES, `${name}.png`), picture)
}
