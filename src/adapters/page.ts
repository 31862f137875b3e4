/** What the pages that Holdfast serves itself have in common. @module */

import { shown } from '../core/errors.ts'

/** Nobody stores them, frames them, sniffs in them, holds their window, lends their files or finds them. */
export const PAGE_HEADERS = {
  'Cache-Control': 'no-store, private',
  // Browsers from before frame-ancestors.
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Robots-Tag': 'noindex, nofollow',
}

/**
 * Says what is wrong with a page's link, which an application gives as an option. One to a script would run in the page's
 * origin, and `/\host` leads to the host (WHATWG URL §4.4).
 *
 * @returns null where nothing is
 */
export function flawOfLink(name: string, value: unknown): string | null {
  const fits = typeof value === 'string' && /^(?:\/(?![/\\])|https:\/\/)/.test(value)
  if (fits && URL.canParse(value, 'https://here.invalid')) return null
  return `${name}: expected a path such as '/login', or a URL that begins with https://, but got ${shown(value)}`
}
