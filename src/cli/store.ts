/** The store that a command works on, and the limits by which it judges what it finds there. @module */

import { existsSync } from 'node:fs'
import type { Millis } from '../core/duration.ts'
import type { Engine } from '../core/engine.ts'
import type { SessionEvent } from '../core/events.ts'
import { Everybody } from '../core/everybody.ts'
import { generateKey } from '../core/keys.ts'
import type { SessionsOptions } from '../core/policy.ts'
import { Sessions } from '../core/sessions.ts'
import { withDefaults } from '../create-sessions.ts'
import { openEngine } from '../engines/open.ts'
import { loadConfig } from './config.ts'
import type { StoreOptions } from './options.ts'
import { say } from './output.ts'
import { EXIT, messageOf, Stop, withStore } from './stop.ts'

export interface Store {
  readonly engine: Engine
  /** The application's, or ones with the default limits. They can list and end, and read no token. */
  readonly sessions: Sessions
  /** The moment by which everybody's sessions were ended. */
  notBefore(): Promise<Millis>
  close(): Promise<void>
}

export interface Opening {
  /** Whether a store that isn't there may be made. */
  readonly create?: boolean
  /** The application's, where a token is to be read. @defaultValue random ones, which read none */
  readonly keys?: string
  /** Hears what the command does to sessions, beside the application's own listener. */
  readonly onEvent?: (event: SessionEvent) => void
}

/** Opens what `--store` or `--config` names. Where tables are missing or old it refuses, unless it may make them. */
export async function openStore(
  { store, config }: StoreOptions,
  { create = false, keys = generateKey(), onEvent }: Opening = {},
): Promise<Store> {
  if ((store === undefined) === (config === undefined)) {
    const problem = store === undefined ? 'which store?' : 'which of the two?'
    throw new Stop(
      EXIT.usage,
      `${problem} Give --store URL or --config MODULE (or one of HOLDFAST_STORE and HOLDFAST_CONFIG)`,
    )
  }
  if (config !== undefined) return openConfigured(config, onEvent)
  const engine = await openByUrl(store!, create)
  const sessions = makeSessions({ engine, keys, ...(onEvent ? { onEvent } : {}) })
  return storeOf(engine, sessions)
}

async function openConfigured(path: string, onEvent: Opening['onEvent']): Promise<Store> {
  const { engine, options, sessions } = await loadConfig(path)
  if (sessions) {
    if (onEvent)
      throw new Stop(EXIT.usage, `${path} exports sessions, whose own listener hears of it: drop --audit`)
    return storeOf(engine, sessions)
  }
  const made = makeSessions({
    ...options!,
    onEvent(event) {
      options!.onEvent?.(event)
      onEvent?.(event)
    },
  })
  return storeOf(engine, made)
}

function storeOf(engine: Engine, sessions: Sessions): Store {
  // Whatever was found or ended there, the application would know nothing of it.
  if (!engine.shared)
    throw new Stop(EXIT.usage, `the sessions of the ${engine.name} engine are in its own process alone`)
  const everybody = new Everybody(engine, sessions.policy)
  return { engine, sessions, notBefore: async () => everybody.notBefore(), close: () => sessions.close() }
}

/** Wrong keys are wrong usage. */
function makeSessions(options: SessionsOptions<never>): Sessions {
  try {
    return new Sessions(withDefaults(options)) as Sessions
  } catch (error) {
    throw new Stop(EXIT.usage, messageOf(error))
  }
}

async function openByUrl(url: string, create: boolean): Promise<Engine> {
  const file = fileOf(url)
  if (!create && file !== null && !existsSync(file))
    throw new Stop(EXIT.usage, `there is no file ${file}; holdfast migrate makes one`)
  return withStore('the store', () => openEngine(url, { migrate: create }))
}

/** @returns the path in `sqlite:FILE`; null for another URL */
export function fileOf(url: string): string | null {
  return /^sqlite:(.+)$/s.exec(url)?.[1] ?? null
}

/** Says by which limits sessions are called live, where they may not be the application's. */
export function sayAssumed({ config }: StoreOptions): void {
  if (config !== undefined) return
  say(
    'Judged by the default limits: idle 30m, absolute 12h; remembered 14d, 30d. Give --config for your own.',
  )
}
