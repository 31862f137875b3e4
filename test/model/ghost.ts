/**
 * What the checker remembers of the past, that no server knows: the promises that were made. It is part of the state,
 * so that two worlds with different promises are never taken for one.
 * @module
 */

import type { Millis } from '../../src/core/duration.ts'

export interface Ghost {
  /** Increments whose commit has returned, each with the session that holds it. */
  readonly marks: readonly (readonly [mark: string, session: string])[]
  /** What of each session must be dead: all of it, or the eras before this one. */
  readonly floors: Readonly<Record<string, { readonly ended: boolean; readonly era: number }>>
  /** Sessions whose expiry a client was told of, and when. */
  readonly expired: Readonly<Record<string, Millis>>
  /** Users' sessions that were handed out. */
  readonly handed: Readonly<Record<string, Handed>>
  readonly entitled: Entitlement | null
  /** Logins that were open when the revocation under way came, each by its request's name. */
  readonly outrun: readonly string[]
  /** Logins that were open when a revocation came which has returned. */
  readonly doomed: readonly string[]
  /** Logins that were under way together with a revocation, whichever came first. */
  readonly crossed: readonly string[]
  /** Once the thief has his copy. */
  readonly theft: {
    readonly at: Millis
    readonly shown: { readonly browser: Millis; readonly thief: Millis }
    readonly noticed: boolean
  } | null
}

/** The session that the honest browser has every right to, by a token of this era. */
export interface Entitlement {
  readonly id: string
  readonly era: number
}

export interface Handed {
  readonly userId: string
  readonly authenticatedAt: Millis
  /** When the last request came whose answer is known to have been made. */
  readonly usedAt: Millis
  /** When the last request came that was found live. */
  readonly openedAt: Millis
}

export const NOTHING_YET: Ghost = {
  marks: [],
  floors: {},
  expired: {},
  handed: {},
  entitled: null,
  outrun: [],
  doomed: [],
  crossed: [],
  theft: null,
}
