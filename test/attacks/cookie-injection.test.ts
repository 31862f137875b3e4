/** What is written into a Set-Cookie, and names that mean something to JavaScript. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { equal } from '#crypto'
import { Client, contextOf, SESSION, serve } from './support.ts'

const HOSTILE = [
  '\r\nSet-Cookie: a=b',
  '\n',
  '\0',
  ';',
  ';Domain=evil.example',
  ',',
  ' ',
  '\t',
  '"',
  '\\',
  '\u00e9',
  '\x7f',
  '=',
]

describe('R-28 R-29 no option of the cookie takes a character that ends it', () => {
  for (const hostile of HOSTILE) {
    test(JSON.stringify(hostile), () => {
      assert.throws(() => serve({ cookie: { name: `a${hostile}b` } }), { code: 'ERR_OPTION' }, 'name')
      if (!['=', ',', ' ', '"', '\\', '\u00e9'].includes(hostile)) {
        assert.throws(() => serve({ cookie: { path: `/a${hostile}b` } }), { code: 'ERR_OPTION' }, 'path')
      }
      assert.throws(
        () => serve({ cookie: { domain: `a${hostile}b.example` } }),
        { code: 'ERR_OPTION' },
        'domain',
      )
      assert.throws(
        () => serve({ cookie: { sameSite: `lax${hostile}` as never } }),
        { code: 'ERR_OPTION' },
        'sameSite',
      )
    })
  }
})

test('R-28 nothing that an application gives to a session ends up in a header', async () => {
  const server = serve()
  const client = new Client(server)
  const hostile = 'x\r\nSet-Cookie: evil=1; Domain=example'
  const { effects } = await client.send((session) => {
    session.set(hostile, hostile)
    session.authenticate(hostile, { methods: [hostile], remember: true })
  })
  for (const [name, value] of effects.headers) assert.doesNotMatch(name + value, /[\r\n]|evil/)
  assert.equal(await client.whoami(), hostile)
})

test('R-28 a hostile Clear-Site-Data kind is no header', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { effects } = await ada.send((session) => session.terminate({ clearSiteData: ['cache', 'storage'] }))
  assert.deepEqual(
    effects.headers.find(([name]) => name === 'Clear-Site-Data'),
    ['Clear-Site-Data', '"cache", "storage"'],
  )
})

test('ASVS 3.3.1 to 3.3.5 every Set-Cookie of a whole life has all its flags, and is short', async () => {
  const server = serve()
  const ada = new Client(server)
  const lines: string[] = []
  const step = async (work: Promise<{ effects: { headers: readonly (readonly [string, string])[] } }>) => {
    for (const [name, value] of (await work).effects.headers) if (name === 'Set-Cookie') lines.push(value)
  }
  await step(ada.send((session) => void session.csrfToken()))
  await step(ada.send((session) => session.set('cart', 1)))
  await step(ada.login('ada', { remember: true }))
  server.clock.now += 16 * 60_000
  await step(ada.send())
  await step(ada.send((session) => session.reauthenticate()))
  await step(ada.send((session) => session.terminate()))
  assert.ok(lines.length >= 6)
  for (const line of lines) {
    assert.match(line, /^__Host-Http-(?:session|visitor)=/)
    for (const flag of ['Secure', 'HttpOnly', 'Path=/', 'SameSite=Lax'])
      assert.ok(line.split('; ').includes(flag), line)
    assert.doesNotMatch(line, /Domain/i)
    assert.ok(line.length < 500)
  }
})

describe('R-31 names that mean something to objects are names like any other', () => {
  for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '']) {
    test(JSON.stringify(name), async () => {
      const server = serve()
      const ada = new Client(server)
      await ada.login('ada')
      assert.equal((await ada.peek()).get(name), undefined)
      assert.equal((await ada.peek()).has(name), false)
      const hostile = JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}')
      await ada.send((session) => session.set(name, hostile))
      await ada.send((session) => session.update(name, (value) => value))
      const out = (await ada.peek()).get(name) as Record<string, unknown>
      assert.deepEqual(Object.keys(out), ['__proto__', 'constructor'])
      assert.equal(Object.getPrototypeOf(out), Object.prototype)
      assert.equal((out as { admin?: unknown }).admin, undefined)
      assert.equal(({} as { admin?: unknown }).admin, undefined)
      await ada.send((session) => session.delete(name))
      assert.equal((await ada.peek()).get(name), undefined)
    })
  }

  test('in cookies, headers, fields and bindings', async () => {
    const server = serve()
    for (const name of ['__proto__', 'constructor']) {
      const context = contextOf({ headers: { cookie: `${name}=x; ${SESSION}=y; ${name}=z` } })
      const session = await server.sessions.open(context)
      assert.equal(session.userId, null)
    }
    const binding = {
      name: '__proto__',
      onMismatch: 'revoke' as const,
      capture: () => 'x',
      matches: (bound: string) => bound === 'x',
    }
    const bound = serve({ bindings: [binding] })
    const ada = new Client(bound)
    await ada.login('ada')
    assert.equal(await ada.whoami(), 'ada')
  })
})

test('R-32 a cookie named ...__chunked__999999 costs nothing: there are no chunks to look for', async () => {
  const server = serve()
  const started = performance.now()
  for (let index = 0; index < 100; index++) {
    const header = `${SESSION}=__chunked__999999; ${SESSION}__chunked__999999=x; ${SESSION}.999999=y`
    const session = await server.sessions.open(contextOf({ headers: { cookie: header } }))
    session.csrfToken()
    const { headers } = await server.sessions.commit(session)
    assert.ok(headers.filter(([name]) => name === 'Set-Cookie').length <= 1)
  }
  assert.ok(performance.now() - started < 1_000)
})

test('R-26 the comparison of tags takes unequal lengths for unequal, and never stops early by itself', () => {
  const a = 'H'.repeat(43)
  assert.equal(equal(a, a.slice()), true)
  assert.equal(equal(a, a.slice(0, 42)), false)
  assert.equal(equal(a, ''), false)
  for (let at = 0; at < 43; at++) assert.equal(equal(a, `${a.slice(0, at)}I${a.slice(at + 1)}`), false)
})

test('R-26 v5.0.0-7.2.1 every character of a token counts, each spelling of its last one included', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const token = ada.token!
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/='
  const forger = new Client(server)
  for (let at = 0; at < token.length; at++) {
    const others = at === token.length - 1 || at % 20 === 0 ? [...alphabet] : ['A', 'B']
    for (const other of others.filter((char) => char !== token[at])) {
      forger.jar.set(SESSION, token.slice(0, at) + other + token.slice(at + 1))
      assert.equal(await forger.whoami(), null, `${at}: ${other}`)
    }
  }
  for (const variant of [
    `${token}=`,
    `${token}.`,
    ` ${token} x`,
    token.slice(0, -1),
    `"${token}"`,
    encodeURIComponent(`${token}%`),
  ]) {
    forger.jar.set(SESSION, variant)
    assert.equal(await forger.whoami(), null, variant)
  }
})

test('R-11 R-34 a sealed cookie does not exist: a token carries no data, and its copy dies with the session', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const before = ada.token!
  await ada.send((session) => session.set('role', 'reader'))
  assert.equal(ada.token, before, 'data do not change the token')
  const copy = ada.copy()
  await ada.send((session) => session.terminate())
  assert.equal(await copy.whoami(), null)
})
