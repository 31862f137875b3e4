/** How the token travels: the bytes of every Set-Cookie, and what is read out of a Cookie header. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { bearer, type CookieOptions, cookie } from '../../src/core/transport.ts'
import { DAY, refusal, request, SECOND } from './fixtures.ts'

type Options = CookieOptions & { insecureHttp?: boolean }

const NAME = '__Host-Http-session'
const YEAR = (365 * DAY) / SECOND

describe('cookie: Set-Cookie, byte by byte', () => {
  const rows: readonly [rule: string, options: Options, maxAge: number | null, bytes: string][] = [
    ['by default', {}, null, '__Host-Http-session=T; Path=/; HttpOnly; Secure; SameSite=Lax'],
    ['remembered', {}, 3_600, '__Host-Http-session=T; Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=Lax'],
    [
      'CK-3: 400 days at most',
      {},
      2 * YEAR,
      '__Host-Http-session=T; Max-Age=34560000; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    ['a name', { name: 'sid' }, null, '__Host-Http-sid=T; Path=/; HttpOnly; Secure; SameSite=Lax'],
    [
      'strict',
      { sameSite: 'strict' },
      null,
      '__Host-Http-session=T; Path=/; HttpOnly; Secure; SameSite=Strict',
    ],
    ['none', { sameSite: 'none' }, null, '__Host-Http-session=T; Path=/; HttpOnly; Secure; SameSite=None'],
    [
      'partitioned',
      { partitioned: true, sameSite: 'none' },
      null,
      '__Host-Http-session=T; Path=/; HttpOnly; Secure; Partitioned; SameSite=None',
    ],
    [
      'a domain costs the __Host- prefix',
      { domain: 'example.com' },
      null,
      '__Secure-session=T; Domain=example.com; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    ['a path, too', { path: '/app' }, null, '__Secure-session=T; Path=/app; HttpOnly; Secure; SameSite=Lax'],
    [
      'insecureHttp has neither prefix nor Secure',
      { insecureHttp: true },
      null,
      'session=T; Path=/; HttpOnly; SameSite=Lax',
    ],
    [
      '... nor with a domain',
      { insecureHttp: true, domain: 'example.com' },
      null,
      'session=T; Domain=example.com; Path=/; HttpOnly; SameSite=Lax',
    ],
  ]
  for (const [rule, options, maxAge, bytes] of rows) {
    test(rule, () => assert.deepEqual(cookie(options).write('T', maxAge), ['Set-Cookie', bytes]))
    test(`${rule}: cleared with the same attributes`, () => {
      const [header, cleared] = cookie(options).clear()!
      const attributes = bytes
        .replace('=T', '=')
        .replace(/; Max-Age=\d+/, '')
        .split('; ')
      assert.equal(header, 'Set-Cookie')
      assert.deepEqual(new Set(cleared.split('; ')), new Set([...attributes, 'Max-Age=0']))
    })
  }
  test('a cookie is ambient: browsers attach it', () => assert.equal(cookie().ambient, true))
  test('answers vary by Cookie', () => assert.equal(cookie().vary, 'Cookie'))
})

describe('cookie: options refused (R-28, R-29)', () => {
  const rows: readonly [rule: string, options: unknown, message: RegExp][] = [
    ['a line break in the name', { name: 'a\r\nSet-Cookie: x' }, /^cookie/],
    ['a semicolon in the name', { name: 'a;b' }, /^cookie/],
    ['a comma in the name', { name: 'a,b' }, /^cookie/],
    ['an equals sign in the name', { name: 'a=b' }, /^cookie/],
    ['a space in the name', { name: 'a b' }, /^cookie/],
    ['a NUL in the name', { name: 'a\0' }, /^cookie/],
    ['U+00A0 in the name', { name: 'a\u00a0' }, /^cookie/],
    ['an empty name', { name: '' }, /^cookie\.name/],
    ['a name with a prefix', { name: '__Host-x' }, /^cookie\.name/],
    ['a number for a name', { name: 5 }, /^cookie\.name/],
    ['null for a name', { name: null }, /^cookie\.name/],
    ['a line break in the domain', { domain: 'a\r\nb' }, /^cookie/],
    ['a semicolon in the domain', { domain: 'a; Path=/x' }, /^cookie/],
    ['a number for a domain', { domain: 5 }, /^cookie/],
    ['a semicolon in the path', { path: '/a; Domain=x' }, /^cookie/],
    ['a line break in the path', { path: '/a\n' }, /^cookie/],
    ['a path that is none', { path: 'app' }, /^cookie\.path.*'\/'/],
    ['an empty path', { path: '' }, /^cookie\.path/],
    ['a number for a path', { path: 5 }, /^cookie\.path/],
    ['an unknown sameSite', { sameSite: 'maybe' }, /^cookie\.sameSite.*'lax', 'strict' or 'none'/],
    ['capitals in sameSite', { sameSite: 'Lax' }, /^cookie\.sameSite/],
    ['a semicolon in sameSite', { sameSite: 'lax; Domain=x' }, /^cookie\.sameSite/],
    ['true for sameSite', { sameSite: true }, /^cookie\.sameSite/],
    ['a word for partitioned', { partitioned: 'yes' }, /^cookie\.partitioned/],
    ['sameSite none over plain HTTP', { insecureHttp: true, sameSite: 'none' }, /HTTPS/],
    ['partitioned over plain HTTP', { insecureHttp: true, partitioned: true }, /HTTPS/],
  ]
  for (const [rule, options, message] of rows) {
    test(rule, () => assert.throws(() => cookie(options as Options), refusal('ERR_OPTION', message)))
  }
  test('whatever passes writes one header of one cookie', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab/.-_=;, \r\n\0é"') })
    fc.assert(
      fc.property(fc.record({ name: text, domain: text, path: text }, { requiredKeys: [] }), (options) => {
        try {
          const [, value] = cookie(options).write('T', null)
          assert.match(value, /^[\x20-\x7e]+$/)
          assert.equal(value.split(';').length, 'domain' in options ? 6 : 5)
        } catch (error) {
          assert.ok(refusal('ERR_OPTION')(error), String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('cookie: what is read', () => {
  const rows: readonly [rule: string, header: string | null, read: string[]][] = [
    ['no header', null, []],
    ['an empty one', '', []],
    ['ours', `${NAME}=T`, ['T']],
    ['among others', `a=b; ${NAME}=T; c=d`, ['T']],
    ['without spaces', `a=b;${NAME}=T;c=d`, ['T']],
    ['spaces and tabs around it are trimmed', `a=b; \t ${NAME} \t= \tT\t ; c=d`, ['T']],
    ['R-30: two of them, in their order', `${NAME}=1; ${NAME}=2`, ['1', '2']],
    ['an empty value', `${NAME}=`, ['']],
    ['a value with equals signs is whole', `${NAME}=a=b=`, ['a=b=']],
    ['without an equals sign it is none', `${NAME}`, []],
    ['a nameless cookie is none', `=${NAME}=T`, []],
    ['... nor one whose value looks like ours', `x=${NAME}=T`, []],
    ['CK-6: in another case it is another name', '__host-http-session=T; __HOST-HTTP-SESSION=T', []],
    ['... beside ours, too', `__HOST-HTTP-SESSION=x; ${NAME}=T`, ['T']],
    ['R-27: U+00A0 before the name makes it another', `\u00a0${NAME}=T`, []],
    ['... as Latin-1 bytes, too', `\u00c2\u00a0${NAME}=T`, []],
    ['... after it, too', `${NAME}\u00a0=T`, []],
    ['... U+2000, too', `\u2000${NAME}=T`, []],
    ['... U+FEFF, too', `\ufeff${NAME}=T`, []],
    ['... vertical tab and form feed, too', `\v${NAME}=T; \f${NAME}=T`, []],
    ['... a line break, too', `\n${NAME}=T`, []],
    ['... U+00A0 around the value stays there', `${NAME}=\u00a0T`, ['\u00a0T']],
    ['R-27: $Version brings no old grammar', `$Version=1; ${NAME}="T"; $Path=/`, ['"T"']],
    ['... nor do quotes swallow what follows', `x="a; ${NAME}=T; b"`, ['T']],
    ['... nor does a comma separate', `a=b, ${NAME}=T`, []],
    ['percent-encoding is not decoded', `${NAME}=%54; __Host-Http%2dsession=T`, ['%54']],
    ['a longer name is another', `${NAME}2=T; x${NAME}=T`, []],
    ['R-31: __proto__ is a name like any other', `__proto__=x; constructor=y; ${NAME}=T`, ['T']],
  ]
  for (const [rule, header, read] of rows) {
    test(rule, () => {
      const headers = header === null ? {} : { cookie: header }
      assert.deepEqual(cookie().read(request({ headers })), read)
    })
  }
  test('a cookie called __proto__ pollutes nothing, be it ours', () => {
    const proto = cookie({ name: 'constructor', insecureHttp: true })
    assert.deepEqual(proto.read(request({ headers: { cookie: 'a=b' } })), [])
    assert.deepEqual(proto.read(request({ headers: { cookie: '__proto__=a; constructor=b' } })), ['b'])
    assert.equal(({} as Record<string, unknown>).a, undefined)
  })
  test('R-32: 64 KB cost next to nothing', () => {
    const headers = { cookie: `${NAME}=;`.repeat(3_000) + ' '.repeat(10_000) }
    const started = performance.now()
    for (let i = 0; i < 10; i++) cookie().read(request({ headers }))
    assert.ok(performance.now() - started < 500, String(performance.now() - started))
  })
  test('what was written is read again', () => {
    const [, value] = cookie().write('a.1..b', 60)
    assert.deepEqual(cookie().read(request({ headers: { cookie: value.split('; ')[0]! } })), ['a.1..b'])
  })
})

describe('bearer', () => {
  const rows: readonly [rule: string, headers: Record<string, string>, read: string[]][] = [
    ['no header', {}, []],
    ['a token', { authorization: 'Bearer a.1..b-_' }, ['a.1..b-_']],
    ['the scheme in any case', { authorization: 'bEARER a' }, ['a']],
    ['another scheme', { authorization: 'Basic a' }, []],
    ['two spaces', { authorization: 'Bearer  a' }, []],
    ['two tokens', { authorization: 'Bearer a, Bearer b' }, []],
    ['something before', { authorization: 'x Bearer a' }, []],
    ['something after', { authorization: 'Bearer a b' }, []],
    ['a line break', { authorization: 'Bearer a\n' }, []],
    ['nothing', { authorization: 'Bearer ' }, []],
    ['a cookie is not looked at: a second way in', { cookie: `${NAME}=T; bearer=T` }, []],
  ]
  for (const [rule, headers, read] of rows) {
    test(rule, () => assert.deepEqual(bearer().read(request({ headers })), read))
  }
  test('hands out by a header of its own', () =>
    assert.deepEqual(bearer().write('T', 5), ['Session-Token', 'T']))
  test('has nothing to clear', () => assert.equal(bearer().clear(), null))
  test('is not ambient', () => assert.equal(bearer().ambient, false))
  test('answers vary by Authorization', () => assert.equal(bearer().vary, 'Authorization'))
})
