/** Ties a session to its client's kind of browser, and names devices for people. @module */

import Bowser from 'bowser'
import type { Binding, OnMismatch } from '../core/binding.ts'
import { flat } from '../core/flat.ts'
import { memoize } from '../core/memo.ts'
import { checkOptions } from './options.ts'

export interface UserAgentOptions {
  /** An honest browser keeps its family, so a change costs a login. @defaultValue `'reauthenticate'` */
  readonly onMismatch?: OnMismatch
}

interface Agent {
  readonly family: string
  readonly label: string
}

/** What follows says nothing of the family, and patterns run on this much at most. */
const LONGEST = 512
const REMEMBERED = 500

const NONE: Agent = { family: 'none', label: 'Unknown device' }
const PRODUCT = /^[\w.+-]{1,40}/

const describe = memoize(REMEMBERED, describeAgent)

/**
 * Ties a session to the family of its user agent: browser, operating system, kind of device. Versions don't count, so
 * a browser's update is no theft. A client that sends no User-Agent is a family of its own. About 10 µs for each new
 * header, then a look-up.
 *
 * The header is the client's word: this notices a token that moved to another browser, not a thief who copies the
 * header.
 *
 * @throws {SessionError} `ERR_OPTION`
 */
export function userAgent(options: UserAgentOptions = {}): Binding {
  const { onMismatch = 'reauthenticate' } = options
  checkOptions('userAgent', { ...options, onMismatch }, [])
  return {
    name: 'userAgent',
    onMismatch,
    capture: (context) => describe(context.header('user-agent') ?? '').family,
    matches: (bound, context) => describe(context.header('user-agent') ?? '').family === bound,
  }
}

/**
 * Says in words what a user agent is, for a list of devices. Text like any other: it may hold a name that the client
 * chose.
 *
 * @param userAgent - the header, or an event's `userAgent`; null or undefined when there was none
 * @returns such as `'Firefox on Linux'`, `'curl'`, `'Unknown device'`
 */
export function deviceLabel(userAgent: string | null | undefined): string {
  return describe(userAgent ?? '').label
}

function describeAgent(header: string): Agent {
  const text = header.slice(0, LONGEST).trim()
  if (text === '') return NONE
  const parser = Bowser.getParser(text, true)
  const name = parser.getBrowserName() ?? ''
  const os = parser.getOSName() ?? ''
  const type = parser.getPlatformType() ?? ''

  // For an agent that it doesn't know, Bowser names the text's beginning, or nothing.
  const known = name !== '' && !text.startsWith(name)
  const browser = known ? name : (PRODUCT.exec(text)?.[0] ?? '')
  return { family: familyOf(browser || 'unknown', os, type), label: flat(labelOf(browser, os)) }
}

/**
 * An iPad calls itself an iPad or a Macintosh, by the site's setting and by its own (iPadOS 13 and later), so they
 * are one family: a token that moves from an iPad to the same browser on a Mac goes unnoticed. On other devices
 * "desktop site" is something that a user turns on, rarely: it changes the family, and costs a login.
 */
function familyOf(browser: string, os: string, type: string): string {
  const parts = os === 'iOS' && type === 'tablet' ? [browser, 'macOS', 'desktop'] : [browser, os, type]
  return parts.filter(Boolean).join('/').toLowerCase()
}

function labelOf(browser: string, os: string): string {
  // Every browser, and much else, begins with Mozilla: alone it says nothing.
  const name = browser === 'Mozilla' ? '' : browser.replace(/ for Android$/, '')
  if (os === '') return name || NONE.label
  return `${name || 'Unknown browser'} on ${os}`
}
