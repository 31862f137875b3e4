/**
 * May this request proceed at all? Pure, and no I/O: HTTPS, and who sent it.
 *
 * Cross-origin requests are told by `Sec-Fetch-Site`, which every browser since March 2023 sends and no page can forge;
 * without it by `Origin`, scheme included; without both, a request that carries our cookie needs a CSRF token. This is
 * the algorithm of Go's `net/http.CrossOriginProtection`, less its two leniencies: it doesn't compare the scheme, and
 * lets a request without either header pass with its cookie.
 * @see OWASP CSRF Prevention Cheat Sheet, "Fetch Metadata"; ASVS 3.5.1, 12.2.1
 * @module
 */

import { SessionError } from './errors.ts'
import type { Policy } from './policy.ts'
import { isSafe, isUpgrade, type RequestContext } from './request.ts'

/** What the guard found. */
export interface Admission {
  /** Why the request must not proceed; null when it may. */
  readonly refusal: SessionError | null
  /** Whether it needs a CSRF token, and who looks at it. */
  readonly token: 'optional' | 'required' | 'by-handler'
  /** Whether a header that no page can forge says that it comes from us, or that nothing ambient is in play. */
  readonly originProven: boolean
}

/** Headers by which a proxy shows itself. One of them, and the peer is not the client. */
const FORWARDING = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-real-ip',
  'via',
]

/** Decides whether a request may proceed, before anything is read. */
export function guard(context: RequestContext, policy: Policy): Admission {
  if (!isSecure(context, policy)) return refuse(insecure(context, policy))
  if (isSafe(context) || !policy.transport.ambient || policy.csrf.insecureExempt.has(context.path))
    return admit('optional', true)

  const site = context.header('sec-fetch-site')
  const origin = context.header('origin')
  const trusted = origin !== null && policy.csrf.trustedOrigins.has(origin)
  if (site !== null && site !== 'same-origin' && site !== 'none' && !trusted) {
    return refuse(crossOrigin(`Sec-Fetch-Site is '${printable(site)}'`))
  }
  // 'null' is an origin like any other, and not ours (CVE-2026-27978).
  if (site === null && origin !== null && origin !== context.origin && !trusted) {
    return refuse(crossOrigin(`Origin is '${printable(origin)}', and this is ${context.origin}`))
  }

  const proven = site !== null || origin !== null
  // A browser can't add a header to a WebSocket upgrade, and always sends its Origin.
  const demanded = !proven || (policy.csrf.requireToken && !isUpgrade(context))
  if (!demanded || !carriesCookie(context, policy)) return admit('optional', proven)
  return admit(policy.csrf.verifiedByHandler.has(context.path) ? 'by-handler' : 'required', proven)
}

/** Whether what is sent back may hold a cookie: TLS, or loopback, which browsers treat as secure, too. */
export function isSecure(context: RequestContext, policy: Policy): boolean {
  if (context.origin.startsWith('https://') || policy.insecureHttp) return true
  return (
    context.ip !== null &&
    /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/.test(context.ip) &&
    isLoopbackOrigin(context.origin) &&
    FORWARDING.every((name) => context.header(name) === null) &&
    !comesThroughHiddenProxy(context)
  )
}

/**
 * Whether loopback is only the last leg: a proxy that shows itself by no header, and rewrites Host. Its own pages then
 * name another origin than ours, while the browser says that they are of the same one, or says nothing. A page that the
 * browser says is another site's may be anywhere: a link to a developer's machine, or a forgery, for others to judge.
 */
function comesThroughHiddenProxy(context: RequestContext): boolean {
  const site = context.header('sec-fetch-site')
  const isElsewhere = (url: string | null) => url !== null && !isLoopbackOrigin(url)
  if (site === 'cross-site' || site === 'same-site') return false
  return isElsewhere(context.header('referer')) || (site !== null && isElsewhere(context.header('origin')))
}

function isLoopbackOrigin(url: string): boolean {
  return /^https?:\/\/(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:\/|$)/.test(url)
}

function carriesCookie(context: RequestContext, policy: Policy): boolean {
  // There is one: where nothing is ambient, nobody asks.
  return policy.transport.read(context).length > 0 || policy.visitorTransport!.read(context).length > 0
}

function insecure(context: RequestContext, policy: Policy): SessionError {
  const forwarded = FORWARDING.find((name) => context.header(name) !== null)
  if (forwarded !== undefined) {
    return new SessionError(
      'ERR_INSECURE_TRANSPORT',
      policy.proxy.length === 0
        ? `This request came over plain HTTP with the header ${forwarded}, which is believed of no one: if a proxy in ` +
            "front speaks HTTPS, name its address in the option proxy, such as proxy: ['10.0.0.0/8']."
        : `This request came over plain HTTP, or through an address that the option proxy does not name: check that the ` +
            'proxy is named there, and that it sends X-Forwarded-Proto: https.',
    )
  }
  const options =
    context.method === 'GET' || context.method === 'HEAD' ? { location: httpsLocation(context, policy) } : {}
  return new SessionError(
    'ERR_INSECURE_TRANSPORT',
    'Sessions need HTTPS, and this request came over plain HTTP to a host that is not this machine: use https://, or http://localhost.',
    options,
  )
}

function httpsLocation(context: RequestContext, policy: Policy): string {
  const host = context.origin.slice('http://'.length).replace(/:\d+$/, '')
  const port = policy.httpsPort === 443 ? '' : `:${policy.httpsPort}`
  // A path of several slashes would read as another host.
  return `https://${host}${port}${context.path.replace(/^\/*/, '/')}${context.search}`
}

function crossOrigin(why: string): SessionError {
  return new SessionError(
    'ERR_CROSS_ORIGIN',
    `A request that changes something was refused, for it comes from elsewhere: ${why}.`,
  )
}

function printable(text: string): string {
  return text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?')
}

function refuse(refusal: SessionError): Admission {
  return { refusal, token: 'optional', originProven: false }
}

function admit(token: Admission['token'], originProven: boolean): Admission {
  return { refusal: null, token, originProven }
}
