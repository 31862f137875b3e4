/** Puts on a response what its session asks for, in every adapter in the same way. @module */

import type { ServerResponse } from 'node:http'
import type { Effects } from '../core/effects.ts'

/** A response's headers; `Headers` is one. */
export interface HeaderTarget {
  get(name: string): string | null
  has(name: string): boolean
  set(name: string, value: string): void
  append(name: string, value: string): void
  delete(name: string): void
  keys(): Iterable<string>
}

const NO_STORE = 'no-store, private'

/**
 * What caches read before `Cache-Control`, or beside it: RFC 9213 (`CDN-Cache-Control` and each provider's own), the older
 * `Surrogate-Control`, Akamai's and nginx's. One of them left, and `no-store` would bind only the browser.
 */
const CACHE_RULES =
  /^(?:expires|surrogate-control|edge-control|x-accel-expires|(?:[a-z0-9]+-)*cdn-cache-control)$/

/** Adds the headers, merges `Vary`, and settles what may be cached. Whatever else the application set stays. */
export function applyEffects({ headers, vary, noStore }: Effects, target: HeaderTarget): void {
  for (const [name, value] of headers) {
    // Browsers heed the first one only (RFC 6797 §8.1), and the application knows its subdomains better than we do.
    if (name !== 'Strict-Transport-Security' || !target.has(name)) target.append(name, value)
  }
  if (vary !== null) addVary(vary, target)
  if (noStore === 'always') {
    for (const name of [...target.keys()]) if (CACHE_RULES.test(name.toLowerCase())) target.delete(name)
    target.set('Cache-Control', NO_STORE)
  }
  if (noStore === 'unless-set' && !target.has('Cache-Control')) target.set('Cache-Control', NO_STORE)
}

/** A Node response's headers. */
export function headersOf(res: ServerResponse): HeaderTarget {
  return new NodeHeaders(res)
}

class NodeHeaders implements HeaderTarget {
  readonly #res: ServerResponse

  constructor(res: ServerResponse) {
    this.#res = res
  }

  get(name: string): string | null {
    return this.#res.getHeader(name)?.toString() ?? null
  }

  has(name: string): boolean {
    return this.#res.hasHeader(name)
  }

  set(name: string, value: string): void {
    this.#res.setHeader(name, value)
  }

  append(name: string, value: string): void {
    this.#res.appendHeader(name, value)
  }

  delete(name: string): void {
    this.#res.removeHeader(name)
  }

  keys(): string[] {
    return this.#res.getHeaderNames()
  }
}

function addVary(name: string, target: HeaderTarget): void {
  const listed = (target.get('Vary') ?? '').split(',').map((each) => each.trim())
  const known = listed.some((each) => each === '*' || each.toLowerCase() === name.toLowerCase())
  if (!known) target.set('Vary', [...listed, name].filter(Boolean).join(', '))
}
