/** Who gets in, what every answer carries, and what attackers get. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from 'holdfast/memory'
import type { SessionsPage } from '../../src/console/api.ts'
import { send } from '../flow/harness.ts'
import { ADAPTERS, errorOf, me, place, read, revoke } from './support.ts'

const READS = [
  '',
  'assets/none.js',
  'api/me',
  'api/figures',
  'api/sessions',
  'api/events',
  'api/stream',
  'api/nothing',
]

for (const adapter of ADAPTERS) {
  describe(`the console on ${adapter}`, { concurrency: true }, () => {
    test('a visitor gets 401 everywhere, and no event', async () => {
      await using site = await place({ adapter })
      for (const path of READS) {
        const response = await site.visitor().fetch(`/console/${path}`)
        assert.equal(response.status, 401, path)
      }
      assert.deepEqual(site.events, [])
    })

    test('who is no operator gets 403 everywhere, and an event', async () => {
      await using site = await place({ adapter })
      const ada = await site.login('ada')
      for (const path of READS) {
        site.events.length = 0
        const response = await ada.fetch(`/console/${path}`)
        assert.equal(response.status, 403, path)
        const told = site.events.map(({ name, userId, reason, code }) => ({ name, userId, reason, code }))
        assert.deepEqual(told, [
          { name: 'authz_fail', userId: 'ada', reason: 'console', code: 'ERR_FORBIDDEN' },
        ])
      }
      const response = await ada.fetch('/console/api/revoke', { json: { userId: 'op' } })
      assert.equal(response.status, 403)
    })

    test('an operator gets in, and the page says who he is and whether it can search', async () => {
      await using site = await place({ adapter })
      const operator = await site.login('op')
      const { csrfToken, now, ...rest } = await me(operator)
      assert.match(csrfToken, /^[\w-]{86}$/)
      assert.ok(Math.abs(now - Date.now()) < 5_000)
      assert.deepEqual(rest, {
        userId: 'op',
        title: 'Sessions',
        audit: false,
        canSearch: true,
        reauthenticateUrl: null,
        logoutUrl: null,
        limits: { idle: 1_800_000, absolute: 43_200_000, renewal: 900_000 },
      })
    })

    test('every answer forbids frames, foreign content, sniffing, storing', async () => {
      await using site = await place({ adapter })
      const visitors = { visitor: site.visitor(), ada: await site.login('ada'), op: await site.login('op') }
      for (const [who, someone] of Object.entries(visitors)) {
        for (const path of READS.filter((each) => each !== 'api/stream')) {
          const { headers } = await someone.fetch(`/console/${path}`)
          const policy = headers.get('content-security-policy') ?? ''
          for (const part of [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
          ])
            assert.ok(policy.split('; ').includes(part), `${who} ${path}: ${part}`)
          assert.ok(!policy.includes('unsafe'))
          assert.equal(headers.get('x-content-type-options'), 'nosniff')
          assert.equal(headers.get('referrer-policy'), 'no-referrer')
          assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin')
          assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin')
          assert.equal(headers.get('x-frame-options'), 'DENY')
          assert.match(headers.get('cache-control') ?? '', /no-store/)
        }
      }
    })

    test('another browser is out at its next request; who did it is in the event', async () => {
      await using site = await place({ adapter })
      const operator = await site.login('op')
      const [ada] = [await site.login('ada'), await site.login('bob')]
      const { sessions } = await read<SessionsPage>(operator, 'sessions?user=ada')
      assert.equal(sessions.length, 1)
      assert.equal((await ada.get('/whoami')).status, 200)
      const response = await revoke(operator, { ids: [sessions[0]!.id] })
      assert.deepEqual(await response.json(), { ended: 1 })
      assert.equal((await ada.get('/whoami')).status, 401)
      const event = site.events.find(({ name }) => name === 'session_revoked')!
      assert.deepEqual([event.userId, event.sessionId, event.actor], ['ada', sessions[0]!.id, 'op'])
    })
  })
}

describe('what ends sessions', { concurrency: true }, () => {
  const body = JSON.stringify({ userId: 'ada' })
  const json = { 'content-type': 'application/json' }

  test('needs a CSRF token, whatever the application demands elsewhere', async () => {
    await using site = await place()
    const operator = await site.login('op')
    const other = await site.login('op2')
    await site.login('ada')
    for (const [token, code] of [
      [null, 'ERR_CSRF_TOKEN_MISSING'],
      ['x'.repeat(86), 'ERR_CSRF_TOKEN_INVALID'],
      [(await me(other)).csrfToken, 'ERR_CSRF_TOKEN_INVALID'],
    ] as const) {
      site.events.length = 0
      const headers = { ...json, ...(token !== null && { 'x-csrf-token': token }) }
      const response = await operator.fetch('/console/api/revoke', { method: 'POST', headers, body })
      assert.equal(response.status, 403)
      assert.equal((await errorOf(response)).code, code)
      assert.deepEqual(
        site.events.map(({ name, code }) => [name, code]),
        [['malicious_csrf', code]],
      )
    }
    assert.equal((await site.sessions.list('ada')).length, 1)
  })

  test('is refused from another site, with a stolen token, too', async () => {
    await using site = await place()
    const operator = await site.login('op')
    await site.login('ada')
    const { csrfToken } = await me(operator)
    for (const navigate of [true, false]) {
      const headers = { ...json, 'x-csrf-token': csrfToken }
      const response = await operator.crossSite('/console/api/revoke', {
        method: 'POST',
        headers,
        body,
        navigate,
      })
      assert.ok([401, 403].includes(response.status), `${response.status}`)
    }
    assert.equal((await site.sessions.list('ada')).length, 1)
  })

  test('needs a recent authentication', async () => {
    await using site = await place({ console: { authenticatedWithin: '1ms' } })
    const operator = await site.login('op')
    await new Promise((resolve) => setTimeout(resolve, 20))
    await site.login('ada')
    site.events.length = 0
    const response = await revoke(operator, { userId: 'ada' })
    assert.equal(response.status, 401)
    const error = await errorOf(response)
    assert.deepEqual([error.code, error.required], ['ERR_NOT_RECENT', { maxAge: 0 }])
    assert.deepEqual(
      site.events.map(({ name }) => name),
      ['authz_fail'],
    )
    assert.equal((await site.sessions.list('ada')).length, 1)
  })

  test('one, several, a user, a user but one, everybody with the word', async () => {
    await using site = await place()
    const operator = await site.login('op')
    for (const user of ['ada', 'ada', 'ada', 'bob', 'eve', 'eve']) await site.login(user)
    const ids = (await site.sessions.list('ada')).map(({ id }) => id)
    const end = async (request: unknown) => (await revoke(operator, request)).json()
    assert.deepEqual(await end({ userId: 'ada', except: ids[0] }), { ended: 2 })
    assert.deepEqual(await end({ ids: [...ids, ids[0]] }), { ended: 1 })
    assert.deepEqual(await end({ userId: 'bob' }), { ended: 1 })
    assert.deepEqual(await end({ userId: 'nobody' }), { ended: 0 })
    assert.equal((await revoke(operator, { everybody: true })).status, 400)
    assert.equal((await revoke(operator, { everybody: true, confirm: 'yes' })).status, 400)
    assert.equal((await site.sessions.list('eve')).length, 2)
    assert.deepEqual(await end({ everybody: true, confirm: 'everybody' }), { ended: null })
    assert.deepEqual(await site.sessions.list('eve'), [])
    assert.equal((await operator.fetch('/console/api/me')).status, 401)
    const actors = site.events.filter(({ name }) => name === 'session_revoked').map(({ actor }) => actor)
    assert.deepEqual([...new Set(actors)], ['op'])
  })

  test('takes nothing else', async () => {
    await using site = await place()
    const operator = await site.login('op')
    await site.login('ada')
    const id = (await site.sessions.list('ada'))[0]!.id
    for (const request of [
      ...[
        null,
        [],
        'all',
        1,
        {},
        { ids: [] },
        { ids: id },
        { ids: [1] },
        { ids: ['../ada'] },
        { ids: [`${id} `] },
      ],
      { ids: Array.from({ length: 1_001 }, () => id) },
      { userId: 7 },
      { userId: 'ada', except: 'x' },
      { userId: 'ada', ids: [id] },
      { userId: 'ada', everybody: true, confirm: 'everybody' },
      { ids: [id], by: 'somebody' },
      { userId: 'ada', before: 1 },
    ])
      assert.equal((await revoke(operator, request)).status, 400, JSON.stringify(request)?.slice(0, 80))
    assert.equal((await revoke(operator, { ids: [id] }, { 'content-type': 'text/plain' })).status, 415)
    assert.equal((await revoke(operator, { userId: 'x'.repeat(70_000) })).status, 413)
    assert.equal((await revoke(operator, { userId: 'x'.repeat(5_000_000) })).status, 413)
    assert.equal((await site.sessions.list('ada')).length, 1)
  })
})

describe('strange requests', { concurrency: true }, () => {
  test('a guard that throws, or says something else than true, lets nobody in', async () => {
    const log = console.error
    console.error = () => {}
    try {
      for (const guard of [
        () => {
          throw new Error('the directory of operators is down')
        },
        () => Promise.reject(new Error('down')),
        () => 'yes' as never,
        () => 1 as never,
      ]) {
        await using site = await place({ console: { guard } })
        const response = await (await site.login('op')).fetch('/console/api/me')
        assert.ok([500, 403].includes(response.status))
        assert.doesNotMatch(await response.text(), /csrfToken|directory/)
      }
    } finally {
      console.error = log
    }
  })

  test('other methods are refused, and HEAD has no body', async () => {
    await using site = await place()
    const operator = await site.login('op')
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const { status, headers } = await operator.fetch('/console/api/sessions', { method })
      assert.deepEqual([status, headers.get('allow')], [405, 'GET, HEAD'], method)
    }
    assert.equal((await operator.fetch('/console/api/revoke')).status, 405)
    const head = await operator.fetch('/console/api/me', { method: 'HEAD' })
    assert.deepEqual([head.status, await head.text()], [200, ''])
    assert.equal((await operator.fetch('/console/api/stream', { method: 'HEAD' })).status, 404)
  })

  test('no path leads out of the list of files, and no id is anything but an id', async () => {
    await using site = await place({ adapter: 'express' })
    const operator = await site.login('op')
    const cookie = await cookieOf(site.port)
    for (const path of [
      'assets/../../package.json',
      'assets/..%2f..%2fpackage.json',
      'assets/%2e%2e/%2e%2e/package.json',
      'assets/..\\..\\package.json',
      'assets/manifest.json',
      'assets/',
      'api/sessions/..%2f..%2fx',
      'api/sessions/__proto__',
      'api/sessions/AAAAAAAAAAAAAAAAAAAAAA',
      'api/sessions/AAAAAAAAAAAAAAAAAAAAA',
    ]) {
      const { status, body } = await send(site.port, { path: `/console/${path}`, headers: { cookie } })
      assert.ok([404, 503].includes(status), `${path}: ${status}`)
      assert.doesNotMatch(body, /"dependencies"/)
    }
    assert.equal((await operator.fetch('/consoles/api/me')).status, 404)
  })

  test('the page itself says in HTML why not, with a link that can hold no script', async () => {
    await using site = await place({ console: { loginUrl: '/login?a="><script>&b' } })
    const response = await site.visitor().get('/console/')
    const text = await response.text()
    assert.equal(response.status, 401)
    assert.match(response.headers.get('content-type')!, /^text\/html/)
    assert.ok(text.includes('<a href="/login?a=&quot;&gt;&lt;script&gt;&amp;b">'), text)
    const refused = await (await site.login('ada')).get('/console/')
    assert.equal(refused.status, 403)
    assert.match(await refused.text(), /Not an operator/)
  })

  test('a link that is no path and no URL over HTTPS is refused at start', async () => {
    for (const loginUrl of ['javascript:alert(1)', '//evil.example', '/\\evil.example', 'https://[', 1])
      await assert.rejects(place({ console: { loginUrl } as never }), {
        code: 'ERR_OPTION',
        message: /createConsole: loginUrl: expected/,
      })
  })

  test('without its slash the page is found, too', async () => {
    await using site = await place()
    const { status, headers } = await send(site.port, { path: '/console' })
    assert.deepEqual([status, headers.location], [308, '/console/'])
  })

  test('wrong queries are refused, not guessed at', async () => {
    await using site = await place()
    const operator = await site.login('op')
    for (const query of [
      ...[
        'sessions?address=here',
        'sessions?limit=0',
        'sessions?limit=1001',
        'sessions?createdAfter=yesterday',
      ],
      ...['events?limit=0', 'events?limit=501', 'events?before=x'],
    ])
      assert.equal((await operator.fetch(`/console/api/${query}`)).status, 400, query)
  })

  test('no answer holds a token, a secret, or what the application keeps in a session', async () => {
    await using site = await place({ engine: memory() })
    const operator = await site.login('op', { 'user-agent': '<script>alert(1)</script>"\'' })
    const cookie = await cookieOf(site.port)
    const [info] = await site.sessions.list('op')
    for (const path of ['api/me', 'api/figures', 'api/sessions', `api/sessions/${info!.id}`, 'api/events']) {
      const response = await operator.fetch(`/console/${path}`)
      const text = await response.text()
      assert.equal(response.headers.get('content-type'), 'application/json', path)
      assert.doesNotMatch(text, /"secrets"|"data"|"bound"|"era"/, path)
      assert.ok(!text.includes(cookie.split('.').at(-1)!), path)
    }
    const { sessions } = await read<SessionsPage>(operator, 'sessions?device=script')
    assert.equal(sessions[0]!.userAgent, '<script>alert(1)</script>"\'')
  })
})

/** An operator's cookie, for requests that no browser would send. */
async function cookieOf(port: number): Promise<string> {
  const headers = { origin: `http://127.0.0.1:${port}` }
  const { headers: answered } = await send(port, { method: 'POST', path: '/login?user=op', headers })
  return answered['set-cookie']![0]!.split(';')[0]!
}
