/**
 * The process under load: the node:http adapter on one SQLite file. Counts what it sends, and measures itself when asked,
 * after a collection of garbage: `node --expose-gc server.ts FILE`, with a channel to its parent.
 * @module
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, generateKey, type Session } from 'holdfast'
import { protect } from 'holdfast/node'
import { sqlite } from 'holdfast/sqlite'

/** What the process holds on to. */
export interface Measure {
  readonly heap: number
  readonly external: number
  readonly rss: number
  /** By kind, as `process.getActiveResourcesInfo` names them. */
  readonly resources: Readonly<Record<string, number>>
  readonly listeners: number
  readonly records: number
  /** Answers by status, and `closed` for those whose client had gone. */
  readonly sent: Readonly<Record<string, number>>
  readonly events: Readonly<Record<string, number>>
}

const [file = ':memory:'] = process.argv.slice(2)
const engine = sqlite(file)
const sent: Record<string, number> = {}
const events: Record<string, number> = {}

/** Twelve times faster than by default, so that all that happens to a session happens within the run. */
const sessions = createSessions({
  engine,
  keys: generateKey(),
  idle: '2m',
  absolute: '5m',
  renewal: '75s',
  grace: '5s',
  late: '10s',
  remembrance: '30s',
  onEvent: ({ name }) => count(events, name),
})

const server = createServer((req, res) => {
  res.on('close', () => count(sent, res.writableFinished ? String(res.statusCode) : 'closed'))
  app(req, res)
})
const app = protect(sessions, handle)

server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
process.on('message', async () => process.send!(await measure()))
process.on('disconnect', () => process.exit())

async function handle(req: IncomingMessage, res: ServerResponse, session: Session): Promise<void> {
  const { pathname, searchParams: query } = new URL(req.url!, 'http://host.invalid')
  let body: object = {}
  switch (`${req.method} ${pathname}`) {
    case 'GET /form':
      body = { csrf: session.csrfToken() }
      break
    case 'POST /login':
      session.authenticate(query.get('user')!, { remember: query.has('remember') })
      break
    case 'POST /logout':
      session.terminate()
      break
    case 'POST /slow':
      await sleep(50)
      session.update('count', (count) => Number(count ?? 0) + 1)
      break
    case 'POST /upload':
      for await (const _ of req);
      session.set('uploaded', true)
      break
    case 'POST /increment':
      session.update('count', (count) => Number(count ?? 0) + 1)
      break
    default:
      body = { user: session.userId, lost: session.lost, count: session.get('count') ?? 0 }
  }
  res.writeHead(200, { 'content-type': 'application/json' })
  res.end(JSON.stringify(body))
}

async function measure(): Promise<Measure> {
  for (let times = 0; times < 3; times++) {
    globalThis.gc!()
    await sleep(50)
  }
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) count(resources, kind)
  const emitters = [process, server]
  const listeners = emitters.flatMap((each) =>
    each.eventNames().map((name) => each.listenerCount(name as string)),
  )
  const { heapUsed: heap, external, rss } = process.memoryUsage()
  const { records } = await engine.scan!({ limit: 1_000_000 })
  return {
    heap,
    external,
    rss,
    resources,
    listeners: listeners.reduce((sum, each) => sum + each, 0),
    records: records.length,
    sent,
    events,
  }
}

function count(counts: Record<string, number>, kind: string): void {
  counts[kind] = (counts[kind] ?? 0) + 1
}
