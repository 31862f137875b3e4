/**
 * The primitives, where there is no `node:crypto`. Synchronous, as on Node, by a well-kept implementation in JavaScript:
 * one hash takes 1.3 µs, where Web Crypto's asynchronous digest takes 24, and the core stays free of crypto promises.
 * Encryption alone is Web Crypto's: engines may answer later.
 * @module
 */

import { sha256 as digest } from '@noble/hashes/sha2.js'
import type { MaybePromise } from '../core/engine.ts'

export type { MacKey } from './mac-key.ts'

import type { MacKey } from './mac-key.ts'

const BLOCK = 64
const encoder = new TextEncoder()

/** SHA-256 of UTF-8 text, as base64url. */
export function sha256(text: string): string {
  return toBase64url(digest(encoder.encode(text)))
}

/** Prepares a key for `hmac`: the two padded halves of RFC 2104. */
export function macKey(bytes: Uint8Array): MacKey {
  const key = bytes.length > BLOCK ? digest(bytes) : bytes
  const inner = new Uint8Array(BLOCK).fill(0x36)
  const outer = new Uint8Array(BLOCK).fill(0x5c)
  for (let i = 0; i < key.length; i++) {
    inner[i]! ^= key[i]!
    outer[i]! ^= key[i]!
  }
  return { inner, outer }
}

/** HMAC-SHA-256 of UTF-8 text (RFC 2104), as base64url. */
export function hmac(key: MacKey, text: string): string {
  const inside = digest.create().update(key.inner).update(encoder.encode(text)).digest()
  return toBase64url(digest.create().update(key.outer).update(inside).digest())
}

/** Random bytes of the system's generator. */
export function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}

/** Compares two MACs, as text, in a time that depends on the lengths alone. Texts beyond 85 characters are never equal. */
export function equal(a: string, b: string): boolean {
  if (a.length !== b.length || a.length > 85) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
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
  return sealLater(key, text, context)
}

async function sealLater(key: Uint8Array, text: string, context: string): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto
  const nonce = randomBytes(NONCE)
  const aes = await subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
  const box = await subtle.encrypt(parameters(nonce, context), aes, encoder.encode(text))
  const sealed = new Uint8Array(NONCE + box.byteLength)
  sealed.set(nonce)
  sealed.set(new Uint8Array(box), NONCE)
  return sealed
}

/** Opens what `seal` made. @returns the text; null when the key, the context or one bit is another */
export function unseal(key: Uint8Array, sealed: Uint8Array, context: string): MaybePromise<string | null> {
  return sealed.length < NONCE + TAG ? null : unsealLater(key, sealed, context)
}

async function unsealLater(key: Uint8Array, sealed: Uint8Array, context: string): Promise<string | null> {
  const { subtle } = globalThis.crypto
  const aes = await subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
  const box = sealed.subarray(NONCE)
  try {
    const text = await subtle.decrypt(parameters(sealed.subarray(0, NONCE), context), aes, box)
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(text)
  } catch {
    return null
  }
}

function parameters(nonce: Uint8Array, context: string) {
  const additionalData = encoder.encode(context)
  return { name: 'AES-GCM', iv: nonce, additionalData, tagLength: 8 * TAG }
}

/** How many arguments a call surely takes. */
const ARGUMENTS = 8192

export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += ARGUMENTS)
    text += String.fromCharCode(...bytes.subarray(at, at + ARGUMENTS))
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Decodes base64url or base64. @returns null when the text is neither */
export function fromBase64url(text: string): Uint8Array | null {
  const [, letters] = /^([\w+/-]{2,})={0,2}$/.exec(text) ?? []
  if (letters === undefined || letters.length % 4 === 1) return null
  return Uint8Array.from(atob(letters.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
    char.charCodeAt(0),
  )
}
