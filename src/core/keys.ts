import { equal, fromBase64url, hmac, type MacKey, macKey, randomBytes, toBase64url } from '#crypto'
import { SessionError } from './errors.ts'

/** What a key is for. One purpose's MAC means nothing to another (ASVS 9.2.2). */
export type Purpose = 'session' | 'visitor' | 'csrf'

/** The least length of a key, in bytes (ASVS 11.2.3 asks for 128 bits of security; this is twice that). */
const KEY_BYTES = 32
const PLACEHOLDER = /change-?me|secret|password|example|placeholder|your[-_]?key|0123456789/i

/** The server's keys, newest first: the newest signs, all verify, so that keys can roll without ending a session. */
export class KeyRing {
  readonly #keys: readonly Readonly<Record<Purpose, MacKey>>[]

  /** @param keys - at least one; each at least 32 bytes */
  constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys.map((key) => {
      const root = macKey(key)
      const derive = (purpose: Purpose) => macKey(fromBase64url(hmac(root, `holdfast/1/${purpose}`))!)
      return { session: derive('session'), visitor: derive('visitor'), csrf: derive('csrf') }
    })
  }

  /** MACs by the newest key. @returns base64url, 43 characters */
  sign(purpose: Purpose, text: string): string {
    return hmac(this.#keys[0]![purpose], text)
  }

  /**
   * Finds the key that made a MAC, each compared in constant time, and as text: four spellings stand for the same bytes,
   * since 43 characters carry 258 bits, and one of them alone is ours.
   *
   * @returns its index, 0 being the newest; -1 when none did
   */
  verify(purpose: Purpose, text: string, mac: string): number {
    return this.#keys.findIndex((key) => equal(hmac(key[purpose], text), mac))
  }
}

/** Draws a key as `keys` takes it: 32 random bytes, base64url. */
export function generateKey(): string {
  return toBase64url(randomBytes(KEY_BYTES))
}

/**
 * Reads the `keys` option: an array, or one comma-separated string as it comes from the environment.
 *
 * @returns the keys' bytes, newest first
 * @throws {SessionError} `ERR_OPTION` when a key is missing, short, repeated, or looks like a passphrase or placeholder
 */
export function parseKeys(keys: string | readonly (string | Uint8Array)[]): Uint8Array[] {
  const entries = typeof keys === 'string' ? keys.split(',').map((entry) => entry.trim()) : keys
  if (!Array.isArray(entries) || entries.length === 0) throw badKey('', 'is empty')
  const seen = new Set<string>()
  return entries.map((entry, index) => {
    const which = `[${index}]`
    const bytes =
      typeof entry === 'string' ? fromBase64url(entry) : entry instanceof Uint8Array ? entry : null
    if (!bytes) throw badKey(which, 'is not base64url; a passphrase is no key')
    if (bytes.length < KEY_BYTES)
      throw badKey(which, `is ${bytes.length} bytes long, and must be at least ${KEY_BYTES}`)
    // 32 random bytes hold fewer than 16 different ones once in 10^15 draws.
    if (new Set(bytes).size < 16 || (typeof entry === 'string' && PLACEHOLDER.test(entry))) {
      throw badKey(which, 'looks like a placeholder, not like random bytes')
    }
    const name = toBase64url(bytes)
    if (seen.has(name)) throw badKey(which, 'repeats another')
    seen.add(name)
    return new Uint8Array(bytes)
  })
}

function badKey(which: string, problem: string): SessionError {
  return new SessionError('ERR_OPTION', `keys${which} ${problem}. Make one with: npx holdfast keygen`)
}
