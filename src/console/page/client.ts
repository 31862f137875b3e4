/** What the page asks of its server. @module */

import type { Me, RevokeRequest, RevokeResult } from '../api.ts'

/** An answer that is none: the status, the code and the message that came with it. Status 0: no server. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }

  /** The operator's own session is over, or is no operator's any more. */
  get isOver(): boolean {
    return this.code === 'ERR_FORBIDDEN' || (this.status === 401 && !this.wantsProof)
  }

  /** Logging in once more, or better, is all that is missing. */
  get wantsProof(): boolean {
    return ['ERR_NOT_RECENT', 'ERR_METHODS', 'ERR_LEVEL'].includes(this.code)
  }
}

export interface Asking {
  /** What the page asks by itself must not keep the operator's session alive. */
  readonly passive?: boolean
  readonly signal?: AbortSignal
}

export type Query = Readonly<Record<string, string | number | null | undefined>>

export async function ask<T>(path: string, query: Query = {}, asking: Asking = {}): Promise<T> {
  return (await (await send(path + search(query), asking)).json()) as T
}

/** @returns the answer once its headers are there: for the stream */
export function send(path: string, { passive = false, signal }: Asking = {}): Promise<Response> {
  const headers: HeadersInit = passive ? { 'Session-Passive': '1' } : {}
  return answer(fetch(`api/${path}`, { headers, cache: 'no-store', ...(signal && { signal }) }))
}

/** The token may be another one by now: after a login in another tab. Then it is asked for, once. */
export async function revoke(request: RevokeRequest, me: Me): Promise<RevokeResult> {
  try {
    return await post(request, me.csrfToken)
  } catch (error) {
    if (!(error instanceof Failure) || !error.code.startsWith('ERR_CSRF_TOKEN')) throw error
    const { csrfToken } = await ask<Me>('me')
    return post(request, csrfToken)
  }
}

async function post(request: RevokeRequest, csrfToken: string): Promise<RevokeResult> {
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrfToken }
  const body = JSON.stringify(request)
  const response = await answer(fetch('api/revoke', { method: 'POST', headers, body }))
  return (await response.json()) as RevokeResult
}

interface Refusal {
  readonly code?: string
  readonly message?: string
}

async function answer(fetching: Promise<Response>): Promise<Response> {
  const response = await fetching.catch((error: unknown) => {
    if (error instanceof DOMException) throw error
    throw new Failure(0, 'ERR_AWAY', 'The server does not answer.')
  })
  if (response.ok) return response
  const { code = '', message = '' } = await response
    .json()
    .then(({ error }: { error?: Refusal }) => error ?? {})
    // A proxy's error is no JSON.
    .catch((): Refusal => ({}))
  throw new Failure(response.status, code, message || `The server answered ${response.status}.`)
}

function search(query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === null || value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}
