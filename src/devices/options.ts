/** What an application says of its device page, checked. @module */

import { flawOfLink } from '../adapters/page.ts'
import { type Duration, parseDuration } from '../core/duration.ts'
import { SessionError, shown } from '../core/errors.ts'
import type { Look } from './html.ts'
import { clockIn, type DeviceTexts, TEXTS } from './texts.ts'

export interface DevicePageOptions {
  /** Where it is mounted, as browsers see it, without a slash at its end. @defaultValue `'/account/sessions'` */
  readonly path?: string
  /** The application's login page; it gets `next`, the way back. @defaultValue none: whoever isn't logged in gets a 401 */
  readonly loginUrl?: string
  /** Where the application asks its user again who he is; it gets `next`, too. @defaultValue `loginUrl` */
  readonly reauthenticateUrl?: string
  /** Where the link at the top leads. @defaultValue none */
  readonly backUrl?: string
  /** How recently a user must have proved who he is, to end other sessions than this one. @defaultValue `'10m'` */
  readonly authenticatedWithin?: Duration
  /** The language of the page and its moments: a BCP 47 tag. Texts are English until `texts` says otherwise. @defaultValue `'en'` */
  readonly lang?: string
  /** Other words for the page's. */
  readonly texts?: Partial<DeviceTexts>
}

export interface DevicePageSettings extends Look {
  readonly loginUrl: string | null
  readonly reauthenticateUrl: string | null
  readonly authenticatedWithin: Duration
}

const URLS = ['loginUrl', 'reauthenticateUrl', 'backUrl'] as const
const KNOWN = ['path', ...URLS, 'authenticatedWithin', 'lang', 'texts']

/** @throws {SessionError} `ERR_OPTION` */
export function readOptions(options: DevicePageOptions): DevicePageSettings {
  for (const name of Object.keys(options))
    if (!KNOWN.includes(name)) throw wrong(`there is no option ${name}; there are ${KNOWN.join(', ')}`)
  const { path = '/account/sessions', lang = 'en', authenticatedWithin = '10m', texts = {} } = options
  if (typeof path !== 'string' || !/^(?:\/[\w.~-]+)+$/.test(path))
    throw wrong(`path: expected a path such as '/account/sessions', but got ${shown(path)}`)
  for (const name of URLS) if (options[name] !== undefined) checkUrl(name, options[name])
  parseDuration(authenticatedWithin, 'createDevicePage: authenticatedWithin')
  const { loginUrl = null, reauthenticateUrl = loginUrl, backUrl = null } = options
  const words = readTexts(texts)
  return {
    path,
    lang,
    texts: words,
    clock: readClock(lang),
    loginUrl,
    reauthenticateUrl,
    backUrl,
    authenticatedWithin,
  }
}

function readTexts(texts: Partial<DeviceTexts>): DeviceTexts {
  for (const [name, value] of Object.entries(texts)) {
    const kind = typeof TEXTS[name as keyof DeviceTexts]
    if (kind === 'undefined') throw wrong(`texts.${name}: there is no such text`)
    if (typeof value !== kind) throw wrong(`texts.${name}: expected a ${kind}`)
  }
  return { ...TEXTS, ...texts }
}

function readClock(lang: string) {
  try {
    return clockIn(lang)
  } catch {
    throw wrong(`lang: expected a language tag such as 'en' or 'pt-BR', but got ${shown(lang)}`)
  }
}

function checkUrl(name: string, value: unknown): void {
  const flaw = flawOfLink(name, value)
  if (flaw !== null) throw wrong(flaw)
}

function wrong(message: string): SessionError {
  return new SessionError('ERR_OPTION', `createDevicePage: ${message}`)
}
