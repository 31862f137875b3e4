/** The test browser does what browsers do, as far as sessions can tell. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import express from 'express'
import { type Browser, type BrowserOptions, browser } from 'holdfast/testing'
import { CERTIFICATE } from '../flow/harness.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string
}

/** Answers with what it got; the query says what else: `set`, `to`, `status`. */
async function mirror(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { searchParams } = new URL(req.url!, 'http://mirror.invalid')
  const body = await text(req)
  for (const line of searchParams.getAll('set')) res.appendHeader('set-cookie', line)
  if (searchParams.has('to')) res.setHeader('location', searchParams.get('to')!)
  res.statusCode = Number(searchParams.get('status') ?? 200)
  res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body }))
}

const open = (options?: BrowserOptions) => browser((req, res) => void mirror(req, res), options)
const seen = async (response: Promise<Response>) => (await (await response).json()) as Seen
const set = (...lines: string[]) =>
  `/?${new URLSearchParams(lines.map((line): [string, string] => ['set', line]))}`
const redirect = (status: number, to: string) => `/?${new URLSearchParams({ status: String(status), to })}`

describe('it can open', { concurrency: true }, () => {
  test('a listener, an Express application, a server, a TLS server, a URL, a fetch handler, an object that has one', async () => {
    const listening = createServer(mirror).listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const handler = async (request: Request) =>
      Response.json({
        method: request.method,
        url: request.url,
        headers: Object.fromEntries(request.headers),
      })
    for (const app of [
      (req: IncomingMessage, res: ServerResponse) => void mirror(req, res),
      express().use((req, res) => void mirror(req, res)),
      createServer(mirror),
      createTlsServer(CERTIFICATE, mirror),
      listening,
      `http://127.0.0.1:${(listening.address() as AddressInfo).port}/`,
      handler,
      { fetch: handler },
    ]) {
      await using client = browser(app)
      const { method, headers } = await seen(client.post('/', { a: '1' }))
      assert.deepEqual([method, headers['content-type']], ['POST', 'application/x-www-form-urlencoded'])
    }
    assert.ok(listening.listening, 'a server that ran already runs on')
    listening.close()
  })

  test('a server behind a proxy, as if through it', async () => {
    await using client = open({ origin: 'https://app.example', headers: { 'x-forwarded-proto': 'https' } })
    const { headers } = await seen(client.post('/'))
    assert.deepEqual(
      [headers.host, headers.origin, headers['x-forwarded-proto']],
      ['app.example', 'https://app.example', 'https'],
    )
  })
})

describe('it keeps cookies as browsers do', { concurrency: true }, () => {
  const held = async (client: Browser) => Object.keys(await client.cookies()).sort()

  test('Secure ones on plain loopback, too', async () => {
    await using client = open()
    await client.get(set('__Host-Http-session=a; Path=/; Secure; HttpOnly; SameSite=Lax', 'b=1; Secure'))
    assert.deepEqual(await held(client), ['__Host-Http-session', 'b'])
    assert.equal((await seen(client.get('/'))).headers.cookie, '__Host-Http-session=a; b=1')
  })

  for (const line of [
    '__Host-a=1; Path=/',
    '__Host-a=1; Path=/x; Secure',
    '__Host-a=1; Path=/; Secure; Domain=localhost',
    '__HOST-a=1; Path=/x; Secure',
    '__Secure-a=1',
    '__Http-a=1; Secure',
    '__Host-Http-a=1; Path=/; Secure',
    '__host-http-a=1; Path=/; Secure',
    '__Host-Http-a=1; Secure; HttpOnly',
  ]) {
    test(`not one that breaks its prefix: ${line}`, async () => {
      await using client = open()
      await assert.rejects(client.get(set(line)))
      assert.deepEqual(await held(client), [])
    })
  }

  test('not Secure ones over plain HTTP elsewhere', async () => {
    await using client = open({ origin: 'http://app.example' })
    await assert.rejects(client.get(set('a=1; Secure')), /not a secure connection/)
    await client.get(set('b=1'))
    assert.deepEqual(await held(client), ['b'])
  })

  test('until they are cleared, by the same path', async () => {
    await using client = open()
    await client.get(set('a=1; Path=/', 'b=1; Path=/'))
    await client.get(set('a=; Path=/; Max-Age=0', 'b=; Path=/other; Max-Age=0'))
    assert.deepEqual(await held(client), ['b'])
  })

  test('until it is closed, or for as long as they say', async () => {
    await using client = open()
    await client.get(
      set('a=1', 'b=1; Max-Age=60', `c=1; Expires=${new Date(Date.now() + 60_000).toUTCString()}`),
    )
    await client.restart()
    assert.deepEqual(await held(client), ['b', 'c'])
  })

  test('a copy of the jar is a copy', async () => {
    await using client = open()
    await client.get(set('a=1', '__Host-Http-b=1; Path=/; Secure; HttpOnly'))
    const thief = client.clone({ userAgent: 'curl/8' })
    await client.get(set('a=2'))
    const { headers } = await seen(thief.get('/'))
    assert.deepEqual([headers.cookie, headers['user-agent']], ['a=1; __Host-Http-b=1', 'curl/8'])
  })

  test('one put in by hand', async () => {
    await using client = open()
    await client.setCookie('a=1; Path=/')
    assert.deepEqual(await client.cookies(), { a: '1' })
  })
})

describe('it tells what browsers tell', { concurrency: true }, () => {
  const facts = ({ headers, method }: Seen) => [
    method,
    headers['sec-fetch-site'],
    headers['sec-fetch-mode'],
    headers['sec-fetch-dest'],
    headers.origin?.replace(/:\d+$/, ''),
  ]

  test('of a page that is opened, a form, a script', async () => {
    await using client = open()
    assert.deepEqual(facts(await seen(client.get('/'))), ['GET', 'none', 'navigate', 'document', undefined])
    assert.deepEqual(facts(await seen(client.get('/'))), [
      'GET',
      'same-origin',
      'navigate',
      'document',
      undefined,
    ])
    assert.deepEqual(facts(await seen(client.post('/'))), [
      'POST',
      'same-origin',
      'navigate',
      'document',
      'http://localhost',
    ])
    const script = await seen(client.fetch('/', { json: { a: 1 } }))
    assert.deepEqual(facts(script), ['POST', 'same-origin', 'cors', 'empty', 'http://localhost'])
    assert.deepEqual([script.body, script.headers['content-type']], ['{"a":1}', 'application/json'])
    assert.deepEqual(facts(await seen(client.fetch('/'))), ['GET', 'same-origin', 'cors', 'empty', undefined])
  })

  test('of what another site starts: cookies by SameSite', async () => {
    await using client = open()
    await client.get(
      set('strict=1; SameSite=Strict', 'lax=1; SameSite=Lax', 'silent=1', 'none=1; SameSite=None; Secure'),
    )
    const cookies = ({ headers }: Seen) => headers.cookie?.split('; ').map((pair) => pair.split('=')[0])
    const link = await seen(client.crossSite('/'))
    assert.deepEqual(facts(link), ['GET', 'cross-site', 'navigate', 'document', undefined])
    assert.deepEqual(cookies(link), ['lax', 'silent', 'none'])
    const form = await seen(client.crossSite('/', { method: 'POST', body: new URLSearchParams({ a: '1' }) }))
    assert.deepEqual(facts(form), ['POST', 'cross-site', 'navigate', 'document', 'https://elsewhere.example'])
    assert.deepEqual(cookies(form), ['none'])
    const image = await seen(client.crossSite('/', { navigate: false }))
    assert.deepEqual(facts(image), ['GET', 'cross-site', 'no-cors', 'empty', undefined])
    assert.deepEqual(cookies(image), ['none'])
  })

  test('in the background another site can set no cookie but SameSite=None', async () => {
    await using client = open()
    await client.crossSite(set('lax=1', 'none=1; SameSite=None; Secure'), { navigate: false })
    assert.deepEqual(Object.keys(await client.cookies()), ['none'])
  })

  test('nothing of where it comes from over plain HTTP elsewhere', async () => {
    await using client = open({ origin: 'http://app.example' })
    assert.deepEqual(facts(await seen(client.post('/'))), [
      'POST',
      undefined,
      undefined,
      undefined,
      'http://app.example',
    ])
  })

  test('a file form as multipart', async () => {
    await using client = open()
    const form = new FormData()
    form.set('file', new Blob(['content']), 'a.txt')
    const { headers, body } = await seen(client.post('/', form))
    assert.match(headers['content-type']!, /^multipart\/form-data; boundary=/)
    assert.match(body, /filename="a\.txt"/)
  })
})

describe('it follows redirects as browsers do', { concurrency: true }, () => {
  for (const [status, before, after] of [
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [302, 'PUT', 'PUT'],
    [307, 'POST', 'POST'],
    [308, 'POST', 'POST'],
  ] as const) {
    test(`${status}: ${before} becomes ${after}`, async () => {
      await using client = open()
      const response = await client.fetch(redirect(status, '/next'), {
        method: before,
        body: new URLSearchParams({ a: '1' }),
      })
      const { method, url, body, headers } = (await response.json()) as Seen
      assert.deepEqual([method, url, body], [after, '/next', after === 'GET' ? '' : 'a=1'])
      assert.equal('content-type' in headers, after !== 'GET')
      assert.deepEqual([new URL(response.url).pathname, response.redirected], ['/next', true])
    })
  }

  test('with the cookies that each step has set', async () => {
    await using client = open()
    const response = await client.get(`${redirect(303, '/next')}&set=a%3D1`)
    assert.equal(((await response.json()) as Seen).headers.cookie, 'a=1')
  })

  test('not out of reach, not without end, and not when told to stay', async () => {
    await using client = open()
    assert.equal((await client.get(redirect(303, 'https://other.example/'))).status, 303)
    await assert.rejects(client.get(redirect(303, '')), /More than 20/)
    await using still = open({ redirect: 'manual' })
    assert.equal((await still.get(redirect(303, '/next'))).headers.get('location'), '/next')
  })
})

test('a form is sent with what the page has put into it', async () => {
  await using client = open()
  const page = `
    <form action="/search"><input name="q"></form>
    <FORM action='/login?a=1&amp;b=2' METHOD="POST">
      <input type="hidden" name="csrf_token" value="a&quot;b&#39;c">
      <input name=user value=nobody> <input type="checkbox" name="remember" value="1">
      <input type=submit name=go value=Go>
    </form>`
  const login = await seen(client.submit(page, { user: 'ada' }, '/login?a=1&b=2'))
  assert.deepEqual([login.method, login.url], ['POST', '/login?a=1&b=2'])
  assert.deepEqual(Object.fromEntries(new URLSearchParams(login.body)), { csrf_token: `a"b'c`, user: 'ada' })
  const search = await seen(client.submit(page, { q: 'a b' }))
  assert.deepEqual([search.method, search.url], ['GET', '/search?q=a+b'])
  await assert.rejects(client.submit('<p>none'), /no form/)
})
