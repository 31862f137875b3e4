/** What the adapters for `Request` and `Response` have in common. @module */

import type { Effects } from '../core/effects.ts'
import { isSafe, type RequestContext } from '../core/request.ts'
import type { Client } from '../proxy.ts'
import { applyEffects } from './effects.ts'

/** A longer form is left to the handler, for it has to be held in memory twice. */
const LONGEST_FORM = 64 * 1024

/** Describes a request to the core. */
export function contextOf(
  request: Request,
  url: URL,
  client: Client,
  form: URLSearchParams | null,
): RequestContext {
  return {
    method: request.method,
    origin: client.origin,
    path: url.pathname,
    search: url.search,
    ip: client.ip,
    now: Date.now(),
    header: (name) => request.headers.get(name),
    field: (name) => form?.get(name) ?? null,
  }
}

/** Reads a copy of the body, where a CSRF token may be in it and nowhere else. */
export async function formOf(request: Request, context: RequestContext): Promise<URLSearchParams | null> {
  const { headers, bodyUsed } = request
  if (isSafe(context) || bodyUsed || headers.has('x-csrf-token')) return null
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headers.get('content-type') ?? '')) return null
  const length = headers.get('content-length')
  if (length === null || Number(length) > LONGEST_FORM) return null
  try {
    return new URLSearchParams(await request.clone().text())
  } catch {
    // The client went away: its handler will find out.
    return null
  }
}

/**
 * Always a copy: `Response.redirect()` and fetched responses can't be changed, and one that an application keeps and returns
 * twice would hand one client's token to the next. Its headers, too: `@hono/node-server` has a `Response` that shares them.
 */
export function withEffects(response: Response, effects: Effects): Response {
  const nothing = effects.headers.length === 0 && effects.vary === null && effects.noStore === null
  // Nobody can copy an upgrade (101) or `Response.error()`.
  if (nothing || response.status < 200) return response
  const { body, status, statusText } = response
  const copy = new Response(body, { status, statusText, headers: new Headers(response.headers) })
  applyEffects(effects, copy.headers)
  return copy
}
