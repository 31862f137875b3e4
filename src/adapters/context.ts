/** What the core needs to know of a request, read off Node's. @module */

import type { IncomingMessage } from 'node:http'
import type { RequestContext } from '../core/request.ts'
import { type Client, type ProxyTrust, resolveClient } from '../proxy.ts'

/** What middleware adds to Node's requests. */
interface ParsedRequest {
  /** Express keeps the request's target here, whatever a router is mounted on. */
  readonly originalUrl?: string
  readonly body?: unknown
}

/**
 * Describes a request to the core.
 *
 * @param trust - the option `proxy`, compiled by `trustProxies`
 * @param parsed - where middleware has put what it adds @defaultValue the request itself
 * @throws {SessionError} `ERR_REQUEST`, `ERR_FORWARDED`
 */
export function nodeContext(req: IncomingMessage, trust: ProxyTrust, parsed?: ParsedRequest): RequestContext {
  return contextOf(req, nodeClient(req, trust), parsed)
}

/** Finds the client of a request. @throws {SessionError} `ERR_REQUEST`, `ERR_FORWARDED` */
export function nodeClient(req: IncomingMessage, trust: ProxyTrust): Client {
  const host = headerOf(req, 'host') ?? headerOf(req, ':authority')
  const header = (name: string) => headerOf(req, name)
  return resolveClient({ peer: req.socket.remoteAddress ?? null, scheme: schemeOf(req), host, header }, trust)
}

/** Describes a request whose client could not be made out, for what its answer must carry. */
export function anonymousContext(req: IncomingMessage): RequestContext {
  return contextOf(req, { ip: null, origin: `${schemeOf(req)}://unknown.invalid` })
}

/** @param name - lower case @returns several lines joined by commas; null when absent */
export function headerOf(req: IncomingMessage, name: string): string | null {
  return req.headers[name]?.toString() ?? null
}

function contextOf(
  req: IncomingMessage & ParsedRequest,
  client: Client,
  parsed: ParsedRequest = req,
): RequestContext {
  // In the form for proxies a target names its host, too (RFC 9112 §3.2.2); routers take the path out of it, and so do we.
  const target = (parsed.originalUrl ?? req.url ?? '/').replace(/^https?:\/\/[^/?#]*/i, '')
  const query = target.indexOf('?')
  return {
    method: req.method ?? 'GET',
    origin: client.origin,
    path: (query < 0 ? target : target.slice(0, query)) || '/',
    search: query < 0 ? '' : target.slice(query),
    ip: client.ip,
    now: Date.now(),
    header: (name) => headerOf(req, name),
    field: (name) => fieldOf(parsed.body, name),
  }
}

function schemeOf({ socket }: IncomingMessage): 'http' | 'https' {
  return 'encrypted' in socket && socket.encrypted ? 'https' : 'http'
}

/** A text field of a parsed body. */
export function fieldOf(body: unknown, name: string): string | null {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return null
  const value = (body as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : null
}
