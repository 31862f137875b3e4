import type { Millis } from './duration.ts'

/** A response header: name and value. */
export type Header = readonly [name: string, value: string]

/** All that the core knows of HTTP. An adapter makes one for each request. */
export interface RequestContext {
  /** Upper case. */
  readonly method: string
  /** Scheme, host and port as the client used them, after trusted proxies, as browsers serialise an origin. */
  readonly origin: string
  /** The raw path, not decoded: rules match it exactly. */
  readonly path: string
  /** `''`, or the query with its question mark. */
  readonly search: string
  /** The client's address, after trusted proxies; null where the adapter can't know. */
  readonly ip: string | null
  /** Taken once. */
  readonly now: Millis
  /** @param name - lower case @returns null when absent */
  header(name: string): string | null
  /**
   * A text field of an already parsed form or JSON body; null when there is none; undefined while the body is yet to be
   * parsed: then `Sessions.checkBody` must follow.
   */
  field(name: string): string | null | undefined
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether the method promises to change nothing (RFC 9110 §9.2.1, less TRACE), and this is no WebSocket upgrade. */
export function isSafe(context: RequestContext): boolean {
  return SAFE.has(context.method) && !isUpgrade(context)
}

/** Whether this asks for a WebSocket, a GET that opens a two-way channel. */
export function isUpgrade(context: RequestContext): boolean {
  return context.header('upgrade')?.toLowerCase() === 'websocket'
}
