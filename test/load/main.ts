/**
 * An hour's worth of mixed traffic in ten minutes, against one process on SQLite: `node --conditions=holdfast-source
 * test/load/main.ts`. Says what was sent and answered, how long it took, and what the process held on to; ends with 1 when
 * an answer has no explanation, or something leaks. `HOLDFAST_LOAD_SECONDS`, `HOLDFAST_LOAD_RATE` (requests per second).
 * @module
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../fuzz/random.ts'
import type { Measure } from './server.ts'

const SECONDS = Number(process.env.HOLDFAST_LOAD_SECONDS ?? 600)
const RATE = Number(process.env.HOLDFAST_LOAD_RATE ?? 300)
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 4_294_967_296)
const COOKIE = '__Host-Http-session'
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0'

/** A browser with somebody logged in. */
interface Visit {
  token: string
  loggedInAt: number
  usedAt: number
  /** What a thief copied, and when. */
  stolen: { readonly token: string; readonly at: number } | null
}

interface Answer {
  /** 0 when the connection ended before an answer did. */
  readonly status: number
  readonly code: string | null
  readonly body: { readonly user?: string | null; readonly lost?: string | null }
  readonly token: string | null | undefined
}

const random = new Random(SEED)
const folder = mkdtempSync(join(tmpdir(), 'holdfast-load-'))
const child = fork(join(import.meta.dirname, 'server.ts'), [join(folder, 'sessions.db')], {
  execArgv: ['--conditions=holdfast-source', '--expose-gc', '--no-warnings'],
  stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
})
/** What the server said of errors, by their first lines. */
const words = new Map<string, number>()
createInterface({ input: child.stderr! }).on('line', (line) => {
  if (!/^ |^\}/.test(line)) words.set(line, (words.get(line) ?? 0) + 1)
})
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
const [{ port }] = (await once(child, 'message')) as [{ port: number }]

/** By kind of request, and what became of it. */
const table = new Map<
  string,
  { readonly counts: Map<string, number>; readonly latency: RecordableHistogram }
>()
const unexplained: string[] = []
const visits: Visit[] = []
const abandoned: Visit[] = []
const dead: string[] = []
const measures: Measure[] = []

try {
  await load()
} finally {
  agent.destroy()
  child.disconnect()
  await once(child, 'exit')
  rmSync(folder, { recursive: true, force: true })
}

async function load(): Promise<void> {
  const underWay = new Set<Promise<void>>()
  const started = performance.now()
  const elapsed = () => (performance.now() - started) / 1_000
  let sent = 0
  // The first tenth fills caches and tables, and is no measure of anything.
  for (const share of [0.1, 0.55, 1]) {
    while (elapsed() < SECONDS * share) {
      const due = Math.floor(elapsed() * RATE)
      // A server that lags behind is not buried: it is asked later.
      while (sent < due && underWay.size < 512) {
        const work = act()
        underWay.add(work)
        void work.finally(() => underWay.delete(work))
        sent++
      }
      sent = Math.max(sent, due - RATE)
      await sleep(5)
    }
    // What is measured is a server at rest: nothing of its clients may be left.
    await Promise.all(underWay)
    agent.destroy()
    await sleep(500)
    child.send('measure')
    measures.push(((await once(child, 'message')) as [Measure])[0])
  }
  report(elapsed())
}

/** One request of some kind, as often as it comes in life. */
async function act(): Promise<void> {
  const dice = random.below(1_000)
  const visit = visits.length > 0 ? random.pick(visits) : null
  if (dice < 150) return ask('visitor: page', 'GET', '/', null, ['200'])
  if (dice < 180) return ask('visitor: form', 'GET', '/form', null, ['200'])
  if (dice < 220 || !visit) return logIn()
  if (dice < 245) return logOut(visit)
  if (dice < 285) return ask('forged cookie', 'GET', '/', forge(visit), ['200'])
  if (dice < 305 && dead.length > 0)
    return ask('cookie of an ended session', 'GET', '/', random.pick(dead), ['200'], isNobody)
  if (dice < 325)
    return ask('cross-site', 'POST', '/increment', visit.token, ['403 ERR_CROSS_ORIGIN'], null, {
      'sec-fetch-site': 'cross-site',
    })
  if (dice < 335)
    return ask('malformed Host', 'GET', '/', visit.token, ['400 ERR_REQUEST'], null, { host: 'a..b' })
  if (dice < 350) return abort('aborted: no patience', '/slow', visit.token, 10)
  if (dice < 365) return abort('aborted: half an upload', '/upload', visit.token, 5)
  if (dice < 370) return steal()
  if (dice < 375) return comeBack()
  if (dice < 550) return use('write', 'POST', '/increment', visit)
  return use('read', 'GET', '/data', visit)
}

async function logIn(): Promise<void> {
  const user = `user${random.below(1_000)}`
  const loggedInAt = performance.now()
  await ask('login', 'POST', `/login?user=${user}`, null, ['200'], ({ token }) => {
    if (!token) return false
    const visit: Visit = { token, loggedInAt, usedAt: loggedInAt, stolen: null }
    if (random.chance(10)) abandoned.push(visit)
    else visits.push(visit)
    return true
  })
}

async function logOut(visit: Visit): Promise<void> {
  forget(visit)
  await ask('logout', 'POST', '/logout', visit.token, ['200'], ({ token }) => {
    dead.push(visit.token)
    if (dead.length > 500) dead.shift()
    return token === null || token === undefined
  })
}

/** A request of somebody logged in, who keeps the cookie that he gets. */
async function use(kind: string, method: string, path: string, visit: Visit): Promise<void> {
  const { token: shown } = visit
  const at = performance.now()
  // It may end while this is under way: by its limits, by its user, by a thief who was found out.
  const codes = ['200', '409 ERR_SESSION_ENDED', '409 ERR_SESSION_CHANGED']
  await ask(kind, method, path, shown, codes, ({ status, token, body }) => {
    visit.usedAt = Math.max(visit.usedAt, at)
    if (status === 409) return mayHaveEnded(visit, at)
    if (method === 'GET' && body.user === null) {
      forget(visit)
      return mayHaveEnded(visit, at)
    }
    if (typeof token !== 'string') return true
    // Not the session's own id: a visitor's, in the place of one that has ended.
    if (token.split('.')[0] !== shown.split('.')[0]) {
      forget(visit)
      return mayHaveEnded(visit, at)
    }
    if (random.chance(20)) visit.stolen = { token: shown, at }
    visit.token = token
    return true
  })
}

function mayHaveEnded(visit: Visit, at: number): boolean {
  const expired = at - visit.loggedInAt > 299_000 || at - visit.usedAt > 110_000
  return expired || visit.stolen !== null || !visits.includes(visit)
}

/** Somebody shows what was renewed away long ago: a replay, which ends the session. */
async function steal(): Promise<void> {
  const victim = visits.find(({ stolen }) => stolen && performance.now() - stolen.at > 40_000)
  if (!victim) return ask('visitor: page', 'GET', '/', null, ['200'])
  const { token } = victim.stolen!
  forget(victim)
  await ask(
    'replayed cookie',
    'GET',
    '/',
    token,
    ['200'],
    ({ body }) => body.user === null || 'not noticed yet',
  )
}

/** Somebody who was away for longer than the idle limit. */
async function comeBack(): Promise<void> {
  const [first] = abandoned
  if (!first || performance.now() - first.usedAt < 130_000)
    return ask('visitor: page', 'GET', '/', null, ['200'])
  abandoned.shift()
  await ask('cookie of an idle session', 'GET', '/', first.token, ['200'], isNobody)
}

function forge({ token }: Visit): string {
  for (;;) {
    const forged = random.mutate(token).replace(/[^\x21-\x7e]|[;,]/g, 'x')
    if (forged !== token) return forged
  }
}

function isNobody({ body }: Answer): boolean {
  return body.user === null
}

function forget(visit: Visit): void {
  const at = visits.indexOf(visit)
  if (at >= 0) visits.splice(at, 1)
}

/** @param explains - whether the answer is what it should be, beyond its status; a word for one that is another matter */
async function ask(
  kind: string,
  method: string,
  path: string,
  token: string | null,
  expected: readonly string[],
  explains: ((answer: Answer) => boolean | string) | null = null,
  more: Record<string, string> = {},
): Promise<void> {
  const started = performance.now()
  const answer = await exchange(method, path, token, more)
  const outcome = answer.code === null ? String(answer.status) : `${answer.status} ${answer.code}`
  note(kind, outcome, performance.now() - started)
  const explained = expected.includes(outcome) && (explains?.(answer) ?? true)
  if (explained === false) unexplained.push(`${kind}: ${outcome} ${JSON.stringify(answer.body)}`)
}

async function exchange(
  method: string,
  path: string,
  token: string | null,
  more: Record<string, string>,
): Promise<Answer> {
  const headers = headersFor(token, more)
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent })
  try {
    outgoing.end()
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString())
    const line = message.headers['set-cookie']?.find((each) => each.startsWith(`${COOKIE}=`))
    const next =
      line === undefined
        ? undefined
        : /max-age=0/i.test(line)
          ? null
          : line.slice(COOKIE.length + 1).split(';')[0]!
    return { status: message.statusCode!, code: body.error?.code ?? null, body, token: next }
  } catch (error) {
    // The server has closed an idle connection just as this was put on it, unread (RFC 9112 §9.3.1).
    if (outgoing.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET')
      return exchange(method, path, token, more)
    return {
      status: 0,
      code: (error as NodeJS.ErrnoException).code ?? String(error),
      body: {},
      token: undefined,
    }
  }
}

/** Sends, and goes away before the answer. */
async function abort(kind: string, path: string, token: string, after: number): Promise<void> {
  const upload = path === '/upload' ? { 'content-length': '100000' } : {}
  const headers = headersFor(token, upload)
  const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path, headers, agent: false })
  outgoing.on('error', () => {})
  if (path === '/upload') outgoing.write('x'.repeat(1_000))
  else outgoing.end()
  await sleep(after)
  outgoing.destroy()
  note(kind, 'went away', 0)
}

function headersFor(token: string | null, more: Record<string, string>): Record<string, string> {
  return {
    'user-agent': FIREFOX,
    'sec-fetch-site': 'same-origin',
    accept: 'application/json',
    ...(token !== null && { cookie: `${COOKIE}=${token}` }),
    ...more,
  }
}

function note(kind: string, outcome: string, millis: number): void {
  const row = table.get(kind) ?? { counts: new Map(), latency: createHistogram() }
  table.set(kind, row)
  row.counts.set(outcome, (row.counts.get(outcome) ?? 0) + 1)
  if (millis > 0) row.latency.record(Math.max(1, Math.round(millis * 1_000)))
}

function report(seconds: number): void {
  const all = createHistogram()
  let answers = 0
  console.log(`${seconds.toFixed()} s at ${RATE}/s, HOLDFAST_SEED=${SEED}\n`)
  console.log('| Request | Answers | p50 | p99 |\n|---|---|---|---|')
  for (const [kind, { counts, latency }] of [...table].sort(([a], [b]) => a.localeCompare(b))) {
    all.add(latency)
    const list = [...counts].sort(([a], [b]) => a.localeCompare(b))
    for (const [, times] of list) answers += times
    const text = list.map(([outcome, times]) => `${outcome} × ${times}`).join(', ')
    console.log(`| ${kind} | ${text} | ${timesOf(latency)} |`)
  }
  console.log(`| all | ${answers} | ${timesOf(all)} |\n`)

  console.log(
    '| | Heap after gc | External | RSS | Records | Listeners | Active resources |\n|---|---|---|---|---|---|---|',
  )
  for (const [index, { heap, external, rss, records, listeners, resources }] of measures.entries()) {
    const when = ['start', 'middle', 'end'][index]
    const held = Object.entries(resources)
      .map((pair) => pair.join(' × '))
      .join(', ')
    console.log(
      `| ${when} | ${mega(heap)} | ${mega(external)} | ${mega(rss)} | ${records} | ${listeners} | ${held} |`,
    )
  }
  const [first, , last] = measures as [Measure, Measure, Measure]
  console.log(`\nThe server sent: ${JSON.stringify(last.sent)}\nIts events: ${JSON.stringify(last.events)}`)
  console.log(`It said: ${JSON.stringify(Object.fromEntries(words))}`)

  const faults = unexplained.slice(0, 20).map((each) => `unexplained: ${each}`)
  // Of a client that hangs up in the middle of an upload the handler hears by an error, and says so.
  for (const word of words.keys()) if (!word.endsWith('Error: aborted')) faults.push(`said: ${word}`)
  // Records wait for `remembrance`, and the store keeps them, not the process.
  if (last.heap > first.heap * 1.25 + 4e6)
    faults.push(`the heap grew from ${mega(first.heap)} to ${mega(last.heap)}`)
  if (last.listeners > first.listeners) faults.push('listeners were left behind')
  for (const kind of ['Timeout', 'TCPSocketWrap', 'Immediate']) {
    const [before, after] = [first.resources[kind] ?? 0, last.resources[kind] ?? 0]
    if (after > before + 1) faults.push(`${kind}: ${before} at the start, ${after} at the end`)
  }
  const told = [...table.values()]
    .flatMap(({ counts }) => [...counts])
    .filter(([outcome]) => /^[1-9]/.test(outcome))
  const sent = Object.entries(last.sent).filter(([status]) => status !== 'closed')
  const sum = (pairs: readonly (readonly [string, number])[]) =>
    pairs.reduce((total, [, times]) => total + times, 0)
  // Whoever goes away late may have been answered all the same.
  const stray = sum(sent) - sum(told)
  const gone = [...table]
    .filter(([kind]) => kind.startsWith('aborted'))
    .flatMap(([, { counts }]) => [...counts])
  if (stray < 0 || stray > sum(gone)) faults.push(`${sum(sent)} answers were sent, and ${sum(told)} received`)
  console.log(
    faults.length === 0 ? '\nEvery answer is accounted for; nothing leaks.' : `\n${faults.join('\n')}`,
  )
  if (unexplained.length > 20) console.log(`and ${unexplained.length - 20} more`)
  process.exitCode = faults.length === 0 ? 0 : 1
}

function timesOf(latency: RecordableHistogram): string {
  if (latency.count === 0) return '– | –'
  return [50, 99].map((percent) => `${(latency.percentile(percent) / 1_000).toFixed(1)} ms`).join(' | ')
}

function mega(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
