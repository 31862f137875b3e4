import type { RequestHandler } from 'express'

/** What every response says: nothing inline, nothing from elsewhere, in nobody's frame. */
export const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  // `no-referrer` would make browsers send `Origin: null` with our own forms.
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
}

/** @param hsts - for what no session is opened for; `protect` sets the same on the rest */
export function setHeaders(hsts: string | null): RequestHandler {
  return (request, response, next) => {
    response.set(HEADERS)
    if (request.secure && hsts !== null) response.set('Strict-Transport-Security', hsts)
    next()
  }
}
