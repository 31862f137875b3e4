/** What an operator wants to end, as requests, and over a login in between. @module */

import type { Me, RevokeRequest } from '../api.ts'
import { revoke } from './client.ts'
import type { Intent } from './intent.ts'

/** The server takes so many at once. */
const MOST_IDS = 1000

/** @returns how many ended; null where nobody counted */
export async function carryOut(intent: Intent, me: Me): Promise<number | null> {
  let ended: number | null = 0
  for (const request of requestsOf(intent)) {
    const result = await revoke(request, me)
    ended = ended === null || result.ended === null ? null : ended + result.ended
  }
  return ended
}

function requestsOf(intent: Intent): RevokeRequest[] {
  if (intent.kind === 'everybody') return [{ everybody: true, confirm: 'everybody' }]
  if (intent.kind === 'user') {
    const { userId, except } = intent
    return [except === null ? { userId } : { userId, except }]
  }
  const ids = intent.sessions.map(({ id }) => id)
  return Array.from({ length: Math.ceil(ids.length / MOST_IDS) }, (_, index) => ({
    ids: ids.slice(index * MOST_IDS, (index + 1) * MOST_IDS),
  }))
}

const KEPT = 'holdfast-console-intent'

/** Goes to the application's own login and back here, where the dialog asks again: nothing ends by itself. */
export function goAndProve(intent: Intent, url: string): void {
  sessionStorage.setItem(KEPT, JSON.stringify(intent))
  const target = new URL(url, location.href)
  target.searchParams.set('next', location.pathname + location.search + location.hash)
  location.assign(target)
}

/** What was asked for before the login, once. */
export function takeKept(): Intent | null {
  const text = sessionStorage.getItem(KEPT)
  sessionStorage.removeItem(KEPT)
  return text === null ? null : (JSON.parse(text) as Intent)
}
