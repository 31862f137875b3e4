import type { Binding, OnMismatch } from './binding.ts'
import { type Duration, formatDuration, type Millis, parseDuration } from './duration.ts'
import type { Engine, SessionRecord } from './engine.ts'
import { SessionError, shown } from './errors.ts'
import type { SessionEvent } from './events.ts'
import { generateKey, KeyRing, parseKeys } from './keys.ts'
import type { DeviceMemory } from './known-devices.ts'
import type { RateLimits } from './rate-limits.ts'
import { parseSchema, type SessionSchema } from './schema.ts'
import { type CookieOptions, cookie, type Transport } from './transport.ts'

/** An assurance level of NIST SP 800-63B-4: numbers weaker than its limits refuse to start. */
export type Preset = 'aal1' | 'aal2' | 'aal3'

/** What a login does that exceeds `maxSessionsPerUser`: ends the least recently used session, or the oldest, or is refused. */
export type OnExceeded = 'revoke-least-recent' | 'revoke-oldest' | 'refuse'

/** What `createSessions` takes. Only `engine` is needed. */
export interface SessionsOptions<Data extends object> {
  /** Where sessions are kept: `memory()`, `sqlite('sessions.db')`. */
  readonly engine: Engine
  /**
   * At least 32 random bytes each, base64url, newest first: an array, or one comma-separated string as it comes from
   * the environment. `npx holdfast keygen` makes one.
   * @defaultValue random ones, and a warning, with the memory engine; required with any other
   */
  readonly keys?: string | readonly (string | Uint8Array)[] | undefined
  /** Refuses numbers weaker than an assurance level of NIST SP 800-63B-4, and makes its limits the defaults. */
  readonly preset?: Preset
  /** Ends a session that was not used for so long. @defaultValue `'30m'` */
  readonly idle?: Duration
  /** Ends a session so long after its last authentication, however it is used. @defaultValue `'12h'` */
  readonly absolute?: Duration
  /** Renews the token of an authenticated session after so long. @defaultValue `'15m'` */
  readonly renewal?: Duration
  /** How long a renewed token still serves requests that were under way. @defaultValue `'60s'` */
  readonly grace?: Duration
  /** How long after that it is refused quietly, before it counts as a replay. @defaultValue `'2m'` */
  readonly late?: Duration
  /** The limits of a session whose user asked to be remembered. @defaultValue `{ idle: '14d', absolute: '30d' }` */
  readonly remembered?: { readonly idle?: Duration; readonly absolute?: Duration }
  /** How long an ended or expired session is remembered, so that its end can be told. @defaultValue `'24h'` */
  readonly remembrance?: Duration
  /** The cookie's name, domain, path, SameSite. */
  readonly cookie?: CookieOptions
  /** Instead of a cookie: `bearer()`. */
  readonly transport?: Transport
  readonly csrf?: CsrfOptions
  /** What sessions are tied to. @defaultValue the user agent's family (`reauthenticate`), the address prefix (`report`) */
  readonly bindings?: readonly Binding[]
  /** What a replayed token does to its session. @defaultValue `'revoke'` */
  readonly onReplay?: 'revoke' | 'report'
  /** However many log in at once, on however many servers. @defaultValue 100 @see ASVS 7.1.2 */
  readonly maxSessionsPerUser?: number
  /** What a login beyond that does. @defaultValue `'revoke-least-recent'` */
  readonly onExceeded?: OnExceeded
  /** What one address may cost: `rateLimits()` of `holdfast/rate-limit`. @defaultValue none */
  readonly rateLimits?: RateLimits
  /** Tells of logins from devices that a user has not logged in from before: `rememberDevices()` of `holdfast/devices`. @defaultValue nobody asks */
  readonly devices?: DeviceMemory
  /** @defaultValue 65536 */
  readonly maxDataBytes?: number
  /** A Standard Schema (zod, valibot, arktype, ...) that checks session data when it is loaded and committed. */
  readonly schema?: SessionSchema<Data>
  /** Addresses and CIDR blocks of the proxies whose `X-Forwarded-*` are believed. @defaultValue none */
  readonly proxy?: readonly string[]
  /** Where HTTPS listens, for redirects from plain HTTP. @defaultValue 443 */
  readonly httpsPort?: number
  /** `Strict-Transport-Security` on responses over TLS. @defaultValue one year, with subdomains */
  readonly hsts?: HstsOptions | false
  /** Serves plain HTTP beyond loopback, with a cookie that anybody on the way can read. @defaultValue false */
  readonly insecureHttp?: boolean
  /** How long an engine may take for one call. @defaultValue `'2s'` */
  readonly engineTimeout?: Duration
  /** Hears of everything that an operator may want to know. */
  readonly onEvent?: (event: SessionEvent) => void
}

export interface CsrfOptions {
  /**
   * Demands a token on every unsafe request that carries our cookie, beside the origin check.
   * @defaultValue false; true with `aal2` and `aal3`
   */
  readonly requireToken?: boolean
  /** Other origins that may send unsafe requests, such as `'https://app.example.com'`. Exact. @defaultValue none */
  readonly trustedOrigins?: readonly string[]
  /**
   * Exact paths whose handler takes the token out of the body itself and calls `session.verifyCsrf`, for multipart
   * forms. Where it doesn't, nothing is committed. @defaultValue none
   */
  readonly verifiedByHandler?: readonly string[]
  /** Exact paths that are not protected at all. @defaultValue none */
  readonly insecureExempt?: readonly string[]
}

export interface HstsOptions {
  /** @defaultValue `'365d'` */
  readonly maxAge?: Duration
  /** @defaultValue true */
  readonly includeSubDomains?: boolean
  /** @defaultValue false */
  readonly preload?: boolean
}

interface Limits {
  readonly idle: Millis
  readonly absolute: Millis
}

/** The options, checked, in milliseconds, with every default filled in. Immutable: rules read nothing else. */
export interface Policy {
  readonly keys: KeyRing
  readonly limits: Limits
  readonly remembered: Limits
  readonly renewal: Millis
  readonly grace: Millis
  readonly late: Millis
  readonly remembrance: Millis
  readonly transport: Transport
  /** Carries the pre-session; null where nothing is ambient. */
  readonly visitorTransport: Transport | null
  readonly csrf: {
    readonly requireToken: boolean
    readonly trustedOrigins: ReadonlySet<string>
    readonly verifiedByHandler: ReadonlySet<string>
    readonly insecureExempt: ReadonlySet<string>
  }
  readonly bindings: readonly Binding[]
  readonly onReplay: 'revoke' | 'report'
  readonly maxSessionsPerUser: number
  readonly onExceeded: OnExceeded
  readonly rateLimits: RateLimits
  readonly devices: (Pick<DeviceMemory, 'identify'> & { readonly rememberedFor: Millis }) | null
  readonly maxDataBytes: number
  readonly schema: SessionSchema<object> | null
  readonly proxy: readonly string[]
  readonly httpsPort: number
  readonly hsts: string | null
  readonly insecureHttp: boolean
  readonly engineTimeout: Millis
  /** Whether somebody hears of events. */
  readonly observed: boolean
  /** What an operator should know of these options, in words. */
  readonly warnings: readonly string[]
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** NIST SP 800-63B-4 §2.1.3, §2.2.3, §2.3.3; where it sets no idle limit, the absolute one is the limit. */
const PRESETS: Record<Preset, Limits> = {
  aal1: { idle: 30 * DAY, absolute: 30 * DAY },
  aal2: { idle: HOUR, absolute: 24 * HOUR },
  aal3: { idle: 15 * MINUTE, absolute: 12 * HOUR },
}

const OPTIONS = new Set(
  (
    'engine keys preset idle absolute renewal grace late remembered remembrance cookie transport csrf bindings onReplay ' +
    'maxSessionsPerUser onExceeded rateLimits devices maxDataBytes schema proxy httpsPort hsts insecureHttp engineTimeout onEvent'
  ).split(' '),
)

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {SessionError} `ERR_OPTION`, naming the option and the right form
 */
export function createPolicy(options: SessionsOptions<never>): Policy {
  check(
    typeof options === 'object' && options !== null,
    'options: expected an object such as { engine: memory() }',
  )
  known(options, OPTIONS, '')
  const { engine, preset, insecureHttp = false } = options
  check(typeof engine?.replace === 'function', 'engine: expected an engine such as memory() or sqlite(file)')
  check(
    preset === undefined || ['aal1', 'aal2', 'aal3'].includes(preset),
    "preset: expected 'aal1', 'aal2' or 'aal3'",
  )
  const warnings: string[] = []

  const strictest = preset ? PRESETS[preset] : null
  known(options.remembered, new Set(['idle', 'absolute']), 'remembered.')
  const limits = readLimits('', options, { idle: 30 * MINUTE, absolute: 12 * HOUR }, strictest)
  const remembered = readLimits(
    'remembered.',
    options.remembered,
    { idle: 14 * DAY, absolute: 30 * DAY },
    strictest,
  )

  const renewal = read(options.renewal, 'renewal', 15 * MINUTE)
  const grace = read(options.grace, 'grace', MINUTE)
  const late = read(options.late, 'late', 2 * MINUTE)
  // Siblings of one offer are equals for twice (grace + late): the next renewal must not begin before.
  check(
    renewal > 2 * (grace + late),
    `renewal: must be longer than twice grace and late together (${formatDuration(2 * (grace + late))}), ` +
      `but is ${formatDuration(renewal)}`,
  )

  check(!(options.transport && options.cookie), 'transport: give either transport or cookie, not both')
  check(
    options.transport === undefined || typeof options.transport?.read === 'function',
    'transport: expected bearer(), or cookie({ ... })',
  )
  known(options.cookie, new Set(['name', 'domain', 'path', 'sameSite', 'partitioned']), 'cookie.')
  const transport = options.transport ?? cookie({ ...options.cookie, insecureHttp })
  const name = transport.name.replace(/^__(?:Host-Http|Host|Secure)-/, '')
  check(name !== 'visitor', "cookie.name: 'visitor' is the name of the visitors' own cookie")
  // Two applications on one host, told apart by their cookies' names, must not share the visitors' either.
  const visitorName = name === 'session' ? 'visitor' : `${name}-visitor`
  const visitorTransport = transport.ambient ? cookie({ name: visitorName, insecureHttp }) : null
  check(
    options.onEvent === undefined || typeof options.onEvent === 'function',
    'onEvent: expected a function, such as (event) => console.log(event)',
  )
  if (options.cookie?.domain !== undefined) {
    warnings.push(
      `cookie.domain costs the __Host- prefix: every host below ${options.cookie.domain} can read and overwrite the ` +
        `session cookie, which is now called ${transport.name}.`,
    )
  }
  if (insecureHttp)
    warnings.push('insecureHttp: sessions travel in clear; anybody on the way can take them over.')

  let keys = options.keys
  if (keys === undefined) {
    check(
      !engine.shared,
      `keys: the ${engine.name} engine outlives this process, so its keys must, too. Make one with: npx holdfast keygen`,
    )
    warnings.push('keys: none given, so random ones are used, and every session ends with this process.')
    keys = [generateKey()]
  }

  return Object.freeze({
    keys: new KeyRing(parseKeys(keys)),
    limits,
    remembered,
    renewal,
    grace,
    late,
    remembrance: read(options.remembrance, 'remembrance', DAY),
    transport,
    visitorTransport,
    csrf: readCsrf(options.csrf, preset),
    bindings: readBindings(options.bindings ?? []),
    onReplay: oneOf(options.onReplay ?? 'revoke', ['revoke', 'report'], 'onReplay'),
    maxSessionsPerUser: positive(options.maxSessionsPerUser ?? 100, 'maxSessionsPerUser'),
    onExceeded: oneOf(
      options.onExceeded ?? 'revoke-least-recent',
      ['revoke-least-recent', 'revoke-oldest', 'refuse'],
      'onExceeded',
    ),
    rateLimits: readRateLimits(options.rateLimits ?? {}),
    devices: readDevices(options.devices),
    maxDataBytes: positive(options.maxDataBytes ?? 65_536, 'maxDataBytes'),
    schema: options.schema === undefined ? null : parseSchema(options.schema),
    proxy: strings(options.proxy, 'proxy'),
    httpsPort: readPort(options.httpsPort ?? 443),
    hsts: readHsts(options.hsts),
    insecureHttp: boolean(insecureHttp, 'insecureHttp'),
    engineTimeout: read(options.engineTimeout, 'engineTimeout', 2_000),
    observed: options.onEvent !== undefined,
    warnings,
  })
}

/** Which limits a record lives by. */
export function limitsOf(record: Pick<SessionRecord, 'remembered'>, policy: Policy): Limits {
  return record.remembered ? policy.remembered : policy.limits
}

/** When a record's idle and absolute time end. Absolute time runs from the last authentication; renewal never moves it. */
export function deadlines(
  record: Pick<SessionRecord, 'remembered' | 'seenAt' | 'authenticatedAt' | 'createdAt'>,
  policy: Policy,
): { readonly idle: Millis; readonly absolute: Millis } {
  const limits = limitsOf(record, policy)
  return {
    idle: record.seenAt + limits.idle,
    absolute: (record.authenticatedAt ?? record.createdAt) + limits.absolute,
  }
}

/** When an engine may forget a record: `remembrance` after its deadline. */
export function forgetAt(record: Parameters<typeof deadlines>[0], policy: Policy): Millis {
  const { idle, absolute } = deadlines(record, policy)
  return Math.min(idle, absolute) + policy.remembrance
}

/** How long a use may go unrecorded: a session never outlives its idle limit, and may end early by this. */
export function touchEvery(record: Pick<SessionRecord, 'remembered'>, policy: Policy): Millis {
  return Math.min(MINUTE, limitsOf(record, policy).idle / 10)
}

function readLimits(
  prefix: string,
  given: { readonly idle?: Duration; readonly absolute?: Duration } | undefined,
  defaults: Limits,
  strictest: Limits | null,
): Limits {
  const absolute = read(
    given?.absolute,
    `${prefix}absolute`,
    Math.min(defaults.absolute, strictest?.absolute ?? Infinity),
  )
  const usual = Math.min(defaults.idle, strictest?.idle ?? Infinity, absolute)
  const idle = read(given?.idle, `${prefix}idle`, usual)
  check(
    idle <= absolute,
    `${prefix}idle: must not be longer than ${prefix}absolute (${formatDuration(absolute)})`,
  )
  for (const [name, value] of [
    ['idle', idle],
    ['absolute', absolute],
  ] as const) {
    check(
      !strictest || value <= strictest[name],
      `${prefix}${name}: this preset allows at most ${strictest && formatDuration(strictest[name])} (NIST SP 800-63B-4)`,
    )
  }
  return { idle, absolute }
}

function readCsrf(given: CsrfOptions = {}, preset: Preset | undefined): Policy['csrf'] {
  known(given, new Set(['requireToken', 'trustedOrigins', 'verifiedByHandler', 'insecureExempt']), 'csrf.')
  const strict = preset === 'aal2' || preset === 'aal3'
  const requireToken = boolean(given.requireToken ?? strict, 'csrf.requireToken')
  check(requireToken || !strict, `csrf.requireToken: ${preset} demands tokens (NIST SP 800-63B-4 §5.1)`)
  const trustedOrigins = strings(given.trustedOrigins, 'csrf.trustedOrigins')
  for (const origin of trustedOrigins) {
    check(
      /^https?:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d+)?$/.test(origin) &&
        URL.canParse(origin) &&
        new URL(origin).origin === origin,
      `csrf.trustedOrigins: '${origin}' is no origin; write scheme://host or scheme://host:port, in lower case, without a path`,
    )
  }
  const paths = (name: 'verifiedByHandler' | 'insecureExempt') => {
    const list = strings(given[name], `csrf.${name}`)
    for (const path of list) {
      check(path.startsWith('/'), `csrf.${name}: '${path}' must be a path that starts with '/'`)
      check(
        !/[*?#]|\/:/.test(path),
        `csrf.${name}: '${path}' is a pattern, and paths are exact: name each one`,
      )
    }
    return new Set(list)
  }
  return {
    requireToken,
    trustedOrigins: new Set(trustedOrigins),
    verifiedByHandler: paths('verifiedByHandler'),
    insecureExempt: paths('insecureExempt'),
  }
}

function readRateLimits(given: RateLimits): RateLimits {
  const names = ['newSessions', 'forgedTokens'] as const
  known(given, new Set(names), 'rateLimits.')
  for (const name of names) {
    const limit = given[name]
    check(
      limit === undefined || typeof limit?.take === 'function',
      `rateLimits.${name}: expected a limit, such as rateLimits() of holdfast/rate-limit makes`,
    )
  }
  return given
}

function readDevices(given: DeviceMemory | undefined): Policy['devices'] {
  if (given === undefined) return null
  const form = 'devices: expected a memory of devices, such as rememberDevices() of holdfast/devices makes'
  check(typeof given?.identify === 'function', form)
  return {
    identify: (context) => given.identify(context),
    rememberedFor: read(given.rememberedFor, 'devices.rememberedFor', 0),
  }
}

function readBindings(bindings: readonly Binding[]): readonly Binding[] {
  const actions: readonly OnMismatch[] = ['report', 'reauthenticate', 'revoke']
  check(Array.isArray(bindings), 'bindings: expected an array such as [ip(), userAgent()]')
  for (const binding of bindings) {
    check(typeof binding?.capture === 'function', 'bindings: expected bindings such as ip() or userAgent()')
    oneOf(binding.onMismatch, actions, `bindings: ${binding.name}.onMismatch`)
  }
  const names = bindings.map((binding) => binding.name)
  check(new Set(names).size === names.length, 'bindings: two of them have the same name')
  return bindings
}

function readHsts(given: HstsOptions | false | undefined): string | null {
  if (given === false) return null
  known(given, new Set(['maxAge', 'includeSubDomains', 'preload']), 'hsts.')
  const seconds = Math.floor(read(given?.maxAge, 'hsts.maxAge', 365 * DAY) / 1000)
  const subdomains = boolean(given?.includeSubDomains ?? true, 'hsts.includeSubDomains')
    ? '; includeSubDomains'
    : ''
  return `max-age=${seconds}${subdomains}${boolean(given?.preload ?? false, 'hsts.preload') ? '; preload' : ''}`
}

function read(value: unknown, option: string, usual: Millis): Millis {
  return value === undefined ? usual : parseDuration(value, option)
}

function readPort(value: number): number {
  check(positive(value, 'httpsPort') <= 65_535, 'httpsPort: expected a port, 1 to 65535')
  return value
}

function positive(value: number, option: string): number {
  check(
    Number.isSafeInteger(value) && value > 0,
    `${option}: expected a whole number above 0, but got ${shown(value)}`,
  )
  return value
}

function boolean(value: boolean, option: string): boolean {
  check(typeof value === 'boolean', `${option}: expected true or false`)
  return value
}

function oneOf<T extends string>(value: T, allowed: readonly T[], option: string): T {
  check(allowed.includes(value), `${option}: expected ${allowed.map((word) => `'${word}'`).join(' or ')}`)
  return value
}

function strings(value: readonly string[] | undefined, option: string): readonly string[] {
  const list = value ?? []
  check(
    Array.isArray(list) && list.every((entry) => typeof entry === 'string'),
    `${option}: expected an array of strings`,
  )
  return list
}

function known(given: object | undefined, names: ReadonlySet<string>, prefix: string): void {
  check(
    given === undefined || (typeof given === 'object' && given !== null && !Array.isArray(given)),
    `${prefix.slice(0, -1)}: expected an object with any of ${[...names].join(', ')}`,
  )
  for (const name of Object.keys(given ?? {})) {
    check(names.has(name), `${prefix}${name}: there is no such option; known are ${[...names].join(', ')}`)
  }
}

function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new SessionError('ERR_OPTION', message)
}
