/** A counterexample, for people: a sequence diagram in text, and the same in SVG. @module */

import type { SessionRecord, UserLedger } from '../../src/core/engine.ts'
import type { Call } from './server.ts'
import type { Choice, Client, State } from './state.ts'
import { splitToken } from './tokens.ts'
import type { Transition, World } from './world.ts'

type Lane = Client | 'server A' | 'server B' | 'store'

interface Row {
  readonly from: Lane | null
  readonly to: Lane | null
  readonly text: string
  /** An answer, or a result. */
  readonly back: boolean
}

export interface Diagram {
  readonly title: string
  readonly lanes: readonly Lane[]
  readonly rows: readonly Row[]
}

const LANES: readonly Lane[] = ['operator', 'device', 'thief', 'browser', 'server A', 'server B', 'store']
const SERVERS = ['server A', 'server B'] as const

/** Runs a path again, and draws what happens on it. */
export async function draw(world: World, path: readonly Choice[], title: string): Promise<Diagram> {
  const rows: Row[] = []
  const names = new Map<string, string>()
  const dawn = await world.dawn()
  let before = dawn[0]!.state
  const follow = (transitions: readonly Transition[], choice: Choice | null) => {
    for (const [index, transition] of transitions.entries()) {
      rows.push(...rowsOf(before, transition, index === 0 ? choice : null, names))
      before = transition.state
    }
  }
  follow(dawn, null)
  rows.push(note(null, '· · ·'))
  for (const choice of path) follow(await world.apply(before, choice), choice)
  rows.push(note(null, title))
  const used = new Set(rows.flatMap(({ from, to }) => [from, to]))
  return { title, lanes: LANES.filter((lane) => used.has(lane)), rows }
}

function rowsOf(
  before: State,
  { state, facts }: Transition,
  choice: Choice | null,
  names: Map<string, string>,
): Row[] {
  const rows: Row[] = []
  const token = (text: string | null) =>
    text === null ? 'no token' : text === '' ? 'forget it' : tokenName(text, names)
  const passed = (state.now - before.now) / 1000
  if (passed > 0) rows.push(note(null, `${passed} s pass`))
  if (choice?.kind === 'crash') rows.push(note(SERVERS[choice.server]!, 'crashes'))
  if (choice?.kind === 'sweep') rows.push(note('store', 'forgets what is past its time'))
  if (facts.stole) rows.push(note('thief', `copies ${token(state.stash.at(-1)!)}`))
  const { sent, arrived, call } = facts
  if (arrived) {
    const shown = arrived.client === 'operator' ? '' : `, ${token(arrived.cookie)}`
    rows.push(arrow(arrived.client, SERVERS[arrived.server!]!, `${arrived.number}: ${arrived.task}${shown}`))
  } else if (sent) rows.push(note(sent.client, `${sent.number}: sends ${sent.task}, ${token(sent.cookie)}`))
  if (call) {
    const server = SERVERS[before.requests.find(({ number }) => number === call.request)!.server!]!
    rows.push(arrow(server, 'store', `${call.request}: ${callText(call, names)}`))
  }
  for (const { request, progress } of facts.opened) {
    if (request.cookie)
      rows.push(note(SERVERS[request.server!]!, `${request.number}: ${progress.opened!.verdict}`))
  }
  for (const { request, progress } of facts.finished) {
    const { code, token: answered } = progress.answer!
    const text = code ?? (answered === null ? 'done' : token(answered))
    const coming = state.responses.some((response) => response.request.number === request.number)
    const server = SERVERS[request.server!]!
    if (coming) rows.push(note(server, `${request.number}: answers ${text}, on its way`))
    else rows.push({ ...arrow(server, request.client, `${request.number}: ${text}`), back: true })
  }
  if (choice?.kind === 'lose') rows.push(note('browser', `${choice.request}: the answer is lost`))
  if (facts.delivered) {
    const { request, answer } = facts.delivered
    rows.push({
      ...arrow(SERVERS[request.server!]!, request.client, `${request.number}: ${token(answer.token)}`),
      back: true,
    })
  }
  return rows
}

function callText({ verb, args, value }: Call & { value: unknown }, names: Map<string, string>): string {
  const won = value === true ? '' : ', lost the race'
  if (verb === 'load')
    return `load ${idName(args[0] as string, names)} → ${recordText(value as SessionRecord | undefined)}`
  if (verb === 'create') return `create ${idName((args[0] as SessionRecord).id, names)}`
  if (verb === 'touch') return `touch ${idName(args[0] as string, names)}`
  if (verb === 'loadUser')
    return `ledger of ${args[0]} → ${ledgerText(value as UserLedger | undefined, names)}`
  if (verb === 'replaceUser') return `ledger := ${ledgerText(args[0] as UserLedger, names)}${won}`
  const next = args[0] as SessionRecord
  return `${idName(next.id, names)} := ${recordText(next)}${won}`
}

function recordText(record: SessionRecord | undefined): string {
  if (!record) return 'nothing'
  const { version, era, ended, userId, secrets } = record
  const state = ended
    ? `ended, ${ended.reason}`
    : `${userId ?? 'visitor'}, era ${era}${secrets.parent ? ', settling' : ''}`
  return `v${version} (${state})`
}

function ledgerText(ledger: UserLedger | undefined, names: Map<string, string>): string {
  if (!ledger) return 'nothing'
  const list = (ids: readonly { readonly id: string }[]) =>
    ids.map(({ id }) => idName(id, names)).join(' ') || 'none'
  return `${list(ledger.sessions)}${ledger.ending.length > 0 ? `, ending ${list(ledger.ending)}` : ''}`
}

function idName(id: string, names: Map<string, string>): string {
  const known = names.get(id)
  if (known) return known
  const name = `S${[...names.values()].filter((name) => /^S\d+$/.test(name)).length + 1}`
  names.set(id, name)
  return name
}

function tokenName(text: string, names: Map<string, string>): string {
  const known = names.get(text)
  if (known) return known
  const session = idName(splitToken(text).id, names)
  const taken = [...names.values()].filter((name) => name.startsWith(`${session}.`)).length
  const name = `${session}.${String.fromCharCode(97 + taken)}`
  names.set(text, name)
  return name
}

function arrow(from: Lane, to: Lane, text: string): Row {
  return { from, to, text, back: false }
}

function note(lane: Lane | null, text: string): Row {
  return { from: lane, to: lane, text, back: false }
}

const COLUMN = 11

/** One line for each row: lanes on the left, words on the right. */
export function toText({ lanes, rows }: Diagram): string {
  const width = lanes.length * COLUMN
  const at = (lane: Lane) => lanes.indexOf(lane) * COLUMN + 5
  const head = lanes
    .map((lane) => lane.padStart(Math.floor((COLUMN + lane.length) / 2)).padEnd(COLUMN))
    .join('')
  const lines = rows.map(({ from, to, text, back }) => {
    const line = Array.from({ length: width }, () => ' ')
    for (const lane of lanes) line[at(lane)] = '|'
    if (from === null) line.fill('·')
    else if (from === to) line[at(from)] = '*'
    else {
      const [a, b] = [at(from), at(to!)]
      for (let x = Math.min(a, b) + 1; x < Math.max(a, b); x++) line[x] = back ? '·' : '-'
      line[b + (a < b ? -1 : 1)] = a < b ? '>' : '<'
    }
    return `${line.join('')}  ${text}`
  })
  return [head, ...lines].join('\n')
}

const STEP = 26
const GAP = 225
const MARGIN = 110
const STYLE =
  'text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1d2733}.head{font-weight:600}.lane{stroke:#c3ccd6}' +
  '.go,.back{stroke:#2b5d8a;stroke-width:1.5;fill:none}.back{stroke-dasharray:5 4}.note{fill:#fff6dc;stroke:#e0c877}' +
  '.time{fill:#6b7785}.wrong{fill:#b3261e;font-weight:600}'

export function toSvg({ lanes, rows, title }: Diagram): string {
  const width = (lanes.length - 1) * GAP + 2 * MARGIN + 40
  const height = (rows.length + 2) * STEP + 24
  const x = (lane: Lane) => MARGIN + lanes.indexOf(lane) * GAP
  const drawn = rows.map((row, index) => {
    const y = 56 + index * STEP
    const text = escapeMarkup(row.text)
    if (row.from === null) {
      const kind = row.text === title ? 'wrong' : 'time'
      return `<text class="${kind}" x="${width / 2}" y="${y + 4}" text-anchor="middle">${text}</text>`
    }
    if (row.from === row.to) {
      const wide = row.text.length * 6.9 + 14
      const left = Math.min(Math.max(x(row.from) - wide / 2, 4), width - wide - 4)
      const box = `<rect class="note" x="${left.toFixed(1)}" y="${y - 9}" width="${wide.toFixed(1)}" height="19" rx="4"/>`
      return `${box}<text x="${(left + wide / 2).toFixed(1)}" y="${y + 5}" text-anchor="middle">${text}</text>`
    }
    const [a, b] = [x(row.from), x(row.to!)]
    const line = `<line class="${row.back ? 'back' : 'go'}" x1="${a}" y1="${y + 7}" x2="${b}" y2="${y + 7}" marker-end="url(#tip)"/>`
    const wide = row.text.length * 6.6
    const middle = Math.min(Math.max((a + b) / 2, wide / 2 + 4), width - wide / 2 - 4)
    const back = `<rect x="${(middle - wide / 2).toFixed(1)}" y="${y - 9}" width="${wide.toFixed(1)}" height="12" fill="#fff"/>`
    return `${back}${line}<text x="${middle.toFixed(1)}" y="${y + 1}" text-anchor="middle">${text}</text>`
  })
  const heads = lanes.map(
    (lane) =>
      `<line class="lane" x1="${x(lane)}" y1="32" x2="${x(lane)}" y2="${height - 40}"/>` +
      `<text class="head" x="${x(lane)}" y="22" text-anchor="middle">${lane}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeMarkup(title)}</title><style>${STYLE}</style>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto-start-reverse">',
    '<path d="M0 0 8 4 0 8z" fill="#2b5d8a"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...heads,
    ...drawn,
    '</svg>\n',
  ].join('\n')
}

function escapeMarkup(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
