/** What every answer of the console carries, and the answers themselves. @module */

import { answerTo } from '../adapters/answer.ts'
import { PAGE_HEADERS } from '../adapters/page.ts'
import type { SessionError } from '../core/errors.ts'
import { escapeHtml } from '../templates/escape.ts'

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
  ...PAGE_HEADERS,
  'Content-Security-Policy': POLICY,
  'Referrer-Policy': 'no-referrer',
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
  const anchor = link ? `<p><a href="${escapeHtml(link.href)}">${escapeHtml(link.text)}</a></p>` : ''
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p>${anchor}</html>`
  return answer(status, 'text/html; charset=utf-8', body)
}
