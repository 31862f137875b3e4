/** Scenarios of the commit that comes before the response, and of streams. */

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { BODY } from '../application.ts'
import { pause, send } from '../harness.ts'
import { here, me, type Open, type Problem, SESSION, type Test } from './kit.ts'

export function commitScenarios(open: Open, test: Test): void {
  test('no head leaves before its commit is durable', async () => {
    await using site = await open()
    await site.control.delay('create', 100)
    for (const kind of ['text', 'stream', 'nothing']) {
      let stored: readonly string[] | Promise<readonly string[]> = []
      const atHead = () => void (stored = Promise.resolve(site.control.stored()))
      const path = `/kinds?kind=${kind}`
      const response = await send(site.port, { method: 'POST', path, headers: here(site) }, atHead)
      assert.ok((await stored).includes(`{"kind":"${kind}"}`), 'stored when the head arrives')
      assert.equal(response.body, kind === 'nothing' ? '' : 'ab')
    }
  })

  test('two megabytes flow through, with back-pressure', async () => {
    await using site = await open()
    const response = await send(site.port, { method: 'POST', path: '/megabytes', headers: here(site) })
    assert.equal(response.status, 200)
    assert.equal(response.headers['set-cookie']?.length, 1)
    assert.ok(response.body === BODY, `${response.body.length} bytes arrived`)
  })

  test('a commit that fails replaces the whole response: status, headers and body', async () => {
    for (const path of ['/created', '/created?stream']) {
      await using site = await open()
      await site.control.fail(['create'])
      const { status, headers, body } = await send(site.port, {
        method: 'POST',
        path,
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
      const events = await site.control.events()
      assert.deepEqual(
        events.map(({ name }) => name),
        ['engine_failure'],
      )
    }
  })

  test('a session that ended meanwhile: 409, and nothing of it', async () => {
    await using site = await open()
    const client = site.browser({ redirect: 'manual' })
    await client.post('/login?user=ada')
    const slow = client.fetch('/wait')
    await site.control.arrived()
    await client.clone().post('/logout')
    await site.control.release()
    const response = await slow
    assert.equal(response.status, 409)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(((await response.json()) as Problem).error.code, 'ERR_SESSION_ENDED')
  })

  test('the store is down: 503, never "anonymous, carry on"', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    await site.control.fail(['load', 'create', 'replace', 'touch', 'loadUser', 'replaceUser'])
    const response = await client.fetch('/me')
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('retry-after'), '1')
    assert.match(response.headers.get('cache-control')!, /no-store/)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(((await response.json()) as Problem).error.code, 'ERR_ENGINE')
    assert.equal((await site.browser().get('/public')).status, 200, 'visitors need no store')
    await site.control.fail([])
    assert.equal((await me(client)).user, 'ada')
  })

  test('a client that goes away before the head: the commit still happens when the handler ends the response', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const { [SESSION]: token } = await client.cookies()
    const outgoing = request({
      host: '127.0.0.1',
      port: site.port,
      path: '/wait',
      headers: { ...here(site), cookie: `${SESSION}=${token}` },
    })
    outgoing.on('error', () => {})
    outgoing.end()
    // On a busy machine a request that is cut off too soon never reaches the handler.
    await site.control.arrived()
    outgoing.destroy()
    await pause(30)
    await site.control.release()
    const kept = async () => (await client.get('/get?name=waited')).text()
    for (let left = 40; left > 0 && (await kept()) !== 'true'; left--) await pause(25)
    assert.equal(await kept(), 'true')
  })

  test('commit() makes it last at once; the response may stream for as long as it likes', async () => {
    for (const path of ['/early', '/early?more']) {
      await using site = await open()
      const response = await send(site.port, { method: 'POST', path, headers: here(site) })
      assert.equal(response.body, 'data: 1 stored\n\ndata: ada\n\n')
      assert.equal(response.headers['set-cookie']?.length, 1)
      assert.deepEqual(await site.control.stored(), [path === '/early' ? '{}' : '{"more":1}'])
    }
  })

  test('a stream arrives as it is made, not at its end', async () => {
    await using site = await open()
    const whole = send(
      site.port,
      { path: '/trickle', headers: here(site) },
      () => void site.control.release(),
    )
    const first = await Promise.race([whole, pause(5_000)])
    await site.control.release()
    assert.equal(first?.body, 'first, last', 'no head came before the end')
  })

  test('writing after the head throws', async () => {
    await using site = await open()
    const { body } = await send(site.port, { path: '/late', headers: here(site) })
    assert.equal(body, 'begun, ERR_SESSION_COMMITTED')
  })

  test('responses without a body: HEAD, 204, 304', async () => {
    await using site = await open()
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      const response = await send(site.port, { method, path: `/empty?status=${status}`, headers: here(site) })
      assert.deepEqual([response.status, response.body], [status, ''])
      assert.equal(response.headers['set-cookie']?.length, 1)
    }
  })
}
