/** What an adapter answers itself: a request that was refused, a commit that failed. @module */

import type { ServerResponse } from 'node:http'
import type { SessionError } from '../core/errors.ts'
import type { Header, RequestContext } from '../core/request.ts'

/** A whole response. */
export interface Answer {
  readonly status: number
  readonly headers: readonly Header[]
  readonly body: string
}

/** For errors that are none of ours, and whose words may be nobody's business. */
export const INTERNAL_ERROR: Answer = {
  status: 500,
  headers: [
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Cache-Control', 'no-store'],
  ],
  body: '500 Internal Server Error\n',
}

/**
 * Says what went wrong: as JSON to scripts, else as one line of text. Never a cause and never a stack, whatever the
 * environment.
 *
 * @param request - whose `Accept`, `Content-Type` and `Sec-Fetch-Dest` tell who reads the answer
 */
export function answerTo(error: SessionError, request: Pick<RequestContext, 'header'>): Answer {
  const { code, message, status, headers } = error
  const json = wantsJson(request)
  return {
    status,
    headers: [
      ['Content-Type', json ? 'application/json' : 'text/plain; charset=utf-8'],
      // A message may quote the request: it must not be sniffed into a page.
      ['X-Content-Type-Options', 'nosniff'],
      ...Object.entries(headers),
    ],
    body: json ? JSON.stringify(problemOf(error)) : `${status} ${code}: ${message}\n`,
  }
}

/** What scripts are told. */
export function problemOf({ code, message, required }: SessionError) {
  return { error: { code, message, ...(required && { required }) } }
}

/** What of a web request tells who reads its answer. */
export function headerIn({ headers }: Request): Pick<RequestContext, 'header'> {
  return { header: (name) => headers.get(name) }
}

/** Makes a Node response's headers those of an answer, whatever they were. */
export function prepareAnswer(res: ServerResponse, { headers, body }: Answer): void {
  forgetHeaders(res)
  // Kept, the application's words would stand beside another status. HTTP/2 has none, and warns.
  if (res.req.httpVersionMajor < 2) res.statusMessage = ''
  for (const [name, value] of headers) res.setHeader(name, value)
  res.setHeader('Content-Length', Buffer.byteLength(body))
}

/** Removes what was prepared for another answer. */
export function forgetHeaders(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) if (!outlives(name)) res.removeHeader(name)
}

/** Makes a web response of an answer. @param replaced - the headers of the response whose place it takes */
export function toResponse({ status, headers, body }: Answer, replaced: Headers = new Headers()): Response {
  const response = new Response(body, { status, headers: [...headers] as [string, string][] })
  for (const [name, value] of replaced) if (outlives(name)) response.headers.append(name, value)
  return response
}

/** Headers that speak of the host or the resource, not of a body: without CORS a trusted origin's script could not read why. */
export function outlives(name: string): boolean {
  return /^(?:vary|strict-transport-security|access-control-.*)$/i.test(name)
}

/** Whoever says what he accepts is heard; else a JSON request gets JSON back, and so does a script's `fetch`. */
export function wantsJson({ header }: Pick<RequestContext, 'header'>): boolean {
  const accept = header('accept') ?? ''
  const json = weigh(accept, /^application\/(?:[\w.+-]+\+)?json$/)
  const text = weigh(accept, /^text\/(?:html|plain|\*)$/)
  if (json !== text) return json > text
  return isJson(header('content-type')) || header('sec-fetch-dest') === 'empty'
}

/** @returns the highest weight that an `Accept` header gives to a matching type, from 0 to 1 (RFC 9110 §12.5.1) */
function weigh(accept: string, type: RegExp): number {
  const weights = accept.split(',').map((range) => {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    return type.test(name) ? Number(weight?.slice(2) ?? 1) || 0 : 0
  })
  return Math.max(...weights)
}

function isJson(contentType: string | null): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType ?? '')
}
