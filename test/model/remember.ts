/** Keeps the ghost: what was promised, as things happen. @module */

import type { SessionRecord } from '../../src/core/engine.ts'
import { markOf, type Task } from './application.ts'
import type { Ghost } from './ghost.ts'
import type { Call, Progress } from './server.ts'
import type { Request, Response, State } from './state.ts'
import { splitToken } from './tokens.ts'
import type { World } from './world.ts'

/** A request, as it opened or was answered. */
export interface Reached {
  readonly request: Request
  readonly progress: Progress
}

/** What happened in one transition. */
export interface Facts {
  readonly sent: Request | null
  readonly arrived: Request | null
  readonly call: (Call & { readonly value: unknown }) | null
  readonly write: {
    readonly verb: string
    readonly before: SessionRecord | undefined
    readonly after: SessionRecord
  } | null
  readonly opened: readonly Reached[]
  readonly finished: readonly Reached[]
  readonly delivered: Response | null
  readonly stole: boolean
}

export const NO_FACTS: Facts = {
  sent: null,
  arrived: null,
  call: null,
  write: null,
  opened: [],
  finished: [],
  delivered: null,
  stole: false,
}

/** Tasks after which a browser may rightly find itself without the session that it had. */
const PARTING: ReadonlySet<Task> = new Set(['login', 'login as bob', 'reauthenticate', 'logout', 'revoke'])

type Remembered = Pick<State, 'ghost' | 'requests'>

/** @returns what is remembered after a transition; a revocation under way may come to cover more */
export function remember(before: State, after: State, facts: Facts, world: World): Remembered {
  let remembered: Remembered = { ghost: before.ghost, requests: after.requests }
  if (facts.sent) remembered = { ...remembered, ghost: sent(remembered.ghost, facts.sent, after, world) }
  if (facts.arrived) remembered = { ...remembered, ghost: arrived(remembered.ghost, facts.arrived, after) }
  for (const { request, progress } of facts.opened) {
    const ghost = opened(remembered.ghost, request, progress, after, world)
    remembered = { ...remembered, ghost }
  }
  for (const { request, progress } of facts.finished) {
    if (progress.answer!.code === null) remembered = finished(remembered, request, progress, after, world)
  }
  let { ghost } = remembered
  if (facts.delivered?.request.client === 'browser') ghost = delivered(ghost, facts.delivered, after)
  if (facts.stole) {
    const shown = { browser: after.now, thief: after.now }
    ghost = { ...ghost, theft: { at: after.now, shown, noticed: false } }
  }
  return { ...remembered, ghost: pruned(ghost, after) }
}

function sent(ghost: Ghost, { client, task }: Request, { now }: State, { config }: World): Ghost {
  const parts =
    (client === 'browser' && PARTING.has(task)) ||
    client === 'operator' ||
    (client === 'device' && config.options.maxSessionsPerUser !== undefined)
  const { theft } = ghost
  const shows = theft && (client === 'browser' || client === 'thief')
  return {
    ...ghost,
    entitled: parts ? null : ghost.entitled,
    theft: shows ? { ...theft, shown: { ...theft.shown, [client]: now } } : theft,
  }
}

/** Authentications under way together with what may end their sessions: which was first, the browser can't tell. */
function arrived(ghost: Ghost, request: Request, { requests, responses }: State): Ghost {
  const names = (list: readonly Request[]) => list.map(({ number }) => markOf(number))
  const others = requests.filter((other) => other.server !== null && other.number !== request.number)
  const unanswered = [...others, ...responses.map((response) => response.request)]
  const crossed = [
    ...unanswered.filter((other) => mayEnd(request, other)),
    ...(others.some((other) => mayEnd(other, request)) ? [request] : []),
  ]
  const open = request.task === 'revoke' ? others.filter(({ task }) => task.startsWith('login')) : []
  if (crossed.length === 0 && open.length === 0) return ghost
  return {
    ...ghost,
    outrun: [...ghost.outrun, ...names(open)],
    crossed: [...ghost.crossed, ...names(crossed)],
  }
}

/** Whether a request may end the session that another one's answer hands out. */
function mayEnd({ task }: Request, other: Request): boolean {
  return other.task === 'reauthenticate'
    ? PARTING.has(task)
    : task === 'revoke' && other.task.startsWith('login')
}

function authenticates({ task }: Request): boolean {
  return task.startsWith('login') || task === 'reauthenticate'
}

function opened(ghost: Ghost, request: Request, { opened }: Progress, state: State, world: World): Ghost {
  if (request.cookie === null) return ghost
  const { id } = splitToken(request.cookie)
  const { verdict } = opened!
  const told = verdict === 'expired' && ghost.expired[id] === undefined
  const expired = told ? { ...ghost.expired, [id]: state.now } : ghost.expired
  const refused = !world.known.isLive(verdict)
  const theft = ghost.theft && refused ? { ...ghost.theft, noticed: true } : ghost.theft
  const use = ghost.handed[id]
  const wall = world.wall(state, request.server!)
  const handed =
    use && !refused
      ? { ...ghost.handed, [id]: { ...use, openedAt: Math.max(use.openedAt, wall) } }
      : ghost.handed
  return { ...ghost, expired, theft, handed }
}

function finished(
  { ghost, requests }: Remembered,
  request: Request,
  { opened, answer }: Progress,
  state: State,
  world: World,
): Remembered {
  const { task, number, cookie, server } = request
  const wall = world.wall(state, server!)
  const id = cookie === null ? null : splitToken(cookie).id
  const token = answer!.token ? splitToken(answer!.token) : null
  const live = opened !== null && world.known.isLive(opened.verdict)
  let { marks, floors, handed } = ghost
  const end = (session: string) => {
    floors = { ...floors, [session]: { era: 0, ...floors[session], ended: true } }
  }
  if (live && handed[id!]) {
    handed = { ...handed, [id!]: { ...handed[id!]!, usedAt: Math.max(handed[id!]!.usedAt, request.sentAt) } }
  }
  if ((task === 'write' || task === 'shop') && (live || task === 'shop')) {
    marks = [...marks, [markOf(number), live ? id! : token!.id]]
  } else if (task.startsWith('login')) {
    const userId = task === 'login' ? 'ada' : 'bob'
    const carries = live && (opened.userId === null || opened.userId === userId)
    if (carries) marks = marks.map(([mark, session]) => [mark, session === id ? token!.id : session])
    if (opened!.found) end(id!)
    handed = { ...handed, [token!.id]: { userId, authenticatedAt: wall, usedAt: wall, openedAt: wall } }
    if (ghost.doomed.includes(markOf(number))) end(token!.id)
    if (ghost.outrun.includes(markOf(number))) {
      const more = (other: Request) => ({ ...other, covers: [...other.covers, token!.id] })
      requests = requests.map((other) => (other.task === 'revoke' ? more(other) : other))
    }
  } else if (task === 'reauthenticate' && live && token) {
    floors = { ...floors, [id!]: { ended: false, ...floors[id!], era: token.era } }
    const times = { authenticatedAt: wall, usedAt: wall, openedAt: wall }
    if (handed[id!]) handed = { ...handed, [id!]: { ...handed[id!]!, ...times } }
  } else if (task === 'logout' && live) end(id!)
  else if (task === 'revoke') request.covers.forEach(end)
  const doomed = task === 'revoke' ? [...ghost.doomed, ...ghost.outrun] : ghost.doomed
  return { ghost: { ...ghost, marks, floors, handed, doomed }, requests }
}

function delivered(ghost: Ghost, { request, answer }: Response, state: State): Ghost {
  if (!answer.token || !authenticates(request)) return ghost
  const others = [...state.requests, ...state.responses.map((response) => response.request)]
  const parting = others.some(
    ({ client, task }) => client === 'operator' || (client === 'browser' && PARTING.has(task)),
  )
  const { id, era } = splitToken(answer.token)
  const doubtful = parting || ghost.floors[id]?.ended || ghost.crossed.includes(markOf(request.number))
  return { ...ghost, entitled: doubtful ? null : { id, era } }
}

/** Forgets what no longer matters, so that more worlds are the same. */
function pruned(ghost: Ghost, { records, requests, responses }: State): Ghost {
  const gone = (id: string) => !records.get(id) || records.get(id)!.ended !== null
  const loggingIn = requests.some(({ task }) => task.startsWith('login'))
  const named = (name: string) =>
    requests.some(({ number }) => markOf(number) === name) ||
    responses.some(({ request }) => markOf(request.number) === name)
  const revoking = requests.some(({ task }) => task === 'revoke')
  const handed = Object.entries(ghost.handed)
  const remaining = handed.filter(([id]) => !gone(id))
  const next = {
    ...ghost,
    crossed: ghost.crossed.filter(named),
    doomed: ghost.doomed.filter(named),
    outrun: revoking ? ghost.outrun.filter(named) : [],
    marks: loggingIn ? ghost.marks : ghost.marks.filter(([, id]) => !gone(id)),
    handed: remaining.length === handed.length ? ghost.handed : Object.fromEntries(remaining),
  }
  const lengths = ({ crossed, doomed, outrun, marks, handed }: Ghost) =>
    crossed.length + doomed.length + outrun.length + marks.length + Object.keys(handed).length
  return lengths(next) === lengths(ghost) ? ghost : next
}
