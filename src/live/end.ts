/** What the client of a socket is told when its session is over. @module */

import type { LostReason } from '../core/session.ts'

/**
 * - what a session can end by (`session.lost`), and `'unknown'`, which the store doesn't hold any more;
 * - `'unauthenticated'` and `'suspended'`: there was none to begin with;
 * - `'unavailable'`: the store can't be asked, or this server is closing.
 */
export type LiveEndReason = LostReason | 'unknown' | 'unauthenticated' | 'suspended' | 'unavailable'

/** Why a socket was closed. */
export interface LiveEnd {
  /** 4401: log in. 4409: authenticated anew meanwhile, connect again. 4503: connect again in a while. */
  readonly code: 4401 | 4409 | 4503
  readonly reason: LiveEndReason
}

export function endBy(reason: LiveEndReason): LiveEnd {
  return { code: codeOf(reason), reason }
}

function codeOf(reason: LiveEndReason): LiveEnd['code'] {
  if (reason === 'unavailable') return 4503
  return reason === 'replaced' || reason === 'superseded' ? 4409 : 4401
}

/** How long a client may take to answer a close, or to read the last event, before it is cut off. */
export const LINGER = 1_000
