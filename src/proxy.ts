/**
 * Who the client is, and which origin it used, when there may be proxies in between.
 *
 * Whatever arrives in `X-Forwarded-*` was written by whoever connected to us. So those headers are believed only when
 * that peer is a proxy that the option `proxy` names, and only as far back as named proxies vouch for one another. By
 * default nobody is named, and no such header is read. `Forwarded` (RFC 7239), `X-Real-IP`, `X-Forwarded-Port` and
 * the headers of single providers are never read: one that the proxy doesn't overwrite is one that a client can
 * write.
 *
 * @module
 */

import {
  type Address,
  type Block,
  contains,
  formatAddress,
  networkOf,
  parseAddress,
  parseBlock,
  parseIPv6,
} from './address.ts'
import { SessionError } from './core/errors.ts'
import { memoize } from './core/memo.ts'

/** The option `proxy`, compiled. */
export interface ProxyTrust {
  /** Reads an address. Remembers the last ones. @returns null when it is none */
  readonly look: (text: string) => Hop | null
}

interface Hop {
  /** The address in its one spelling. */
  readonly ip: string
  /** Whether the option names it. */
  readonly trusted: boolean
}

/** One request, as it came over the wire. */
export interface Connection {
  /** The address at the socket's other end; null where there is none, as on a Unix socket, which is never trusted. */
  readonly peer: string | null
  /** `https` when the socket itself is TLS. */
  readonly scheme: 'http' | 'https'
  /** The Host header, or HTTP/2's `:authority`. */
  readonly host: string | null
  /** @param name - lower case @returns several lines joined by commas; null when absent */
  header(name: string): string | null
}

/** What is known of the client: `RequestContext` takes both. */
export interface Client {
  /** In its one spelling, IPv4-mapped addresses folded; null when it can't be known. */
  readonly ip: string | null
  /** As browsers serialise it. */
  readonly origin: string
}

type Scheme = Connection['scheme']

const DEFAULT_PORTS: Record<Scheme, number> = { http: 80, https: 443 }
const HOST = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{0,5}))?$/i
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/
const BRACKETED = /^\[([\da-f]*:[\da-f:.]*)\](?::\d{1,5})?$/i
const IPV4_AND_PORT = /^([\d.]+):\d{1,5}$/
const REMEMBERED = 500

/**
 * Traefik writes `wss` and `ws` for WebSockets (traefik/traefik#6388); the page's Origin says `https` all the same.
 */
const SCHEMES = new Map<string, Scheme>([
  ['http', 'http'],
  ['https', 'https'],
  ['ws', 'http'],
  ['wss', 'https'],
])

const origins: Record<Scheme, (host: string) => string | null> = {
  http: memoize(REMEMBERED, (host) => readOrigin('http', host)),
  https: memoize(REMEMBERED, (host) => readOrigin('https', host)),
}

const forwardedScheme = memoize(REMEMBERED, (list) =>
  agreed('x-forwarded-proto', list, (word) => SCHEMES.get(word.toLowerCase()) ?? null),
)

const forwardedOrigin: Record<Scheme, (list: string) => string> = {
  http: memoize(REMEMBERED, (list) => agreed('x-forwarded-host', list, origins.http)),
  https: memoize(REMEMBERED, (list) => agreed('x-forwarded-host', list, origins.https)),
}

/**
 * Compiles the option `proxy`.
 *
 * @param cidrs - addresses and CIDR blocks of the proxies
 * @throws {SessionError} `ERR_OPTION`, naming the entry and the right form
 */
export function trustProxies(cidrs: readonly string[]): ProxyTrust {
  if (!Array.isArray(cidrs)) {
    readBlock(cidrs)
    refuse(cidrs, 'is no array')
  }
  const blocks = cidrs.map(readBlock)
  const look = (text: string) => {
    const address = parseAddress(text)
    return address && { ip: formatAddress(address), trusted: isTrusted(address, blocks) }
  }
  return { look: memoize(REMEMBERED, look) }
}

/**
 * Finds the client's address and the origin that it used.
 *
 * The address: from the peer, `X-Forwarded-For` is walked from right to left for as long as the address reached is a
 * named proxy. The first that is none is the client; so is the last one if all are. Where the walk meets something
 * that is no address (`unknown`, `_hidden`), a proxy says that it doesn't know its client, and neither do we: null.
 * The proxy's own address would make all its clients look like one.
 *
 * The origin: `X-Forwarded-Proto` and `X-Forwarded-Host` where a named proxy sent them, else the socket and Host.
 *
 * @throws {SessionError} `ERR_FORWARDED` when one of these two is malformed, or a list whose members disagree: the
 * proxy passes on what a client wrote; `ERR_REQUEST` when Host is missing or malformed
 */
export function resolveClient(connection: Connection, trust: ProxyTrust): Client {
  const peer = connection.peer === null ? null : trust.look(connection.peer)
  if (peer === null || !peer.trusted) {
    return { ip: peer?.ip ?? null, origin: originOf(connection.scheme, connection.host) }
  }
  const ip = walk(peer, connection.header('x-forwarded-for'), trust)
  const proto = connection.header('x-forwarded-proto')
  const scheme = proto === null ? connection.scheme : forwardedScheme(proto)
  const host = connection.header('x-forwarded-host')
  return { ip, origin: host === null ? originOf(scheme, connection.host) : forwardedOrigin[scheme](host) }
}

function readBlock(entry: unknown): Block {
  if (entry === true || entry === 'true' || entry === '*') {
    refuse(entry, 'would let anybody who reaches this server choose the address and the scheme that it sees')
  }
  if (typeof entry === 'number' || /^\d+$/.test(String(entry))) {
    refuse(entry, 'counts hops, and who comes in past a proxy can add some')
  }
  const block = typeof entry === 'string' ? parseBlock(entry) : null
  if (block === null) return refuse(entry, 'is no address or CIDR block')
  if (block.prefix === 0) refuse(entry, 'names every address, so that anybody could claim any other')
  const network = formatAddress(networkOf(block))
  const address = formatAddress(block.address)
  if (network !== address) {
    const forms = `"${network}/${block.prefix}" for the block, or "${address}" for the one address`
    refuse(entry, 'has bits beyond its prefix', forms)
  }
  return block
}

function refuse(
  entry: unknown,
  fault: string,
  forms = 'proxies as "192.0.2.7", "10.0.0.0/8" or "2001:db8::/32"',
): never {
  throw new SessionError('ERR_OPTION', `proxy: ${JSON.stringify(entry)} ${fault}; write ${forms}`)
}

function isTrusted(address: Address, blocks: readonly Block[]): boolean {
  return blocks.some((block) => contains(block, address))
}

/** @returns the first address, going back from the peer, that is no named proxy's */
function walk(peer: Hop, list: string | null, trust: ProxyTrust): string | null {
  const hops = hopsOf(list ?? '')
  let client = peer
  for (let at = hops.length - 1; at >= 0 && client.trusted; at--) {
    const hop = trust.look(hops[at]!)
    if (hop === null) return null
    client = hop
  }
  return client.ip
}

const hopsOf = memoize(REMEMBERED, (list) => {
  const hops = list.split(',').map((hop) => hop.trim())
  return hops.filter(Boolean).map(withoutPort)
})

/** Some proxies add it: `192.0.2.1:47011`, `[2001:db8::1]:47011`. */
function withoutPort(hop: string): string {
  return (BRACKETED.exec(hop) ?? IPV4_AND_PORT.exec(hop))?.[1] ?? hop
}

/** Proxies that append make lists; whichever member we took, another proxy might have taken the other. */
function agreed<T extends string>(name: string, list: string, read: (member: string) => T | null): T {
  const values = new Set(list.split(',').map((member) => read(member.trim())))
  const [value] = values
  if (value === undefined || value === null || values.size > 1) {
    const fault = values.size > 1 ? 'is a list whose members differ' : 'is malformed'
    const advice = 'the outermost proxy must set it, over whatever a client sent'
    throw new SessionError(
      'ERR_FORWARDED',
      `${name}: ${JSON.stringify(list.slice(0, 80))} ${fault}; ${advice}`,
    )
  }
  return value
}

function originOf(scheme: Scheme, host: string | null): string {
  const origin = host === null ? null : origins[scheme](host)
  if (origin !== null) return origin
  const fault = host === null ? 'is missing' : `${JSON.stringify(host.slice(0, 80))} is malformed`
  throw new SessionError('ERR_REQUEST', `Host: ${fault}; write a name or address, with a port if need be`)
}

/** The origin that a browser has for this host (WHATWG URL §4.7), or null where none would send such a one. */
function readOrigin(scheme: Scheme, host: string): string | null {
  const [, literal, name, digits] = HOST.exec(host) ?? []
  const canonical = literal === undefined ? readName(name) : readLiteral(literal)
  const port = digits ? Number(digits) : DEFAULT_PORTS[scheme]
  if (canonical === null || port < 1 || port > 65_535) return null
  return `${scheme}://${canonical}${port === DEFAULT_PORTS[scheme] ? '' : `:${port}`}`
}

function readLiteral(text: string): string | null {
  const address = parseIPv6(text)
  return address && `[${formatAddress(address)}]`
}

function readName(text: string | undefined): string | null {
  const name = text?.toLowerCase()
  if (name === undefined || name.length > 254) return null
  if (ENDS_IN_NUMBER.test(name)) return parseAddress(name) && name
  const labels = name.replace(/\.$/, '').split('.')
  return labels.every((label) => label.length >= 1 && label.length <= 63) ? name : null
}
