/** What every system does, so that nothing but its session differs. @module */

/** `read` changes nothing, `write` changes one field, `anon` creates a session, `none` has no cookie and needs no session. */
export type Kind = 'none' | 'read' | 'write' | 'anon'

export const KINDS: readonly Kind[] = ['none', 'read', 'write', 'anon']

/** A running server; it ends with its process. */
export interface System {
  readonly port: number
}

/** What a handler answers, always the same few bytes. */
export const BODY = 'Hello from a page that knows who you are.'

/** What a session holds besides its user: about 300 bytes of JSON. */
export interface Profile {
  name: string
  roles: string[]
  locale: { language: string; zone: string; currency: string }
  cart: { sku: string; count: number }[]
  visits: number
}

export function profile(): Profile {
  return {
    name: 'Ada Lovelace, Countess of',
    roles: ['member', 'editor', 'translator'],
    locale: { language: 'en-GB', zone: 'Europe/London', currency: 'GBP' },
    cart: [
      { sku: 'B-1815-12-10', count: 1 },
      { sku: 'N-1843-09-27', count: 2 },
    ],
    visits: 1,
  }
}

/** The user of a login, out of its path: `/login/ada`. */
export function userOf(url: string): string {
  return url.slice('/login/'.length)
}

/** Counts on through all writes: a store may skip one that changes nothing. */
let last = 1_000_000

export function nextVisit(): number {
  return ++last
}
