/**
 * What the client carries: `id.era.parent.secret.issued.tag`. The tag covers every field, the purpose and the cookie's
 * name, so that an invented token costs no I/O, and a replayed one is told from a forged one at any age.
 * @module
 */

import { randomBytes, sha256, toBase64url } from '#crypto'
import type { Millis } from './duration.ts'
import { flat } from './flat.ts'
import type { KeyRing } from './keys.ts'

/** A token whose tag was found genuine. */
export interface Token {
  readonly id: string
  readonly era: number
  /** `sha256` of the secret that this one was offered against; `''` for a session's first. */
  readonly parent: string
  /** 256 random bits, base64url. */
  readonly secret: string
  /** `hashSecret` of it, which every rule that a request meets asks for. */
  readonly proof: string
  readonly issued: Millis
  /** Whether a key older than the newest signed it. */
  readonly oldKey: boolean
}

/** A pre-session: a visitor's proof that a form was given to him. Never a session's name, never looked up. */
export interface VisitorToken {
  readonly id: string
  readonly issued: Millis
}

const ID = '[A-Za-z0-9_-]{22}'
const HASH = '[A-Za-z0-9_-]{43}'
const TOKEN = new RegExp(`^(${ID})\\.(\\d{1,9})\\.((?:${HASH})?)\\.(${HASH})\\.(\\d{1,15})\\.(${HASH})$`)
const VISITOR = new RegExp(`^(${ID})\\.(\\d{1,15})\\.(${HASH})$`)
/** Longer than any token of ours: refused before anything looks at it. */
const MAX_LENGTH = 256
/** How many tokens are remembered, at some 300 bytes each. */
const REMEMBERED = 5_000

/** Draws a session's public id: 128 random bits. */
export function drawId(): string {
  return drawName(16)
}

/** Draws what names something. It begins with no dash: a command line would take it for an option. */
export function drawName(bytes: number): string {
  for (;;) {
    const name = toBase64url(randomBytes(bytes))
    if (!name.startsWith('-')) return name
  }
}

const WHOLE_ID = new RegExp(`^${ID}$`)

/** Whether it has the form of an id. */
export function isId(id: unknown): id is string {
  return typeof id === 'string' && WHOLE_ID.test(id)
}

/** Draws a session's secret: 256 random bits (ASVS 7.2.3 asks for 128). */
export function drawSecret(): string {
  return toBase64url(randomBytes(32))
}

/** What a record keeps of a secret: the hash of its hash. The hash alone is what offers name as their parent. */
export function hashSecret(secret: string): string {
  return sha256(sha256(secret))
}

/** Hashes a token's `parent` into the form in which a record keeps secrets. */
export function hashParent(parent: string): string {
  return sha256(parent)
}

/** Makes the token of a session whose `secret` has just been drawn or shown. */
export function formatToken(
  keys: KeyRing,
  name: string,
  fields: Pick<Token, 'id' | 'era' | 'parent' | 'secret' | 'issued'>,
): string {
  const body = `${fields.id}.${fields.era}.${fields.parent}.${fields.secret}.${fields.issued}`
  return `${body}.${keys.sign('session', `${name} ${body}`)}`
}

/** Makes an offer: a token with a fresh secret that names the shown one as its parent. Nothing is stored for it. */
export function formatOffer(keys: KeyRing, name: string, shown: Token, issued: Millis): string {
  return formatToken(keys, name, { ...shown, parent: sha256(shown.secret), secret: drawSecret(), issued })
}

/** Tells what a text has the form of, and nothing of whether it is genuine. */
export function formOf(text: string): 'session' | 'visitor' | null {
  if (text.length > MAX_LENGTH) return null
  return TOKEN.test(text) ? 'session' : VISITOR.test(text) ? 'visitor' : null
}

/** Reads a token. @returns null when it is malformed or its tag is not ours */
export function parseToken(keys: KeyRing, name: string, text: string): Token | null {
  const match = text.length <= MAX_LENGTH ? TOKEN.exec(text) : null
  if (!match) return null
  const [, id, era, parent, secret, issued, tag] = match as unknown as string[]
  const key = keys.verify('session', `${name} ${text.slice(0, -tag!.length - 1)}`, tag!)
  if (key < 0) return null
  return {
    id: id!,
    era: Number(era),
    parent: parent!,
    secret: secret!,
    proof: hashSecret(secret!),
    issued: Number(issued),
    oldKey: key > 0,
  }
}

/**
 * Reads tokens as `parseToken` does, and remembers the last ones that were genuine: until it is renewed a client shows the same
 * one with each request, and four hashes are half of what a request costs. Of what is kept nothing could be shown: a hash of
 * the whole, what the token says in the open, and what the store has of its secret, too. Its parent is not among them: that
 * is one hash less than the store has. A lookup by a hash tells by its time nothing of what was hashed.
 */
export function tokenReader(keys: KeyRing, name: string): (text: string) => Token | null {
  const known = new Map<string, Omit<Token, 'parent' | 'secret'>>()
  return (text) => {
    if (text.length > MAX_LENGTH) return null
    const hash = sha256(text)
    const found = known.get(hash)
    if (found) {
      const [, , parent, secret] = text.split('.', 4) as [string, string, string, string]
      return { ...found, parent, secret }
    }
    const token = parseToken(keys, name, text)
    if (!token) return null
    const { secret: _secret, parent: _parent, id, ...rest } = token
    if (known.size >= REMEMBERED) known.clear()
    // What was cut out of the text would keep all of it in memory.
    known.set(hash, { ...rest, id: flat(id) })
    return token
  }
}

export function formatVisitor(keys: KeyRing, name: string, visitor: VisitorToken): string {
  const body = `${visitor.id}.${visitor.issued}`
  return `${body}.${keys.sign('visitor', `${name} ${body}`)}`
}

/** Reads a visitor's token. @returns null when it is malformed or its tag is not ours */
export function parseVisitor(keys: KeyRing, name: string, text: string): VisitorToken | null {
  const match = text.length <= MAX_LENGTH ? VISITOR.exec(text) : null
  if (!match) return null
  const [, id, issued, tag] = match as unknown as string[]
  if (keys.verify('visitor', `${name} ${id}.${issued}`, tag!) < 0) return null
  return { id: id!, issued: Number(issued) }
}
