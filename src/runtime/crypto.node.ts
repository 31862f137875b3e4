/** The primitives, where `node:crypto` exists: Node, Bun, Deno. @module */

import { createCipheriv, createDecipheriv, hash, randomFillSync, timingSafeEqual } from 'node:crypto'
import type { MaybePromise } from '../core/engine.ts'

export type { MacKey } from './mac-key.ts'

import type { MacKey } from './mac-key.ts'

const BLOCK = 64
const pool = Buffer.allocUnsafe(4096)
let used = pool.length

/** SHA-256 of UTF-8 text, as base64url. */
export function sha256(text: string): string {
  return hash('sha256', text, 'base64url')
}

/** Prepares a key for `hmac`: the two padded halves of RFC 2104, which two one-shot hashes turn into the fastest MAC. */
export function macKey(bytes: Uint8Array): MacKey {
  const key = bytes.length > BLOCK ? hash('sha256', bytes, 'buffer') : Buffer.from(bytes)
  const inner = Buffer.alloc(BLOCK, 0x36)
  const outer = Buffer.alloc(BLOCK, 0x5c)
  for (let i = 0; i < key.length; i++) {
    inner[i]! ^= key[i]!
    outer[i]! ^= key[i]!
  }
  return { inner, outer }
}

const message = Buffer.alloc(1024)

/** HMAC-SHA-256 of UTF-8 text (RFC 2104). @returns 32 bytes */
export function hmac(key: MacKey, text: string): Uint8Array {
  return hashAfter(key.outer, hashAfter(key.inner, text))
}

/** Hashes a block and what follows, put together where it costs no allocation. */
function hashAfter(block: Uint8Array, rest: string | Uint8Array): Uint8Array {
  const length = BLOCK + (typeof rest === 'string' ? Buffer.byteLength(rest) : rest.length)
  const buffer = length <= message.length ? message : Buffer.alloc(length)
  buffer.set(block)
  if (typeof rest === 'string') buffer.write(rest, BLOCK)
  else buffer.set(rest, BLOCK)
  return hash('sha256', buffer.subarray(0, length), 'buffer')
}

/** Random bytes of the system's generator, drawn through a pool; none is handed out twice or kept. */
export function randomBytes(length: number): Uint8Array {
  if (used + length > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const bytes = new Uint8Array(pool.subarray(used, used + length))
  pool.fill(0, used, used + length)
  used += length
  return bytes
}

/** Compares in a time that depends on the lengths alone. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

const NONCE = 12
const TAG = 16

/**
 * AES-256-GCM (NIST SP 800-38D) of UTF-8 text, under a random nonce.
 *
 * @param key - 32 bytes
 * @param context - UTF-8 text that isn't encrypted, and without which the result can't be opened
 * @returns nonce, ciphertext and tag
 */
export function seal(key: Uint8Array, text: string, context: string): MaybePromise<Uint8Array> {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG })
  cipher.setAAD(Buffer.from(context))
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** Opens what `seal` made. @returns the text; null when the key, the context or one bit is another */
export function unseal(key: Uint8Array, sealed: Uint8Array, context: string): MaybePromise<string | null> {
  if (sealed.length < NONCE + TAG) return null
  const end = sealed.length - TAG
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE), { authTagLength: TAG })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(sealed.subarray(end))
  const text = decipher.update(sealed.subarray(NONCE, end))
  try {
    return Buffer.concat([text, decipher.final()]).toString()
  } catch {
    return null
  }
}

export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** Decodes base64url or base64. @returns null when the text is neither */
export function fromBase64url(text: string): Uint8Array | null {
  const [, letters] = /^([\w+/-]{2,})={0,2}$/.exec(text) ?? []
  return letters !== undefined && letters.length % 4 !== 1
    ? new Uint8Array(Buffer.from(letters, 'base64url'))
    : null
}
