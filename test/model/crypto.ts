/**
 * Symbolic cryptography: the primitives themselves, each result worked out once, and every draw a name: that of the
 * request that drew it, and how often it had drawn before. So a request that runs again draws the same.
 * @module
 */

import { hash } from 'node:crypto'
import {
  equal,
  fromBase64url,
  type MacKey,
  hmac as mac,
  macKey,
  toBase64url,
} from '../../src/runtime/crypto.node.ts'
import { running } from './clock.ts'

export { equal, fromBase64url, type MacKey, macKey, toBase64url }

const hashes = new Map<string, string>()
const macs = new Map<MacKey, Map<string, string>>()
const preimages = new Map<string, string>()

export function sha256(text: string): string {
  let digest = hashes.get(text)
  if (digest === undefined) {
    digest = hash('sha256', text, 'base64url')
    hashes.set(text, digest)
    preimages.set(digest, text)
  }
  return digest
}

export function hmac(key: MacKey, text: string): string {
  let known = macs.get(key)
  if (!known) macs.set(key, (known = new Map()))
  let digest = known.get(text)
  if (!digest) known.set(text, (digest = mac(key, text)))
  return digest
}

export function randomBytes(length: number): Uint8Array {
  const run = running.getStore()
  if (!run) throw new Error('Something was drawn at random outside of a request')
  const bytes = new Uint8Array(length).fill(0xa7)
  bytes[0] = run.request
  bytes[1] = run.draws++
  return bytes
}

/** What a hash was made of: two states are the same only if what hangs on a secret hangs on it in both. */
export function preimageOf(digest: string): string | undefined {
  return preimages.get(digest)
}
