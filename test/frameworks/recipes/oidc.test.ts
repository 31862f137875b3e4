/** The recipe for OpenID Connect, against `oidc-provider` on loopback. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createSessions, type SessionEvent, type Sessions } from 'holdfast'
import { memory } from 'holdfast/memory'
import { type Browser, browser } from 'holdfast/testing'
import Provider from 'oidc-provider'
import { type OidcData, oidcApp } from '../../../examples/recipes/oidc.ts'
import { KEY } from '../../core/fixtures.ts'

const CLIENT = { client_id: 'app', client_secret: 'a secret of the test alone, and long enough' }

describe('OpenID Connect', () => {
  const servers: Server[] = []
  const events: SessionEvent[] = []
  let sessions: Sessions<OidcData>
  let origin: string
  let issuer: string

  /** A server whose address is known before its listener is. */
  async function listen(): Promise<{ url: string; serve(listener: RequestListener): void }> {
    const server = createServer().listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    const url = `http://localhost:${(server.address() as AddressInfo).port}`
    return { url, serve: (listener) => void server.on('request', listener) }
  }

  before(async () => {
    const [theirs, ours] = [await listen(), await listen()]
    origin = ours.url
    issuer = theirs.url
    const provider = new Provider(issuer, {
      clients: [
        {
          ...CLIENT,
          redirect_uris: [`${origin}/callback`],
          post_logout_redirect_uris: [`${origin}/`],
          backchannel_logout_uri: `${origin}/backchannel-logout`,
        },
      ],
      claims: { openid: ['sub', 'amr'] },
      cookies: { keys: ['a key of the test'] },
      features: {
        devInteractions: { enabled: false },
        rpInitiatedLogout: { enabled: true },
        backchannelLogout: { enabled: true },
      },
      // It calls nobody on loopback, where we are.
      fetch: (url, init) => fetch(url, { ...init, dispatcher: undefined } as unknown as RequestInit),
      interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
      findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      async loadExistingGrant({ oidc }) {
        const grant = new provider.Grant({ accountId: oidc.session!.accountId!, clientId: CLIENT.client_id })
        grant.addOIDCScope('openid')
        await grant.save()
        return grant
      },
    })
    const callback = provider.callback()
    theirs.serve((req, res) => {
      if (!req.url!.startsWith('/interaction/')) return callback(req, res)
      // Here its login page would be.
      const login = { accountId: 'ada-1', amr: ['pwd', 'otp'] }
      return provider.interactionFinished(req, res, { login }, { mergeWithLastSubmission: false })
    })
    sessions = createSessions<OidcData>({
      engine: memory(),
      keys: KEY,
      onEvent: (event) => void events.push(event),
    })
    const app = await oidcApp(sessions, {
      issuer: new URL(issuer),
      clientId: CLIENT.client_id,
      clientSecret: CLIENT.client_secret,
      origin,
      insecureHttp: true,
    })
    ours.serve(app)
  })

  after(() => {
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
  })

  /** Where a response leads, out of this server's reach. */
  const next = (response: Response) => response.headers.get('location')!
  const whoIs = async (client: Browser) => (await client.get('/')).json()

  /** A user with one browser, which visits both. */
  function user() {
    const [app, provider] = [browser(origin), browser(issuer)]
    /** As far as the way back. @returns the callback's URL */
    const goToProvider = async () => next(await provider.get(next(await app.get('/login'))))
    const login = async () => app.get(await goToProvider())
    return { app, provider, goToProvider, login }
  }

  test('a login ends in authenticate: the subject, the methods of amr, and the level of two factors', async () => {
    const { app, login } = user()
    await app.get('/login')
    const visitor = app.clone()
    await login()
    assert.deepEqual(await whoIs(app), { userId: 'ada-1', methods: ['pwd', 'otp'], level: 2 })
    assert.deepEqual(await whoIs(visitor), { userId: null, methods: [], level: null }, 'no fixation')
  })

  test("another browser's callback logs nobody in, and neither does one that was used", async () => {
    const [ada, eve] = [user(), user()]
    const callback = await ada.goToProvider()
    assert.equal((await eve.app.get(callback)).status, 400)
    await eve.goToProvider()
    assert.equal((await eve.app.get(callback)).status, 401, 'a state of somebody else')
    assert.equal(((await whoIs(eve.app)) as { userId: unknown }).userId, null)
    assert.ok(events.some(({ name, reason }) => name === 'authn_login_fail' && reason === 'oidc'))
    await ada.app.get(callback)
    assert.equal((await ada.app.get(callback)).status, 400, 'a login is tried once')
  })

  test('a changed state, and a changed code: 401, and the login has to begin again', async () => {
    for (const name of ['state', 'code']) {
      const { app, goToProvider } = user()
      const callback = new URL(await goToProvider())
      callback.searchParams.set(name, 'x')
      assert.equal((await app.get(callback.href)).status, 401)
      assert.equal(((await whoIs(app)) as { userId: unknown }).userId, null)
    }
  })

  test('a logout ends both: here at once, at the provider by its page, and by it every other session here', async () => {
    const [one, other] = [user(), user()]
    await one.login()
    await other.login()
    const thief = one.app.clone()
    const there = next(await one.app.post('/logout'))
    assert.ok(there.startsWith(`${issuer}/session/end?`) && there.includes('id_token_hint='))
    assert.equal(((await whoIs(thief)) as { userId: unknown }).userId, null)
    assert.equal(((await whoIs(other.app)) as { userId: unknown }).userId, 'ada-1')
    const page = await (await one.provider.get(there)).text()
    const back = await one.provider.submit(page, { logout: 'yes' })
    assert.equal(next(back), `${origin}/`)
    // The provider has told us, without a browser.
    assert.deepEqual(await sessions.list('ada-1'), [])
  })

  test('a logout token that nobody signed, and an ID token in its place, end nothing', async () => {
    const { app, login } = user()
    await login()
    const session = await app.get('/')
    assert.equal(session.status, 200)
    const hint = new URL(next(await app.clone().post('/logout'))).searchParams.get('id_token_hint')!
    await login()
    for (const token of ['', 'a.b.c', hint]) {
      const body = new URLSearchParams({ logout_token: token })
      const answer = await fetch(`${origin}/backchannel-logout`, { method: 'POST', body })
      assert.equal(answer.status, 400)
    }
    assert.equal((await sessions.list('ada-1')).length, 1)
  })
})
