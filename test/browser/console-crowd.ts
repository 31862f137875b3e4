/** An operator among fifty thousand sessions, whatever keeps them: he searches, and spins the wheel. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { person } from './console-people.ts'
import { type ConsolePlace, enter } from './console-place.ts'
import { until } from './launch.ts'

/** What is promised, in ms, on a machine that does nothing else; here others may run. */
const PROMISED = 200
const LOOSELY = 5
const LONG_FRAME = 50

export async function measureCrowd(
  t: TestContext,
  context: BrowserContext,
  place: ConsolePlace,
): Promise<void> {
  const page = await enter(context, place, 'grace', '#/sessions')
  await page.waitForSelector('.rows .row')
  await quiet(page)

  const { userId } = person(31_415)
  const { ip } = person(27_182)
  const searches = [
    { name: 'user', text: userId, shows: '.cell.user', has: userId },
    { name: 'address', text: ip, shows: '.cell.address', has: ip },
    {
      name: 'address',
      text: `${ip.split('.').slice(0, 3).join('.')}.`,
      shows: '.cell.address',
      has: '198.51.',
    },
    { name: 'device', text: 'iPhone', shows: '.cell.device', has: 'iOS' },
  ]
  const lines: string[] = []
  for (const { name, text, shows, has } of searches) {
    place.took.length = 0
    const inPage = await searchFor(page, name, text, shows, has)
    const server = Math.max(
      ...place.took.filter(({ what }) => what.includes('/api/sessions?')).map(({ ms }) => ms),
    )
    lines.push(
      `${name} ${text}: the server's slowest page ${server.toFixed(0)} ms, shown after ${inPage.toFixed(0)} ms`,
    )
    assert.ok(server < PROMISED * LOOSELY, lines.at(-1))
    assert.ok(inPage < PROMISED * LOOSELY, lines.at(-1))
    await page.fill(`[name=${name}]`, '')
    await quiet(page)
  }

  const spent = await processorTime(page)
  const { frames, long, longest, loaded } = await scroll(page)
  const perFrame = ((await spent()) / frames) * 1000
  lines.push(
    `${loaded} rows scrolled: ${perFrame.toFixed(1)} ms of processor time a frame; of ${frames} frames ${long} came later than ${LONG_FRAME} ms, the latest ${longest.toFixed(0)} ms`,
  )
  for (const line of lines) t.diagnostic(line)
  assert.ok(loaded > 20_000, 'tens of thousands are scrolled through')
  assert.ok((await page.locator('.rows .row').count()) < 120, 'only what is in sight is in the page')
  // How late frames come depends on what else the machine does; what they cost does not.
  assert.ok(perFrame < LONG_FRAME / 2, lines.at(-1))
}

/** From the request's beginning, after the pause that typing has, to the frame in which the rows are those it found. */
async function searchFor(
  page: Page,
  name: string,
  text: string,
  shows: string,
  has: string,
): Promise<number> {
  const shown = page.evaluate<number>(`new Promise((resolve, reject) => {
    const began = performance.now()
    const frame = () => {
      const cells = [...document.querySelectorAll('.rows ${shows}')]
      const asked = performance.getEntriesByType('resource').findLast(({ name }) => name.includes('api/sessions?${name}='))
      if (asked && cells.length > 0 && cells.every((cell) => cell.innerText.includes(${JSON.stringify(has)})))
        resolve(performance.now() - asked.startTime)
      else if (performance.now() - began > 30000) reject(new Error(document.querySelector('.summary').innerText))
      else requestAnimationFrame(frame)
    }
    performance.clearResourceTimings()
    requestAnimationFrame(frame)
  })`)
  await page.fill(`[name=${name}]`, text)
  return shown
}

/** Until nothing is loading any more. */
async function quiet(page: Page): Promise<void> {
  await until(
    async () => (await page.getAttribute('.summary', 'data-busy')) === 'false',
    'the search is over',
  )
}

interface Scrolled {
  frames: number
  long: number
  longest: number
  loaded: number
}

/** What the page's own thread has worked. @returns the seconds since this call */
async function processorTime(page: Page): Promise<() => Promise<number>> {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
  const read = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'TaskDuration')!.value
  }
  const before = await read()
  return async () => (await read()) - before
}

/** As with a wheel that is spun, 1,200 pixels at each frame, for as long as there is more. */
function scroll(page: Page): Promise<Scrolled> {
  return page.evaluate(`new Promise((resolve) => {
    const grid = document.querySelector('.grid')
    const result = { frames: 0, long: 0, longest: 0, loaded: 0 }
    let last = performance.now()
    const began = last
    const frame = () => {
      const now = performance.now()
      result.frames++
      if (now - last > ${LONG_FRAME}) result.long++
      result.longest = Math.max(result.longest, now - last)
      last = now
      grid.scrollTop += 1200
      result.loaded = Math.round(document.querySelector('.rows').clientHeight / 36)
      if (result.loaded >= 25_000 || now - began > 120_000) resolve(result)
      else requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  })`)
}
