/** How a token travels between client and server. @module */

import { stringifySetCookie } from 'cookie'
import { SessionError } from './errors.ts'
import type { Header, RequestContext } from './request.ts'

/** Carries the token. One way per application: a second one would be a second way in. */
export interface Transport {
  /** Covered by the token's tag: a token for one name is worthless under another. */
  readonly name: string
  /** Whether browsers attach it by themselves, to requests that other sites start, too: then CSRF must be checked. */
  readonly ambient: boolean
  /** The request header that answers depend on. */
  readonly vary: string
  /** @returns every token that the request carries under that name, unchecked */
  read(context: RequestContext): readonly string[]
  /** @param maxAge - seconds; null for until the browser closes */
  write(token: string, maxAge: number | null): Header
  /** What makes the client forget it; null where there is nothing to say. */
  clear(): Header | null
}

/** The cookie's flags. `Secure` and `HttpOnly` are not among them: they are always set. */
export interface CookieOptions {
  /** Without prefix. @defaultValue `'session'` */
  readonly name?: string
  /** Shares the cookie with every host below this domain, at the price of the `__Host-` prefix. @defaultValue none */
  readonly domain?: string
  /** Costs the `__Host-` prefix unless `/`. @defaultValue `'/'` */
  readonly path?: string
  /** @defaultValue `'lax'` */
  readonly sameSite?: 'lax' | 'strict' | 'none'
  /** Keyed by the embedding site, too (CHIPS). @defaultValue false */
  readonly partitioned?: boolean
}

/** RFC 6265bis §5.5 has browsers clamp longer lives to 400 days. */
const MAX_AGE_LIMIT = 400 * 24 * 60 * 60

/**
 * Carries the token in one cookie: `__Host-Http-session; Path=/; Secure; HttpOnly; SameSite=Lax`. Every browser that
 * knows `__Host-` enforces it, for the name starts with it; newer ones also refuse it to scripts.
 *
 * @param options.insecureHttp - no prefix and no `Secure`, which plain HTTP can't have
 * @throws {SessionError} `ERR_OPTION`
 * @see RFC 6265bis §4.1.3; draft-ietf-httpbis-layered-cookies for `__Host-Http-`
 */
export function cookie(options: CookieOptions & { readonly insecureHttp?: boolean } = {}): Transport {
  const { domain, path = '/', sameSite = 'lax', partitioned = false, insecureHttp = false } = options
  const hostOnly = domain === undefined && path === '/'
  const prefix = insecureHttp ? '' : hostOnly ? '__Host-Http-' : '__Secure-'
  const name = prefix + (options.name ?? 'session')
  const attributes = {
    ...(domain === undefined ? {} : { domain }),
    path,
    secure: !insecureHttp,
    httpOnly: true,
    sameSite,
    partitioned,
  }
  if (!['lax', 'strict', 'none'].includes(sameSite)) {
    throw new SessionError(
      'ERR_OPTION',
      `cookie.sameSite: expected 'lax', 'strict' or 'none', but got '${sameSite}'`,
    )
  }
  if (insecureHttp && (sameSite === 'none' || partitioned)) {
    throw new SessionError(
      'ERR_OPTION',
      "cookie: sameSite 'none' and partitioned need HTTPS; drop insecureHttp",
    )
  }
  if (
    options.name !== undefined &&
    (typeof options.name !== 'string' || !/^(?!__)[\w!#$%&'*.^`|~+-]+$/.test(options.name))
  ) {
    throw new SessionError('ERR_OPTION', "cookie.name: expected a name such as 'session', without a prefix")
  }
  if (domain !== undefined && (typeof domain !== 'string' || domain === '')) {
    throw new SessionError('ERR_OPTION', "cookie.domain: expected a domain such as 'example.com'")
  }
  if (typeof partitioned !== 'boolean') {
    throw new SessionError('ERR_OPTION', 'cookie.partitioned: expected true or false')
  }
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new SessionError('ERR_OPTION', "cookie.path: must start with '/'")
  try {
    stringifySetCookie({ name, value: '', ...attributes })
  } catch (cause) {
    throw new SessionError('ERR_OPTION', `cookie: ${(cause as Error).message}`, { cause })
  }

  return {
    name,
    ambient: true,
    vary: 'Cookie',
    read: (context) => readCookies(context.header('cookie'), name),
    write(token, maxAge) {
      const life = maxAge === null ? {} : { maxAge: Math.min(maxAge, MAX_AGE_LIMIT) }
      return ['Set-Cookie', stringifySetCookie({ name, value: token, ...life, ...attributes })]
    },
    // The same attributes, or the browser keeps the cookie (RFC 6265bis §5.7).
    clear: () => ['Set-Cookie', stringifySetCookie({ name, value: '', maxAge: 0, ...attributes })],
  }
}

/**
 * Carries the token in `Authorization: Bearer`, and hands a new one out in the response header `Session-Token`: for
 * clients that are no browsers. Nothing attaches it by itself, so CSRF doesn't arise.
 */
export function bearer(): Transport {
  return {
    name: 'bearer',
    ambient: false,
    vary: 'Authorization',
    read(context) {
      const match = /^bearer ([\w.-]+)$/i.exec(context.header('authorization') ?? '')
      return match ? [match[1]!] : []
    },
    write: (token) => ['Session-Token', token],
    clear: () => null,
  }
}

/**
 * Finds every value of one cookie. Not left to a parser, since parsers keep one of several, and trim what browsers
 * don't: a U+00A0 before `__Host-x` made another cookie pass for it (CVE-2026-39410). Spaces and tabs alone are trimmed.
 */
function readCookies(header: string | null, name: string): string[] {
  if (header === null || !header.includes(name)) return []
  const values: string[] = []
  for (const pair of header.split(';')) {
    const split = pair.indexOf('=')
    if (split > 0 && trim(pair.slice(0, split)) === name) values.push(trim(pair.slice(split + 1)))
  }
  return values
}

/** Not by a regular expression, whose time grows with the square of the spaces within. */
function trim(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isBlank(text[from]!)) from++
  while (to > from && isBlank(text[to - 1]!)) to--
  return text.slice(from, to)
}

function isBlank(char: string): boolean {
  return char === ' ' || char === '\t'
}
