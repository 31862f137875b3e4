/** Ends sessions, as the page asks, in the operator's name. @module */

import type { Sessions } from '../core/sessions.ts'
import { isId } from '../core/token.ts'
import type { RevokeRequest, RevokeResult } from './api.ts'

const MOST_IDS = 1_000
/** Ended at once: so many swaps are under way. */
const TOGETHER = 20

/** @returns null where it is no such request */
export function readRevokeRequest(text: string): RevokeRequest | null {
  const body = parse(text)
  const names = Object.keys(body ?? {})
    .sort()
    .join()
  if (!body) return null
  if (names === 'ids') {
    const { ids } = body
    if (!Array.isArray(ids) || ids.length === 0 || ids.length > MOST_IDS) return null
    return ids.every((id) => typeof id === 'string' && isId(id)) ? { ids } : null
  }
  if (names === 'userId' || names === 'except,userId') {
    const { userId, except } = body
    if (typeof userId !== 'string') return null
    if (except === undefined) return { userId }
    return typeof except === 'string' && isId(except) ? { userId, except } : null
  }
  const { everybody, confirm } = body
  return names === 'confirm,everybody' && everybody === true && confirm === 'everybody'
    ? { everybody, confirm }
    : null
}

/** @param by - the operator */
export async function revoke(
  sessions: Pick<Sessions<never>, 'revoke'>,
  request: RevokeRequest,
  by: string,
): Promise<RevokeResult> {
  if ('everybody' in request) return { ended: await sessions.revoke({ everybody: true, by }) }
  if ('userId' in request) {
    const { userId, except = null } = request
    return { ended: await sessions.revoke({ userId, except, by }) }
  }
  let ended = 0
  const ids = [...new Set(request.ids)]
  for (let at = 0; at < ids.length; at += TOGETHER) {
    const some = ids.slice(at, at + TOGETHER).map((id) => sessions.revoke({ id, by }))
    for (const count of await Promise.all(some)) ended += count
  }
  return { ended }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null && !Array.isArray(body)
      ? (body as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
