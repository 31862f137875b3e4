/** Ties a session to the network that its client is in: the prefix of its address, not the address. @module */

import { contains, formatAddress, networkOf, parseAddress, parseBlock } from '../address.ts'
import type { Binding, OnMismatch } from '../core/binding.ts'
import { SessionError } from '../core/errors.ts'
import { memoize } from '../core/memo.ts'
import { checkOptions } from './options.ts'

export interface IpOptions {
  /**
   * Honest clients change networks: at the door, from Wi-Fi to mobile, between IPv4 and IPv6. So by default a change
   * is an event, and no more.
   * @defaultValue `'report'`
   */
  readonly onMismatch?: OnMismatch
  /**
   * Bits of an IPv4 address that must stay, 1 to 32. @defaultValue 24, the longest prefix that the internet routes
   */
  readonly v4Prefix?: number
  /**
   * Bits of an IPv6 address that must stay, 1 to 128. The last 64 are the client's own, and change daily (RFC 8981).
   * @defaultValue 64
   */
  readonly v6Prefix?: number
}

const REMEMBERED = 1_000

/**
 * Ties a session to its client's network. One parse for each new address, then a look-up.
 *
 * Where the address can't be known (`context.ip` is null) nothing is bound; a session that was bound and then comes
 * from an unknown address is a mismatch: else whoever hides his address would pass.
 *
 * Behind a proxy that the option `proxy` doesn't name, every client has the proxy's address, and this sees nothing.
 *
 * @throws {SessionError} `ERR_OPTION`
 * @see OWASP ASVS 5.0.0-8.2.4; CVE-2026-45364 for what comparing addresses as text leads to
 */
export function ip(options: IpOptions = {}): Binding {
  const { onMismatch = 'report', v4Prefix = 24, v6Prefix = 64 } = options
  checkOptions('ip', { ...options, onMismatch }, ['v4Prefix', 'v6Prefix'])
  checkPrefix('ip.v4Prefix', v4Prefix, 32)
  checkPrefix('ip.v6Prefix', v6Prefix, 128)

  const networkAround = memoize(REMEMBERED, (text) => {
    const address = parseAddress(text)
    if (address === null) return null
    const prefix = address.kind() === 'ipv4' ? v4Prefix : v6Prefix
    return `${formatAddress(networkOf({ address, prefix }))}/${prefix}`
  })
  const capture: Binding['capture'] = (context) => (context.ip === null ? null : networkAround(context.ip))

  return {
    name: 'ip',
    onMismatch,
    capture,
    matches(bound, context) {
      const current = capture(context)
      return current !== null && (current === bound || overlap(current, bound))
    },
  }
}

/**
 * Networks of the same length overlap when they are equal; of two lengths, after the option changed, the wider one
 * counts.
 */
function overlap(one: string, other: string): boolean {
  const a = parseBlock(one)
  const b = parseBlock(other)
  if (a === null || b === null) return false
  return a.prefix < b.prefix ? contains(a, b.address) : contains(b, a.address)
}

function checkPrefix(option: string, value: unknown, bits: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= bits) return
  throw new SessionError(
    'ERR_OPTION',
    `${option}: expected a number of bits from 1 to ${bits}, but got ${JSON.stringify(value)}`,
  )
}
