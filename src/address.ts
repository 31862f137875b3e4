/**
 * Addresses as numbers, never as text: one address has many spellings (`::FFFF:192.0.2.1`, `::ffff:c000:201`), and a
 * rule that compares spellings can be walked around.
 *
 * ipaddr.js does the arithmetic. Its parser is more generous than we may be: it takes `1`, `0x7f.1` and `010.1.1.1`
 * (which is 8.1.1.1 to it) for addresses, and `::192.0.2.1` for an IPv4-mapped one. So text is checked here first.
 *
 * @module
 */

import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6

/** All addresses that share their first `prefix` bits with `address`. */
export interface Block {
  readonly address: Address
  readonly prefix: number
}

const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/
const MAPPED = /^::ffff:/i
const IPV6 = /^[\da-f:]{2,39}$/i
const PREFIX = /^(?:0|[1-9]\d{0,2})$/
const MAPPED_BITS = 96

/**
 * Reads IPv4 as four decimal numbers without leading zeros (RFC 6943 §3.1.1), or IPv6. A zone id, which means
 * something to one host only, is dropped; an IPv4-mapped address is the IPv4 address (RFC 4291 §2.5.5.2).
 *
 * @returns null for anything else
 */
export function parseAddress(text: string): Address | null {
  const zone = text.indexOf('%')
  // Without a detour for what a socket that listens on `::` calls every IPv4 peer: `::ffff:192.0.2.1`.
  const address =
    zone === -1 ? (parseIPv4(text.replace(MAPPED, '')) ?? parseIPv6(text)) : parseIPv6(text.slice(0, zone))
  return address !== null && isMapped(address) ? address.toIPv4Address() : address
}

/** Reads IPv6 without a zone id, and leaves an IPv4-mapped address as it is: for hosts in URLs, which do so. */
export function parseIPv6(text: string): ipaddr.IPv6 | null {
  const plain = text.includes('.') ? withoutDots(text) : text
  if (plain === null || !IPV6.test(plain)) return null
  try {
    return ipaddr.IPv6.parse(plain)
  } catch {
    return null
  }
}

/**
 * Reads an address, or a block such as `10.0.0.0/8`; an address is a block of one. A block of IPv4-mapped addresses
 * is the block of the IPv4 addresses.
 *
 * @returns null for anything else
 */
export function parseBlock(text: string): Block | null {
  const slash = text.indexOf('/')
  const base = slash === -1 ? text : text.slice(0, slash)
  const address = parseAddress(base)
  if (address === null) return null
  if (slash === -1) return { address, prefix: bitsOf(address) }
  const size = text.slice(slash + 1)
  if (!PREFIX.test(size)) return null
  const folded = address.kind() === 'ipv4' && base.includes(':')
  const prefix = Number(size) - (folded ? MAPPED_BITS : 0)
  return prefix >= 0 && prefix <= bitsOf(address) ? { address, prefix } : null
}

/** The block's first address: all bits beyond the prefix are 0. */
export function networkOf(block: Block): Address {
  const bytes = block.address.toByteArray().map((byte, index) => {
    const kept = Math.min(Math.max(block.prefix - 8 * index, 0), 8)
    return byte & (0xff << (8 - kept))
  })
  return ipaddr.fromByteArray(bytes)
}

/** An address is never in a block of the other family. */
export function contains(block: Block, address: Address): boolean {
  return block.address.kind() === address.kind() && address.match(block.address, block.prefix)
}

/** The one spelling: four decimal numbers, or RFC 5952. */
export function formatAddress(address: Address): string {
  return address.kind() === 'ipv6' ? (address as ipaddr.IPv6).toRFC5952String() : address.toString()
}

function parseIPv4(text: string): ipaddr.IPv4 | null {
  const parts = IPV4.exec(text)?.slice(1).map(Number)
  return parts?.every((part) => part <= 255) ? new ipaddr.IPv4(parts) : null
}

/** `::ffff:192.0.2.1` to `::ffff:c000:201`. */
function withoutDots(text: string): string | null {
  const colon = text.lastIndexOf(':')
  const last = parseIPv4(text.slice(colon + 1))
  if (last === null) return null
  const [a, b, c, d] = last.octets as [number, number, number, number]
  return `${text.slice(0, colon + 1)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

/** As ipaddr.js's `isIPv4MappedAddress`, which costs a microsecond, for it asks each of thirty ranges. */
function isMapped(address: Address): address is ipaddr.IPv6 {
  if (address.kind() === 'ipv4') return false
  const { parts } = address as ipaddr.IPv6
  return parts[5] === 0xffff && parts.every((part, index) => index >= 5 || part === 0)
}

function bitsOf(address: Address): number {
  return address.kind() === 'ipv4' ? 32 : 128
}
