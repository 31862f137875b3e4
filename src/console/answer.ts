/** What every answer of the console carries, and the answers themselves. @module */

import { answerTo } from '../adapters/answer.ts'
import type { SessionError } from '../core/errors.ts'

/** No inline script or style, nobody else's files, no frame around it, and no form that leaves. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const HEADERS = {
  'Cache-Control': 'no-store, private',
  'Content-Security-Policy': POLICY,
  // Browsers from before frame-ancestors.
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Robots-Tag': 'noindex, nofollow',
}

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>

/** @param headers - take the place of the usual ones of the same name */
export function answer(
  status: number,
  type: string,
  body: Body,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, { status, headers: { ...HEADERS, 'Content-Type': type, ...headers } })
}

export function answerJson(value: unknown): Response {
  return answer(200, 'application/json', JSON.stringify(value))
}

/** An error as the adapters answer it, always as JSON. */
export function answerError(error: SessionError): Response {
  const json = answerTo(error, { header: (name) => (name === 'accept' ? 'application/json' : null) })
  const { 'Cache-Control': _, ...headers } = Object.fromEntries(json.headers)
  return answer(json.status, 'application/json', json.body, headers)
}

/** A refusal that has no code of the sessions' own. */
export function refuse(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return answer(status, 'application/json', JSON.stringify({ error: { code, message } }), headers)
}

/** For somebody who opened the page itself, and can't read JSON. @param link - where to go instead */
export function answerPage(
  status: number,
  title: string,
  text: string,
  link: { href: string; text: string } | null,
): Response {
  const anchor = link ? `<p><a href="${escaped(link.href)}">${escaped(link.text)}</a></p>` : ''
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><h1>${escaped(title)}</h1><p>${escaped(text)}</p>${anchor}</html>`
  return answer(status, 'text/html; charset=utf-8', body)
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
