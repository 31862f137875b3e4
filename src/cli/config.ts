/** An application's own module, as `--config` and `check` take it. @module */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Engine } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { Policy, SessionsOptions } from '../core/policy.ts'
import { createPolicy } from '../core/policy.ts'
import { engineOf, type Sessions } from '../core/sessions.ts'
import { withDefaults } from '../create-sessions.ts'
import { EXIT, messageOf, Stop } from './stop.ts'

export interface Config {
  readonly engine: Engine
  readonly policy: Policy
  /** What the module exports, when it exports options. */
  readonly options: SessionsOptions<never> | null
  /** What it exports, when it exports sessions. */
  readonly sessions: Sessions | null
}

/**
 * Imports a module that exports options or sessions: as its default, or under one of these names. TypeScript is fine
 * where Node strips types.
 */
export async function loadConfig(path: string): Promise<Config> {
  const exported = await importModule(path)
  const value = await (exported.default ?? exported.sessions ?? exported.options)
  if (isSessions(value)) return { ...partsOf(value, path), options: null, sessions: value }
  if (typeof value !== 'object' || value === null || !('engine' in value)) {
    throw new Stop(
      EXIT.usage,
      `${path} must export options such as { engine, keys }, or what createSessions() returned: as its default, or as ` +
        "'options' or 'sessions'",
    )
  }
  try {
    const options = withDefaults(value as SessionsOptions<never>)
    return { engine: options.engine, policy: createPolicy(options), options, sessions: null }
  } catch (error) {
    if (error instanceof SessionError) throw new Stop(EXIT.usage, `${path}: ${error.message}`)
    throw error
  }
}

async function importModule(path: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(resolve(path)).href)
  } catch (error) {
    throw new Stop(EXIT.usage, `can't load ${path}: ${messageOf(error).split('\n')[0]}`, { cause: error })
  }
}

function isSessions(value: unknown): value is Sessions {
  const { policy, revoke } = (value ?? {}) as Partial<Sessions>
  return typeof policy === 'object' && typeof revoke === 'function'
}

function partsOf(sessions: Sessions, path: string): { engine: Engine; policy: Policy } {
  try {
    return { engine: engineOf(sessions), policy: sessions.policy }
  } catch {
    // A private member is there for one copy of its class alone.
    throw new Stop(
      EXIT.usage,
      `the sessions of ${path} come from another copy of holdfast; export options instead`,
    )
  }
}
