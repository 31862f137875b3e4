import type { RequestContext } from './request.ts'

/**
 * What happens when a bound trait no longer matches. `report`: an event, and the new value is bound. `reauthenticate`:
 * the session is suspended until its user logs in again. `revoke`: the session ends.
 */
export type OnMismatch = 'report' | 'reauthenticate' | 'revoke'

/** Ties a session to a trait of its client. A signal, never a proof: addresses are shared, and headers are forged. */
export interface Binding {
  /** Stands in records and events. */
  readonly name: string
  readonly onMismatch: OnMismatch
  /** @returns what to remember of this client, short; null when the request doesn't show it */
  capture(context: RequestContext): string | null
  /** @param bound - what `capture` returned when the session was bound */
  matches(bound: string, context: RequestContext): boolean
}
