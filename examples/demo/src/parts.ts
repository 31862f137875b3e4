/** What the routes share. @module */

import type { Session, Sessions } from 'holdfast'
import type { Console } from 'holdfast/console'
import type { Attempts } from './attempts.ts'
import type { Users } from './users.ts'

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/** Session data. What the API sets has no dot in its name, and so can't meet what the pages keep. */
export interface Data {
  'page.note': string
  /** Shown once, on the next page. */
  'page.flash': string
  [name: string]: Json
}

export type DemoSessions = Sessions<Data>
export type DemoSession = Session<Data>

export interface Parts {
  readonly sessions: DemoSessions
  readonly users: Users
  readonly attempts: Attempts
  readonly console: Console
}

/** A request that the demo itself refuses. */
export class RequestError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** Reads a text field of a form or JSON body; `''` when there is none, or it was sent twice. */
export function field(body: unknown, name: string): string {
  const value = Object.entries(body ?? {}).find(([key]) => key === name)?.[1]
  return typeof value === 'string' ? value : ''
}

/** Reads where to go next: a path of ours, or `fallback`. Anything else would let a link send people elsewhere. */
export function localPath(text: unknown, fallback: string): string {
  const here = 'http://here.invalid'
  if (typeof text !== 'string' || !/^\/[\x21-\x7e]*$/.test(text) || !URL.canParse(text, here)) return fallback
  const { origin, pathname, search } = new URL(text, here)
  // `/\host` and `//host` name another origin; `/.//host` becomes one when it is sent.
  return origin === here && !pathname.startsWith('//') ? pathname + search : fallback
}
