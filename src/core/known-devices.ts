/** From what a user has logged in before: so that a login from anything else can be told him. Pure. @module */

import { sha256 } from '#crypto'
import type { Duration, Millis } from './duration.ts'
import type { KnownDevice, UserLedger } from './engine.ts'
import type { RequestContext } from './request.ts'

/** What counts as one device, and for how long it is known. `holdfast/devices` makes one. */
export interface DeviceMemory {
  /** @returns a text that is the same for the same device: any will do, for only its hash is kept */
  identify(context: RequestContext): string
  /** Since the last login from it. */
  readonly rememberedFor: Duration
}

/** Why a login is told: it comes from none of the known devices, or there are none, for this is the first one remembered. */
export type Novelty = 'unknown' | 'first'

/** How many are known of one user, at most: that which he logged in from longest ago gives way. */
const MOST = 32

/** Describes what a login comes from. What it says is no secret; the hash makes it short, whatever it is. */
export function describeDevice(text: string, until: Millis): KnownDevice {
  return { id: sha256(`device ${text}`).slice(0, 22), until }
}

/** @returns null where the device is known */
export function noveltyOf({ devices }: UserLedger, { id }: KnownDevice, now: Millis): Novelty | null {
  if (!devices) return 'first'
  return devices.some((device) => device.id === id && device.until > now) ? null : 'unknown'
}

export function remember(
  devices: UserLedger['devices'],
  device: KnownDevice,
  now: Millis,
): readonly KnownDevice[] {
  const others = devices?.filter(({ id, until }) => id !== device.id && until > now) ?? []
  return [...others, device].slice(-MOST)
}

/**
 * Forgets all but that of the session which stays. None is left, rather than nothing: it isn't the first login that
 * comes next, and a thief's device must not pass for known.
 */
export function forgetAll(ledger: UserLedger, except: string | null): Pick<UserLedger, 'devices'> {
  const kept = ledger.sessions.find(({ id }) => id === except)?.device
  return withDevices(ledger, (id) => id === kept)
}

/** Forgets those of some sessions, but where another one is of the same. */
export function forgetOf(ledger: UserLedger, ids: ReadonlySet<string>): Pick<UserLedger, 'devices'> {
  const [gone, left] = [new Set<string>(), new Set<string>()]
  for (const { id, device } of ledger.sessions) if (device) (ids.has(id) ? gone : left).add(device)
  return withDevices(ledger, (id) => !gone.has(id) || left.has(id))
}

function withDevices({ devices }: UserLedger, keeps: (id: string) => boolean): Pick<UserLedger, 'devices'> {
  return devices ? { devices: devices.filter(({ id }) => keeps(id)) } : {}
}
