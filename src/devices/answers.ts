/** The page's answers, and what every one of them carries. @module */

import { sha256 } from '#crypto'
import { answerTo, headerIn, wantsJson } from '../adapters/answer.ts'
import { PAGE_HEADERS } from '../adapters/page.ts'
import type { SessionError } from '../core/errors.ts'
import { renderRefusal } from './html.ts'
import type { DevicePageSettings } from './options.ts'
import { STYLE } from './style.ts'

export interface Answers {
  readonly page: (html: string, status?: number) => Response
  readonly json: (value: unknown) => Response
  readonly seeOther: (location: string) => Response
  /** Says why something was refused: as JSON to scripts, else as a page. */
  readonly refuse: (
    request: Request,
    status: number,
    code: string,
    message: string,
    headers?: Record<string, string>,
  ) => Response
  readonly refuseBy: (request: Request, error: SessionError) => Response
}

const HTML = 'text/html; charset=utf-8'
const JSON_TYPE = 'application/json'

export function createAnswers(settings: DevicePageSettings): Answers {
  const headers = headersFor(settings)
  const answer = (
    status: number,
    type: string | null,
    body: string | null,
    more: Record<string, string> = {},
  ) =>
    new Response(body, {
      status,
      headers: { ...headers, ...(type !== null && { 'Content-Type': type }), ...more },
    })

  const refuse: Answers['refuse'] = (request, status, code, message, more = {}) =>
    asksForJson(request)
      ? answer(status, JSON_TYPE, JSON.stringify({ error: { code, message } }), more)
      : answer(status, HTML, renderRefusal(settings, code, message), more)

  return {
    page: (html, status = 200) => answer(status, HTML, html),
    json: (value) => answer(200, JSON_TYPE, JSON.stringify(value)),
    seeOther: (location) => answer(303, null, null, { Location: location }),
    refuse,
    refuseBy(request, error) {
      const { status, headers, body } = answerTo(error, headerIn(request))
      const { 'Cache-Control': _, ...more } = Object.fromEntries(headers)
      if (asksForJson(request)) return answer(status, JSON_TYPE, body, more)
      return refuse(request, status, error.code, error.message, { ...more, 'Content-Type': HTML })
    },
  }
}

/** Whether a script reads the answer. */
export function asksForJson(request: Request): boolean {
  return wantsJson(headerIn(request))
}

function headersFor({ loginUrl, reauthenticateUrl }: DevicePageSettings): Record<string, string> {
  // Chromium holds a form's redirects to this, too.
  const elsewhere = [loginUrl, reauthenticateUrl]
    .filter((url) => url?.startsWith('https:'))
    .map((url) => new URL(url!).origin)
  const style = sha256(STYLE).replaceAll('-', '+').replaceAll('_', '/')
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${style}='`,
    "img-src 'self'",
    ["form-action 'self'", ...new Set(elsewhere)].join(' '),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  return {
    ...PAGE_HEADERS,
    'Content-Security-Policy': policy.join('; '),
    // `no-referrer` would make browsers send `Origin: null` with our own forms.
    'Referrer-Policy': 'same-origin',
    Vary: 'Accept',
  }
}
