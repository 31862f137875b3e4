/** The adapter for node:http: the scenarios, and upgrades. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { memory } from 'holdfast/memory'
import { nodeContext, protect, upgrade } from 'holdfast/node'
import { trustProxies } from '../../src/proxy.ts'
import { node } from './adapters.ts'
import {
  type AnySession,
  type AnySessions,
  CERTIFICATE,
  PROXY,
  pause,
  type Site,
  send,
  start,
  wrapEngine,
} from './harness.ts'
import { scenarios } from './suite.ts'

scenarios(node)

describe('upgrades', { concurrency: true }, () => {
  async function open(
    options: Parameters<typeof start>[1] = {},
    listener: (socket: Duplex, session: AnySession, sessions: AnySessions) => unknown = (socket, session) =>
      socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\nhello ${session.userId}`),
  ): Promise<Site> {
    const site = await start(
      (sessions) =>
        protect(sessions, (_req, res, session) => {
          session.authenticate('ada')
          res.end()
        }),
      options,
    )
    site.server.on(
      'upgrade',
      upgrade(site.sessions, (_req, socket, _head, session) => listener(socket, session, site.sessions)),
    )
    return site
  }

  /** @returns all that comes back */
  async function shake(site: Site, headers: Record<string, string>): Promise<string> {
    const socket: Socket = connect(site.port, '127.0.0.1')
    const lines = Object.entries({
      host: `localhost:${site.port}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
      ...headers,
    })
    socket.write(
      `GET /socket HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    )
    const chunks = await socket.toArray()
    return Buffer.concat(chunks as Buffer[]).toString()
  }

  async function cookieOf(site: Site): Promise<string> {
    const client = site.browser({ userAgent: 'test' })
    await client.post('/')
    return Object.entries(await client.cookies())
      .map((pair) => pair.join('='))
      .join('; ')
  }

  test('what the listener throws is the answer: a 401 for a visitor, a bare 500 for what is no business of his', async (t) => {
    const log = t.mock.method(console, 'error', () => {})
    await using closed = await open({}, (_socket, session) => void session.require())
    assert.match(await shake(closed, {}), /^HTTP\/1\.1 401 .*ERR_NOT_AUTHENTICATED/s)
    await using broken = await open({}, () => {
      throw new Error('the password is 1234')
    })
    const answer = await shake(broken, {})
    assert.match(answer, /^HTTP\/1\.1 500 /)
    assert.doesNotMatch(answer, /1234/)
    assert.equal(log.mock.callCount(), 1)
  })

  test('what the listener throws when it has answered cuts the socket off, and adds nothing to the answer', async (t) => {
    t.mock.method(console, 'error', () => {})
    await using site = await open({}, async (socket) => {
      await new Promise((resolve) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n', resolve))
      throw new Error('too late')
    })
    assert.equal(await shake(site, {}), 'HTTP/1.1 101 Switching Protocols\r\n\r\n')
  })

  test("a page of ours gets its user's session", async () => {
    await using site = await open()
    const own = { origin: `http://localhost:${site.port}`, 'user-agent': 'test' }
    assert.match(await shake(site, { ...own, cookie: await cookieOf(site) }), /hello ada$/)
    assert.match(await shake(site, own), /hello null$/)
  })

  test('sessions.current() finds it', async () => {
    await using site = await open({}, (socket, _session, sessions) =>
      socket.end(`user ${sessions.current().userId}`),
    )
    const headers = {
      origin: `http://localhost:${site.port}`,
      'user-agent': 'test',
      cookie: await cookieOf(site),
    }
    assert.match(await shake(site, headers), /user ada$/)
  })

  test("another site's page is refused, though the browser sends the cookie along", async () => {
    await using site = await open({ proxy: PROXY }, (socket) => socket.end('reached'))
    const https = { host: 'app.example', 'x-forwarded-proto': 'https', 'user-agent': 'test' }
    const cookie = await cookieOf(site)
    for (const [headers, code] of [
      [{ origin: 'https://evil.example' }, 'ERR_CROSS_ORIGIN'],
      [{ origin: 'https://sibling.app.example' }, 'ERR_CROSS_ORIGIN'],
      [{ origin: 'null' }, 'ERR_CROSS_ORIGIN'],
      [{ origin: 'https://app.example', 'sec-fetch-site': 'cross-site' }, 'ERR_CROSS_ORIGIN'],
      [{}, 'ERR_CSRF_TOKEN_MISSING'],
    ] as const) {
      const answer = await shake(site, { ...https, ...headers, cookie })
      assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/)
      assert.match(answer, /\r\nStrict-Transport-Security: /)
      assert.match(answer, /\r\nConnection: close\r\n/)
      assert.match(answer, new RegExp(`\r\n\r\n403 ${code}: [^\n]+\n$`))
      assert.doesNotMatch(answer, /set-cookie|reached/i)
    }
    assert.equal(await shake(site, { ...https, origin: 'https://app.example', cookie }), 'reached')
  })

  test('a malformed request, plain HTTP, a store that is down: an answer each', async () => {
    let down = false
    const engine = wrapEngine(memory(), (_verb, call) => {
      if (down) throw new Error('down')
      return call()
    })
    await using site = await open({ engine })
    assert.match(await shake(site, { host: 'a b' }), /^HTTP\/1\.1 400 Bad Request\r\n.*ERR_REQUEST/s)
    assert.match(await shake(site, { host: 'app.example' }), /^HTTP\/1\.1 308 Permanent Redirect\r\n/)
    const cookie = await cookieOf(site)
    down = true
    const own = { origin: `http://localhost:${site.port}`, cookie, 'user-agent': 'test' }
    assert.match(
      await shake(site, own),
      /^HTTP\/1\.1 503 Service Unavailable\r\n.*\r\nRetry-After: 1\r\n.*ERR_ENGINE/s,
    )
  })

  test('it counts as a use, and commit() stores what comes later', async () => {
    const verbs: string[] = []
    const engine = wrapEngine(memory(), (verb, call) => {
      verbs.push(verb)
      return call()
    })
    await using site = await open({ engine, idle: '1s' }, async (socket, session) => {
      session.set('connected', true)
      await session.commit()
      socket.end('done')
    })
    const headers = {
      origin: `http://localhost:${site.port}`,
      'user-agent': 'test',
      cookie: await cookieOf(site),
    }
    await pause(150)
    verbs.length = 0
    assert.match(await shake(site, headers), /done$/)
    assert.deepEqual(verbs, ['load', 'touch', 'replace'])
  })

  test('a client that goes away while its session is read ends nothing', async () => {
    const engine = wrapEngine(memory(), async (verb, call) => {
      if (verb === 'load') await pause(50)
      return call()
    })
    await using site = await open({ engine }, (socket) => socket.destroy())
    const cookie = await cookieOf(site)
    const own = { host: `localhost:${site.port}`, origin: `http://localhost:${site.port}`, cookie }
    const headers = { ...own, connection: 'Upgrade', upgrade: 'websocket' }
    const outgoing = request({ port: site.port, headers }).end()
    outgoing.on('error', () => {})
    await pause(20)
    ;(outgoing.socket as Socket).resetAndDestroy()
    await pause(80)
    assert.equal((await send(site.port, { headers: own })).status, 200)
  })
})

describe('nodeContext', () => {
  async function contextOf(target: string, headers: Record<string, string> = {}) {
    const seen: ReturnType<typeof nodeContext>[] = []
    const server = createServer((req, res) => {
      seen.push(nodeContext(req, trustProxies([])))
      res.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await send((server.address() as AddressInfo).port, {
      path: target,
      headers: { host: 'app.example', ...headers },
    })
    server.close()
    return seen[0]!
  }

  for (const [target, path, search] of [
    ['/a/b?c=d?e', '/a/b', '?c=d?e'],
    ['/%2e%2e//a;b', '/%2e%2e//a;b', ''],
    ['http://other.example/a?b', '/a', '?b'],
    ['http://other.example?b', '/', '?b'],
    ['//other.example/a', '//other.example/a', ''],
  ] as const) {
    test(`path of ${target}`, async () => {
      const context = await contextOf(target)
      assert.deepEqual([context.path, context.search, context.origin], [path, search, 'http://app.example'])
    })
  }

  test('what is absent is null', async () => {
    const context = await contextOf('/')
    assert.deepEqual(
      [context.header('x-none'), context.field('x-none'), context.ip],
      [null, null, '127.0.0.1'],
    )
  })
})

test('HTTP/2, by its compatibility layer', async () => {
  const engine = wrapEngine(memory(), (verb, call) => {
    if (verb === 'replace') throw new Error('disk full')
    return call()
  })
  const site = await start(
    (sessions) =>
      protect(sessions, (req, res, session) => {
        if (req.url === '/login') session.authenticate('ada')
        else session.set('a', 1)
        assert.equal('_implicitHeader' in res, false, 'what it lacks it still lacks')
        res.writeHead(201, { 'x-app': 'yes' })
        res.write('bo')
        res.end('dy')
      }),
    { engine },
  )
  const server = createSecureServer(CERTIFICATE, site.server.listeners('request')[0] as never).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  const client = connectHttp2(`https://localhost:${(server.address() as AddressInfo).port}`, {
    rejectUnauthorized: false,
  })
  const ask = async (path: string, headers: object) => {
    const stream = client
      .request({ ':path': path, ':method': 'POST', 'sec-fetch-site': 'same-origin', ...headers })
      .end()
    const [head] = (await once(stream, 'response')) as [Record<string, string>]
    return { head, body: Buffer.concat(await stream.toArray()).toString() }
  }
  const { head, body } = await ask('/login', {})
  assert.deepEqual([head[':status'], head['x-app'], body], [201, 'yes', 'body'])
  assert.equal(head['strict-transport-security'], 'max-age=31536000; includeSubDomains')
  assert.equal(head['set-cookie']?.length, 1)
  const failed = await ask('/set', { cookie: head['set-cookie']![0]!.split(';')[0] })
  assert.deepEqual([failed.head[':status'], failed.head['x-app']], [503, undefined])
  assert.match(failed.body, /^503 ERR_ENGINE: [^\n]+\n$/)
  client.close()
  server.close()
  await site[Symbol.asyncDispose]()
})
