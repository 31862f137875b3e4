/** What an operator does at the console: by keyboard alone, in any light, on a phone, and when something fails. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import AxeBuilder from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { hour, story } from './console-people.ts'
import { type ConsolePlace, enter, IN_CHROMIUM, startConsole } from './console-place.ts'
import { api, until, useBrowser } from './launch.ts'

const VIEWS = ['', '#/sessions', '#/session/ID', '#/events']

describe('the console in a browser', IN_CHROMIUM, () => {
  const browser = useBrowser()

  test('by keyboard alone: finds a user, sees the life of the session, ends it; the other browser is out', async (t) => {
    const place = await startConsole(t)
    const victim = await enter(await browser.newContext(), place, 'ada')
    const operator = await enter(await browser.newContext(), place, 'grace')
    const complaints = complaintsOf(operator)
    const { keyboard } = operator
    await until(async () => (await operator.innerText('.live-dot')) === 'Live', 'the stream is open')

    await tabTo(operator, 'Sessions')
    await keyboard.press('Enter')
    assert.equal(await focused(operator), 'Sessions', 'the heading of the view that was walked to')
    await tabTo(operator, 'User')
    await keyboard.type('ada')
    await rows(operator, 1)
    await tabTo(operator, 'Sessions', '[role=grid]')
    await keyboard.press('Enter')
    await operator.waitForSelector('text=Session of ada')
    assert.match(await focused(operator), /^Session of ada/)
    await operator.waitForSelector('.life svg .mark')
    assert.match(
      await operator.innerText('.life .unseen'),
      /This session is live\. .*from one network and one/,
    )
    assert.deepEqual(await operator.locator('.event-what b').allInnerTexts(), [
      'Logged in',
      'Session created',
    ])

    await tabTo(operator, 'End this session')
    await keyboard.press('Enter')
    await operator.waitForSelector('dialog[open]')
    await keyboard.press('Escape')
    await operator.waitForSelector('dialog', { state: 'detached' })
    assert.equal(await focused(operator), 'End this session', 'where the focus was')
    await keyboard.press('Enter')
    assert.match(
      await operator.innerText('dialog[open]'),
      /End this session of ada\?\s+It ends at its next request, on every/,
    )
    await tabTo(operator, 'End 1 session')
    await keyboard.press('Enter')
    await operator.waitForSelector('.said >> text=1 session ended.')
    await operator.waitForSelector('text=Ended by somebody else')
    assert.equal(await operator.locator('button', { hasText: 'End this session' }).count(), 0)
    assert.match(
      await focused(operator),
      /^Session of ada/,
      'what had the focus is gone, and it is not nowhere',
    )

    await victim.waitForSelector('.over >> text=You are logged out.')
    assert.match(await victim.innerText('.over'), /Your session was ended\./, 'the stream itself says so')
    assert.equal((await api(victim, '/console/api/me')).status, 401)
    const { actor, userId } = place.events.find(({ name }) => name === 'session_revoked')!
    assert.deepEqual([actor, userId], ['grace', 'ada'])
    assert.deepEqual(complaints, [])
  })

  test('arrows, Space and Delete: chooses several sessions, and ends just these', async (t) => {
    const place = await startConsole(t)
    const context = await browser.newContext()
    for (const _ of [1, 2, 3]) await enter(await browser.newContext(), place, 'ada')
    const page = await enter(context, place, 'grace', '#/sessions?user=ada')
    await rows(page, 3)
    await page.focus('[role=grid]')
    await page.keyboard.press('Space')
    await page.keyboard.press('Shift+ArrowDown')
    assert.equal(await page.locator('.row[aria-selected=true]').count(), 2)
    await page.keyboard.press('Delete')
    await page.waitForSelector('dialog[open] >> text=End 2 sessions of ada?')
    await confirm(page)
    await page.waitForSelector('.said >> text=2 sessions ended.')
    await rows(page, 1)
  })

  test('everybody’s end only by the typed word, and then the operator is out as well', async (t) => {
    const place = await startConsole(t)
    const page = await enter(await browser.newContext(), place, 'grace', '#/sessions')
    await page.click('text=End everybody’s…')
    assert.match(await page.innerText('dialog[open]'), /Every session of every user ends, yours too/)
    const button = page.locator('dialog button.danger')
    for (const typed of ['', 'everybod', 'Everybody']) {
      await page.fill('dialog input', typed)
      assert.equal(await button.isDisabled(), true, typed)
      await page.press('dialog input', 'Enter')
    }
    assert.equal(await page.locator('dialog[open]').count(), 1)
    await page.fill('dialog input', 'everybody')
    await button.click()
    await page.waitForSelector('text=You are logged out.')
    assert.ok(place.events.some(({ name, reason }) => name === 'session_revoked' && reason === 'everybody'))
  })

  test('a login that is too long ago: the page leads there and back, and asks once more', async (t) => {
    const place = await startConsole(t, { authenticatedWithin: '6s' })
    await enter(await browser.newContext(), place, 'ada')
    const page = await enter(await browser.newContext(), place, 'grace', '#/sessions?user=ada')
    await page.waitForTimeout(6_100)
    await page.focus('[role=grid]')
    await page.keyboard.press('Delete')
    await confirm(page)
    const told = page.locator('dialog .proof, dialog .problem, .said p').first()
    assert.match(await told.innerText(), /Show once more who you are\./)
    await page.locator('dialog button.main').press('Enter')
    await page.click('text=It is me')
    await page.waitForURL('**/console/#/sessions?user=ada')
    assert.match(await page.innerText('dialog[open]'), /End this session of ada\?/)
    assert.equal(place.events.filter(({ name }) => name === 'session_revoked').length, 0, 'nothing by itself')
    await confirm(page)
    await page.waitForSelector('.said >> text=1 session ended.')
  })

  test('the stream breaks off, and the server is away: the page says so, tries again, and goes on', async (t) => {
    const place = await startConsole(t)
    const page = await enter(await browser.newContext(), place, 'grace')
    await until(async () => (await page.innerText('.live-dot')) === 'Live', 'the stream is open')
    place.refuse(true)
    place.cut()
    await page.waitForSelector('.stream-state >> text=trying again')
    place.refuse(false)
    await until(async () => (await page.innerText('.live-dot')) === 'Live', 'it is open again')
    assert.equal(await page.locator('.stream-state .notice').count(), 0)
  })

  test('what the page asks by itself keeps no session alive', async (t) => {
    const place = await startConsole(t)
    const page = await enter(await browser.newContext(), place, 'grace')
    const asked: { path: string; passive: string | undefined }[] = []
    page.on('request', (request) => {
      const passive = request.headers()['session-passive']
      asked.push({ path: new URL(request.url()).pathname, passive })
    })
    place.cut()
    await until(() => asked.some(({ path }) => path.endsWith('/api/events')), 'it has caught up')
    assert.deepEqual(new Set(asked.map(({ passive }) => passive)), new Set(['1']))
    asked.length = 0
    await page.click('nav >> text=Sessions')
    await until(() => asked.some(({ path }) => path.endsWith('/api/sessions')), 'it has searched')
    assert.equal(asked.find(({ path }) => path.endsWith('/api/sessions'))?.passive, undefined)
  })

  test('what a client sent is text: no element, no style, no link of its own', async (t) => {
    const place = await startConsole(t)
    const hostile = '<img src=x onerror="document.title=1"><b style="color:red">'
    const context = await browser.newContext()
    const page = await enter(context, place, 'grace')
    const complaints = complaintsOf(page)
    const id = 'A'.repeat(22)
    place.tell({
      id: 'hostile.1',
      name: 'authn_login_fail',
      at: Date.now(),
      sessionId: id,
      userId: hostile,
      actor: null,
      ip: '192.0.2.1',
      userAgent: hostile,
      method: 'GET',
      path: `/${hostile}`,
      reason: hostile,
      code: null,
    })
    await place.settle()
    for (const hash of [`#/session/${id}`, '#/events', '#/']) {
      await page.goto(`${place.url}/console/${hash}`)
      await page.waitForSelector(`.event >> text=${hostile}`)
      await page.click('.event[data-name=authn_login_fail] summary')
      assert.equal(await page.locator('main img, main b[style]').count(), 0)
    }
    assert.deepEqual(complaints, [])
  })

  test('axe finds nothing in any view and in the dialog, in the light and in the dark', async (t) => {
    const place = await startConsole(t)
    const id = await lively(place)
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await enter(await browser.newContext(), place, 'grace')
      const complaints = complaintsOf(page)
      await page.emulateMedia({ colorScheme })
      for (const view of VIEWS) {
        await page.goto(`${place.url}/console/${view.replace('ID', id)}`)
        await settled(page)
        assert.deepEqual(await findings(page), [], `${view} in ${colorScheme}`)
      }
      await page.goto(`${place.url}/console/#/sessions`)
      await page.click('text=End everybody’s…')
      assert.deepEqual(await findings(page), [], `the dialog in ${colorScheme}`)
      assert.deepEqual(complaints, [], 'CSP violations and errors')
    }
  })

  test('on a phone nothing is wider than the screen, and nothing that is touched is small', async (t) => {
    const place = await startConsole(t)
    const id = await lively(place)
    const page = await enter(await browser.newContext(), place, 'grace')
    await page.setViewportSize({ width: 360, height: 740 })
    for (const view of VIEWS) {
      await page.goto(`${place.url}/console/${view.replace('ID', id)}`)
      await settled(page)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360, view)
      const small = await page.evaluate(SMALL)
      assert.deepEqual(small, [], view)
    }
  })

  test('the colours are chosen by a switch, and kept', async (t) => {
    const place = await startConsole(t)
    const page = await enter(await browser.newContext(), place, 'grace')
    const paper = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await paper()
    await page.click('[aria-label="Colours: as the system"]')
    await page.click('[aria-label="Colours: light"]')
    assert.equal(await page.locator('[aria-label="Colours: dark"]').count(), 1)
    const dark = await paper()
    assert.notEqual(dark, light)
    await page.reload()
    await page.waitForSelector('main h1')
    assert.equal(await paper(), dark)
  })

  test('an account that is no operator’s sees nothing of it', async (t) => {
    const place = await startConsole(t)
    const page = await (await browser.newContext()).newPage()
    await page.goto(`${place.url}/`)
    await page.evaluate(`fetch('/login?user=alan', { method: 'POST' })`)
    const answer = await page.goto(`${place.url}/console/`)
    assert.equal(answer!.status(), 403)
    assert.match(await page.innerText('body'), /Not an operator/)
    assert.ok(place.events.some(({ name, userId }) => name === 'authz_fail' && userId === 'alan'))
  })
})

/** Targets of less than 24 by 24 pixels, but for links in a line of text. @see WCAG 2.2, 2.5.8 */
const SMALL = `[...document.querySelectorAll('button, input:not([type=checkbox]), select, nav a, summary')]
  .map((each) => ({ each, box: each.getBoundingClientRect() }))
  .filter(({ each, box }) => box.width > 0 && !each.classList.contains('skip') && (box.width < 24 || box.height < 24))
  .map(({ each }) => each.outerHTML.slice(0, 80))`

async function lively(place: ConsolePlace): Promise<string> {
  await hour(place)
  const id = await story(place.file, place.tell)
  await place.settle()
  return id
}

/** Not before it is open: until then a key is for what is below. */
async function confirm(page: Page): Promise<void> {
  await page.waitForSelector('dialog[open]')
  await page.locator('dialog button.danger').press('Enter')
}

function rows(page: Page, count: number): Promise<void> {
  return until(async () => (await page.locator('.rows .row').count()) === count, `there are ${count} rows`)
}

async function settled(page: Page): Promise<void> {
  await page.waitForSelector('.event, .rows .row')
  await page.waitForTimeout(400)
}

async function findings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).analyze()
  return violations.map(
    ({ id, impact, nodes }) => `${impact}: ${id}: ${nodes.map(({ html }) => html).join('\n')}`,
  )
}

/** Errors and warnings of the page: what CSP stopped is among them. */
function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  return complaints
}

/** Presses Tab until what has that name has the focus: nothing that can't be reached so. */
async function tabTo(page: Page, name: string, selector = '*'): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab')
    if (
      (await focused(page)) === name &&
      (await page.locator(`:focus`).and(page.locator(selector)).count()) === 1
    )
      return
  }
  assert.fail(`Tab leads to no ${name}`)
}

/** What a screen reader calls what has the focus. */
async function focused(page: Page): Promise<string> {
  return page.evaluate(`(() => {
    const element = document.activeElement
    if (element === document.body) return ''
    const label = element.getAttribute('aria-label') ?? element.labels?.[0]?.querySelector('span').innerText
    return (label ?? element.innerText).trim()
  })()`)
}
