/** The scenarios: the same requests get the same answers, through every adapter and on every engine. */

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import type { Engine, SessionRecord } from 'holdfast'
import { rateLimits } from 'holdfast/rate-limit'
import type { SessionsOptions } from '../../src/core/policy.ts'
import {
  type Adapter,
  type AnySessions,
  type Exchange,
  engines,
  type Handler,
  PROXY,
  PUBLIC_ORIGIN,
  pause,
  type RawRequest,
  type Reply,
  type Site,
  send,
  signal,
  start,
  wrapEngine,
} from './harness.ts'

type Options = Partial<SessionsOptions<Record<string, unknown>>>

const SESSION = '__Host-Http-session'
const VISITOR = '__Host-Http-visitor'
const FORM = 'application/x-www-form-urlencoded'
const BODY = 'x'.repeat(2 * 1024 * 1024)

/** Registers every scenario for one adapter, once for each engine. */
export function scenarios(adapter: Adapter): void {
  for (const [name, createEngine] of Object.entries(engines)) {
    describe(`${adapter.name}, ${name}`, { concurrency: true }, () => {
      const open = (options: Options = {}, handler: Handler = application, secure = false): Promise<Site> =>
        start((sessions) => adapter.listen(sessions, handler), { engine: createEngine(), ...options }, secure)
      sessionScenarios(open)
      commitScenarios(open, createEngine)
      transportScenarios(open)
      csrfScenarios(open)
      cacheScenarios(open)
    })
  }
}

type Open = (options?: Options, handler?: Handler, secure?: boolean) => Promise<Site>

function sessionScenarios(open: Open): void {
  test('who only reads gets no cookie', async () => {
    await using site = await open()
    const client = site.browser()
    for (const path of ['/public', '/get?name=color', '/me']) {
      const response = await client.get(path)
      assert.equal(response.status, 200)
      assert.deepEqual(response.headers.getSetCookie(), [], path)
    }
    assert.deepEqual(await client.cookies(), {})
  })

  test('Vary and caching speak of the session only where it was looked at', async () => {
    await using site = await open()
    const client = site.browser()
    const untouched = await client.get('/public')
    assert.deepEqual([untouched.headers.get('vary'), untouched.headers.get('cache-control')], [null, null])
    const visited = await client.get('/me')
    assert.deepEqual([visited.headers.get('vary'), visited.headers.get('cache-control')], ['Cookie', null])
    await client.post('/login?user=ada')
    const own = await client.get('/me')
    assert.deepEqual(
      [own.headers.get('vary'), own.headers.get('cache-control')],
      ['Cookie', 'no-store, private'],
    )
    const still = await client.get('/public')
    assert.deepEqual([still.headers.get('vary'), still.headers.get('cache-control')], [null, null])
  })

  test('what a visitor stores costs one cookie, once', async () => {
    await using site = await open()
    const client = site.browser()
    const first = await client.post('/set?name=color&value=red')
    assert.equal(first.headers.getSetCookie().length, 1)
    assert.match(
      first.headers.getSetCookie()[0]!,
      /^__Host-Http-session=[\w.-]+; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
    const second = await client.post('/set?name=size&value=xl')
    assert.deepEqual(second.headers.getSetCookie(), [])
    assert.equal(await (await client.get('/get?name=color')).text(), '"red"')
    assert.equal(await (await client.get('/get?name=size')).text(), '"xl"')
  })

  test('a login draws a new token, says so in one cookie, and forbids storing it', async () => {
    await using site = await open()
    const client = site.browser({ redirect: 'manual' })
    await client.post('/set?name=color&value=red')
    const before = client.clone()
    const { [SESSION]: visitors } = await client.cookies()
    const response = await client.post('/login?user=ada')
    assert.equal(response.status, 303)
    assert.equal(response.headers.getSetCookie().length, 1)
    assert.equal(response.headers.get('cache-control'), 'no-store, private')
    assert.equal(response.headers.get('vary'), 'Cookie')
    const { [SESSION]: users } = await client.cookies()
    assert.notEqual(users, visitors)
    assert.notEqual(users!.split('.')[0], visitors!.split('.')[0], 'a new id, too')
    assert.equal(await (await client.get('/get?name=color')).text(), '"red"', "the visitor's data come along")
    assert.equal((await me(before)).user, null, 'the old token is dead')
  })

  test('the redirect after a login finds the session, a hundred times out of a hundred', async () => {
    await using site = await open()
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const response = await site.browser().post(`/login?user=user-${n}`)
        assert.equal(new URL(response.url).pathname, '/me')
        assert.equal(((await response.json()) as { user: string }).user, `user-${n}`)
      }),
    )
  })

  test('a remembered session outlives the browser, another does not', async () => {
    await using site = await open()
    for (const [query, user] of [
      ['&remember=1', 'ada'],
      ['', null],
    ] as const) {
      const client = site.browser()
      await client.post(`/login?user=ada${query}`)
      await client.restart()
      assert.equal((await me(client)).user, user)
    }
  })

  test('a logout clears the cookie with the attributes that set it, and the token is dead', async () => {
    await using site = await open()
    const client = site.browser({ redirect: 'manual' })
    await client.post('/login?user=ada')
    const thief = client.clone()
    const response = await client.post('/logout')
    assert.deepEqual(response.headers.getSetCookie(), [
      `${SESSION}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax`,
    ])
    assert.equal(response.headers.get('clear-site-data'), '"cache"')
    assert.equal(response.headers.get('cache-control'), 'no-store, private')
    assert.deepEqual(await client.cookies(), {})
    assert.deepEqual(await me(thief), { user: null, lost: 'logout' })
    assert.equal((await thief.post('/set?name=a&value=1')).status, 200, 'a new session, with a new token')
    assert.equal((await me(thief)).user, null)
  })

  test('parallel writes of different names all survive', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const names = Array.from({ length: 20 }, (_, n) => `name-${n}`)
    await Promise.all(names.map((name) => client.post(`/set?name=${name}&value=${name}&delay=5`)))
    for (const name of names) assert.equal(await (await client.get(`/get?name=${name}`)).text(), `"${name}"`)
  })

  test('update is exact, under 50 parallel requests', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const counts = Array.from({ length: 50 }, () => client.post('/increment?delay=5'))
    for (const response of await Promise.all(counts)) assert.equal(response.status, 200)
    assert.equal(await (await client.get('/get?name=count')).text(), '50')
  })

  test('a passive request neither touches nor renews', async () => {
    let touched = 0
    const engine = wrapEngine(engines.memory!(), (verb, call) => {
      if (verb === 'touch') touched++
      return call()
    })
    await using site = await open({ engine, idle: '10s', absolute: '1h' })
    const client = site.browser({ redirect: 'manual' })
    await client.post('/login?user=ada')
    await pause(1_100)
    await client.fetch('/me', { headers: { 'session-passive': '1' } })
    assert.equal(touched, 0)
    await client.fetch('/me')
    assert.equal(touched, 1)
  })

  test('the session is at hand anywhere below, without passing it along', async () => {
    const sites: AnySessions[] = []
    const deep = async () => {
      await pause(2)
      return sites[0]!.current().userId
    }
    await using site = await open({}, async ({ session, path }) => {
      if (path === '/login') session.authenticate('ada')
      return { body: String(await deep()) }
    })
    sites.push(site.sessions)
    const client = site.browser()
    await client.post('/login')
    assert.equal(await (await client.get('/')).text(), 'ada')
    assert.throws(() => site.sessions.current(), { code: 'ERR_NO_SESSION' })
  })

  test('a SessionError that the handler throws is answered with its status and code', async () => {
    await using site = await open({}, ({ session }) => ({ body: session.require() }))
    const response = await site.browser().fetch('/')
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.equal(((await response.json()) as Problem).error.code, 'ERR_NOT_AUTHENTICATED')
    const page = await site.browser().get('/')
    assert.equal(page.headers.get('content-type'), 'text/plain; charset=utf-8')
    assert.match(await page.text(), /^401 ERR_NOT_AUTHENTICATED: [^\n]+\n$/)
  })

  test('a step-up: 401, and what would be enough, for scripts in JSON and for all in the header', async () => {
    await using site = await open({}, (exchange) => {
      const { session, path } = exchange
      if (!['/pay', '/password', '/code'].includes(path)) return application(exchange)
      if (path === '/pay') session.require({ authenticatedWithin: '10m', methods: ['otp'], level: 2 })
      if (path === '/password') session.reauthenticate({ methods: ['pwd'], level: 1 })
      if (path === '/code') session.reauthenticate({ methods: ['otp'], level: 2 })
      return { body: 'done' }
    })
    const client = site.browser()
    const steps = [
      ['/login?user=ada', 'ERR_METHODS'],
      ['/code', null],
      ['/password', 'ERR_LEVEL'],
    ] as const
    for (const [path, code] of steps) {
      await client.post(path)
      const response = await client.fetch('/pay')
      const challenge = 'Session error="insufficient_user_authentication", max_age="600", acr_values="aal2"'
      assert.equal(response.headers.get('www-authenticate'), code && challenge)
      assert.equal(response.status, code ? 401 : 200)
      if (!code) continue
      const { error } = (await response.json()) as Problem
      assert.equal(error.code, code)
      assert.deepEqual(error.required, { maxAge: 600, methods: ['otp'], level: 2 })
    }
    const visitor = await site.browser().fetch('/pay')
    assert.deepEqual([visitor.status, visitor.headers.get('www-authenticate')], [401, null])
  })

  test('what exceeds a limit: 429, when to try again, and nothing of it', async () => {
    const limits = { newSessions: { max: 2, per: '1h' }, forgedTokens: { max: 1, per: '1h' } } as const
    await using site = await open({ rateLimits: rateLimits(limits) })
    for (const expected of [200, 200, 429]) {
      const response = await site.browser().fetch('/set?name=a&value=1', { method: 'POST' })
      assert.equal(response.status, expected)
      assert.equal(response.headers.getSetCookie().length, expected === 200 ? 1 : 0)
      if (expected === 200) continue
      assert.ok(Number(response.headers.get('retry-after')) > 3_500)
      assert.equal(((await response.json()) as Problem).error.code, 'ERR_RATE_LIMITED')
    }
    for (const [index, expected] of [200, 429].entries()) {
      const forged = `${'A'.repeat(22)}.1..${'B'.repeat(43)}.170000000000${index}.${'C'.repeat(43)}`
      const response = await site.browser().get('/public', { cookie: `${SESSION}=${forged}` })
      assert.equal(response.status, expected)
      if (expected === 429) assert.ok(Number(response.headers.get('retry-after')) > 3_500)
    }
    assert.equal((await site.browser().get('/public')).status, 200)
  })

  test('a 5xx stores nothing', async () => {
    await using site = await open({}, (exchange) => {
      if (exchange.path !== '/sorry') return application(exchange)
      exchange.session.set('half', 'done')
      return { status: 500, body: 'sorry' }
    })
    const client = site.browser()
    assert.deepEqual((await client.post('/sorry')).headers.getSetCookie(), [])
    await client.post('/login?user=ada')
    assert.equal((await client.post('/sorry')).status, 500)
    assert.equal(await (await client.get('/get?name=half')).text(), 'null')
  })

  test('a login that is answered by an error is none; what a form remembers of its error stays', async () => {
    await using site = await open({}, (exchange) => {
      const { session, path } = exchange
      if (path === '/half') {
        session.authenticate('ada')
        session.set('name', 'Ada')
        session.require({ methods: ['otp'] })
      }
      if (path !== '/invalid') return application(exchange)
      session.set('draft', 'text')
      return { status: 422 }
    })
    const client = site.browser()
    assert.equal((await client.post('/half')).status, 401)
    assert.deepEqual(await client.cookies(), {})
    assert.deepEqual(await site.sessions.list('ada'), [])
    assert.equal((await client.post('/invalid')).status, 422)
    assert.equal(await (await client.get('/get?name=draft')).text(), '"text"')
  })

  test('after an error nothing is stored, but a session that was terminated has ended', async (t) => {
    t.mock.method(console, 'error', () => {})
    await using site = await open({}, (exchange) => {
      if (exchange.path !== '/fail') return application(exchange)
      exchange.session.set('secret', 'plan')
      if (exchange.query.has('end')) exchange.session.terminate()
      throw new Error('a defect that holds a secret plan')
    })
    const client = site.browser()
    await client.post('/login?user=ada')
    assert.equal((await client.post('/fail')).status, 500)
    assert.equal(await (await client.get('/get?name=secret')).text(), 'null')
    const thief = client.clone()
    await client.post('/fail?end')
    assert.deepEqual(await me(thief), { user: null, lost: 'logout' })
  })
}

function commitScenarios(open: Open, createEngine: () => Engine): void {
  test('no head leaves before its commit is durable', async () => {
    for (const body of ['text', 'stream', 'nothing'] as const) {
      const inner = createEngine()
      let durable: SessionRecord | null = null
      const engine = wrapEngine(inner, async (verb, call) => {
        if (verb === 'create') await pause(40)
        const result = await call()
        if (verb === 'create') durable = await lastOf(inner)
        return result
      })
      await using site = await open({ engine }, ({ session }) => {
        session.set('kind', body)
        return body === 'nothing'
          ? { status: 204 }
          : { body: body === 'stream' ? Readable.from(['a', 'b']) : 'ab' }
      })
      let seen: SessionRecord | null = null
      const response = await send(site.port, { method: 'POST', headers: here(site) }, () => (seen = durable))
      assert.equal((seen as SessionRecord | null)?.data, `{"kind":"${body}"}`, 'stored when the head arrives')
      assert.equal(response.body, body === 'nothing' ? '' : 'ab')
    }
  })

  test('two megabytes flow through, with back-pressure', async () => {
    await using site = await open({}, ({ session }) => {
      session.set('streamed', true)
      return { headers: [['content-type', 'text/plain']], body: Readable.from(chunksOf(BODY, 64 * 1024)) }
    })
    const response = await send(site.port, { method: 'POST', headers: here(site) })
    assert.equal(response.status, 200)
    assert.equal(response.headers['set-cookie']?.length, 1)
    assert.ok(response.body === BODY, `${response.body.length} bytes arrived`)
  })

  test('a commit that fails replaces the whole response: status, headers and body', async () => {
    for (const streams of [false, true]) {
      const engine = wrapEngine(createEngine(), (verb, call) => {
        if (verb === 'create') throw new Error('disk full at /var/lib/secret')
        return call()
      })
      await using site = await open({ engine }, ({ session }) => {
        session.set('a', 1)
        const headers = [
          ['set-cookie', 'theme=dark'],
          ['x-app', 'yes'],
          ['etag', '"1"'],
          ['vary', 'Origin'],
        ] as const
        return {
          status: 201,
          headers,
          body: streams ? Readable.from(chunksOf(BODY, 64 * 1024)) : 'the secret body',
        }
      })
      const { status, headers, body } = await send(site.port, {
        method: 'POST',
        headers: { ...here(site), accept: 'application/json' },
      })
      assert.equal(status, 503)
      assert.equal(JSON.parse(body).error.code, 'ERR_ENGINE')
      assert.doesNotMatch(body, /secret|disk|stack/)
      assert.equal(headers['set-cookie'], undefined)
      assert.equal(headers['x-app'], undefined)
      assert.equal(headers.etag, undefined)
      assert.equal(headers.vary, 'Origin')
      assert.equal(headers['content-type'], 'application/json')
      assert.match(headers['cache-control']!, /no-store/)
      assert.equal(headers['retry-after'], '1')
      assert.deepEqual(
        site.events.map(({ name }) => name),
        ['engine_failure'],
      )
    }
  })

  test('a session that ended meanwhile: 409, and nothing of it', async () => {
    const [opened, ended] = [signal(), signal()]
    await using site = await open({}, async (exchange) => {
      if (exchange.path !== '/slow') return application(exchange)
      exchange.session.set('a', 1)
      opened.give()
      await ended.given
      return { headers: [['set-cookie', 'mine=1']], body: 'done' }
    })
    const client = site.browser({ redirect: 'manual' })
    await client.post('/login?user=ada')
    const slow = client.fetch('/slow')
    await opened.given
    await client.clone().post('/logout')
    ended.give()
    const response = await slow
    assert.equal(response.status, 409)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(((await response.json()) as Problem).error.code, 'ERR_SESSION_ENDED')
  })

  test('the store is down: 503, never "anonymous, carry on"', async () => {
    let down = false
    const engine = wrapEngine(createEngine(), (_verb, call) => {
      if (down) throw new Error('connection refused')
      return call()
    })
    await using site = await open({ engine })
    const client = site.browser()
    await client.post('/login?user=ada')
    down = true
    const response = await client.fetch('/me')
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('retry-after'), '1')
    assert.match(response.headers.get('cache-control')!, /no-store/)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(((await response.json()) as Problem).error.code, 'ERR_ENGINE')
    assert.equal((await site.browser().get('/public')).status, 200, 'visitors need no store')
    down = false
    assert.equal((await me(client)).user, 'ada')
  })

  test('a client that goes away before the head: the commit still happens when the handler ends the response', async () => {
    const begun = signal()
    const gone = signal()
    const done = signal()
    await using site = await open({}, async (exchange) => {
      if (exchange.path !== '/slow') return application(exchange)
      exchange.session.set('kept', true)
      begun.give()
      await gone.given
      setTimeout(done.give, 50)
      return { body: 'to nobody' }
    })
    const client = site.browser()
    await client.post('/login?user=ada')
    const { [SESSION]: token } = await client.cookies()
    const outgoing = request({
      host: '127.0.0.1',
      port: site.port,
      path: '/slow',
      headers: { ...here(site), cookie: `${SESSION}=${token}` },
    })
    outgoing.on('error', () => {})
    outgoing.end()
    // On a busy machine a request that is cut off too soon never reaches the handler.
    await begun.given
    outgoing.destroy()
    await pause(30)
    gone.give()
    await done.given
    assert.equal(await (await client.get('/get?name=kept')).text(), 'true')
  })

  test('commit() makes it last at once; the response may stream for as long as it likes', async () => {
    const inner = createEngine()
    await using site = await open({ engine: inner }, async ({ session, query }) => {
      session.authenticate('ada')
      await session.commit()
      assert.equal((await lastOf(inner))?.userId, 'ada')
      const events = async function* () {
        yield 'data: 1\n\n'
        await pause(20)
        yield `data: ${session.userId}\n\n`
      }
      if (query.has('more')) session.set('more', 1)
      return { headers: [['content-type', 'text/event-stream']], body: Readable.from(events()) }
    })
    for (const path of ['/', '/?more']) {
      const response = await send(site.port, { method: 'POST', path, headers: here(site) })
      assert.equal(response.body, 'data: 1\n\ndata: ada\n\n')
      assert.equal(response.headers['set-cookie']?.length, 1)
      assert.equal((await lastOf(inner))?.data, path === '/' ? '{}' : '{"more":1}')
    }
  })

  test('writing after the head throws', async () => {
    const code = signal()
    await using site = await open({}, ({ session }) => {
      const late = async function* () {
        yield 'begun'
        await pause(10)
        try {
          session.set('late', true)
        } catch (error) {
          code.give((error as { code: string }).code)
        }
        yield ', ended'
      }
      return { body: Readable.from(late()) }
    })
    assert.equal((await send(site.port, { headers: here(site) })).body, 'begun, ended')
    assert.equal(await code.given, 'ERR_SESSION_COMMITTED')
  })

  test('responses without a body: HEAD, 204, 304', async () => {
    await using site = await open({}, ({ session, query }) => {
      session.set('n', query.get('status'))
      return { status: Number(query.get('status')), ...(query.get('status') === '200' && { body: 'body' }) }
    })
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      const response = await send(site.port, { method, path: `/?status=${status}`, headers: here(site) })
      assert.deepEqual([response.status, response.body], [status, ''])
      assert.equal(response.headers['set-cookie']?.length, 1)
    }
  })
}

function transportScenarios(open: Open): void {
  const elsewhere = { host: 'app.example', 'user-agent': 'test' }

  test('plain HTTP beyond loopback: GET goes to HTTPS, the rest is refused, never a cookie', async () => {
    await using site = await open()
    for (const method of ['GET', 'HEAD']) {
      const response = await send(site.port, { method, path: '/login?user=ada&x=%2f', headers: elsewhere })
      assert.equal(response.status, 308)
      assert.equal(response.headers.location, 'https://app.example/login?user=ada&x=%2f')
      assert.equal(response.headers['set-cookie'], undefined)
      assert.equal(response.headers['strict-transport-security'], undefined)
      assert.match(response.headers['cache-control']!, /no-store/)
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await send(site.port, { method, path: '/login?user=ada', headers: elsewhere })
      assert.equal(response.status, 403)
      assert.match(response.body, /^403 ERR_INSECURE_TRANSPORT: /)
      assert.equal(response.headers['set-cookie'], undefined)
    }
  })

  test('a redirect to HTTPS never leads to another host', async () => {
    await using site = await open({ httpsPort: 8443 })
    for (const path of ['//evil.example/x', '/\\evil.example', '///evil.example']) {
      const { headers } = await send(site.port, { path, headers: elsewhere })
      assert.equal(new URL(headers.location!).host, 'app.example:8443', path)
    }
  })

  test('loopback counts as secure', async () => {
    await using site = await open()
    for (const host of [`localhost:${site.port}`, `127.0.0.1:${site.port}`, `app.localhost:${site.port}`]) {
      const headers = { host, origin: `http://${host}` }
      const response = await send(site.port, { method: 'POST', path: '/login?user=ada', headers })
      assert.equal(response.status, 303, host)
      assert.equal(response.headers['set-cookie']?.length, 1)
      assert.equal(response.headers['strict-transport-security'], undefined)
    }
  })

  test('X-Forwarded-Proto from anybody: refused, and the refusal names the option', async () => {
    await using site = await open()
    for (const host of ['app.example', `localhost:${site.port}`]) {
      const headers = { host, 'x-forwarded-proto': 'https' }
      const response = await send(site.port, { method: 'POST', path: '/login?user=ada', headers })
      assert.equal(response.status, 403)
      assert.match(response.body, /ERR_INSECURE_TRANSPORT.*option proxy/)
      assert.equal(response.headers['set-cookie'], undefined)
    }
  })

  test('a trusted proxy says what the client used', async () => {
    await using site = await open({ proxy: PROXY })
    const client = site.proxied()
    const response = await client.post('/login?user=ada')
    assert.equal(response.url, `${PUBLIC_ORIGIN}/me`)
    assert.equal((await me(client)).user, 'ada')
    const [info] = await site.sessions.list('ada')
    assert.equal(info!.ip, '127.0.0.1')
    const far = site.proxied({ headers: { 'x-forwarded-for': '203.0.113.7, 127.0.0.1' } })
    await far.post('/login?user=grace')
    assert.equal((await site.sessions.list('grace'))[0]!.ip, '203.0.113.7')
    const plain = await send(site.port, { headers: { host: 'app.example', 'x-forwarded-proto': 'http' } })
    assert.match(plain.body, /ERR_INSECURE_TRANSPORT/)
  })

  test('a malformed Host or X-Forwarded-*: 400, and the handler never runs', async () => {
    await using site = await open({ proxy: PROXY }, () => assert.fail('the handler ran'))
    for (const [headers, code] of [
      [{ host: 'a b' }, 'ERR_REQUEST'],
      [{ host: 'app.example', 'x-forwarded-proto': 'https, http' }, 'ERR_FORWARDED'],
    ] as const) {
      const response = await send(site.port, { headers }).catch(() => null)
      // A fetch handler's server can't even make a URL of such a Host.
      if (response?.status === 500 && code === 'ERR_REQUEST') continue
      assert.equal(response?.status, 400)
      assert.match(response!.body, new RegExp(`^400 ${code}: `))
    }
  })

  test('HSTS on every response over TLS, whatever its status', async () => {
    let down = false
    const engine = wrapEngine(engines.memory!(), (_verb, call) => {
      if (down) throw new Error('down')
      return call()
    })
    await using site = await open({ engine }, application, true)
    const client = site.browser({ redirect: 'manual' })
    const statuses = []
    const requests: (() => Promise<Response>)[] = [
      () => client.get('/public'),
      () => client.post('/login?user=ada'),
      () => client.get('/missing'),
      () => client.crossSite('/logout', { method: 'POST' }),
      () => client.get('/status?code=500'),
      () => client.get('/me'),
      () => site.browser().post('/set?name=a&value=1'),
    ]
    for (const send of requests) {
      down = requests.indexOf(send) >= 5
      const response = await send()
      statuses.push(response.status)
      assert.equal(response.headers.get('strict-transport-security'), 'max-age=31536000; includeSubDomains')
    }
    assert.deepEqual(statuses, [200, 303, 404, 403, 500, 503, 503])
  })

  test("an application's own HSTS stays, and stays alone", async () => {
    const handler = () => ({ headers: [['strict-transport-security', 'max-age=60']] as const })
    await using site = await open({}, handler, true)
    assert.equal((await site.browser().get('/')).headers.get('strict-transport-security'), 'max-age=60')
  })
}

/** Requirements §8, for https://app.example. `cookie`: the request carries a session. */
const ORIGINS: readonly [name: string, headers: RawRequest['headers'], cookie: boolean, expected: string][] =
  [
    ['Sec-Fetch-Site: same-origin', { 'sec-fetch-site': 'same-origin' }, true, 'ok'],
    ['Sec-Fetch-Site: none', { 'sec-fetch-site': 'none' }, true, 'ok'],
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }, true, 'ERR_CROSS_ORIGIN'],
    ['Sec-Fetch-Site: cross-site, no cookie', { 'sec-fetch-site': 'cross-site' }, false, 'ERR_CROSS_ORIGIN'],
    ['Sec-Fetch-Site: same-site', { 'sec-fetch-site': 'same-site' }, true, 'ERR_CROSS_ORIGIN'],
    ['an unknown Sec-Fetch-Site', { 'sec-fetch-site': 'sibling' }, true, 'ERR_CROSS_ORIGIN'],
    ['an empty Sec-Fetch-Site', { 'sec-fetch-site': '' }, true, 'ERR_CROSS_ORIGIN'],
    ['Sec-Fetch-Site twice', { 'sec-fetch-site': ['same-origin', 'cross-site'] }, true, 'ERR_CROSS_ORIGIN'],
    [
      'same-origin, with an odd Origin',
      { 'sec-fetch-site': 'same-origin', origin: 'https://odd.example' },
      true,
      'ok',
    ],
    ['neither header, no cookie', {}, false, 'ok'],
    ['neither header, with a cookie', {}, true, 'ERR_CSRF_TOKEN_MISSING'],
    ['Origin: our own', { origin: PUBLIC_ORIGIN }, true, 'ok'],
    ['Origin: our own, plain', { origin: 'http://app.example' }, true, 'ERR_CROSS_ORIGIN'],
    ['Origin: our own, another port', { origin: `${PUBLIC_ORIGIN}:8443` }, true, 'ERR_CROSS_ORIGIN'],
    ['Origin: another', { origin: 'https://evil.example' }, true, 'ERR_CROSS_ORIGIN'],
    [
      'Origin: one that begins like ours',
      { origin: `${PUBLIC_ORIGIN}.evil.example` },
      true,
      'ERR_CROSS_ORIGIN',
    ],
    ['Origin: a sibling', { origin: 'https://www.app.example' }, true, 'ERR_CROSS_ORIGIN'],
    ['Origin: null (R-18)', { origin: 'null' }, true, 'ERR_CROSS_ORIGIN'],
    [
      'Origin: trusted, cross-site',
      { origin: 'https://trusted.example', 'sec-fetch-site': 'cross-site' },
      true,
      'ok',
    ],
    ['Origin: trusted, alone', { origin: 'https://trusted.example' }, true, 'ok'],
    [
      'Origin: untrusted, cross-site',
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      true,
      'ERR_CROSS_ORIGIN',
    ],
    [
      'X-HTTP-Method-Override',
      { 'x-http-method-override': 'GET', 'sec-fetch-site': 'cross-site' },
      true,
      'ERR_CROSS_ORIGIN',
    ],
  ]

/** what a body calls itself says nothing of who sent it. */
const CONTENT_TYPES = [
  null,
  '',
  'text/plain',
  'text/plain; application/json',
  FORM,
  'Application/X-WWW-Form-Urlencoded',
  `${FORM}; charset=utf-8`,
  'multipart/form-data; boundary=x',
  'application/json',
  'application/json; charset=utf-8',
  'bogus',
]

function csrfScenarios(open: Open): void {
  const csrf = {
    trustedOrigins: ['https://trusted.example'],
    insecureExempt: ['/hook', '/only/1'],
    verifiedByHandler: ['/upload'],
  }
  const base = { host: 'app.example', 'x-forwarded-proto': 'https', 'user-agent': 'test' }

  /** Logs in, and sends as that user. */
  async function prepare(site: Site, login = true) {
    const client = site.proxied({ userAgent: 'test' })
    if (login) await client.post('/login?user=ada')
    const cookie = login ? { cookie: `${SESSION}=${(await client.cookies())[SESSION]}` } : {}
    const ask = async (request: RawRequest) => {
      const response = await send(site.port, {
        ...request,
        headers: { ...base, ...cookie, ...request.headers },
      })
      return {
        ...response,
        outcome: /ERR_\w+/.exec(response.body)?.[0] ?? (response.status === 200 ? 'ok' : response.status),
      }
    }
    return { client, ask }
  }

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    test(`who may send a ${method}`, async () => {
      await using site = await open({ proxy: PROXY, csrf })
      const [user, visitor] = [await prepare(site), await prepare(site, false)]
      for (const [name, headers, cookie, expected] of ORIGINS) {
        const { outcome, ...response } = await (cookie ? user : visitor).ask({
          method,
          path: '/set?name=a&value=1',
          headers: headers!,
        })
        assert.equal(outcome, expected, name)
        if (expected !== 'ok') assert.equal(response.headers['set-cookie'], undefined)
      }
    })

    test(`${method}: the content type protects nothing, and lets nothing past`, async () => {
      await using site = await open({ proxy: PROXY, csrf })
      const { ask } = await prepare(site)
      for (const type of CONTENT_TYPES) {
        const content = type === null ? {} : { 'content-type': type }
        for (const [from, expected] of [
          ['cross-site', 'ERR_CROSS_ORIGIN'],
          ['same-origin', 'ok'],
        ] as const) {
          const headers = { ...content, 'sec-fetch-site': from }
          const body = type?.includes('json') ? '{"a":1}' : 'a=1'
          const { outcome } = await ask({ method, path: '/set?name=a&value=1', headers, body })
          assert.equal(outcome, expected, `${type} from ${from}`)
        }
      }
    })
  }

  test('safe methods may come from anywhere', async () => {
    await using site = await open({ proxy: PROXY, csrf })
    const { ask } = await prepare(site)
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
      assert.equal((await ask({ method, path: '/public', headers })).status, 200)
    }
  })

  test('an exemption is one exact path', async () => {
    await using site = await open({ proxy: PROXY, csrf })
    const { ask } = await prepare(site)
    const from = { headers: { 'sec-fetch-site': 'cross-site' }, method: 'POST' }
    for (const path of ['/hook', '/hook?a=1', '/only/1'])
      assert.equal((await ask({ ...from, path })).outcome, 'ok', path)
    for (const path of [
      '/hook/',
      '/hook/x',
      '/Hook',
      '/hooks',
      '/%68ook',
      '/only/1/x',
      '//hook',
      '/x?/hook',
    ]) {
      assert.equal((await ask({ ...from, path })).outcome, 'ERR_CROSS_ORIGIN', path)
    }
  })

  test('a refusal is an answer: JSON to scripts, text to people, never stored, never a stack', async () => {
    await using site = await open({ proxy: PROXY, csrf })
    const { client } = await prepare(site)
    const script = await client.crossSite('/set', {
      method: 'POST',
      headers: { accept: 'application/json' },
      navigate: false,
    })
    assert.equal(script.status, 403)
    assert.equal(script.headers.get('content-type'), 'application/json')
    const { error } = (await script.json()) as Problem
    assert.equal(error.code, 'ERR_CROSS_ORIGIN')
    assert.match(error.message, /elsewhere/)
    const page = await client.crossSite('/set', { method: 'POST' })
    assert.match(await page.text(), /^403 ERR_CROSS_ORIGIN: [^\n]+\n$/)
    for (const response of [script, page]) {
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    }
    assert.deepEqual(
      site.events.slice(-2).map(({ name, code }) => [name, code]),
      [
        ['malicious_csrf', 'ERR_CROSS_ORIGIN'],
        ['malicious_csrf', 'ERR_CROSS_ORIGIN'],
      ],
    )
  })

  test('requireToken: in the header, in an urlencoded form, and in no other place', async () => {
    await using site = await open({ proxy: PROXY, csrf: { ...csrf, requireToken: true } })
    const { client, ask } = await prepare(site)
    const token = await (await client.get('/token')).text()
    const from = { method: 'POST', path: '/set?name=a&value=1', headers: { 'sec-fetch-site': 'same-origin' } }
    const withType = (type: string) => ({ ...from.headers, 'content-type': type })
    const form = new URLSearchParams({ csrf_token: token }).toString()

    assert.equal((await ask(from)).outcome, 'ERR_CSRF_TOKEN_MISSING')
    assert.equal((await ask({ ...from, headers: { ...from.headers, 'x-csrf-token': token } })).outcome, 'ok')
    assert.equal((await ask({ ...from, headers: withType(FORM), body: form })).outcome, 'ok')
    assert.equal(
      (await ask({ ...from, headers: withType(`${FORM}; charset=utf-8`), body: form })).outcome,
      'ok',
    )
    assert.equal(
      (await ask({ ...from, path: `/set?name=a&value=1&csrf_token=${token}` })).outcome,
      'ERR_CSRF_TOKEN_MISSING',
    )
    assert.equal(
      (await ask({ ...from, headers: withType('text/plain'), body: form })).outcome,
      'ERR_CSRF_TOKEN_MISSING',
    )
    assert.equal(
      (await ask({ ...from, headers: withType(FORM), body: `${form}x` })).outcome,
      'ERR_CSRF_TOKEN_INVALID',
    )
    const wrong = { ...from.headers, 'x-csrf-token': token.replace(/.$/, '~') }
    assert.equal((await ask({ ...from, headers: wrong })).outcome, 'ERR_CSRF_TOKEN_INVALID')

    await client.post('/login?user=ada', { csrf_token: token })
    const response = await client.fetch('/set?name=a&value=1', {
      method: 'POST',
      headers: { 'x-csrf-token': token },
    })
    assert.equal(
      ((await response.json()) as Problem).error.code,
      'ERR_CSRF_TOKEN_INVALID',
      'it dies at login',
    )
  })

  test('a token that is present and wrong is refused in every mode', async () => {
    await using site = await open({ proxy: PROXY, csrf })
    const { ask } = await prepare(site)
    const headers = { 'sec-fetch-site': 'same-origin', 'x-csrf-token': 'x'.repeat(86) }
    assert.equal((await ask({ method: 'POST', path: '/set', headers })).outcome, 'ERR_CSRF_TOKEN_INVALID')
  })

  test('a login form is protected for visitors, whose cookie goes at login', async () => {
    await using site = await open({ proxy: PROXY, csrf: { ...csrf, requireToken: true } })
    const client = site.proxied({ redirect: 'manual' })
    const page = await client.get('/form')
    assert.deepEqual(Object.keys(await client.cookies()), [VISITOR])
    assert.equal(page.headers.get('cache-control'), 'no-store, private')
    const forged = await client.fetch('/login?user=ada', { method: 'POST' })
    assert.equal(((await forged.json()) as Problem).error.code, 'ERR_CSRF_TOKEN_MISSING')
    const response = await client.submit(await page.text())
    assert.equal(response.status, 303)
    assert.deepEqual(Object.keys(await client.cookies()), [SESSION])
  })

  test('a handler that reads the token itself: verified or not at all', async () => {
    await using site = await open({ proxy: PROXY, csrf: { ...csrf, requireToken: true } })
    const { client } = await prepare(site)
    const form = new FormData()
    form.set('file', new Blob(['content']), 'a.txt')
    const missing = await client.post('/upload', form, { accept: 'application/json' })
    assert.equal(((await missing.json()) as Problem).error.code, 'ERR_CSRF_TOKEN_MISSING')
    const careless = await client.post('/upload?careless', form, { accept: 'application/json' })
    assert.equal(careless.status, 403, 'a handler that forgets to verify commits nothing')
    form.set('csrf_token', await (await client.get('/token')).text())
    assert.equal((await client.post('/upload', form)).status, 200)
    assert.equal(await (await client.get('/get?name=uploaded')).text(), 'true')
  })

  test('another site takes the cookie along in a link, and nowhere else', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const link = await client.crossSite('/me')
    assert.equal(((await link.json()) as { user: string }).user, 'ada')
    const image = await client.crossSite('/me', { navigate: false })
    assert.equal(((await image.json()) as { user: null }).user, null)
    assert.equal((await client.crossSite('/logout', { method: 'POST' })).status, 403)
    assert.equal((await me(client)).user, 'ada')
  })
}

function cacheScenarios(open: Open): void {
  test('a token never leaves in a response that a shared cache may keep, whatever the application says (R-37)', async () => {
    const headers: Reply['headers'] = [
      ['cache-control', 'public, max-age=600'],
      ['cdn-cache-control', 'max-age=600'],
      ['vercel-cdn-cache-control', 'max-age=600'],
      ['surrogate-control', 'max-age=600'],
      ['x-accel-expires', '600'],
      ['expires', new Date(Date.now() + 600_000).toUTCString()],
      ['vary', 'Accept'],
      ['etag', '"kept"'],
    ]
    await using site = await open({}, ({ session, path }) => {
      if (path === '/set') session.set('a', 1)
      return { headers, body: path }
    })
    const answer = await site.browser().get('/set')
    assert.equal(answer.headers.get('cache-control'), 'no-store, private')
    assert.equal(answer.headers.get('vary'), 'Accept, Cookie')
    assert.equal(answer.headers.get('etag'), '"kept"')
    for (const name of [
      'cdn-cache-control',
      'vercel-cdn-cache-control',
      'surrogate-control',
      'x-accel-expires',
      'expires',
    ]) {
      assert.equal(answer.headers.get(name), null, name)
    }
    const untouched = await site.browser().get('/public')
    assert.deepEqual(
      headers!.map(([name]) => untouched.headers.get(name)),
      headers!.map(([, value]) => value),
    )
  })

  test('Vary is merged: no name twice, and * says it all', async () => {
    await using site = await open({}, ({ session, query }) => {
      session.get('a')
      return { headers: query.getAll('vary').map((value) => ['vary', value] as const) }
    })
    for (const [given, expected] of [
      [[], 'Cookie'],
      [['Accept'], 'Accept, Cookie'],
      [['accept, cookie'], 'accept, cookie'],
      [['COOKIE'], 'COOKIE'],
      [['Accept', 'Origin'], 'Accept, Origin, Cookie'],
      [['*'], '*'],
      [['Set-Cookie'], 'Set-Cookie, Cookie'],
    ] as const) {
      const query = new URLSearchParams(given.map((value): [string, string] => ['vary', value]))
      assert.equal((await site.browser().get(`/?${query}`)).headers.get('vary'), expected)
    }
  })

  test("the application's own cookies stay beside ours", async () => {
    await using site = await open({}, ({ session }) => {
      session.set('a', 1)
      return {
        headers: [
          ['set-cookie', 'theme=dark; Path=/'],
          ['set-cookie', 'lang=en; Path=/'],
        ],
      }
    })
    const client = site.browser()
    const names = (await client.get('/')).headers.getSetCookie().map((line) => line.split('=')[0])
    assert.deepEqual(names.sort(), [SESSION, 'lang', 'theme'])
  })

  test('what the application says of caching stays where there is no token in the response', async () => {
    await using site = await open({}, (exchange) =>
      exchange.path === '/own'
        ? { headers: [['cache-control', 'private, max-age=5']], body: String(exchange.session.userId) }
        : application(exchange),
    )
    const client = site.browser()
    await client.post('/login?user=ada')
    assert.equal((await client.get('/own')).headers.get('cache-control'), 'private, max-age=5')
  })
}

interface Problem {
  readonly error: { readonly code: string; readonly message: string; readonly required?: object }
}

/** The application of most scenarios. */
async function application({ session, path, query, text }: Exchange): Promise<Reply> {
  if (query.has('delay')) session.get('count')
  await pause(Number(query.get('delay') ?? 0))
  const name = query.get('name') ?? ''
  switch (path) {
    case '/public':
      return { body: 'public' }
    case '/hook':
    case '/only/1':
      return { body: 'done' }
    case '/me':
      return json({ user: session.userId, ...(session.lost && { lost: session.lost }) })
    case '/get':
      return json(session.get(name) ?? null)
    case '/set':
      session.set(name, query.get('value'))
      return { body: 'done' }
    case '/increment':
      session.update('count', (count) => Number(count ?? 0) + 1)
      return { body: 'done' }
    case '/login':
      session.authenticate(query.get('user')!, { remember: query.has('remember') })
      return { status: 303, headers: [['location', '/me']] }
    case '/logout':
      session.terminate({ clearSiteData: ['cache'] })
      return { status: 303, headers: [['location', '/public']] }
    case '/token':
      return { body: session.csrfToken() }
    case '/form':
      return {
        body: `<form method="post" action="/login?user=ada"><input name="csrf_token" value="${session.csrfToken()}"></form>`,
      }
    case '/upload':
      if (!query.has('careless'))
        session.verifyCsrf(/name="csrf_token"\r\n\r\n([\w-]+)/.exec(await text())?.[1])
      session.set('uploaded', true)
      return { body: 'done' }
    case '/status':
      return { status: Number(query.get('code')) }
    default:
      return { status: 404, body: 'not found' }
  }
}

function json(value: unknown): Reply {
  return { headers: [['content-type', 'application/json']], body: JSON.stringify(value) }
}

async function me(client: ReturnType<Site['browser']>): Promise<{ user: string | null; lost?: string }> {
  return (await (await client.fetch('/me')).json()) as never
}

/** What a browser on this machine sends. */
function here(site: Site): Record<string, string> {
  const host = `localhost:${site.port}`
  return {
    host,
    origin: `http://${host}`,
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0',
  }
}

async function lastOf(engine: Engine): Promise<SessionRecord | null> {
  const { records } = await engine.scan!({ limit: 1_000 })
  const sorted = [...records].sort((a, b) => b.createdAt - a.createdAt)
  return sorted.find(({ ended }) => ended === null) ?? null
}

function* chunksOf(text: string, size: number): Generator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
}
