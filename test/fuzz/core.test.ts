/**
 * Bad input to the core and to the resolution of proxies. `HOLDFAST_FUZZ_SECONDS=3600` for an hour of it (all fuzzers
 * together); `HOLDFAST_SEED` and `HOLDFAST_INPUT`, as a failure prints them, for the same input again.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { protect } from '../../src/adapters/web.ts'
import { ip } from '../../src/bindings/ip.ts'
import { userAgent } from '../../src/bindings/user-agent.ts'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import {
  createSessions,
  generateKey,
  type RequestContext,
  type Session,
  SessionError,
  type Sessions,
  type SessionsOptions,
} from '../../src/index.ts'
import { resolveClient, trustProxies } from '../../src/proxy.ts'
import { fuzz } from './fuzz.ts'
import type { Random } from './random.ts'

const SESSION = '__Host-Http-session'
const VISITOR = '__Host-Http-visitor'

type Data = Record<string, unknown>
type AnySessions = Sessions<Data>
type AnySession = Session<Data>
type HeaderMap = Readonly<Record<string, string>>

function contextOf(headers: HeaderMap, method = 'POST', field: string | null = null): RequestContext {
  const all: HeaderMap = { 'sec-fetch-site': 'same-origin', 'user-agent': 'Firefox', ...headers }
  return {
    method,
    origin: 'https://app.example',
    path: '/',
    search: '',
    ip: '192.0.2.1',
    now: Date.now(),
    header: (name) => (Object.hasOwn(all, name) ? all[name]! : null),
    field: (name) => (name === 'csrf_token' ? field : null),
  }
}

function tokenOf(headers: readonly (readonly [string, string])[], name = SESSION): string {
  const line = headers.find(([, value]) => value.startsWith(`${name}=`))![1]
  return line.slice(name.length + 1).split(';')[0]!
}

/** Sessions with some logged in, and every genuine token that there is. */
async function populated(options: Partial<SessionsOptions<Data>> = {}) {
  const keys = [generateKey(), generateKey()]
  let calls = 0
  const engine = memory()
  const counted = {
    ...engine,
    load(...args: Parameters<typeof engine.load>) {
      calls++
      return engine.load(...args)
    },
  }
  const sessions = createSessions<Data>({ engine: counted, keys, bindings: [userAgent(), ip()], ...options })
  const older = createSessions<Data>({ engine: counted, keys: keys[1]!, ...options })
  const others = createSessions<Data>({ engine: memory(), keys: generateKey() })
  const login = async (server: AnySessions, userId: string) => {
    const session = await server.open(contextOf({}))
    session.authenticate(userId)
    return tokenOf((await server.commit(session)).headers)
  }
  const visitorSession = await sessions.open(contextOf({}, 'GET'))
  visitorSession.csrfToken()
  const visitor = tokenOf((await sessions.commit(visitorSession)).headers, VISITOR)
  const genuine = [
    await login(sessions, 'ada'),
    await login(sessions, 'grace'),
    await login(older, 'alan'),
    await login(sessions, 'ada'),
  ]
  return { sessions, genuine, visitor, foreign: await login(others, 'ada'), calls: () => calls }
}

test('a mutated token is never a session, and costs no read', async (t) => {
  const { sessions, genuine, visitor, foreign, calls } = await populated()
  const before = calls()
  const all = [...genuine, visitor, foreign]
  let whole = 0
  await fuzz(t, async (random) => {
    const token = random.mutate(random.pick(all), all)
    const session = await sessions.open(contextOf({ cookie: `${SESSION}=${token}` }))
    // A separator in it makes it two cookies, of which the first may be a whole token.
    const intact = genuine.some((each) =>
      token.split(';').some((piece) => piece.replace(/^[ \t]+|[ \t]+$/g, '') === each),
    )
    if (intact) whole++
    else assert.equal(session.userId, null, `alive: ${JSON.stringify(token)}`)
    session.set('note', 'of a visitor')
    if (!intact) assert.equal(session.id, null)
  })
  assert.ok(calls() - before <= whole, 'a forged token was looked up')
})

test('a cookie header of any kind is nobody, or the one token that stands in it', async (t) => {
  const { sessions, genuine, visitor } = await populated()
  await fuzz(t, async (random) => {
    const name = () =>
      random.pick([
        SESSION,
        SESSION,
        VISITOR,
        'session',
        SESSION.toLowerCase(),
        ` ${SESSION}`,
        `\u00a0${SESSION}`,
        random.text(8),
      ])
    const value = () => random.pick([...genuine, visitor, '', random.text(20), random.mutate(genuine[0]!)])
    const pairs = random.some(6, () => `${name()}${random.pick(['=', '=', '=', '', '=='])}${value()}`)
    const header = random.mutate(
      pairs.join(random.pick(['; ', ';', ', ', ';;'])),
      pairs.length > 0 ? pairs : [''],
    )
    const session = await sessions.open(contextOf({ cookie: header }))
    const shown = genuine.filter((token) => header.includes(token))
    if (session.userId !== null) assert.ok(shown.length > 0, `alive: ${JSON.stringify(header)}`)
    session.set('note', 'anything')
    const { headers } = await sessions.commit(session)
    for (const [, line] of headers) assert.doesNotMatch(line, /[\r\n\0]/)
    if (session.userId === null) await sessions.revoke({ id: session.id! })
  })
})

test('a mutated CSRF token is refused, and nothing but refused', async (t) => {
  const { sessions, genuine } = await populated({ csrf: { requireToken: true } })
  const tokens: string[] = []
  for (const token of genuine) {
    const session = await sessions.open(contextOf({ cookie: `${SESSION}=${token}` }, 'GET'))
    tokens.push(session.csrfToken(), session.csrfToken())
  }
  const anonymous = await sessions.open(contextOf({}, 'GET'))
  tokens.push(anonymous.csrfToken())
  await fuzz(t, async (random) => {
    const whose = random.below(genuine.length)
    const value = random.chance(3) ? random.text(90) : random.mutate(random.pick(tokens), tokens)
    const asField = random.chance(2)
    const headers = { cookie: `${SESSION}=${genuine[whose]}`, ...(!asField && { 'x-csrf-token': value }) }
    const session = await sessions.open(contextOf(headers, 'POST', asField ? value : null))
    // Any mask will do: what counts is what is under it. And 86 characters carry four bits more than 64 bytes have.
    if (value.length === 86 && unmask(value) === unmask(tokens[2 * whose]!)) return
    if (value === '') return assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_MISSING')
    assert.equal(session.refusal?.status, 403, `passed: ${JSON.stringify(value)}`)
    assert.throws(() => session.set('a', 1), SessionError)
    assert.throws(() => session.verifyCsrf(value), SessionError)
  })
})

function unmask(token: string): string {
  const bytes = Buffer.from(token, 'base64url')
  return Buffer.from(bytes.subarray(32).map((byte, index) => byte ^ bytes[index]!)).toString('hex')
}

test('forwarded headers of any kind: an origin and an address, or a 400', async (t) => {
  const trust = trustProxies(['10.0.0.0/8', '2001:db8::/32'])
  const addresses = [
    '192.0.2.1',
    '10.0.0.1',
    '10.1.2.3',
    '::1',
    '2001:db8::7',
    '::ffff:10.0.0.1',
    '[2001:db8::1]:80',
    '192.0.2.1:80',
    'unknown',
    '_hidden',
    '0x7f.1',
    '127.1',
    '999.1.1.1',
    '1.2.3.4.5',
    'fe80::1%eth0',
  ]
  const hosts = [
    'app.example',
    'app.example:8443',
    'APP.example.',
    '[::1]:80',
    '127.0.0.1',
    'a..b',
    'xn--',
    'app.example@evil.example',
    'app.example/evil',
    'localhost',
    'app.example:99999',
    '0x7f000001',
  ]
  await fuzz(t, (random) => {
    const list = (items: readonly string[]) => {
      const text = random
        .some(4, () => (random.chance(4) ? random.text(12) : random.pick(items)))
        .join(random.pick([',', ', ', ' , ', ';']))
      return random.chance(3) ? random.mutate(text, items) : text
    }
    const headers: Record<string, string | null> = {
      'x-forwarded-for': random.chance(4) ? null : list(addresses),
      'x-forwarded-proto': random.chance(3) ? null : list(['http', 'https', 'HTTPS', 'wss', 'ftp']),
      'x-forwarded-host': random.chance(3) ? null : list(hosts),
    }
    const trusted = random.chance(2)
    const peer = trusted
      ? random.pick(['10.0.0.9', '::ffff:10.0.0.9', '2001:db8::1'])
      : random.pick(['192.0.2.9', '::1', null, random.text(12)])
    const host = random.chance(6) ? null : random.chance(2) ? 'app.example' : list(hosts)
    const connection = {
      peer,
      scheme: random.pick(['http', 'https'] as const),
      host,
      header: (name: string) => headers[name] ?? null,
    }
    try {
      const { ip, origin } = resolveClient(connection, trust)
      const { protocol, hostname, port } = new URL(origin)
      assert.equal(
        new URL(origin).origin,
        origin.replace(/\.(?=:|$)/, (dot) => (hostname.endsWith('.') ? dot : '')),
        'no origin that a browser would have',
      )
      assert.match(protocol, /^https?:$/)
      assert.ok(hostname !== '' && (port === '' || Number(port) > 0))
      // Whoever connects by himself chooses neither: what he forwards is not read.
      if (!trusted && peer !== null) assert.ok(origin.startsWith(`${connection.scheme}://`))
      if (ip !== null) assert.match(ip, /^[\d.]+$|^[\da-f:.]*:[\da-f:.]*(?:%[\w.]+)?$/)
    } catch (error) {
      if (!(error instanceof SessionError)) throw error
      assert.equal(error.status, 400, error.code)
    }
  })
})

test('whole requests of any kind through the web adapter: never a 5xx', async (t) => {
  const { sessions, genuine, visitor } = await populated({ proxy: ['10.0.0.0/8'] })
  const handle = protect(
    sessions,
    (_request, session) => {
      session.update('count', (count) => Number(count ?? 0) + 1)
      return Response.json({ user: session.userId })
    },
    { ip: () => '10.0.0.1' },
  )
  const names = [
    'cookie',
    'origin',
    'referer',
    'sec-fetch-site',
    'user-agent',
    'x-csrf-token',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'forwarded',
    'upgrade',
    'accept',
    'content-type',
    'content-length',
    'session-passive',
  ]
  const values = [
    'same-origin',
    'cross-site',
    'none',
    'null',
    'https://app.example',
    'https',
    'http',
    'websocket',
    '1',
    'application/json',
    'application/x-www-form-urlencoded',
    'text/html;q=0.9,*/*;q=nan',
    `${SESSION}=${genuine[0]}`,
    `${VISITOR}=${visitor}`,
  ]
  await fuzz(t, async (random) => {
    const headers = new Headers()
    for (const name of random.some(8, () => random.pick(names))) {
      const value = random.chance(3)
        ? random.text(30)
        : random.chance(2)
          ? random.pick(values)
          : random.mutate(random.pick(values), values)
      // What no server would ever let through to us.
      headers.set(name, value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?'))
    }
    const method = random.pick(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND'])
    const body =
      method === 'GET' || method === 'HEAD' || random.chance(2)
        ? null
        : `csrf_token=${encodeURIComponent(random.text(30).toWellFormed())}`
    const path = random.pick(['/', '/a', '//evil.example/', '/%00', '/?csrf_token=x', '/%ff'])
    const request = new Request(`${random.pick(['https', 'http'])}://app.example${path}`, {
      method,
      headers,
      body,
    })
    const response = await handle(request)
    assert.ok(response.status < 500, `${response.status} ${await response.clone().text()}`)
    await response.body?.cancel()
    const made = response.headers.getSetCookie().find((line) => line.startsWith(`${SESSION}=`))
    const id = made?.slice(SESSION.length + 1).split('.')[0]
    if (id && !genuine.some((token) => token.startsWith(id))) await sessions.revoke({ id })
  })
})

/** Whether JSON has it as it is. */
const isPlain = (name: string) => JSON.stringify(name) === `"${name}"`

for (const [engineName, make] of [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(':memory:')],
] as const) {
  test(`session names and values of any kind come back as they were, or are refused: ${engineName}`, async (t) => {
    const sessions = createSessions<Record<string, unknown>>({
      engine: make(),
      keys: generateKey(),
      maxDataBytes: 8_192,
    })
    t.after(() => sessions.close())
    await fuzz(t, async (random) => {
      const first = await sessions.open(contextOf({}))
      const kept = new Map<string, unknown>()
      const userId = random.chance(3) ? random.name() : null
      try {
        for (const name of random.some(5, () => random.name())) await change(random, first, name, kept)
        if (userId !== null) first.authenticate(userId)
      } catch (error) {
        if (
          !(error instanceof SessionError) &&
          !(error instanceof TypeError && /authenticate/.test(error.message))
        )
          throw error
        return
      }
      if (kept.size === 0 && userId === null) return
      let token: string
      try {
        token = tokenOf((await sessions.commit(first)).headers)
      } catch (error) {
        if (error instanceof SessionError && error.status < 500) return
        throw error
      }
      const second = await sessions.open(contextOf({ cookie: `${SESSION}=${token}` }))
      assert.equal(second.userId, userId)
      assert.deepEqual(new Set(second.keys().filter(isPlain)), new Set([...kept.keys()].filter(isPlain)))
      for (const [name, value] of kept) {
        const expected = JSON.stringify(value)
        const found = JSON.stringify(second.get(name))
        if (found === expected) continue
        // V8 (13.6, in Node 24.21) takes one property for another, or forgets it, where JSON must escape its name: it reads "\u0000"
        // as "\\", if it has met that before. What is stored is right.
        assert.ok(!isPlain(name), `${name}: ${found}, not ${expected}`)
        t.diagnostic(`JSON.parse loses a property: ${expected}`)
      }
      assert.equal(({} as Record<string, unknown>).polluted, undefined)
      second.terminate()
      await sessions.commit(second)
    })
  })
}

/** One change, and what must come of it. */
async function change(
  random: Random,
  session: AnySession,
  name: string,
  kept: Map<string, unknown>,
): Promise<void> {
  const value = random.chance(6) ? strange(random) : random.json()
  switch (random.below(5)) {
    case 0:
      session.delete(name)
      kept.delete(name)
      return
    case 1:
      session.update(name, () => value as never)
      if (value !== undefined) kept.set(name, value)
      return
    case 2:
      assert.equal(JSON.stringify(session.pop(name)), JSON.stringify(kept.get(name)))
      kept.delete(name)
      return
    default:
      session.set(name, value)
      kept.set(name, value)
  }
}

/** What JSON can't hold, or holds otherwise. */
function strange(random: Random): unknown {
  const circle: Record<string, unknown> = {}
  circle.self = circle
  let deep: unknown = 1
  for (let depth = 0; depth < 200; depth++) deep = [deep]
  return random.pick<unknown>([
    NaN,
    Infinity,
    undefined,
    1n,
    Symbol('s'),
    () => 1,
    new Date(),
    new Map(),
    new Uint8Array(4),
    circle,
    deep,
    [undefined],
    // biome-ignore lint/suspicious/noSparseArray: that is the point
    [1, , 2],
    { a: undefined },
    Object.create({ inherited: 1 }),
    { toJSON: () => 'else' },
    JSON.parse('{"__proto__":{"polluted":true}}'),
    'x'.repeat(9_000),
    new Proxy({}, {}),
  ])
}
