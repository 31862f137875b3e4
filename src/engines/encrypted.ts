/**
 * Encrypts what an application keeps in its sessions, before it reaches the store; and ties it to its record, so that
 * whoever can write to the store can make no record another's. @module
 */

import { fromBase64url, hmac, type MacKey, macKey, seal, toBase64url, unseal } from '#crypto'
import type { Engine, MaybePromise, SessionRecord } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import { parseKeys } from '../core/keys.ts'
import { chain, together } from './chain.ts'

export interface EncryptedOptions {
  /**
   * As `keys` of `createSessions`, and they may be the same: each purpose has keys of its own, derived from these. The
   * newest encrypts, all decrypt; what is under an older one is rewritten under the newest by its next `replace`.
   */
  readonly keys: string | readonly (string | Uint8Array)[] | undefined
  /**
   * Reads data that isn't encrypted, too: for a store that was in use before. While it is on, whoever can write to the
   * store can put data of his own there. @defaultValue false
   */
  readonly insecurePlaintext?: boolean
}

interface DataKey {
  /** Says which key it was, and nothing about it. */
  readonly name: string
  readonly mac: MacKey
}

const PURPOSE = 'holdfast/1/data'
const SEALED = /^\{"sealed":"([\w-]{8})\.([\w-]+)"\}$/
const EMPTY = '{}'

/**
 * Wraps an engine so that `data` rests encrypted, by AES-256-GCM. The record around it stays in clear, but for its
 * two moving times all of it is authenticated: a row that was copied onto another id, given to another user, or
 * changed in any other way is refused. What is answered at once by the engine is so on Node, Bun and Deno.
 *
 * An older state of the same whole row, put back, is not noticed; nor is a row that was deleted.
 *
 * @throws {SessionError} `ERR_OPTION`; from the verbs that read records `ERR_ENGINE` where one was not written by us,
 *   or under a key that isn't there
 * @see NIST SP 800-38D
 */
export function encrypted(engine: Engine, options: EncryptedOptions): Engine {
  const { keys, insecurePlaintext } = check(options)
  const { scan, close } = engine

  function encrypt(record: SessionRecord): MaybePromise<SessionRecord> {
    if (isEmptied(record)) return record
    const key = keys[0]!
    return chain(seal(keyOf(record, key), record.data, contextOf(record)), (sealed) => {
      return { ...record, data: `{"sealed":"${key.name}.${toBase64url(sealed)}"}` }
    })
  }

  function decrypt(record: SessionRecord): MaybePromise<SessionRecord> {
    if (isEmptied(record)) return record
    const [, name, text] = SEALED.exec(record.data) ?? []
    if (name === undefined) {
      if (insecurePlaintext) return record
      throw refusal(record, 'is not encrypted. If it is from before, insecurePlaintext reads it for a while')
    }
    const key = keys.find((each) => each.name === name)
    if (!key) throw refusal(record, 'is under a key that keys does not hold: put that key back, at the end')
    return chain(
      unseal(keyOf(record, key), fromBase64url(text!) ?? EMPTY_BYTES, contextOf(record)),
      (data) => {
        if (data === null)
          throw refusal(record, 'does not belong to this record, or was changed: delete the record')
        return { ...record, data }
      },
    )
  }

  return {
    name: `encrypted ${engine.name}`,
    shared: engine.shared,
    load: (id, options) => chain(engine.load(id, options), (record) => record && decrypt(record)),
    create: (record) => chain(encrypt(record), (sealed) => engine.create(sealed)),
    replace: (next, version) => chain(encrypt(next), (sealed) => engine.replace(sealed, version)),
    touch: (id, version, seenAt, expiresAt) => engine.touch(id, version, seenAt, expiresAt),
    loadUser: (userId) => engine.loadUser(userId),
    replaceUser: (next, version) => engine.replaceUser(next, version),
    ...(scan && {
      scan: (query) =>
        chain(scan.call(engine, query), (page) =>
          chain(together(page.records.map(decrypt)), (records) => ({ ...page, records })),
        ),
    }),
    sweep: (now, limit) => engine.sweep(now, limit),
    ...(close && { close: () => close.call(engine) }),
  }
}

function check(options: EncryptedOptions): { keys: readonly DataKey[]; insecurePlaintext: boolean } {
  const { keys, insecurePlaintext = false, ...unknown } = options ?? {}
  for (const name of Object.keys(unknown))
    throw new SessionError('ERR_OPTION', `encrypted: there is no option ${name}`)
  if (typeof insecurePlaintext !== 'boolean')
    throw new SessionError('ERR_OPTION', 'encrypted: insecurePlaintext: expected true or false')
  return { keys: parseKeys(keys ?? []).map(dataKey), insecurePlaintext }
}

function dataKey(bytes: Uint8Array): DataKey {
  const root = macKey(bytes)
  const name = hmac(root, `${PURPOSE}/name`).slice(0, 8)
  return { name, mac: macKey(fromBase64url(hmac(root, PURPOSE))!) }
}

/**
 * A key for each session: random nonces are good for 2^32 messages by one key (NIST SP 800-38D §8.3), which a busy
 * server writes in weeks, and no session ever.
 */
function keyOf({ id }: SessionRecord, { mac }: DataKey): Uint8Array {
  return fromBase64url(hmac(mac, id))!
}

/**
 * The record but for what `touch` moves, in one spelling: stores may hand its fields out in another order. Not the id
 * alone, or a row's owner could be exchanged around his data.
 */
function contextOf({ data: _data, seenAt: _seenAt, expiresAt: _expiresAt, ...rest }: SessionRecord): string {
  return JSON.stringify([PURPOSE, rest], (_name, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** A tombstone holds nothing to hide, and must be read without its key: what has ended stays ended when keys go. */
function isEmptied({ ended, data }: SessionRecord): boolean {
  return ended !== null && data === EMPTY
}

const EMPTY_BYTES = new Uint8Array(0)

/** The id is public; the data and the keys are not, and no message names either. */
function refusal({ id }: SessionRecord, problem: string): SessionError {
  return new SessionError('ERR_ENGINE', `encrypted: the data of session ${id} ${problem}`)
}
