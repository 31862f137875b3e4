/** The recipe for passkeys, with Chromium's virtual authenticators. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { createSessions, type SessionEvent } from 'holdfast'
import { memory } from 'holdfast/memory'
import type { CDPSession, Page } from 'playwright-core'
import { type Passkey, type PasskeyData, passkeyApp } from '../../../examples/recipes/passkeys.ts'
import { CHROMIUM_ONLY, SKIP, useBrowser } from '../../browser/launch.ts'
import { KEY } from '../../core/fixtures.ts'

describe('passkeys', { ...SKIP, ...(CHROMIUM_ONLY.skip ? CHROMIUM_ONLY : {}) }, () => {
  const browser = useBrowser()

  async function setUp(t: TestContext, authenticator: { synced?: boolean; verified?: boolean } = {}) {
    const { synced = false, verified = true } = authenticator
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    const origin = `http://localhost:${(server.address() as AddressInfo).port}`
    const events: SessionEvent[] = []
    const passkeys = new Map<string, Passkey>()
    const onEvent = (event: SessionEvent) => void events.push(event)
    const sessions = createSessions<PasskeyData>({ engine: memory(), keys: KEY, onEvent })
    server.on('request', passkeyApp(sessions, { origin, passkeys }))
    const page = await browser.newPage()
    const cdp = await page.context().newCDPSession(page)
    await cdp.send('WebAuthn.enable')
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: verified,
        automaticPresenceSimulation: true,
        defaultBackupEligibility: synced,
        defaultBackupState: synced,
      },
    })
    await page.goto(origin)
    return { origin, events, passkeys, sessions, page, cdp, authenticatorId }
  }

  async function click(page: Page, button: string): Promise<string> {
    await page.evaluate("document.querySelector('[role=status]').textContent = ''")
    await page.click(button)
    await page.waitForFunction("document.querySelector('[role=status]').textContent !== ''")
    return page.innerText('[role=status]')
  }

  async function signUp(page: Page): Promise<string> {
    await page.fill('[name=name]', 'ada')
    return click(page, '#sign-up')
  }

  const seen = (page: Page) => page.evaluate(async () => (await fetch('/session')).json())
  const logOut = (page: Page) => page.evaluate(() => fetch('/logout', { method: 'POST' }).then(() => {}))

  for (const [synced, method] of [
    [false, 'hwk'],
    [true, 'swk'],
  ] as const) {
    test(`one that ${synced ? 'is synced' : 'stays on its device'}: ${method}, level 2, at the sign-up and at each login`, async (t) => {
      const { page } = await setUp(t, { synced })
      assert.match(await signUp(page), /^Hello, /)
      const first = (await seen(page)) as { userId: string }
      assert.deepEqual(first, { userId: first.userId, methods: [method], level: 2 })
      await logOut(page)
      assert.deepEqual(await seen(page), { userId: null, methods: [], level: null })
      assert.equal(await click(page, '#log-in'), `Hello, ${first.userId}.`)
      assert.deepEqual(await seen(page), first)
    })
  }

  test('nobody is verified: nobody gets in', async (t) => {
    const { page, cdp, authenticatorId, passkeys } = await setUp(t)
    await signUp(page)
    await logOut(page)
    await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
    assert.match(await click(page, '#log-in'), /^No: /)
    assert.deepEqual(await seen(page), { userId: null, methods: [], level: null })
    assert.equal(passkeys.size, 1)
  })

  test('an answer is good once, in the browser that was asked', async (t) => {
    const { page, events } = await setUp(t)
    await signUp(page)
    await logOut(page)
    const sent = page.waitForRequest((request) => request.url().endsWith('/log-in'))
    await click(page, '#log-in')
    const answer = (await sent).postData()!
    await logOut(page)
    const replay = (asks: boolean) =>
      page.evaluate(
        async ([body, asks]) => {
          const headers = { 'Content-Type': 'application/json' }
          if (asks) await fetch('/log-in/options', { method: 'POST', headers, body: '{}' })
          return (await fetch('/log-in', { method: 'POST', headers, body: body as string })).status
        },
        [answer, asks],
      )
    assert.deepEqual([await replay(false), await replay(true)], [401, 401])
    assert.deepEqual(await seen(page), { userId: null, methods: [], level: null })
    assert.ok(events.some(({ name, reason }) => name === 'authn_login_fail' && reason === 'passkey'))
  })

  test("a sign-up under another's id is refused, and leaves his passkey alone", async (t) => {
    const { page, passkeys } = await setUp(t)
    await signUp(page)
    await logOut(page)
    const [owner] = passkeys.values()
    await page.route('**/sign-up', (route) => {
      const made = JSON.parse(route.request().postData()!)
      return route.continue({ postData: JSON.stringify(underId(made, owner!.id)) })
    })
    assert.match(await signUp(page), /^No: .*known already/)
    assert.deepEqual([...passkeys.values()], [owner])
    assert.deepEqual(await seen(page), { userId: null, methods: [], level: null })
  })

  test('a passkey whose counter goes back was copied: refused', async (t) => {
    const { page, cdp, authenticatorId, passkeys } = await setUp(t)
    await signUp(page)
    await click(page, '#log-in')
    await logOut(page)
    const [passkey] = passkeys.values()
    await copyOf(cdp, authenticatorId)
    passkeys.set(passkey!.id, { ...passkey!, counter: 1_000 })
    assert.match(await click(page, '#log-in'), /^No: /)
  })

  /** The same key in another authenticator, which has counted less. */
  async function copyOf(cdp: CDPSession, authenticatorId: string): Promise<void> {
    const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId })
    await cdp.send('WebAuthn.removeCredential', {
      authenticatorId,
      credentialId: credentials[0]!.credentialId,
    })
    await cdp.send('WebAuthn.addCredential', {
      authenticatorId,
      credential: { ...credentials[0]!, signCount: 1 },
    })
  }
})

interface Made {
  readonly id: string
  readonly response: { readonly attestationObject: string }
}

/** The same new key, said to be another one's: where nobody attests, nothing is signed. */
function underId(made: Made, id: string): Made {
  const bytes = (text: string) => Buffer.from(text, 'base64url').toString('latin1')
  const renamed = bytes(made.response.attestationObject).replace(bytes(made.id), () => bytes(id))
  const attestationObject = Buffer.from(renamed, 'latin1').toString('base64url')
  return { ...made, id, rawId: id, response: { ...made.response, attestationObject } } as Made
}
