/** Which requests may proceed, decided by their heads alone. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { guard, isSecure } from '../../src/core/guard.ts'
import type { SessionsOptions } from '../../src/core/policy.ts'
import { bearer } from '../../src/core/transport.ts'
import { KEY, type Parts, policyOf, request } from './fixtures.ts'

type Options = Partial<SessionsOptions<never>>
type Outcome =
  | 'passes'
  | 'needs token'
  | 'by handler'
  | 'unproven'
  | 'ERR_CROSS_ORIGIN'
  | 'ERR_INSECURE_TRANSPORT'

const COOKIE = { cookie: '__Host-Http-session=x' }
const VISITOR = { cookie: '__Host-Http-visitor=x' }

function outcome(parts: Parts, options: Options = {}): Outcome {
  const { refusal, token, originProven } = guard(request(parts), policyOf(options))
  if (refusal) {
    assert.deepEqual([token, originProven], ['optional', false])
    return refusal.code as Outcome
  }
  if (token === 'required') return 'needs token'
  if (token === 'by-handler') return 'by handler'
  assert.equal(token, 'optional')
  return originProven ? 'passes' : 'unproven'
}

function table(method: string, rows: readonly [rule: string, Parts['headers'], Outcome, Options?][]) {
  for (const [rule, headers = {}, expected, options] of rows) {
    test(rule, () => assert.equal(outcome({ method, headers }, options), expected))
  }
}

describe('guard: an unsafe request', () => {
  const trusting = { csrf: { trustedOrigins: ['https://trusted.example'] } }
  table('POST', [
    ['Sec-Fetch-Site: same-origin passes', { 'sec-fetch-site': 'same-origin' }, 'passes'],
    ['Sec-Fetch-Site: none passes: the user typed it', { 'sec-fetch-site': 'none' }, 'passes'],
    ['cross-site is refused', { 'sec-fetch-site': 'cross-site' }, 'ERR_CROSS_ORIGIN'],
    ['same-site is refused: a sibling host is not us', { 'sec-fetch-site': 'same-site' }, 'ERR_CROSS_ORIGIN'],
    ['an unknown word is refused', { 'sec-fetch-site': 'same-planet' }, 'ERR_CROSS_ORIGIN'],
    ['an empty one is refused', { 'sec-fetch-site': '' }, 'ERR_CROSS_ORIGIN'],
    ['capitals are another word', { 'sec-fetch-site': 'Same-Origin' }, 'ERR_CROSS_ORIGIN'],
    ['a space is part of the word', { 'sec-fetch-site': ' same-origin' }, 'ERR_CROSS_ORIGIN'],
    [
      'two of them, as Node joins them, are refused',
      { 'sec-fetch-site': 'same-origin, same-origin' },
      'ERR_CROSS_ORIGIN',
    ],
    [
      'our own Origin does not outweigh cross-site',
      { 'sec-fetch-site': 'cross-site', origin: 'https://example.com' },
      'ERR_CROSS_ORIGIN',
    ],
    [
      'nor does another Origin outweigh same-origin: a proxy has rewritten Host',
      { 'sec-fetch-site': 'same-origin', origin: 'https://www.example.com' },
      'passes',
    ],
    ['without Sec-Fetch-Site, our own Origin passes', { origin: 'https://example.com' }, 'passes'],
    ['... with our cookie, too', { origin: 'https://example.com', ...COOKIE }, 'passes'],
    ['another Origin is refused', { origin: 'https://attacker.example' }, 'ERR_CROSS_ORIGIN'],
    ['our host by another scheme is refused', { origin: 'http://example.com' }, 'ERR_CROSS_ORIGIN'],
    ['our host by another port is refused', { origin: 'https://example.com:8443' }, 'ERR_CROSS_ORIGIN'],
    [
      'our host as the beginning of theirs is refused',
      { origin: 'https://example.com.attacker.example' },
      'ERR_CROSS_ORIGIN',
    ],
    ['a host below ours is refused', { origin: 'https://www.example.com' }, 'ERR_CROSS_ORIGIN'],
    ['R-18: Origin null is an origin like any other, and not ours', { origin: 'null' }, 'ERR_CROSS_ORIGIN'],
    ['an empty Origin is refused', { origin: '' }, 'ERR_CROSS_ORIGIN'],
    ['without both and without our cookie it proceeds, unproven', {}, 'unproven'],
    ['without both but with our cookie it needs a token', COOKIE, 'needs token'],
    ["... with a visitor's, too", VISITOR, 'needs token'],
    [
      '... and however many there are',
      { cookie: '__Host-Http-session=x; __Host-Http-session=y' },
      'needs token',
    ],
    ["... not with anybody else's cookie", { cookie: 'session=x; __host-http-session=y' }, 'unproven'],
    ['a Referer proves nothing', { referer: 'https://example.com/', ...COOKIE }, 'needs token'],
    [
      'R-15, R-16: the content type decides nothing',
      { 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' },
      'ERR_CROSS_ORIGIN',
    ],
    [
      'a trusted origin passes, although cross-site',
      { 'sec-fetch-site': 'cross-site', origin: 'https://trusted.example' },
      'passes',
      trusting,
    ],
    ['... and without Sec-Fetch-Site', { origin: 'https://trusted.example' }, 'passes', trusting],
    [
      '... not by another scheme',
      { 'sec-fetch-site': 'cross-site', origin: 'http://trusted.example' },
      'ERR_CROSS_ORIGIN',
      trusting,
    ],
    [
      '... not another one',
      { 'sec-fetch-site': 'cross-site', origin: 'https://attacker.example' },
      'ERR_CROSS_ORIGIN',
      trusting,
    ],
    [
      '... and who is cross-site and shows no Origin is not trusted',
      { 'sec-fetch-site': 'cross-site' },
      'ERR_CROSS_ORIGIN',
      trusting,
    ],
  ])
})

describe('guard: csrf.requireToken', () => {
  const strict = { csrf: { requireToken: true } }
  table('POST', [
    [
      'same-origin with our cookie needs a token',
      { 'sec-fetch-site': 'same-origin', ...COOKIE },
      'needs token',
      strict,
    ],
    ["... with a visitor's, too", { 'sec-fetch-site': 'same-origin', ...VISITOR }, 'needs token', strict],
    ['without a cookie there is nothing to protect', { 'sec-fetch-site': 'same-origin' }, 'passes', strict],
    [
      'cross-site is refused, whatever token it has',
      { 'sec-fetch-site': 'cross-site', 'x-csrf-token': 'x' },
      'ERR_CROSS_ORIGIN',
      strict,
    ],
    [
      'a bearer token is exempt: nothing attaches it by itself',
      { authorization: 'Bearer x' },
      'passes',
      { ...strict, transport: bearer() },
    ],
  ])
  for (const preset of ['aal2', 'aal3'] as const) {
    table('POST', [
      [`${preset} demands it`, { 'sec-fetch-site': 'same-origin', ...COOKIE }, 'needs token', { preset }],
    ])
  }
  table('POST', [
    ['aal1 does not', { 'sec-fetch-site': 'same-origin', ...COOKIE }, 'passes', { preset: 'aal1' }],
  ])
})

describe('guard: methods', () => {
  const cross = { 'sec-fetch-site': 'cross-site', ...COOKIE }
  for (const [method, expected] of [
    ['GET', 'passes'],
    ['HEAD', 'passes'],
    ['OPTIONS', 'passes'],
    ['POST', 'ERR_CROSS_ORIGIN'],
    ['PUT', 'ERR_CROSS_ORIGIN'],
    ['PATCH', 'ERR_CROSS_ORIGIN'],
    ['DELETE', 'ERR_CROSS_ORIGIN'],
    ['TRACE', 'ERR_CROSS_ORIGIN'],
    ['CONNECT', 'ERR_CROSS_ORIGIN'],
    ['QUERY', 'ERR_CROSS_ORIGIN'],
    ['get', 'ERR_CROSS_ORIGIN'],
    ['', 'ERR_CROSS_ORIGIN'],
  ] as [string, Outcome][]) {
    test(`${method || 'no method'} from another site: ${expected}`, () =>
      assert.equal(outcome({ method, headers: cross }), expected))
  }
  test('R-22: a method override makes nothing safe', () => {
    assert.equal(
      outcome({ method: 'POST', headers: { ...cross, 'x-http-method-override': 'GET' } }),
      'ERR_CROSS_ORIGIN',
    )
  })
})

describe('guard: a WebSocket upgrade, though a GET', () => {
  const upgrade = { upgrade: 'websocket', connection: 'upgrade' }
  const strict = { csrf: { requireToken: true } }
  table('GET', [
    [
      'from another origin is refused',
      { ...upgrade, origin: 'https://attacker.example' },
      'ERR_CROSS_ORIGIN',
    ],
    ['in capitals, too', { upgrade: 'WebSocket', origin: 'https://attacker.example' }, 'ERR_CROSS_ORIGIN'],
    ['from ours passes', { ...upgrade, origin: 'https://example.com', ...COOKIE }, 'passes'],
    [
      '... under requireToken, too, for a browser can add no header to it',
      { ...upgrade, origin: 'https://example.com', ...COOKIE },
      'passes',
      strict,
    ],
    ['with our cookie and without Origin needs a token', { ...upgrade, ...COOKIE }, 'needs token'],
    ['another protocol is no WebSocket', { upgrade: 'h2c', origin: 'https://attacker.example' }, 'passes'],
  ])
})

describe('guard: paths', () => {
  const exempt = { csrf: { insecureExempt: ['/hook'] } }
  for (const [path, expected] of [
    ['/hook', 'passes'],
    ['/hook/', 'ERR_CROSS_ORIGIN'],
    ['/hook/x', 'ERR_CROSS_ORIGIN'],
    ['//hook', 'ERR_CROSS_ORIGIN'],
    ['/Hook', 'ERR_CROSS_ORIGIN'],
    ['/%68ook', 'ERR_CROSS_ORIGIN'],
    ['/hook;a', 'ERR_CROSS_ORIGIN'],
    ['/', 'ERR_CROSS_ORIGIN'],
  ] as [string, Outcome][]) {
    test(`insecureExempt ['/hook'] and ${path}: ${expected}`, () =>
      assert.equal(
        outcome({ method: 'POST', path, headers: { 'sec-fetch-site': 'cross-site' } }, exempt),
        expected,
      ))
  }

  const handled = { csrf: { requireToken: true, verifiedByHandler: ['/upload'] } }
  const own = { 'sec-fetch-site': 'same-origin', ...COOKIE }
  for (const [rule, path, headers, expected] of [
    ['verifiedByHandler leaves the token to the handler', '/upload', own, 'by handler'],
    ['... of exactly that path', '/upload/', own, 'needs token'],
    ['... never the origin', '/upload', { 'sec-fetch-site': 'cross-site', ...COOKIE }, 'ERR_CROSS_ORIGIN'],
    ['... and only where a token is needed', '/upload', { 'sec-fetch-site': 'same-origin' }, 'passes'],
  ] as [string, string, Record<string, string>, Outcome][]) {
    test(rule, () => assert.equal(outcome({ method: 'POST', path, headers }, handled), expected))
  }
})

describe('guard: plain HTTP', () => {
  const http = 'http://example.com'
  for (const [rule, parts, location, options] of [
    ['a GET is sent to HTTPS', { path: '/a', search: '?b=c' }, 'https://example.com/a?b=c'],
    ['a HEAD, too', { method: 'HEAD' }, 'https://example.com/'],
    ['the port of plain HTTP is dropped', { origin: 'http://example.com:8080' }, 'https://example.com/'],
    ['httpsPort is named', {}, 'https://example.com:8443/', { httpsPort: 8443 }],
    ['an IPv6 host keeps its brackets', { origin: 'http://[2001:db8::1]:80' }, 'https://[2001:db8::1]/'],
    [
      'a path of two slashes is no other host',
      { path: '//attacker.example/x' },
      'https://example.com/attacker.example/x',
    ],
    ['a POST is refused: its body has been read on the way already', { method: 'POST' }, null],
    ['an OPTIONS is refused', { method: 'OPTIONS' }, null],
    [
      'who claims HTTPS is refused, not sent round in a circle',
      { headers: { 'x-forwarded-proto': 'https' } },
      null,
    ],
  ] as [string, Parts, string | null, Options?][]) {
    test(rule, () => {
      const { refusal } = guard(request({ origin: http, ...parts }), policyOf(options))
      assert.equal(refusal?.code, 'ERR_INSECURE_TRANSPORT')
      assert.equal(refusal.location, location)
      assert.equal(refusal.status, location === null ? 403 : 308)
    })
  }

  test('insecureHttp serves it', () =>
    assert.equal(outcome({ origin: http }, { insecureHttp: true }), 'passes'))
  test('... and checks origins all the same', () => {
    const headers = { origin: 'http://attacker.example' }
    assert.equal(
      outcome({ origin: http, method: 'POST', headers }, { insecureHttp: true }),
      'ERR_CROSS_ORIGIN',
    )
  })
})

describe('guard: loopback counts as secure', () => {
  for (const [rule, parts, secure] of [
    ['localhost, from 127.0.0.1', {}, true],
    ['from ::1', { ip: '::1' }, true],
    ['from 127.1.2.3', { ip: '127.1.2.3' }, true],
    ['from 127.100.20.30', { ip: '127.100.20.30' }, true],
    ['from ::ffff:127.0.0.1', { ip: '::ffff:127.0.0.1' }, true],
    ['from ::ffff:127.100.20.30', { ip: '::ffff:127.100.20.30' }, true],
    ['as 127.0.0.1:3000', { origin: 'http://127.0.0.1:3000' }, true],
    ['as 127.100.20.30:3000', { origin: 'http://127.100.20.30:3000' }, true],
    ['as [::1]:3000', { origin: 'http://[::1]:3000' }, true],
    ['as app.localhost', { origin: 'http://app.localhost' }, true],
    ['not from elsewhere', { ip: '203.0.113.7' }, false],
    ['not from an address that begins alike', { ip: '127.0.0.1.example' }, false],
    ['... or ends alike', { ip: '2001:db8::1' }, false],
    ['not from an unknown address', { ip: null }, false],
    ['not by another host: DNS rebinding', { origin: 'http://attacker.example' }, false],
    ['not as localhost.attacker.example', { origin: 'http://localhost.attacker.example' }, false],
    ['not as notlocalhost', { origin: 'http://notlocalhost' }, false],
    ['not as 127.0.0.1.attacker.example', { origin: 'http://127.0.0.1.attacker.example' }, false],
    ...['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'via'].map(
      (name) => [`not with ${name}: the peer is a proxy`, { headers: { [name]: 'x' } }, false] as const,
    ),
    [
      'not with a Referer from elsewhere: a proxy that hides',
      { headers: { referer: 'https://a.example/' } },
      false,
    ],
    [
      '... be it that it speaks of us',
      { headers: { referer: 'https://a.example/http://localhost/' } },
      false,
    ],
    [
      'not with an Origin from elsewhere that the browser calls its own',
      { headers: { 'sec-fetch-site': 'same-origin', origin: 'https://a.example' } },
      false,
    ],
    [
      'not with a Referer from elsewhere that the browser calls its own',
      { headers: { 'sec-fetch-site': 'same-origin', referer: 'https://a.example/' } },
      false,
    ],
    [
      'by a link on a page of another site, and what it may do is for others to judge',
      {
        headers: {
          'sec-fetch-site': 'cross-site',
          referer: 'https://a.example/',
          origin: 'https://a.example',
        },
      },
      true,
    ],
    [
      '... of a sibling site, too',
      { headers: { 'sec-fetch-site': 'same-site', referer: 'https://a.example/' } },
      true,
    ],
    ['with an Origin from elsewhere alone, likewise', { headers: { origin: 'https://a.example' } }, true],
    [
      'with its own Origin and Referer',
      { headers: { origin: 'http://localhost:3000', referer: 'http://localhost:3000/x' } },
      true,
    ],
  ] as [string, Parts, boolean][]) {
    test(rule, () => {
      const context = request({ origin: 'http://localhost:3000', ip: '127.0.0.1', ...parts })
      assert.equal(isSecure(context, policyOf()), secure)
    })
  }
})

describe('guard: a refusal says what happened', () => {
  for (const [headers, why] of [
    [{ 'sec-fetch-site': 'cross-site' }, "Sec-Fetch-Site is 'cross-site'"],
    [{ 'sec-fetch-site': '\u001b[2Jé' }, "Sec-Fetch-Site is '?[2J?'"],
    [
      { origin: 'https://attacker.example' },
      "Origin is 'https://attacker.example', and this is https://example.com",
    ],
  ] as [Record<string, string>, string][]) {
    test(why, () => {
      const message = `A request that changes something was refused, for it comes from elsewhere: ${why}.`
      assert.equal(guard(request({ method: 'POST', headers }), policyOf()).refusal!.message, message)
    })
  }
  const forwarded = { 'x-forwarded-proto': 'https' }
  for (const [rule, parts, options, message] of [
    [
      'plain HTTP',
      {},
      {},
      'Sessions need HTTPS, and this request came over plain HTTP to a host that is not this machine: use https://, or http://localhost.',
    ],
    [
      'F-7: a proxy that nobody named, and the setting that is missing',
      { headers: forwarded },
      {},
      'This request came over plain HTTP with the header x-forwarded-proto, which is believed of no one: if a proxy in ' +
        "front speaks HTTPS, name its address in the option proxy, such as proxy: ['10.0.0.0/8'].",
    ],
    [
      '... or others were named',
      { headers: forwarded },
      { proxy: ['192.0.2.0/24'] },
      'This request came over plain HTTP, or through an address that the option proxy does not name: check that the ' +
        'proxy is named there, and that it sends X-Forwarded-Proto: https.',
    ],
  ] as [string, Parts, Options, string][]) {
    test(rule, () => {
      const { refusal } = guard(request({ origin: 'http://example.com', ...parts }), policyOf(options))
      assert.equal(refusal!.message, message)
    })
  }
})

test('a refusal shows 100 characters of a header, and no more', () => {
  const message = (length: number) =>
    guard(request({ method: 'POST', headers: { origin: 'x'.repeat(length) } }), policyOf()).refusal!.message
  assert.ok(message(100).includes('x'.repeat(100)))
  assert.equal(message(101), message(100))
})

test('a refusal shows printable characters alone', () => {
  const policy = policyOf()
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 300 }), (units) => {
      const value = String.fromCharCode(...units)
      const { refusal } = guard(request({ method: 'POST', headers: { origin: value } }), policy)
      const message = refusal?.message ?? ''
      assert.match(message, /^[\x20-\x7e]*$/)
      assert.ok(message.length < 250)
      assert.ok(!message.includes(KEY))
    }),
  )
})
