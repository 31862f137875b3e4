/** What must hold: each property looks at one transition, and says what is wrong with it. @module */

import { markOf } from './application.ts'
import type { State } from './state.ts'
import { splitToken } from './tokens.ts'
import type { Transition, World } from './world.ts'

export interface Property {
  readonly name: string
  readonly about: string
  /** @returns what is wrong; null when nothing is */
  readonly violated: (before: State, transition: Transition, world: World) => string | null
}

export const PROPERTIES: readonly Property[] = [
  {
    name: 'P1 ended stays ended',
    about: 'A record that was ended is never un-ended or brought back, and no token of it is served.',
    violated: (before, transition, world) =>
      revived(transition) ?? servedDead(before, transition, world, 'ended'),
  },
  {
    name: 'P1 expired stays expired',
    about: 'A session whose expiry a client was told of is never served again.',
    violated: (_before, transition, world) => servedExpired(transition, world),
  },
  {
    name: 'P2 no write is lost',
    about: 'A session holds each acknowledged increment once, and none that was refused.',
    violated: (_before, transition, world) => lostWrite(transition, world),
  },
  {
    name: 'P3 nothing older works',
    about: 'Once a reauthentication has returned, no token from before it is served.',
    violated: (before, transition, world) => servedDead(before, transition, world, 'era'),
  },
  {
    name: 'P4 the honest browser stays in',
    about: 'Without a thief, a browser that is answered in time is never refused before its session expires.',
    violated: (_before, transition, world) => loggedOut(transition, world),
  },
  {
    name: 'P4 no false alarm',
    about: 'Without a thief, and with answers within grace + late, nothing that a browser shows is a replay.',
    violated: (_before, transition, world) => falseAlarm(transition, world),
  },
  {
    name: 'P4 a replay ends the session',
    about: 'Whoever shows a token that no honest client can hold any more ends its session.',
    violated: (_before, transition) => unpunished(transition),
  },
  {
    name: 'P10 no limit is stretched',
    about: 'No session is served past its idle or absolute limit.',
    violated: (before, transition, world) => outlived(before, transition, world),
  },
  {
    name: 'nobody unadmitted',
    about:
      "Whoever holds a token of a user's live session finds it in the ledger, or in what the ledger is ending.",
    violated: (_before, transition, world) => unadmitted(transition, world),
  },
  {
    name: 'two can not both go unnoticed',
    about: 'Thief and victim show their tokens, and within the bound one of them is refused.',
    violated: (_before, transition, world) => unnoticed(transition, world),
  },
  {
    name: 'expected answers only',
    about: 'A request is answered, or refused for a reason that the contract names.',
    violated: (_before, { facts }) =>
      facts.finished
        .map(({ progress }) => progress.answer!.code)
        .find((code) => code !== null && code !== 'ERR_SESSION_ENDED' && code !== 'ERR_SESSION_CHANGED') ??
      null,
  },
]

function revived({ facts: { write } }: Transition): string | null {
  if (!write) return null
  if (write.before?.ended && !write.after.ended) return 'a tombstone was overwritten by a live record'
  if (!write.before && write.verb !== 'create') return `${write.verb} brought back a record that was gone`
  return null
}

/** Looks at what was served, and at what would be if anybody showed what he holds. */
function servedDead(
  before: State,
  { state, facts }: Transition,
  world: World,
  what: 'ended' | 'era',
): string | null {
  const dead = (floors: State['ghost']['floors'], cookie: string) => {
    const { id, era } = splitToken(cookie)
    const floor = floors[id]
    return floor && (what === 'ended' ? floor.ended : era < floor.era)
  }
  for (const { request, progress } of facts.opened) {
    const { cookie, number } = request
    // What was promised when the request's last read began; a promise made since doesn't bind it.
    if (cookie && dead(before.ghost.floors, cookie) && world.known.isLive(progress.opened!.verdict))
      return `request ${number} was served with a token that is dead`
  }
  const token = held(state).find((token) => dead(state.ghost.floors, token) && liveNow(token, state, world))
  return token === undefined ? null : 'a token that is dead would be served'
}

function servedExpired({ state, facts }: Transition, world: World): string | null {
  for (const { request, progress } of facts.opened) {
    const { cookie, number } = request
    // Who came before may have been let in before.
    const told = cookie && state.ghost.expired[splitToken(cookie).id]
    if (!told || request.sentAt < told) continue
    if (world.known.isLive(progress.opened!.verdict))
      return `request ${number} was served after another was told of the expiry`
  }
  return null
}

function lostWrite({ state, facts }: Transition, world: World): string | null {
  const count = (data: string, mark: string) => data.split(mark).length - 1
  for (const [mark, id] of state.ghost.marks) {
    const record = state.records.get(id)
    if (!record || record.ended) continue
    const times = count(record.data, mark)
    if (times !== 1) return `the increment of request ${mark} is there ${times} times`
  }
  for (const { request, progress } of facts.finished) {
    if (request.task !== 'write' && request.task !== 'shop') continue
    const { code } = progress.answer!
    const mark = markOf(request.number)
    const holders = [...state.records.values()].filter(({ data }) => count(data, mark) > 0)
    if (code !== null && holders.length > 0)
      return `request ${request.number} was refused, and yet its increment is stored`
    const live = world.known.isLive(progress.opened!.verdict)
    if (code !== null || holders.length > 0 || !(live || request.task === 'shop')) continue
    return `request ${request.number} was told that it wrote, and nothing is stored`
  }
  return null
}

function loggedOut({ state, facts }: Transition, world: World): string | null {
  const { entitled, theft, handed } = state.ghost
  const { patience } = world.config
  if (entitled === null || theft || patience === null || patience > world.known.policy.grace) return null
  const token = state.jars.browser
  if (token === null || splitToken(token).id !== entitled.id) return "the browser's cookie was overwritten"
  for (const { request, progress } of facts.opened) {
    const { verdict } = progress.opened!
    if (request.entitled !== entitled || world.known.isLive(verdict)) continue
    if (
      verdict !== 'expired' ||
      !expiredInTime(handed[entitled.id], state, world.wall(state, request.server!), world)
    )
      return `request ${request.number} was refused: ${verdict}`
  }
  for (const server of state.servers.keys()) {
    const wall = world.wall(state, server)
    const verdict = world.known.verdict(token, state.records, wall)
    if (world.known.isLive(verdict)) continue
    if (verdict === 'expired' && expiredInTime(handed[entitled.id], state, wall, world)) continue
    return `the browser would be refused: ${verdict}`
  }
  return null
}

function falseAlarm({ state, facts }: Transition, world: World): string | null {
  if (state.ghost.theft || world.config.patience === null) return null
  const alarm = facts.opened.find(({ progress }) => progress.opened!.verdict === 'replayed')
  return alarm ? `request ${alarm.request.number} is taken for a replay` : null
}

function expiredInTime(
  use: State['ghost']['handed'][string] | undefined,
  { records, ghost }: State,
  wall: number,
  { known, config }: World,
): boolean {
  const { idle, absolute } = known.policy.limits
  const record = records.get(ghost.entitled!.id)
  if (!use || !record) return false
  const early = known.touchEvery(record) + Math.abs(config.skew)
  return wall - use.usedAt >= idle - early || wall - use.authenticatedAt >= absolute - Math.abs(config.skew)
}

function unpunished({ state, facts }: Transition): string | null {
  for (const { request, progress } of facts.opened) {
    if (progress.opened!.verdict !== 'replayed') continue
    const { id, era } = splitToken(request.cookie!)
    const record = state.records.get(id)
    // Authenticated anew meanwhile: nothing of the thief's is left to end.
    if (record && !record.ended && record.era === era)
      return `request ${request.number} was a replay, and the session goes on`
  }
  return null
}

function outlived(before: State, { state, facts }: Transition, world: World): string | null {
  const { idle, absolute } = world.known.policy.limits
  for (const { request, progress } of facts.opened) {
    if (!request.cookie || !world.known.isLive(progress.opened!.verdict)) continue
    const use = before.ghost.handed[splitToken(request.cookie).id]
    if (!use) continue
    const wall = arrivalOf(request.number, before, state)
    const skew = Math.abs(world.config.skew)
    if (wall - use.openedAt >= idle + skew) return `request ${request.number} was served past the idle limit`
    if (wall - use.authenticatedAt >= absolute + skew)
      return `request ${request.number} was served past the absolute limit`
  }
  return null
}

function arrivalOf(number: number, before: State, after: State): number {
  const events = [...before.servers, ...after.servers].flatMap(({ log }) => log)
  return events.find((event) => event.kind === 'start' && event.request === number)?.wall ?? after.now
}

function unadmitted({ state }: Transition, world: World): string | null {
  for (const token of held(state)) {
    const { id } = splitToken(token)
    const record = state.records.get(id)
    if (!record || record.userId === null || record.ended || !liveNow(token, state, world)) continue
    const ledger = state.ledgers.get(record.userId)
    const named = [...(ledger?.sessions ?? []), ...(ledger?.ending ?? [])].some((entry) => entry.id === id)
    if (!named) return `a live session that the ledger of ${record.userId} doesn't name`
  }
  return null
}

function unnoticed({ state }: Transition, world: World): string | null {
  const lasted = unnoticedFor(state, world)
  const { unnoticed } = world.config
  return unnoticed !== null && lasted > unnoticed ? `thief and victim went unnoticed for ${lasted} ms` : null
}

/** How long thief and victim have both held something live, neither of them refused. 0 without a theft. */
export function unnoticedFor(state: State, world: World): number {
  const { theft } = state.ghost
  if (!theft || theft.noticed) return 0
  const coming = state.responses
    .filter(({ request }) => request.client === 'browser')
    .map(({ answer }) => answer.token)
  const browser = [state.jars.browser, ...coming].some((token) => token && liveNow(token, state, world))
  return browser && state.stash.some((token) => liveNow(token, state, world)) ? state.now - theft.at : 0
}

function liveNow(token: string, state: State, { known }: World): boolean {
  return known.isLive(known.verdict(token, state.records, state.now))
}

/** Every token that somebody could still show. */
export function held({ jars, stash, requests, responses }: State): string[] {
  const tokens = [
    jars.browser,
    jars.device,
    ...stash,
    ...requests.filter(({ server }) => server === null).map(({ cookie }) => cookie),
    ...responses.map(({ answer }) => answer.token),
  ]
  return [...new Set(tokens)].filter((token): token is string => token !== null && token !== '')
}
