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
/** By their length: to make a view takes as long as to hash a block. */
const beginnings: Uint8Array[] = []

/** HMAC-SHA-256 of UTF-8 text (RFC 2104), as base64url. No digest becomes a buffer: making one takes longer than hashing. */
export function hmac({ inner, outer }: MacKey, text: string): string {
  const inside = hash('sha256', join(inner, text, 'utf8'), 'binary')
  return hash('sha256', join(outer, inside, 'binary'), 'base64url')
}

/** A block and what follows it, put together where it costs no allocation. */
function join(block: Uint8Array, text: string, encoding: 'utf8' | 'binary'): Uint8Array {
  // A character takes three bytes at most.
  if (BLOCK + 3 * text.length > message.length) return Buffer.concat([block, Buffer.from(text, encoding)])
  message.set(block)
  return beginning(beginnings, message, BLOCK + message.write(text, BLOCK, encoding))
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

// Not `Buffer.from`, whose bytes stay behind in a pool that others are handed parts of, uncleared.
const left = Buffer.alloc(256)
const right = Buffer.alloc(256)
const lefts: Uint8Array[] = []
const rights: Uint8Array[] = []

/** Compares two MACs, as text, in a time that depends on the lengths alone. Texts beyond 85 characters are never equal. */
export function equal(a: string, b: string): boolean {
  if (a.length !== b.length || 3 * a.length > left.length) return false
  const length = left.write(a)
  if (right.write(b) !== length) return false
  return timingSafeEqual(beginning(lefts, left, length), beginning(rights, right, length))
}

function beginning(known: Uint8Array[], buffer: Buffer, length: number): Uint8Array {
  known[length] ??= buffer.subarray(0, length)
  return known[length]
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
