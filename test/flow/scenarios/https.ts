/** Scenarios of HTTPS and of proxies. */

import assert from 'node:assert/strict'
import { PUBLIC_ORIGIN, send } from '../harness.ts'
import { me, type Open, type Test } from './kit.ts'

export function transportScenarios(open: Open, test: Test): void {
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
    await using site = await open('brief')
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
    await using site = await open('proxied')
    const client = site.proxied()
    const response = await client.post('/login?user=ada')
    assert.equal(response.url, `${PUBLIC_ORIGIN}/me`)
    assert.equal((await me(client)).user, 'ada')
    const [info] = await site.control.list('ada')
    assert.equal(info!.ip, '127.0.0.1')
    const far = site.proxied({ headers: { 'x-forwarded-for': '203.0.113.7, 127.0.0.1' } })
    await far.post('/login?user=grace')
    assert.equal((await site.control.list('grace'))[0]!.ip, '203.0.113.7')
    const plain = await send(site.port, { headers: { host: 'app.example', 'x-forwarded-proto': 'http' } })
    assert.match(plain.body, /ERR_INSECURE_TRANSPORT/)
  })

  test('a malformed Host or X-Forwarded-*: 400, and the handler never runs', async () => {
    await using site = await open('proxied')
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
    assert.equal(await site.control.handled(), 0)
  })

  test('HSTS on every response over TLS, whatever its status', async () => {
    await using site = await open('proxied', true)
    const client = site.secure({ redirect: 'manual' })
    const statuses = []
    const requests: (() => Promise<Response>)[] = [
      () => client.get('/public'),
      () => client.post('/login?user=ada'),
      () => client.get('/missing'),
      () => client.crossSite('/logout', { method: 'POST' }),
      () => client.get('/status?code=500'),
      () => client.get('/me'),
      () => site.secure().post('/set?name=a&value=1'),
    ]
    for (const send of requests) {
      if (requests.indexOf(send) === 5) await site.control.fail(['load', 'create'])
      const response = await send()
      statuses.push(response.status)
      assert.equal(response.headers.get('strict-transport-security'), 'max-age=31536000; includeSubDomains')
    }
    assert.deepEqual(statuses, [200, 303, 404, 403, 500, 503, 503])
  })

  test("an application's own HSTS stays, and stays alone", async () => {
    await using site = await open('proxied', true)
    const response = await site.secure().get('/hsts')
    assert.equal(response.headers.get('strict-transport-security'), 'max-age=60')
  })
}
