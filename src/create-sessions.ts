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
  trustProxies(options?.proxy ?? [])
  const sessions = new Sessions<Data>({ ...options, bindings: options?.bindings ?? [userAgent(), ip()] })
  for (const warning of sessions.policy.warnings) console.warn(`holdfast: ${warning}`)
  return sessions
}
