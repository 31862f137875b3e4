import type { Millis } from '../core/duration.ts'

/** Every word of the page but those for devices and times. Text, not HTML. */
export interface DeviceTexts {
  readonly title: string
  readonly intro: string
  readonly back: string
  readonly thisOne: string
  readonly remembered: string
  readonly lastUsed: string
  readonly now: string
  readonly loggedIn: string
  readonly address: string
  readonly unknownAddress: string
  readonly endsUnlessUsed: string
  readonly rename: string
  readonly name: string
  readonly nameHint: string
  readonly keep: string
  readonly logOut: string
  readonly end: string
  readonly endOthers: string
  /** Above the buttons, where the login was too long ago. */
  readonly stale: string
  /** What was done, or could not be. */
  readonly ended: (count: number) => string
  readonly renamed: string
  readonly gone: string
  readonly nameTooLong: string
  /** The heading of a page that says why something was refused. */
  readonly refused: string
}

export const TEXTS: DeviceTexts = {
  title: 'Where you are logged in',
  intro: 'Every browser that is logged in as you. What you end here is out at its next request.',
  back: 'Back',
  thisOne: 'this one',
  remembered: 'remembered',
  lastUsed: 'Last used',
  now: 'now',
  loggedIn: 'Logged in',
  address: 'Address',
  unknownAddress: 'unknown',
  endsUnlessUsed: 'Ends unless used',
  rename: 'Rename',
  name: 'Name',
  nameHint: 'Only you see it. Leave it empty for none.',
  keep: 'Keep',
  logOut: 'Log out',
  end: 'End it',
  endOthers: 'End all others',
  stale: 'To end others you will be asked who you are first, for your login was a while ago.',
  ended: (count) => (count === 1 ? '1 session has ended.' : `${count} sessions have ended.`),
  renamed: 'The name was kept.',
  gone: 'That session is not there any more.',
  nameTooLong: 'That name is too long: 64 characters fit.',
  refused: 'That was refused',
}

/** Writes moments in a language. */
export interface Clock {
  /** `5 minutes ago`, `in 12 hours`. */
  relative(millis: Millis, now: Millis): string
  /** In UTC, for who looks closely. */
  exact(millis: Millis): string
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** @throws {RangeError} when `lang` is no language tag */
export function clockIn(lang: string): Clock {
  const relative = new Intl.RelativeTimeFormat(lang, { numeric: 'auto' })
  const exact = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })
  return {
    relative(millis, now) {
      const seconds = (millis - now) / 1000
      const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS[3]
      return relative.format(Math.round(seconds / size), unit)
    },
    exact: (millis) => `${exact.format(millis)} UTC`,
  }
}
