/**
 * The CSRF token: a MAC over what the client's state is bound to, masked anew at each call so that compression of a
 * page can't leak it (BREACH), as Django and Rails do.
 * @see OWASP CSRF Prevention Cheat Sheet, "Signed Double-Submit Cookie"
 * @module
 */

import { fromBase64url, randomBytes, toBase64url } from '#crypto'
import type { Millis } from './duration.ts'
import type { KeyRing } from './keys.ts'
import type { VisitorToken } from './token.ts'

const BYTES = 32

/** What an authenticated session's tokens are bound to: they survive renewal, and die with the authentication. */
export function sessionSubject(id: string, authenticatedAt: Millis): string {
  return `session ${id} ${authenticatedAt}`
}

/** What a visitor's tokens are bound to: his pre-session, whether or not he has stored something. */
export function visitorSubject(visitor: VisitorToken): string {
  return `visitor ${visitor.id} ${visitor.issued}`
}

/** Makes a token. @returns 86 characters, different at each call */
export function formatCsrfToken(keys: KeyRing, subject: string): string {
  const mask = randomBytes(BYTES)
  const token = new Uint8Array(2 * BYTES)
  token.set(mask)
  token.set(xor(fromBase64url(keys.sign('csrf', subject))!, mask), BYTES)
  return toBase64url(token)
}

/** Compares in constant time, with every key of the ring. */
export function isCsrfToken(keys: KeyRing, subject: string, value: string): boolean {
  const token = value.length === 86 ? fromBase64url(value) : null
  if (token?.length !== 2 * BYTES) return false
  const mac = toBase64url(xor(token.subarray(BYTES), token.subarray(0, BYTES)))
  return keys.verify('csrf', subject, mac) >= 0
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte ^ b[index]!)
}
