import { ip } from './bindings/ip.ts'
import { userAgent } from './bindings/user-agent.ts'
import type { SessionsOptions } from './core/policy.ts'
import { Sessions } from './core/sessions.ts'
import { trustProxies } from './proxy.ts'

/**
 * Creates the sessions of an application, safe as they are: the only option needed is `engine`.
 *
 * @example
 * const sessions = createSessions({ engine: sqlite('sessions.db'), keys: process.env.SESSION_KEYS })
 *
 * @throws {SessionError} `ERR_OPTION`, naming the option and the right form
 */
export function createSessions<Data extends object = Record<string, unknown>>(
  options: SessionsOptions<Data>,
): Sessions<Data> {
  const sessions = new Sessions<Data>(withDefaults(options))
  for (const warning of sessions.policy.warnings) console.warn(`holdfast: ${warning}`)
  return sessions
}

/** Fills in what the core can't: it knows no binding. Not for applications. */
export function withDefaults<Data extends object>(options: SessionsOptions<Data>): SessionsOptions<Data> {
  trustProxies(options?.proxy ?? [])
  return { ...options, bindings: options?.bindings ?? [userAgent(), ip()] }
}
