/** The adapter for fetch handlers: the scenarios, and what only `Request` and `Response` have. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSessions, type Session } from 'holdfast'
import { memory } from 'holdfast/memory'
import { browser } from 'holdfast/testing'
import { protect } from 'holdfast/web'
import { web } from './adapters.ts'
import { type AnySession, KEY, wrapEngine } from './harness.ts'
import { scenarios } from './suite.ts'

scenarios(web)

describe('protect', { concurrency: true }, () => {
  const create = () => createSessions({ engine: memory(), keys: KEY })

  test("a response that an application keeps and returns again gets nobody else's token", async () => {
    const kept = new Response(null, { status: 204 })
    const fetch = protect(create(), (request, session) => {
      if (request.method === 'POST') session.authenticate('ada')
      return kept
    })
    assert.equal((await browser(fetch).post('/')).headers.getSetCookie().length, 1)
    assert.deepEqual((await browser(fetch).get('/')).headers.getSetCookie(), [])
    assert.deepEqual(kept.headers.getSetCookie(), [])
  })

  test('immutable responses are copied: a redirect, a fetched one', async () => {
    for (const make of [
      () => Response.redirect('https://localhost/next', 303),
      () => fetch('data:text/plain,body'),
    ]) {
      const handler = protect(create(), (_request, session) => {
        session.authenticate('ada')
        return make()
      })
      const response = await browser(handler, { redirect: 'manual' }).post('/')
      assert.equal(response.headers.getSetCookie().length, 1)
      assert.equal(response.headers.get('cache-control'), 'no-store, private')
      assert.equal(
        response.headers.get('location') ?? (await response.text()),
        response.status === 303 ? 'https://localhost/next' : 'body',
      )
    }
  })

  test('a response that has nothing of ours is left as it is, even one that nobody can copy', async () => {
    const upgraded = Response.error()
    const sessions = createSessions({ engine: memory(), keys: KEY, hsts: false })
    assert.equal(await protect(sessions, () => upgraded)(new Request('https://localhost/')), upgraded)
    const plain = new Response('body')
    assert.equal(await protect(sessions, () => plain)(new Request('https://localhost/')), plain)
    assert.equal(await protect(create(), () => upgraded)(new Request('https://localhost/')), upgraded)
  })

  test('status text, several cookies, and a body that is still being made come through', async () => {
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const handler = protect(create(), (_request, session) => {
      session.set('a', 1)
      const body = new ReadableStream({
        async start(controller) {
          controller.enqueue('first ')
          await gate
          controller.enqueue('second')
          controller.close()
        },
      }).pipeThrough(new TextEncoderStream())
      const headers = new Headers([
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ])
      return new Response(body, { status: 201, statusText: 'Fine', headers })
    })
    const response = await browser(handler).get('/')
    assert.deepEqual([response.status, response.statusText], [201, 'Fine'])
    assert.equal(response.headers.getSetCookie().length, 3)
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    assert.equal((await reader.read()).value, 'first ')
    open()
    assert.equal((await reader.read()).value, 'second')
  })

  test('a body that gives way to an error is cancelled', async () => {
    let cancelled = false
    const engine = wrapEngine(memory(), (verb, call) => {
      if (verb === 'create') throw new Error('disk full')
      return call()
    })
    const handler = protect(createSessions({ engine, keys: KEY }), (_request, session) => {
      session.set('a', 1)
      const body = new ReadableStream({ cancel: () => void (cancelled = true) })
      return new Response(body, {
        headers: { 'x-app': 'yes', 'access-control-allow-origin': 'https://a.example' },
      })
    })
    const response = await browser(handler).get('/')
    assert.deepEqual([response.status, response.headers.get('x-app'), cancelled], [503, null, true])
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://a.example')
  })

  test('the handler still has its body after a form was looked at for a token', async () => {
    const handler = protect(create(), async (request) => new Response(await request.text()))
    const client = browser(handler)
    assert.equal(await (await client.post('/', { a: '1' })).text(), 'a=1')
    const token = await (
      await browser(protect(create(), (_r, s) => new Response(s.csrfToken()))).get('/')
    ).text()
    assert.match(await (await client.post('/', { csrf_token: token })).text(), /ERR_CSRF_TOKEN_INVALID/)
  })

  test('a form longer than 64 KiB, or of a length that nobody declared, is left to the handler', async () => {
    const sessions = createSessions({ engine: memory(), keys: KEY, csrf: { requireToken: true } })
    const handler = protect(sessions, async (request, session) => {
      if (request.method === 'GET') return new Response(session.csrfToken())
      return new Response(String((await request.text()).length))
    })
    const client = browser(handler)
    const csrf_token = await (await client.get('/')).text()
    assert.equal((await client.post('/', { csrf_token, filler: 'x'.repeat(60_000) })).status, 200)
    assert.match(
      await (await client.post('/', { csrf_token, filler: 'x'.repeat(70_000) })).text(),
      /ERR_CSRF_TOKEN_MISSING/,
    )
    const [cookie] = Object.entries(await client.cookies()).map((pair) => pair.join('='))
    const headers = {
      cookie: cookie!,
      'sec-fetch-site': 'same-origin',
      'content-type': 'application/x-www-form-urlencoded',
    }
    const undeclared = new Request('https://localhost/', {
      method: 'POST',
      headers,
      body: `csrf_token=${csrf_token}`,
    })
    assert.equal((await handler(undeclared)).status, 403)
  })

  test('further arguments reach the handler; the address is told by them, or by an option', async () => {
    const handle = (_request: Request, session: AnySession, ...rest: unknown[]) => {
      session.set('a', 1)
      return Response.json(rest.length)
    }
    const sessions = create()
    const plain = (headers = {}) =>
      new Request('http://localhost:8000/', { headers: { host: 'localhost:8000', ...headers } })
    const bun = { requestIP: () => ({ address: '127.0.0.1', family: 'IPv4', port: 1 }) }
    const deno = { remoteAddr: { hostname: '::1', transport: 'tcp', port: 1 } }
    const far = { remoteAddr: { hostname: '203.0.113.7' } }
    const listen = protect(sessions, handle)
    for (const [rest, status] of [
      [[bun], 200],
      [[deno, 2], 200],
      [[far], 308],
      [[], 308],
      [[null], 308],
      [[{ params: {} }], 308],
    ] as const) {
      const response = await listen(plain(), ...rest)
      assert.equal(response.status, status)
      if (status === 200) assert.equal(await response.json(), rest.length)
    }
    const told = protect(sessions, handle, { ip: (_request, address) => String(address) })
    assert.equal((await told(plain(), '127.0.0.1')).status, 200)
    assert.equal((await told(plain({ 'x-forwarded-for': '127.0.0.1' }), '127.0.0.1')).status, 403)
  })

  test('onError makes the response; in a refusal with a session at hand', async () => {
    const sessions = create()
    const onError = ({ code, status }: { code: string; status: number }) =>
      new Response(`${code} ${sessions.current().csrfToken().length}`, { status })
    const response = await browser(protect(sessions, () => new Response(), { onError })).fetch('/', {
      method: 'POST',
      headers: { 'x-csrf-token': 'stale' },
    })
    assert.deepEqual([response.status, await response.text()], [403, 'ERR_CSRF_TOKEN_INVALID 86'])
    assert.equal(response.headers.getSetCookie().length, 1)
    assert.equal(response.headers.get('cache-control'), 'no-store, private')
  })

  test('the data are typed by the sessions', async () => {
    interface Data {
      cart: string[]
    }
    const sessions = createSessions<Data>({ engine: memory(), keys: KEY })
    const handler = protect(sessions, (_request, session: Session<Data>) => {
      session.update('cart', (cart = []) => [...cart, 'book'])
      return Response.json(session.get('cart'))
    })
    assert.deepEqual(await (await browser(handler).post('/')).json(), ['book'])
  })
})
