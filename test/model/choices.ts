/** What can happen next. @module */

import type { Millis } from '../../src/core/duration.ts'
import type { Call } from './server.ts'
import type { Choice, Client, Configuration, State } from './state.ts'
import { sweepable } from './store.ts'

/** @returns everything that the bounds allow; nothing, once it is known what was asked */
export function choices(state: State, config: Configuration): Choice[] {
  if (config.unnoticed !== null && state.ghost.theft?.noticed) return []
  return [
    ...pendingCalls(state).map(({ request, index }): Choice => ({ kind: 'step', request, call: index })),
    ...sends(state, config),
    ...state.requests
      .filter(({ server }) => server === null)
      .flatMap(({ number }) =>
        targets(state, config).map((server): Choice => ({ kind: 'arrive', request: number, server })),
      ),
    ...state.responses.map(({ request }): Choice => ({ kind: 'deliver', request: request.number })),
    ...(state.spent.losses < config.losses ? state.responses : []).map(
      ({ request }): Choice => ({ kind: 'lose', request: request.number }),
    ),
    ...(state.spent.steps < config.steps ? config.waits : [])
      .filter((by) => mayWait(state, by, config))
      .map((by): Choice => ({ kind: 'wait', by })),
    ...(state.spent.crashes < config.crashes ? state.servers : []).flatMap(({ log }, server): Choice[] =>
      log.length > 0 ? [{ kind: 'crash', server }] : [],
    ),
    ...(config.steals && !state.ghost.theft && state.jars.browser !== null
      ? [{ kind: 'steal' } as const]
      : []),
    ...(state.spent.sweeps < config.sweeps && sweepable(state) ? [{ kind: 'sweep' } as const] : []),
  ]
}

/** The engine calls that wait for their results. */
export function pendingCalls({ servers }: State): Call[] {
  return servers.flatMap(({ outcome }) => [...outcome.values()].flatMap(({ calls }) => calls))
}

function sends(state: State, config: Configuration): Choice[] {
  const total = Object.values(state.spent.requests).reduce((sum, count) => sum + count, 0)
  if (total >= config.requests) return []
  return (Object.keys(config.clients) as Client[]).flatMap((client) => {
    const { tasks, requests } = config.clients[client]!
    const under = [...state.requests, ...state.responses.map(({ request }) => request)]
    if (state.spent.requests[client] >= requests) return []
    if (under.filter((request) => request.client === client).length >= config.concurrent) return []
    const tokens = client === 'thief' ? [...state.stash.keys()] : [0]
    const holds = client === 'thief' || (client !== 'operator' && state.jars[client] !== null)
    return tasks
      .filter((task) => holds || task === 'revoke' || task === 'shop' || task.startsWith('login'))
      .flatMap((task) =>
        tokens.flatMap((token) =>
          (config.travel ? [null] : targets(state, config)).map(
            (server): Choice => ({ kind: 'send', client, task, server, token }),
          ),
        ),
      )
  })
}

/** The servers that a request may reach. Of several that are idle and keep the same time, one stands for all. */
function targets({ servers }: State, { skew }: Configuration): number[] {
  const idle = servers.findIndex(({ log }) => log.length === 0)
  return [...servers.keys()].filter(
    (server) => skew !== 0 || servers[server]!.log.length > 0 || server === idle,
  )
}

/** Whether everybody who must not wait longer has had his answer, or his turn. */
function mayWait(
  { now, requests, responses, servers, ghost }: State,
  by: Millis,
  { patience, pause, slowServers }: Configuration,
): boolean {
  if (!slowServers && servers.some(({ log }) => log.length > 0)) return false
  const awaited = [...requests, ...responses.map(({ request }) => request)]
  if (
    patience !== null &&
    awaited.some(({ client, sentAt }) => client === 'browser' && now + by - sentAt > patience)
  )
    return false
  const { theft } = ghost
  return (
    pause === null || !theft || [theft.shown.browser, theft.shown.thief].every((at) => now + by - at <= pause)
  )
}
