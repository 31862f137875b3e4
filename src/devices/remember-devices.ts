import { ip } from '../bindings/ip.ts'
import { userAgent } from '../bindings/user-agent.ts'
import { type Duration, parseDuration } from '../core/duration.ts'
import { SessionError } from '../core/errors.ts'
import type { DeviceMemory } from '../core/known-devices.ts'

export interface RememberDevicesOptions {
  /** How long a device is known after the last login from it: so long a user's ledger is kept, too. @defaultValue `'180d'` */
  readonly rememberedFor?: Duration
  /**
   * Whether another network makes another device, by the prefix of its address: a thief with the same kind of browser is
   * then told of, and so is each café. @defaultValue false
   */
  readonly network?: boolean
}

/**
 * Has a login told, as `authn_new_device`, that comes from a device from which its user has not logged in before: a
 * family of browsers on an operating system, by the user agent. What is known is in the user's ledger, which a login
 * reads and writes anyway: it costs no access to the store more.
 *
 * The header is the client's word: whoever copies it, or happens to use the same browser, is no new device.
 *
 * @example createSessions({ engine, keys, devices: rememberDevices(), onEvent })
 * @throws {SessionError} `ERR_OPTION`
 */
export function rememberDevices(options: RememberDevicesOptions = {}): DeviceMemory {
  const { rememberedFor = '180d', network = false, ...unknown } = options
  for (const name of Object.keys(unknown))
    throw new SessionError('ERR_OPTION', `rememberDevices: there is no option ${name}`)
  if (typeof network !== 'boolean')
    throw new SessionError('ERR_OPTION', 'rememberDevices: network: expected true or false')
  parseDuration(rememberedFor, 'rememberDevices: rememberedFor')
  const parts = network ? [userAgent(), ip()] : [userAgent()]
  return {
    rememberedFor,
    identify: (context) => parts.map((part) => part.capture(context) ?? 'unknown').join(' '),
  }
}
