/** Every option: its default, its right forms, and what is said of a wrong one. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import type { Binding } from '../../src/core/binding.ts'
import type { Engine } from '../../src/core/engine.ts'
import { createPolicy, deadlines, forgetAt, type SessionsOptions, touchEvery } from '../../src/core/policy.ts'
import { bearer, cookie } from '../../src/core/transport.ts'
import { memory } from '../../src/engines/memory.ts'
import { DAY, HOUR, KEY, MINUTE, NOW, policyOf, recordOf, refusal, SECOND } from './fixtures.ts'

const binding: Binding = { name: 'x', onMismatch: 'report', capture: () => null, matches: () => true }
const shared: Engine = { ...memory(), name: 'shelf', shared: true }

describe('policy: without options', () => {
  const { keys: _keys, transport, visitorTransport, csrf, ...policy } = policyOf()
  test('the defaults are these', () => {
    assert.deepEqual(policy, {
      limits: { idle: 30 * MINUTE, absolute: 12 * HOUR },
      remembered: { idle: 14 * DAY, absolute: 30 * DAY },
      renewal: 15 * MINUTE,
      grace: 60 * SECOND,
      late: 2 * MINUTE,
      remembrance: DAY,
      bindings: [],
      onReplay: 'revoke',
      maxSessionsPerUser: 100,
      onExceeded: 'revoke-least-recent',
      rateLimits: {},
      devices: null,
      maxDataBytes: 65_536,
      schema: null,
      proxy: [],
      httpsPort: 443,
      hsts: 'max-age=31536000; includeSubDomains',
      insecureHttp: false,
      engineTimeout: 2_000,
      observed: false,
      warnings: [],
    })
    assert.deepEqual(csrf, {
      requireToken: false,
      trustedOrigins: new Set(),
      verifiedByHandler: new Set(),
      insecureExempt: new Set(),
    })
  })
  test('the cookies are __Host-Http-session, and __Host-Http-visitor for visitors', () => {
    assert.equal(transport.name, '__Host-Http-session')
    assert.equal(visitorTransport?.name, '__Host-Http-visitor')
  })
  test("the visitors' cookie follows the session's name: two applications may share a host", () => {
    for (const [options, name] of [
      [{ name: 'shop' }, '__Host-Http-shop-visitor'],
      [{ name: 'shop', domain: 'example.com' }, '__Host-Http-shop-visitor'],
      [{ domain: 'example.com' }, '__Host-Http-visitor'],
    ] as const) {
      assert.equal(policyOf({ cookie: options }).visitorTransport?.name, name)
    }
  })
  test('it cannot be changed afterwards', () => assert.ok(Object.isFrozen(policyOf())))
})

describe('policy: a wrong option is refused, by its name and with the right form', () => {
  const durations = ['idle', 'absolute', 'renewal', 'grace', 'late', 'remembrance', 'engineTimeout']
  const rows: readonly [options: unknown, message: RegExp][] = [
    [undefined, /^options: .*engine: memory\(\)/],
    [null, /^options/],
    [{ engine: undefined }, /^engine: .*memory\(\)/],
    [{ engine: {} }, /^engine/],
    [{ engine: memory }, /^engine/],
    ...durations.flatMap((name) =>
      [30, '30', 'soon', '0s', '-1m', null, {}].map(
        (value) => [{ [name]: value }, new RegExp(`^${name}: .*'30m'`)] as [unknown, RegExp],
      ),
    ),
    [{ remembered: { idle: 5 } }, /^remembered\.idle: .*'30m'/],
    [{ remembered: { absolute: 'x' } }, /^remembered\.absolute/],
    [{ remembered: { forever: true } }, /^remembered\.forever: .*idle, absolute/],
    [{ remembered: '30d' }, /^remembered: expected an object .*idle, absolute/],
    [{ remembered: 5 }, /^remembered: expected an object/],
    [{ remembered: null }, /^remembered: expected an object/],
    [{ idle: '13h' }, /^idle: must not be longer than absolute \(12h\)/],
    [{ remembered: { idle: '31d' } }, /^remembered\.idle: .*remembered\.absolute \(30d\)/],
    [{ renewal: '6m' }, /^renewal: must be longer than twice grace and late together \(6m\), but is 6m/],
    [{ late: '7m' }, /^renewal: .*16m/],
    [{ grace: '10m' }, /^renewal/],
    [{ preset: 'aal4' }, /^preset: expected 'aal1', 'aal2' or 'aal3'/],
    [{ preset: 'constructor' }, /^preset/],
    [{ preset: null }, /^preset/],
    [{ preset: ['aal1'] }, /^preset/],
    [{ keys: 'change-me' }, /^keys\[0\]/],
    [{ keys: [] }, /^keys/],
    [{ keys: null }, /^keys/],
    [{ cookie: 'sid' }, /^cookie: expected an object .*name, domain, path, sameSite, partitioned/],
    [{ cookie: true }, /^cookie: expected an object/],
    [{ cookie: null }, /^cookie: expected an object/],
    [{ cookie: { secure: false } }, /^cookie\.secure: there is no such option/],
    [{ cookie: { httpOnly: false } }, /^cookie\.httpOnly: there is no such option/],
    [{ cookie: { insecureHttp: true } }, /^cookie\.insecureHttp: there is no such option/],
    [{ cookie: { maxAge: 5 } }, /^cookie\.maxAge: there is no such option/],
    [{ cookie: { sameSite: 'maybe' } }, /^cookie\.sameSite/],
    [{ cookie: { name: 'visitor' } }, /^cookie\.name: 'visitor'/],
    [{ transport: 'cookie' }, /^transport: expected bearer\(\)/],
    [{ transport: null }, /^transport/],
    [{ transport: bearer(), cookie: { name: 'x' } }, /^transport: give either transport or cookie/],
    [{ csrf: true }, /^csrf: expected an object .*requireToken/],
    [{ csrf: false }, /^csrf: expected an object/],
    [{ csrf: null }, /^csrf: expected an object/],
    [{ csrf: { token: true } }, /^csrf\.token: there is no such option/],
    [{ csrf: { requireToken: 'yes' } }, /^csrf\.requireToken: expected true or false/],
    [{ csrf: { trustedOrigins: 'https://a.example' } }, /^csrf\.trustedOrigins: expected an array/],
    [{ csrf: { trustedOrigins: [5] } }, /^csrf\.trustedOrigins/],
    ...[
      'a.example',
      '*',
      'https://*.a.example',
      'https://a.example/',
      'https://a.example/x',
      'https://a.example?x',
      'https://A.example',
      'https://a.example:443',
      'http://a.example:80',
      'null',
      '',
      'https://',
      'ftp://a.example',
      'https://u@a.example',
      'https://a.example ',
      'https://a.example:99999',
      'https://é.example',
    ].map(
      (origin) =>
        [{ csrf: { trustedOrigins: [origin] } }, /^csrf\.trustedOrigins: .*scheme:\/\/host/] as [
          unknown,
          RegExp,
        ],
    ),
    [{ csrf: { verifiedByHandler: ['upload'] } }, /^csrf\.verifiedByHandler: 'upload' must be a path/],
    [{ csrf: { verifiedByHandler: /upload/ } }, /^csrf\.verifiedByHandler: expected an array/],
    [{ csrf: { insecureExempt: [''] } }, /^csrf\.insecureExempt/],
    [
      { csrf: { insecureExempt: ['/hook/*'] } },
      /^csrf\.insecureExempt: '\/hook\/\*' is a pattern, and paths are exact/,
    ],
    [{ csrf: { verifiedByHandler: ['/hook/:id'] } }, /^csrf\.verifiedByHandler: .* name each one/],
    [{ csrf: { insecureExempt: '/hook' } }, /^csrf\.insecureExempt: expected an array/],
    [{ bindings: binding }, /^bindings: expected an array/],
    [{ bindings: ['ip'] }, /^bindings: expected bindings such as ip\(\)/],
    [{ bindings: [null] }, /^bindings/],
    [
      { bindings: [{ ...binding, onMismatch: 'explode' }] },
      /^bindings: x\.onMismatch: expected 'report' or 'reauthenticate' or 'revoke'/,
    ],
    [{ bindings: [binding, binding] }, /^bindings: two of them/],
    [{ devices: true }, /^devices: expected a memory of devices/],
    [{ devices: { identify: () => '', rememberedFor: '5' } }, /^devices.rememberedFor/],
    [{ rateLimits: { logins: 5 } }, /^rateLimits.logins: there is no such option/],
    [{ rateLimits: { newSessions: 5 } }, /^rateLimits.newSessions: expected a limit, such as/],
    [{ rateLimits: { forgedTokens: null } }, /^rateLimits.forgedTokens: expected a limit/],
    [{ onReplay: 'ignore' }, /^onReplay: expected 'revoke' or 'report'/],
    [{ onExceeded: 'deny' }, /^onExceeded: expected 'revoke-least-recent' or 'revoke-oldest' or 'refuse'/],
    ...['maxSessionsPerUser', 'maxDataBytes', 'httpsPort'].flatMap((name) =>
      [0, -1, 1.5, '100', Number.POSITIVE_INFINITY, Number.NaN, 10n, {}].map(
        (value) => [{ [name]: value }, new RegExp(`^${name}: expected a whole number`)] as [unknown, RegExp],
      ),
    ),
    [{ httpsPort: 65_536 }, /^httpsPort: expected a port/],
    [{ schema: () => true }, /^schema: expected a Standard Schema/],
    [{ schema: null }, /^schema/],
    [{ schema: z.object({ name: z.string() }) }, /^schema: must accept \{\}/],
    [{ proxy: '10.0.0.0/8' }, /^proxy: expected an array/],
    [{ proxy: true }, /^proxy/],
    [{ hsts: true }, /^hsts: expected an object .*maxAge/],
    [{ hsts: null }, /^hsts: expected an object/],
    [{ hsts: { maxAge: 31_536_000 } }, /^hsts\.maxAge: .*'30m'/],
    [{ hsts: { includeSubDomains: 'no' } }, /^hsts\.includeSubDomains: expected true or false/],
    [{ hsts: { preload: 1 } }, /^hsts\.preload: expected true or false/],
    [{ hsts: { subdomains: true } }, /^hsts\.subdomains: there is no such option/],
    [{ insecureHttp: 'true' }, /^insecureHttp: expected true or false/],
    [{ insecureHttp: 0 }, /^insecureHttp: expected true or false/],
    [{ onEvent: 'log' }, /^onEvent: expected a function/],
    [{ onEvent: null }, /^onEvent/],
    [{ secret: KEY }, /^secret: there is no such option; known are engine, keys, /],
    [{ maxAge: 5 }, /^maxAge: there is no such option/],
    [{ Idle: '5m' }, /^Idle: there is no such option/],
    [JSON.parse('{"__proto__":1}'), /^__proto__: there is no such option/],
    [{ constructor: 1 }, /^constructor: there is no such option/],
  ]
  for (const [options, message] of rows) {
    const name = show(options)
    test(name, () => {
      const given = typeof options === 'object' && options !== null ? defaults(options) : options
      assert.throws(() => createPolicy(given as SessionsOptions<never>), refusal('ERR_OPTION', message))
    })
  }
})

describe('policy: right forms', () => {
  for (const options of [
    { idle: '12h' },
    { idle: '1ms' },
    { renewal: '361s' },
    { remembered: {} },
    { remembered: { idle: '1d', absolute: '1d' } },
    { preset: undefined, idle: undefined, cookie: undefined, csrf: undefined, hsts: undefined },
    { keys: `${KEY}` },
    { cookie: {} },
    { cookie: { name: 'sid', sameSite: 'strict' } },
    { transport: bearer() },
    { transport: cookie({ name: 'sid' }) },
    {
      csrf: {
        trustedOrigins: [
          'https://a.example',
          'https://a.example:8443',
          'http://localhost:3000',
          'https://[2001:db8::1]',
        ],
      },
    },
    { csrf: { verifiedByHandler: ['/'], insecureExempt: ['/hook'] } },
    { bindings: [] },
    { bindings: [binding, { ...binding, name: 'y' }] },
    { onReplay: 'report' },
    { onExceeded: 'revoke-oldest' },
    { onExceeded: 'refuse' },
    { rateLimits: { newSessions: { take: () => null } } },
    { maxSessionsPerUser: 1, maxDataBytes: 1, httpsPort: 65_535 },
    { schema: z.object({ n: z.number().default(1) }) },
    { hsts: {} },
    { onEvent: () => {} },
  ] as unknown as SessionsOptions<never>[]) {
    test(show(options), () => void createPolicy(defaults(options)))
  }
})

describe('policy: presets (NIST SP 800-63B-4)', () => {
  const limits = (options: object) => {
    const { limits, remembered } = policyOf(options)
    return [limits.idle, limits.absolute, remembered.idle, remembered.absolute]
  }
  for (const [rule, options, expected] of [
    ['aal1: at most 30 days', { preset: 'aal1' }, [30 * MINUTE, 12 * HOUR, 14 * DAY, 30 * DAY]],
    [
      'aal2: at most an hour idle, a day in all; remembered, too',
      { preset: 'aal2' },
      [30 * MINUTE, 12 * HOUR, HOUR, DAY],
    ],
    [
      'aal3: at most 15 minutes idle, 12 hours in all; remembered, too',
      { preset: 'aal3' },
      [15 * MINUTE, 12 * HOUR, 15 * MINUTE, 12 * HOUR],
    ],
    [
      'stricter numbers stay',
      { preset: 'aal3', idle: '5m', absolute: '1h', remembered: { absolute: '2h' } },
      [5 * MINUTE, HOUR, 15 * MINUTE, 2 * HOUR],
    ],
    [
      'a short absolute limit shortens the default idle one',
      { absolute: '10m' },
      [10 * MINUTE, 10 * MINUTE, 14 * DAY, 30 * DAY],
    ],
  ] as [string, object, number[]][]) {
    test(rule, () => assert.deepEqual(limits(options), expected))
  }
  for (const [options, message] of [
    [{ preset: 'aal1', absolute: '31d' }, /^absolute: this preset allows at most 30d/],
    [
      { preset: 'aal1', remembered: { absolute: '31d' } },
      /^remembered\.absolute: this preset allows at most 30d/,
    ],
    [{ preset: 'aal2', idle: '61m' }, /^idle: this preset allows at most 1h \(NIST/],
    [{ preset: 'aal2', absolute: '25h' }, /^absolute: this preset allows at most 1d/],
    [{ preset: 'aal2', remembered: { idle: '2h' } }, /^remembered\.idle/],
    [{ preset: 'aal3', idle: '16m' }, /^idle: this preset allows at most 15m/],
    [{ preset: 'aal3', absolute: '13h' }, /^absolute: this preset allows at most 12h/],
    [{ preset: 'aal3', remembered: { absolute: '1d' } }, /^remembered\.absolute/],
    [{ preset: 'aal2', csrf: { requireToken: false } }, /^csrf\.requireToken: aal2 demands tokens/],
    [{ preset: 'aal3', csrf: { requireToken: false } }, /^csrf\.requireToken: aal3/],
  ] as [object, RegExp][]) {
    test(`${show(options)} is refused`, () =>
      assert.throws(() => policyOf(options), refusal('ERR_OPTION', message)))
  }
  for (const [preset, expected] of [
    ['aal1', false],
    ['aal2', true],
    ['aal3', true],
  ] as const) {
    test(`${preset}: csrf.requireToken is ${expected}`, () =>
      assert.equal(policyOf({ preset }).csrf.requireToken, expected))
  }
})

describe('policy: what an operator should know', () => {
  const { keys: _keys, ...keyless } = defaults({})
  test('no keys with the memory engine: random ones, and a warning', () => {
    const { warnings, keys } = createPolicy(keyless)
    assert.match(warnings.join(), /^keys: none given/)
    assert.notDeepEqual(keys.sign('session', 'x'), createPolicy(keyless).keys.sign('session', 'x'))
  })
  test('no keys with an engine that outlives the process: refused', () => {
    assert.throws(
      () => createPolicy({ ...keyless, engine: shared }),
      refusal('ERR_OPTION', /^keys: the shelf engine .*keygen/),
    )
    createPolicy({ ...keyless, engine: shared, keys: [KEY] })
  })
  test('a domain costs the __Host- prefix', () => {
    const { warnings, transport } = policyOf({ cookie: { domain: 'example.com' } })
    assert.equal(transport.name, '__Secure-session')
    assert.match(
      warnings.join(),
      /^cookie\.domain costs the __Host- prefix: .*example\.com.*__Secure-session/,
    )
  })
  test('insecureHttp sends sessions in clear', () => {
    const { warnings, transport, visitorTransport } = policyOf({ insecureHttp: true })
    assert.match(warnings.join(), /^insecureHttp/)
    assert.deepEqual([transport.name, visitorTransport?.name], ['session', 'visitor'])
  })
  test("with a bearer token there is no visitors' cookie", () => {
    assert.equal(policyOf({ transport: bearer() }).visitorTransport, null)
  })
})

describe('policy: HSTS', () => {
  for (const [hsts, header] of [
    [undefined, 'max-age=31536000; includeSubDomains'],
    [false, null],
    [{ maxAge: '730d' }, 'max-age=63072000; includeSubDomains'],
    [{ includeSubDomains: false }, 'max-age=31536000'],
    [{ preload: true }, 'max-age=31536000; includeSubDomains; preload'],
    [{ maxAge: '1.5s', includeSubDomains: false, preload: true }, 'max-age=1; preload'],
  ] as [never, string | null][]) {
    test(`${JSON.stringify(hsts)}: ${header}`, () => assert.equal(policyOf({ hsts }).hsts, header))
  }
})

describe('policy: deadlines', () => {
  const policy = policyOf({ remembrance: '1h' })
  const record = recordOf({ createdAt: NOW, authenticatedAt: NOW + HOUR, seenAt: NOW + 2 * HOUR })
  test('idle from the last use, absolute from the authentication', () => {
    assert.deepEqual(deadlines(record, policy), {
      idle: NOW + 2 * HOUR + 30 * MINUTE,
      absolute: NOW + 13 * HOUR,
    })
  })
  test('without an authentication, absolute from the creation', () => {
    assert.equal(deadlines({ ...record, authenticatedAt: null }, policy).absolute, NOW + 12 * HOUR)
  })
  test('a remembered session by its own limits', () => {
    assert.deepEqual(deadlines({ ...record, remembered: true }, policy), {
      idle: NOW + 2 * HOUR + 14 * DAY,
      absolute: NOW + HOUR + 30 * DAY,
    })
  })
  test('forgotten `remembrance` after the earlier one', () => {
    assert.equal(forgetAt(record, policy), NOW + 3.5 * HOUR)
    assert.equal(forgetAt({ ...record, seenAt: NOW + 13 * HOUR - 1 }, policy), NOW + 14 * HOUR)
  })
  for (const [idle, every] of [
    ['30m', 60_000],
    ['10m', 60_000],
    ['5m', 30_000],
    ['10s', 1_000],
  ] as const) {
    test(`an idle limit of ${idle} is touched every ${every} ms at most`, () => {
      assert.equal(touchEvery({ remembered: false }, policyOf({ idle })), every)
    })
  }
})

function defaults(options: object): SessionsOptions<never> {
  return Object.assign(
    Object.create(null),
    { engine: memory(), keys: [KEY] },
    Object.fromEntries(Object.entries(options)),
  )
}

function show(options: unknown): string {
  return JSON.stringify(options, (_name, value) => {
    if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'number')
      return String(value)
    return value instanceof RegExp ? String(value) : value === undefined ? 'undefined' : value
  }).slice(0, 120)
}
