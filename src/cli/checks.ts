/** What `holdfast check` looks for. Ids are stable, and never used again for something else. @module */

import { parseBlock } from '../address.ts'
import { formatDuration, type Millis } from '../core/duration.ts'
import type { Policy } from '../core/policy.ts'
import type { Config } from './config.ts'

/** `error`: whoever can reach the server, or listen on the way, can abuse it. `warning`: weaker than it should be. */
export type Severity = 'error' | 'warning' | 'info'

export interface Check {
  readonly id: string
  readonly severity: Severity
  /** What it rests on. */
  readonly requirement: string
  /** What is looked for, whatever a configuration says. */
  readonly about: string
  readonly mend: string
  /** @returns what was found, in words; null when all is well */
  find(config: Pick<Config, 'policy' | 'engine'>): string | null
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const YEAR = 365 * 24 * 60 * 60

export const CHECKS: readonly Check[] = [
  {
    id: 'HF001',
    severity: 'error',
    requirement: 'ASVS 12.2.1, 3.3.1; NIST SP 800-63B-4 §5.1',
    about: 'plain HTTP',
    mend: 'Remove insecureHttp. Loopback needs no option; behind a proxy that ends TLS, name it in proxy.',
    find: ({ policy }) =>
      policy.insecureHttp ? 'insecureHttp is on: anybody on the way can take sessions over' : null,
  },
  {
    id: 'HF002',
    severity: 'warning',
    requirement: 'ASVS 3.4.1; RFC 6797',
    about: 'Strict-Transport-Security',
    mend: "Leave hsts out, or give a maxAge of at least '365d' with includeSubDomains.",
    find: ({ policy: { hsts } }) => {
      if (hsts === null) return 'hsts is off: the first request of each visit may be plain HTTP'
      if (Number(/max-age=(\d+)/.exec(hsts)![1]) < YEAR) return `hsts lasts less than a year (${hsts})`
      return hsts.includes('includeSubDomains') ? null : 'hsts leaves out the subdomains'
    },
  },
  {
    id: 'HF003',
    severity: 'error',
    requirement: 'ASVS 15.3.4, 4.1.3',
    about: 'proxies that are believed',
    mend: 'Name the addresses of your proxies alone, such as 10.0.0.7 or 10.1.0.0/24.',
    find: ({ policy }) => {
      const wide = policy.proxy.filter(isWide)
      return wide.length > 0
        ? `proxy believes nearly everybody's X-Forwarded headers (${wide.join(', ')})`
        : null
    },
  },
  {
    id: 'HF004',
    severity: 'warning',
    requirement: 'ASVS 3.3.3; RFC 6265bis §4.1.3',
    about: 'the prefix of the cookie',
    mend: 'Leave cookie.domain out, and cookie.path at /. To share a login between hosts, use single sign-on.',
    find: ({ policy: { transport, insecureHttp } }) =>
      transport.ambient && !insecureHttp && !transport.name.startsWith('__Host-')
        ? `the cookie ${transport.name} is shared with other hosts, or bound to a path: they can overwrite it`
        : null,
  },
  {
    id: 'HF005',
    severity: 'warning',
    requirement: 'ASVS 3.3.2',
    about: 'SameSite of the cookie',
    mend: "Leave cookie.sameSite out ('lax'), unless the application is embedded in others' pages; then add partitioned.",
    find: ({ policy }) =>
      /; *SameSite=None/i.test(setCookieOf(policy))
        ? 'the cookie is sent with requests that other sites start'
        : null,
  },
  {
    id: 'HF006',
    severity: 'info',
    requirement: 'ASVS 3.3.4',
    about: 'where the token is kept',
    mend: 'For browsers use the cookie. For programs this is as it should be.',
    find: ({ policy }) =>
      policy.transport.ambient
        ? null
        : 'the token travels outside of a cookie: in a browser, scripts can read it',
  },
  {
    id: 'HF007',
    severity: 'warning',
    requirement: 'ASVS 7.3.1, 7.1.1; NIST SP 800-63B-4 §2.2.3',
    about: 'the idle limit',
    mend: "Give an idle of at most '1h', or accept this by --accept HF007 and write down why (ASVS 7.1.1).",
    find: ({ policy }) => beyond('idle', policy.limits.idle, HOUR, 'AAL2'),
  },
  {
    id: 'HF008',
    severity: 'warning',
    requirement: 'ASVS 7.3.2, 7.1.1; NIST SP 800-63B-4 §2.2.3',
    about: 'the absolute limit',
    mend: "Give an absolute of at most '24h', or accept this by --accept HF008 and write down why (ASVS 7.1.1).",
    find: ({ policy }) => beyond('absolute', policy.limits.absolute, DAY, 'AAL2'),
  },
  {
    id: 'HF009',
    severity: 'warning',
    requirement: 'ASVS 7.3.2; NIST SP 800-63B-4 §2.1.3',
    about: 'the limit of remembered sessions',
    mend: "Give a remembered.absolute of at most '30d'.",
    find: ({ policy }) => beyond('remembered.absolute', policy.remembered.absolute, 30 * DAY, 'AAL1'),
  },
  {
    id: 'HF010',
    severity: 'warning',
    requirement: 'OWASP Session Management, Renewal Timeout',
    about: 'how long a stolen token may go unnoticed',
    mend: "Leave renewal at '15m', and grace and late at '60s' and '2m'.",
    find: ({ policy: { renewal, grace, late } }) => {
      const longest = renewal + 3 * grace + 2 * late
      return longest > HOUR
        ? `a thief and his victim can use one session beside each other for ${rough(longest)} unnoticed`
        : null
    },
  },
  {
    id: 'HF011',
    severity: 'warning',
    requirement: 'ASVS 10.4.5; OWASP Session Management, Renewal Timeout',
    about: 'what a replayed token does',
    mend: "Remove onReplay: 'report' once you have seen what it would have ended.",
    find: ({ policy }) =>
      policy.onReplay === 'report' ? 'a replayed token is only reported: its thief stays in' : null,
  },
  {
    id: 'HF012',
    severity: 'warning',
    requirement: 'ASVS 8.2.4',
    about: 'what sessions are bound to',
    mend: 'Leave bindings out, or give at least userAgent() and ip().',
    find: ({ policy: { bindings } }) => {
      if (bindings.length === 0) return 'sessions are bound to nothing: a stolen token works from anywhere'
      return bindings.every(({ onMismatch }) => onMismatch === 'report')
        ? 'what sessions are bound to may change, and is only reported'
        : null
    },
  },
  {
    id: 'HF013',
    severity: 'error',
    requirement: 'ASVS 3.5.1, 12.2.1',
    about: 'trusted origins without TLS',
    mend: 'Trust https:// origins alone: whoever is on the way of an http:// page can send requests from it.',
    find: ({ policy }) => {
      const plain = [...policy.csrf.trustedOrigins].filter((origin) => origin.startsWith('http://'))
      return plain.length > 0 ? `csrf.trustedOrigins holds ${plain.join(', ')}` : null
    },
  },
  {
    id: 'HF014',
    severity: 'warning',
    requirement: 'ASVS 3.5.1; CVE-2025-47910 for exemptions that reach too far',
    about: 'paths without CSRF protection',
    mend: 'Have callers of these paths authenticate by a signature or a bearer token, never by the cookie; or remove them.',
    find: ({ policy }) => listed('csrf.insecureExempt', policy.csrf.insecureExempt),
  },
  {
    id: 'HF015',
    severity: 'info',
    requirement: 'ASVS 3.5.1',
    about: 'paths whose handler verifies the CSRF token',
    mend: 'Make sure that each of these handlers calls session.verifyCsrf; where one does not, nothing is committed.',
    find: ({ policy }) => listed('csrf.verifiedByHandler', policy.csrf.verifiedByHandler),
  },
  {
    id: 'HF016',
    severity: 'info',
    requirement: 'NIST SP 800-63B-4 §5.1',
    about: 'CSRF tokens beside the check of the origin',
    mend: 'Give csrf: { requireToken: true }, or preset: aal2, once every form carries a token.',
    find: ({ policy: { csrf, transport } }) =>
      transport.ambient && !csrf.requireToken
        ? 'the origin of a request is checked, and a token is asked for only where a browser does not tell it'
        : null,
  },
  {
    id: 'HF017',
    severity: 'warning',
    requirement: 'ASVS 7.4.1, 7.4.2',
    about: 'sessions of one process',
    mend: 'Use sqlite() for one machine, or a store that all servers share.',
    find: ({ engine }) =>
      engine.shared
        ? null
        : `the ${engine.name} engine keeps sessions in this process: they end with it, and no other process can end them`,
  },
  {
    id: 'HF018',
    severity: 'warning',
    requirement: 'ASVS 13.3.1',
    about: 'keys that outlive the process',
    mend: 'Make a key with npx holdfast keygen, keep it where passwords are kept, and give it as keys.',
    find: ({ policy }) =>
      policy.warnings.some((warning) => warning.startsWith('keys:'))
        ? 'no keys are given, so random ones are used'
        : null,
  },
  {
    id: 'HF019',
    severity: 'warning',
    requirement: 'ASVS 13.3.4',
    about: 'keys that were never retired',
    mend: 'Drop a key once every session that it signed has reached its absolute limit.',
    find: ({ policy: { keys } }) => (keys.size > 3 ? `${keys.size} keys are still believed` : null),
  },
  {
    id: 'HF020',
    severity: 'warning',
    requirement: 'ASVS 16.3.1, 16.3.2, 16.3.3',
    about: 'who hears of events',
    mend: "Give onEvent: auditTo('audit.db').onEvent of holdfast/audit, or your logger.",
    find: ({ policy }) =>
      policy.observed ? null : 'nobody hears of logins, replays, forgeries and failures',
  },
  {
    id: 'HF021',
    severity: 'warning',
    requirement: 'ASVS 7.1.2',
    about: 'how many sessions a user may have',
    mend: 'Leave maxSessionsPerUser at 100, or give fewer.',
    find: ({ policy: { maxSessionsPerUser } }) =>
      maxSessionsPerUser > 1_000
        ? `a user may have ${maxSessionsPerUser} sessions, each of which may be stolen`
        : null,
  },
  {
    id: 'HF022',
    severity: 'info',
    requirement: 'WSTG-SESS-08',
    about: 'whether session data are checked',
    mend: 'Give a schema (zod, valibot, arktype): what one page stored can then not pass for what another expects.',
    find: ({ policy }) => (policy.schema ? null : 'session data are taken as they come out of the store'),
  },
  {
    id: 'HF023',
    severity: 'info',
    requirement: 'OWASP Session Management, Session ID Guessing and Brute Force Detection',
    about: 'what one address may cost',
    mend: 'Give rateLimits: rateLimits() of holdfast/rate-limit, or limit the rate in front of the application.',
    find: ({ policy: { rateLimits } }) =>
      rateLimits.newSessions && rateLimits.forgedTokens
        ? null
        : 'an address may make sessions, or guess tokens, as fast as it can',
  },
]

/** One that holds more than a network of the largest size that exists inside an organisation: 10.0.0.0/8, fd00::/8. */
function isWide(text: string): boolean {
  const block = parseBlock(text)
  return block !== null && block.prefix < 8
}

function setCookieOf({ transport }: Policy): string {
  return transport.ambient ? transport.write('token', null)[1] : ''
}

function beyond(name: string, length: Millis, most: Millis, level: string): string | null {
  return length > most
    ? `${name} is ${formatDuration(length)}; ${level} asks for at most ${formatDuration(most)}`
    : null
}

function listed(name: string, paths: ReadonlySet<string>): string | null {
  return paths.size > 0 ? `${name} holds ${[...paths].join(', ')}` : null
}

function rough(length: Millis): string {
  return length < 2 * HOUR ? `${Math.round(length / 60_000)} minutes` : `${Math.round(length / HOUR)} hours`
}
