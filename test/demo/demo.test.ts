/** The demo, driven from outside over HTTP: its routes, and what its users were promised. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Answer,
  Client,
  type Demo,
  type Line,
  runDemo,
  SAFARI,
  startDemo,
  tokenIn,
} from './demo-process.ts'

const SESSION = '__Host-Http-session'
const VISITOR = '__Host-Http-visitor'

describe('in memory, over loopback', () => {
  let demo: Demo
  before(async () => {
    demo = await startDemo('--memory')
  })
  after(() => demo.stop())

  test('/ and /healthz set no cookie, and depend on none', async () => {
    const client = new Client(demo.url)
    for (const path of ['/', '/healthz']) {
      const answer = await client.get(path)
      assert.equal(answer.status, 200)
      assert.deepEqual(answer.setCookies, [])
      assert.equal(answer.header('vary'), null)
    }
  })

  test('/ looks the same to whoever is logged in, and neither touches nor renews', async () => {
    const client = await loggedIn(demo)
    const answer = await client.get('/')
    assert.deepEqual([answer.setCookies, answer.header('vary')], [[], null])
    assert.equal(answer.text, (await new Client(demo.url).get('/')).text)
  })

  test('pages carry strict headers', async () => {
    for (const path of ['/', '/login', '/nowhere', '/static/style.css']) {
      const answer = await new Client(demo.url).get(path)
      assert.match(answer.header('content-security-policy')!, /^default-src 'self';.*frame-ancestors 'none'/)
      assert.equal(answer.header('x-content-type-options'), 'nosniff')
      assert.equal(answer.header('referrer-policy'), 'same-origin')
      assert.equal(answer.header('x-powered-by'), null)
    }
  })

  test('no page holds a script, style or handler inline', async () => {
    const client = await loggedIn(demo)
    const paths = ['/', '/account', '/account/password', '/reauthenticate', '/nowhere']
    for (const path of paths) {
      const { text } = await client.get(path)
      assert.doesNotMatch(text, /<script(?![^>]* src=)|<style|\son\w+=|\sstyle=/, path)
    }
  })

  test('a login sets exactly one session cookie, host-only and closed to scripts, and may not be cached', async () => {
    const client = new Client(demo.url)
    const form = await client.get('/login')
    assert.equal(form.setCookies.length, 1)
    assert.match(form.setCookies[0]!, new RegExp(`^${VISITOR}=`))
    const fields = { username: 'ada', password: 'analytical-engine', csrf_token: tokenIn(form.text) }
    const answer = await client.post('/login', fields)
    assert.deepEqual([answer.status, answer.header('location')], [303, '/account'])
    const cookies = answer.setCookies.filter((line) => line.startsWith(`${SESSION}=`))
    assert.equal(cookies.length, 1)
    assert.match(cookies[0]!, /; Path=\/; HttpOnly; Secure; SameSite=Lax$/i)
    assert.match(answer.header('cache-control')!, /no-store/)
    // The pre-session goes: one cookie per state.
    assert.deepEqual([...client.cookies.keys()], [SESSION])
    assert.match((await client.get('/account')).text, /Ada Lovelace/)
  })

  test('a remembered session has a life, another ends with the browser', async () => {
    const answers = await Promise.all([
      new Client(demo.url).logIn('ada', 'analytical-engine', { remember: '1' }),
      new Client(demo.url).logIn('ada', 'analytical-engine'),
    ])
    const ages = answers.map((answer) => /max-age=(\d+)/i.exec(sessionCookie(answer))?.[1])
    assert.deepEqual(ages, [String(30 * 24 * 60 * 60), undefined])
  })

  test('a wrong password and an unknown name get the same answer', async () => {
    const answers = await Promise.all([
      new Client(demo.url).logIn('ada', 'wrong'),
      new Client(demo.url).logIn('nobody', 'wrong'),
    ])
    for (const answer of answers) assert.equal(answer.status, 401)
    const texts = answers.map(({ text }) => /role="alert">([^<]+)/.exec(text)?.[1])
    assert.ok(texts[0])
    assert.equal(texts[0], texts[1])
  })

  const forgeries: readonly [what: string, headers: Record<string, string | undefined>, code: string][] = [
    ['of another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'http://localhost:1' }, 'ERR_CROSS_ORIGIN'],
    ['of an HTTPS site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://a.example' }, 'ERR_CROSS_ORIGIN'],
    [
      'of a sibling host',
      { 'Sec-Fetch-Site': 'same-site', Origin: 'http://127.0.0.1:1' },
      'ERR_CROSS_ORIGIN',
    ],
    ['without a token', {}, 'ERR_CSRF_TOKEN_MISSING'],
    [
      'with neither header nor token',
      { 'Sec-Fetch-Site': undefined, Origin: undefined },
      'ERR_CSRF_TOKEN_MISSING',
    ],
    ['with an invented token', { 'X-CSRF-Token': 'A'.repeat(86) }, 'ERR_CSRF_TOKEN_INVALID'],
  ]
  for (const [what, headers, code] of forgeries) {
    test(`a post ${what} gets 403 ${code}, and does nothing`, async () => {
      const client = await loggedIn(demo)
      const answer = await client.ask('/account/note', { method: 'POST', form: { text: 'forged' }, headers })
      assert.equal(answer.status, 403)
      assert.match(answer.text, new RegExp(code))
      assert.doesNotMatch((await client.get('/account')).text, /forged/)
    })
  }

  test('a stale login form is shown again, with a word of why and a token that works', async () => {
    const client = new Client(demo.url)
    const stale = tokenIn((await client.get('/login')).text)
    client.cookies.clear()
    await client.get('/login')
    const fields = {
      username: 'ada',
      password: 'analytical-engine',
      remember: '1',
      next: '/account/sessions',
    }
    const refused = await client.post('/login', { ...fields, csrf_token: stale })
    assert.equal(refused.status, 403)
    assert.match(refused.text, /stale/)
    assert.match(refused.text, /ERR_CSRF_TOKEN_INVALID/)
    assert.match(refused.text, /name="username" value="ada"/)
    assert.doesNotMatch(refused.text, /value="analytical-engine"/)
    const answer = await client.post('/login', { ...fields, csrf_token: tokenIn(refused.text) })
    assert.deepEqual([answer.status, answer.header('location')], [303, '/account/sessions'])
  })

  test('a login without any proof of where it comes from is shown again, too', async () => {
    const form = { username: 'ada', password: 'analytical-engine' }
    const headers = { 'Sec-Fetch-Site': undefined, Origin: undefined }
    const answer = await new Client(demo.url).ask('/login', { method: 'POST', form, headers })
    assert.equal(answer.status, 403)
    assert.match(answer.text, /ERR_CSRF_TOKEN_MISSING/)
    assert.ok(tokenIn(answer.text))
  })

  const nexts: readonly [next: string, leads: string][] = [
    ['/account/sessions?x=1', '/account/sessions?x=1'],
    ['//evil.example/', '/account'],
    ['/\\evil.example/', '/account'],
    ['/.//evil.example/', '/account'],
    ['https://evil.example/', '/account'],
    ['javascript:alert(1)', '/account'],
    ['/\t/evil.example/', '/account'],
  ]
  for (const [next, leads] of nexts) {
    test(`after a login, next=${JSON.stringify(next)} leads to ${leads}`, async () => {
      const answer = await new Client(demo.url).logIn('ada', 'analytical-engine', { next })
      assert.equal(answer.header('location'), leads)
    })
  }

  test('pages of users send visitors to the login, and back', async () => {
    const answer = await new Client(demo.url).get('/account?a=b')
    assert.deepEqual([answer.status, answer.header('location')], [303, '/login?next=%2Faccount%3Fa%3Db'])
    const form = await new Client(demo.url).get(answer.header('location')!)
    assert.match(form.text, /name="next" value="\/account\?a=b"/)
  })

  test('a note is kept, escaped, and its message shown once', async () => {
    const client = await loggedIn(demo)
    await client.submit('/account/note', { text: '<b>"hi"</b>' }, '/account')
    const first = await client.get('/account')
    assert.match(first.text, /&lt;b&gt;&quot;hi&quot;&lt;\/b&gt;<\/textarea>/)
    assert.match(first.text, /Your note was kept/)
    assert.doesNotMatch((await client.get('/account')).text, /Your note was kept/)
  })

  test('after a logout nothing of the session works, with any of its cookies', async () => {
    const client = await loggedIn(demo)
    const thief = client.copy()
    const csrf = await client.csrfToken()
    const answer = await client.submit('/logout', {}, '/account')
    assert.equal(answer.status, 303)
    assert.match(answer.header('clear-site-data')!, /"cache"/)
    assert.equal(client.cookies.has(SESSION), false)
    assert.equal((await thief.get('/account')).status, 303)
    const told = await thief.get('/api/session')
    assert.deepEqual([codeOf(told), told.json().reason], ['ERR_NOT_AUTHENTICATED', 'logout'])
    assert.equal((await thief.postJson('/api/data', { name: 'x', value: 1 }, csrf)).status, 403)
  })

  test('errors are pages for people and JSON for the API, each with its code', async () => {
    const client = new Client(demo.url)
    const page = await client.get('/nowhere')
    assert.equal(page.status, 404)
    assert.match(page.text, /ERR_NOT_FOUND/)
    const json = await client.get('/api/nowhere')
    assert.deepEqual([json.status, codeOf(json)], [404, 'ERR_NOT_FOUND'])
    const malformed = await client.ask('/api/data', { method: 'POST', body: '{' })
    assert.equal(malformed.status, 400)
  })

  describe('the JSON API', () => {
    test('a visitor gets 401 with a token, and no reason', async () => {
      const client = new Client(demo.url)
      const answer = await client.get('/api/session')
      assert.equal(answer.status, 401)
      const { error: _, csrfToken, ...rest } = answer.json()
      assert.equal(codeOf(answer), 'ERR_NOT_AUTHENTICATED')
      assert.match(String(csrfToken), /^[\w-]{86}$/)
      assert.deepEqual(rest, {})
    })

    test('a user gets exactly the fields of the contract', async () => {
      const session = (await (await loggedIn(demo)).get('/api/session')).json()
      const { user, id, createdAt, authenticatedAt, expiresAt, idleExpiresAt, csrfToken, ...rest } = session
      assert.deepEqual(rest, {})
      assert.equal(user, 'ada')
      assert.match(String(id), /^[\w-]{22}$/)
      assert.equal(Number(expiresAt) - Number(authenticatedAt), 12 * 60 * 60 * 1000)
      assert.ok(Math.abs(Number(createdAt) - Date.now()) < 10_000)
      assert.ok(Number(idleExpiresAt) <= Number(createdAt) + 31 * 60_000)
      assert.match(String(csrfToken), /^[\w-]{86}$/)
    })

    test('visitors have data, too, under any name', async () => {
      const client = new Client(demo.url)
      const csrf = await client.csrfToken()
      const names = ['a', '__proto__', 'constructor', 'toString']
      for (const name of names) {
        const answer = await client.postJson('/api/data', { name, value: { polluted: true } }, csrf)
        assert.equal(answer.status, 200)
      }
      const data = (await client.get('/api/data')).json()
      assert.deepEqual(Object.keys(data).sort(), [...names].sort())
      for (const name of names)
        assert.deepEqual(Object.getOwnPropertyDescriptor(data, name)?.value, { polluted: true })
      assert.equal((await client.get('/api/session')).json().polluted, undefined)
    })

    test('a visitor’s data come along when he logs in', async () => {
      const client = new Client(demo.url)
      await client.postJson('/api/data', { name: 'cart', value: ['rope'] }, await client.csrfToken())
      const before = client.cookies.get(SESSION)
      await client.logIn()
      assert.notEqual(client.cookies.get(SESSION), before)
      assert.deepEqual((await client.get('/api/data')).json(), { cart: ['rope'] })
    })

    test('parallel requests that set different names all survive', async () => {
      const client = await loggedIn(demo)
      const csrf = await client.csrfToken()
      const names = Array.from({ length: 20 }, (_, index) => `n${index}`)
      const answers = await Promise.all(
        names.map((name) => client.copy().postJson('/api/data?delay=50', { name, value: name }, csrf)),
      )
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      const data = (await client.get('/api/data')).json()
      assert.deepEqual(Object.keys(data).sort(), [...names].sort())
    })

    test('twenty parallel increments make exactly twenty', async () => {
      const client = await loggedIn(demo)
      const csrf = await client.csrfToken()
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          client.copy().postJson(`/api/increment?delay=${index % 5}`, { name: 'count' }, csrf),
        ),
      )
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      const values = answers.map((answer) => Number(answer.json().value)).sort((a, b) => a - b)
      assert.deepEqual(
        values,
        Array.from({ length: 20 }, (_, index) => index + 1),
      )
      assert.deepEqual((await client.get('/api/data')).json(), { count: 20 })
    })

    test('a write that comes after the logout gets 409, and brings nothing back', async () => {
      const client = await loggedIn(demo)
      const slow = client
        .copy()
        .postJson('/api/data?delay=300', { name: 'late', value: 1 }, await client.csrfToken())
      await new Promise((resolve) => setTimeout(resolve, 100))
      const other = client.copy()
      await client.submit('/logout', {}, '/account')
      const answer = await slow
      assert.equal(answer.status, 409)
      assert.equal(codeOf(answer), 'ERR_SESSION_ENDED')
      assert.deepEqual(answer.setCookies, [])
      assert.equal((await other.get('/api/session')).status, 401)
    })

    test('rotate gives the same session another token, and the old one still serves a while', async () => {
      const client = await loggedIn(demo)
      const old = client.copy()
      const { id, csrfToken } = (await client.get('/api/session')).json()
      const answer = await client.postJson('/api/rotate', {}, String(csrfToken))
      assert.equal(answer.status, 200)
      assert.notEqual(client.cookies.get(SESSION), old.cookies.get(SESSION))
      for (const one of [client, old, client]) assert.equal((await one.get('/api/session')).json().id, id)
      // What a page had before its token changed must still be taken.
      assert.equal(
        (await client.postJson('/api/data', { name: 'a', value: 1 }, String(csrfToken))).status,
        200,
      )
    })

    const refused: readonly [what: string, path: string, json: unknown, status: number][] = [
      ['a name with a dot', '/api/data', { name: 'page.flash', value: 1 }, 400],
      ['a name that is too long', '/api/data', { name: 'a'.repeat(65), value: 1 }, 400],
      ['no value', '/api/data', { name: 'a' }, 400],
      [
        'a value too deep',
        '/api/data',
        { name: 'a', value: JSON.parse(`${'['.repeat(80)}${']'.repeat(80)}`) },
        400,
      ],
      ['a value too long', '/api/data', { name: 'a', value: 'x'.repeat(70_000) }, 413],
      ['a body too long', '/api/data', { name: 'a', value: 'x'.repeat(120_000) }, 413],
    ]
    for (const [what, path, json, status] of refused) {
      test(`${what} gets ${status} as JSON`, async () => {
        const client = await loggedIn(demo)
        const answer = await client.postJson(path, json, await client.csrfToken())
        assert.equal(answer.status, status)
        assert.match(String(codeOf(answer)), /^ERR_/)
      })
    }

    test('a form is no JSON', async () => {
      const client = await loggedIn(demo)
      const answer = await client.submit('/api/data', { name: 'a', value: '1' }, '/account')
      assert.equal(answer.status, 415)
    })
  })

  describe('a user’s sessions', () => {
    test('are listed in words, and this one is marked', async () => {
      const phone = await loggedIn(demo, 'grace', SAFARI)
      const desk = await loggedIn(demo, 'grace')
      const list = (await desk.get('/account/sessions')).text
      assert.match(list, /Firefox on Linux<\/bdi> <span class="badge">this one/)
      assert.match(list, /Safari on iOS/)
      assert.match(list, /127\.0\.0\.1/)
      const { id } = (await phone.get('/api/session')).json()

      const answer = await desk.submit('/account/sessions/revoke', { id: String(id) }, '/account/sessions')
      assert.equal(answer.header('location'), '/account/sessions?ended=1')
      assert.match((await desk.get('/account/sessions?ended=1')).text, /1 session has ended/)
      assert.equal((await phone.get('/api/session')).json().reason, 'revoked')
      const login = await phone.get('/login')
      assert.match(login.text, /data-reason="revoked">[^<]*another device/)
    })

    test('others=1 ends the others and keeps this one', async () => {
      const [one, two, three] = [
        await loggedIn(demo, 'grace'),
        await loggedIn(demo, 'grace'),
        await loggedIn(demo, 'grace'),
      ]
      await three.submit('/account/sessions/revoke', { others: '1' }, '/account/sessions')
      const statuses = await Promise.all(
        [one, two, three].map(async (client) => (await client.get('/api/session')).status),
      )
      assert.deepEqual(statuses, [401, 401, 200])
    })

    test('are nobody else’s to end', async () => {
      const [ada, grace] = [await loggedIn(demo, 'ada'), await loggedIn(demo, 'grace')]
      const { id } = (await ada.get('/api/session')).json()
      const answer = await grace.submit('/account/sessions/revoke', { id: String(id) }, '/account/sessions')
      assert.equal(answer.status, 404)
      assert.match(answer.text, /not there any more/)
      assert.equal((await ada.get('/api/session')).status, 200)
    })

    test('ending this one logs out', async () => {
      const client = await loggedIn(demo)
      const { id } = (await client.get('/api/session')).json()
      const answer = await client.submit('/account/sessions/revoke', { id: String(id) }, '/account/sessions')
      assert.match(answer.header('location')!, /^\/login/)
      assert.equal(client.cookies.has(SESSION), false)
    })
  })

  test('the console is for ada alone, and has a history; whoever else tries is an event', async () => {
    const [ada, grace] = [await loggedIn(demo, 'ada'), await loggedIn(demo, 'grace')]
    const me = (await ada.get('/console/api/me')).json()
    assert.deepEqual([me.userId, me.audit], ['ada', true])
    assert.equal((await grace.get('/console/api/me')).status, 403)
    assert.equal((await new Client(demo.url).get('/console/api/me')).status, 401)
    assert.match((await ada.get('/account')).text, /href="\/console\/"/)
    assert.doesNotMatch((await grace.get('/account')).text, /console/)
    await told(demo, ({ name, userId }) => name === 'authz_fail' && userId === 'grace')
  })

  test('a login from a new device is told', async () => {
    const client = new Client(demo.url, 'Kiosk/1.0')
    await client.logIn('grace', 'nanosecond-wire')
    await told(demo, ({ name, userAgent }) => name === 'authn_new_device' && userAgent === 'Kiosk/1.0')
  })

  test('reauthenticate keeps the session and its data, under a new token', async () => {
    const client = await loggedIn(demo)
    const old = client.copy()
    await client.submit('/account/note', { text: 'stays' }, '/account')
    const before = (await client.get('/api/session')).json()
    const wrong = await client.submit('/reauthenticate', { password: 'wrong' })
    assert.equal(wrong.status, 401)
    const answer = await client.submit('/reauthenticate', {
      password: 'analytical-engine',
      next: '/account/password',
    })
    assert.deepEqual([answer.status, answer.header('location')], [303, '/account/password'])
    const now = (await client.get('/api/session')).json()
    assert.equal(now.id, before.id)
    assert.ok(Number(now.authenticatedAt) > Number(before.authenticatedAt))
    assert.match((await client.get('/account')).text, /stays/)
    assert.equal((await old.get('/api/session')).status, 401)
    assert.equal((await client.postJson('/api/rotate', {}, String(before.csrfToken))).status, 403)
  })

  test('events are JSON lines, and hold no token, password or data', async () => {
    const client = await loggedIn(demo)
    await client.submit('/account/note', { text: 'a private matter' }, '/account')
    const token = client.cookies.get(SESSION)!
    await client.submit('/logout', {}, '/account')
    const names = new Set(demo.events().map(({ name }) => name))
    for (const name of [
      'listening',
      'session_created',
      'authn_login_success',
      'session_logout',
      'malicious_csrf',
    ]) {
      assert.ok(names.has(name), name)
    }
    const all = demo.lines.join('\n')
    const secrets = [
      token,
      ...token.split('.').filter((part) => part.length > 24),
      'analytical-engine',
      'private matter',
    ]
    for (const secret of secrets) assert.equal(all.includes(secret), false, secret)
    assert.match(demo.words(), /ada\s+analytical-engine/)
    assert.match(demo.words(), new RegExp(demo.url))
  })
})

test('guesses at a password are limited, for one account from one address', async (t) => {
  const demo = await started(t, '--memory')
  const guess = (username: string, password: string) => new Client(demo.url).logIn(username, password)
  const answers = await Promise.all(Array.from({ length: 12 }, () => guess('ada', 'wrong')))
  const counts = [401, 429].map((status) => answers.filter((answer) => answer.status === status).length)
  assert.deepEqual(counts, [5, 7])
  const limited = await guess('ada', 'analytical-engine')
  assert.equal(limited.status, 429)
  assert.ok(Number(limited.header('retry-after')) > 60)
  assert.match(limited.text, /Too many attempts/)
  assert.equal((await guess('grace', 'nanosecond-wire')).status, 303)
})

test('a password change ends the other sessions, and asks for a recent login', async (t) => {
  const demo = await started(t, '--memory')
  const [desk, phone, other] = [
    await loggedIn(demo),
    await loggedIn(demo, 'ada', SAFARI),
    await loggedIn(demo, 'grace'),
  ]
  const old = desk.copy()
  const before = (await desk.get('/api/session')).json()
  const wrong = await desk.submit('/account/password', { current: 'wrong-one', next: 'difference-engine' })
  assert.equal(wrong.status, 422)
  const short = await desk.submit('/account/password', { current: 'analytical-engine', next: 'short' })
  assert.equal(short.status, 422)
  const answer = await desk.submit('/account/password', {
    current: 'analytical-engine',
    next: 'difference-engine',
  })
  assert.deepEqual([answer.status, answer.header('location')], [303, '/account'])
  assert.match((await desk.get('/account')).text, /1 other session ended/)
  assert.equal((await desk.get('/api/session')).json().id, before.id)
  assert.equal((await phone.get('/api/session')).json().reason, 'revoked')
  assert.equal((await old.get('/api/session')).status, 401)
  assert.equal((await other.get('/api/session')).status, 200)
  assert.equal((await new Client(demo.url).logIn('ada', 'analytical-engine')).status, 401)
  assert.equal((await new Client(demo.url).logIn('ada', 'difference-engine')).status, 303)
})

describe('limits', { concurrency: 2 }, () => {
  test('an idle session ends, and its end is told to people and to scripts', async (t) => {
    const demo = await started(t, '--memory', '--idle', '1s')
    const client = await loggedIn(demo)
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    const answer = await client.get('/account')
    assert.equal(answer.header('location'), '/login?next=%2Faccount')
    assert.match((await client.get('/login')).text, /data-reason="idle"/)
    assert.equal((await client.get('/api/session')).json().reason, 'idle')
    // The form was loaded while the session lived.
    const late = await client.post('/account/note', { text: 'x', csrf_token: 'A'.repeat(86) })
    assert.equal(late.status, 403)
    assert.match(late.text, /data-reason="idle"/)
  })

  test('polling with Session-Passive keeps nothing alive, a request does', async (t) => {
    const demo = await started(t, '--memory', '--idle', '2s')
    const [watched, used] = [await loggedIn(demo), await loggedIn(demo, 'grace')]
    for (let at = 0; at < 5; at++) {
      await new Promise((resolve) => setTimeout(resolve, 500))
      await watched.get('/api/session', { 'Session-Passive': '1' })
      await used.get('/api/session')
    }
    assert.equal((await watched.get('/api/session')).json().reason, 'idle')
    assert.equal((await used.get('/api/session')).status, 200)
  })

  test('an absolute limit ends a session however it is used', async (t) => {
    const demo = await started(t, '--memory', '--idle', '1s', '--absolute', '2s')
    const client = await loggedIn(demo)
    for (let at = 0; at < 6; at++) {
      await new Promise((resolve) => setTimeout(resolve, 400))
      await client.get('/api/session')
    }
    assert.equal((await client.get('/api/session')).json().reason, 'absolute')
  })

  test('a replayed token ends the session for everybody', async (t) => {
    const demo = await started(t, '--memory', '--renewal', '700ms', '--grace', '100ms', '--late', '200ms')
    const client = await loggedIn(demo)
    const thief = client.copy()
    await client.postJson('/api/rotate', {}, await client.csrfToken())
    await client.get('/api/session')
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.equal((await thief.get('/api/session')).json().reason, 'replayed')
    assert.equal((await client.get('/api/session')).json().reason, 'replayed')
    assert.match((await client.get('/login')).text, /data-reason="replayed"/)
    assert.ok(demo.events().some(({ name }) => name === 'authn_token_reuse'))
  })
})

describe('bindings, behind a proxy that is named', { concurrency: 2 }, () => {
  const from = (ip: string) => ({
    'X-Forwarded-For': ip,
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'demo.example',
  })

  test('--ip revoke ends a session that changes networks, --ip reauthenticate puts it on hold', async (t) => {
    for (const [action, reason] of [
      ['revoke', 'mismatch'],
      ['reauthenticate', 'suspended'],
    ] as const) {
      const demo = await started(t, '--memory', '--ip', action, '--proxy', '127.0.0.1')
      const client = new Client(demo.url)
      const ask = (path: string, ip: string, form?: Record<string, string>) =>
        client.ask(path, {
          ...(form && { method: 'POST', form }),
          headers: { ...from(ip), ...(form && { Origin: 'https://demo.example' }) },
        })
      const csrf_token = tokenIn((await ask('/login', '192.0.2.1')).text)
      await ask('/login', '192.0.2.1', { username: 'ada', password: 'analytical-engine', csrf_token })
      assert.equal((await ask('/api/session', '192.0.2.99')).status, 200)
      const moved = await ask('/api/session', '198.51.100.1')
      assert.deepEqual([moved.status, moved.json().reason], [401, reason])
      const back = await ask('/api/session', '192.0.2.1')
      assert.equal(back.status, action === 'revoke' ? 401 : 200)
      assert.match((await ask('/login', '198.51.100.1')).text, new RegExp(`data-reason="${reason}"`))
    }
  })

  test('a header of nobody named is not believed, and says so', async (t) => {
    const demo = await started(t, '--memory')
    const answer = await new Client(demo.url).get('/login', from('192.0.2.1'))
    assert.equal(answer.status, 403)
    assert.match(answer.text, /ERR_INSECURE_TRANSPORT/)
    assert.match(answer.text, /option proxy/)
    assert.deepEqual(answer.setCookies, [])
  })
})

describe('with a database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-demo-'))
  const file = join(folder, 'demo.db')
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('a restart keeps sessions, data and passwords', async (t) => {
    const first = await started(t, '--database', file)
    const client = await loggedIn(first, 'grace')
    await client.submit('/account/note', { text: 'survives' }, '/account')
    await client.submit('/account/password', { current: 'nanosecond-wire', next: 'millisecond-wire' })
    assert.equal(await first.stop(), 0)
    const demo = await started(t, '--database', file)
    const again = new Client(demo.url, undefined, client.cookies)
    const page = await again.get('/account')
    assert.equal(page.status, 200)
    assert.match(page.text, /survives/)
    assert.equal((await new Client(demo.url).logIn('grace', 'nanosecond-wire')).status, 401)
    assert.equal((await new Client(demo.url).logIn('grace', 'millisecond-wire')).status, 303)
  })

  test('the database and the keys beside it are their owner’s alone', {
    skip: process.platform === 'win32',
  }, () => {
    for (const name of [file, `${file}-keys`]) assert.equal(statSync(name).mode & 0o777, 0o600, name)
  })

  test('two processes share it: what one ends has ended at the other', async (t) => {
    const one = await started(t, '--database', file)
    const two = await started(t, '--database', file)
    const client = await loggedIn(one)
    const there = new Client(two.url, undefined, client.cookies)
    assert.equal((await there.get('/api/session')).status, 200)
    await client.submit('/logout', {}, '/account')
    assert.equal((await there.get('/api/session')).json().reason, 'logout')
  })
})

describe('--tls', () => {
  let demo: Demo
  before(async () => {
    demo = await startDemo('--memory', '--tls')
  })
  after(() => demo.stop())

  test('serves HTTPS, with HSTS', async () => {
    assert.match(demo.url, /^https:\/\/127\.0\.0\.1:\d+$/)
    const client = await loggedIn(demo)
    const answer = await client.get('/account')
    assert.equal(answer.status, 200)
    for (const path of ['/', '/account']) {
      assert.equal(
        (await client.get(path)).header('strict-transport-security'),
        'max-age=31536000; includeSubDomains',
      )
    }
  })

  test('the plain port redirects what is safe, drops the rest, and sets no cookie', async () => {
    const plain = new Client(demo.plainUrl)
    const safe = await plain.get('/login?next=/account')
    assert.deepEqual([safe.status, safe.header('location')], [308, `${demo.url}/login?next=/account`])
    const unsafe = await plain.post('/login', { username: 'ada', password: 'analytical-engine' })
    assert.equal(unsafe.status, 403)
    assert.match(unsafe.text, /ERR_INSECURE_TRANSPORT/)
    assert.deepEqual([...safe.setCookies, ...unsafe.setCookies], [])
  })
})

describe('the command line', { concurrency: 2 }, () => {
  const wrong: readonly [args: string[], says: RegExp][] = [
    [['--renewal', '10s'], /renewal: must be longer than twice grace and late together \(6m\), but is 10s/],
    [['--idle', '30'], /idle: expected a duration with its unit/],
    [['--idle', '2h', '--absolute', '1h'], /idle: must not be longer than absolute/],
    [['--proxy', '0.0.0.0/0'], /proxy: .*names every address/],
    [['--ip', 'sometimes'], /--ip.*Allowed choices are off, report, reauthenticate, revoke/],
    [['--engine', 'sqlite:x.db'], /--engine.*cannot be used with.*--memory/],
    [['--port', '70000'], /--port.*from 0 to 65535/],
    [['--nonsense'], /unknown option '--nonsense'/],
    [
      ['--database', 'x.db'],
      /--database.*cannot be used with.*--memory|--memory.*cannot be used with.*--database/,
    ],
  ]
  for (const [args, says] of wrong) {
    test(`${args.join(' ')} ends with 2, and says why without a stack`, async () => {
      const { code, out, err } = await runDemo('--memory', ...args)
      assert.equal(code, 2)
      assert.equal(out, '')
      assert.match(err, says)
      assert.doesNotMatch(err, /\n\s+at /)
    })
  }

  test('a port in use ends with 1, and says what to do', async (t) => {
    const demo = await started(t, '--memory')
    const { code, err } = await runDemo('--memory', '--port', new URL(demo.url).port)
    assert.equal(code, 1)
    assert.match(err, /address already in use.*--port 0/)
    assert.doesNotMatch(err, /\n\s+at /)
  })

  test('--help names every option', async () => {
    const { code, out } = await runDemo('--help')
    assert.equal(code, 0)
    const options =
      'port database memory engine tls idle absolute renewal grace late ip user-agent proxy json'
    for (const option of options.split(' ')) assert.match(out, new RegExp(`--${option}\\b`))
  })
})

/** Starts a demo that ends with the test. */
async function started(t: TestContext, ...args: string[]): Promise<Demo> {
  const demo = await startDemo(...args)
  t.after(() => demo.stop())
  return demo
}

async function loggedIn(demo: Demo, username: 'ada' | 'grace' = 'ada', userAgent?: string): Promise<Client> {
  const client = new Client(demo.url, userAgent)
  const answer = await client.logIn(username, username === 'ada' ? 'analytical-engine' : 'nanosecond-wire')
  assert.equal(answer.status, 303, answer.text)
  return client
}

function sessionCookie(answer: Answer): string {
  return answer.setCookies.find((line) => line.startsWith(`${SESSION}=`)) ?? ''
}

/** The code of a JSON error. */
function codeOf(answer: Answer): unknown {
  return (answer.json() as { error?: { code?: unknown } }).error?.code
}

/** Waits for an event, which comes by another way than the answer. */
async function told(demo: Demo, is: (line: Line) => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; !demo.events().some(is); await sleep(20))
    assert.ok(Date.now() < end, 'it was never told')
}
