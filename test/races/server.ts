/**
 * One server process of the races: `node server.ts '{"adapter":"express","store":"sqlite:sessions.db","keys":"…"}'`. Prints the
 * port when it listens, and a line for each error that no client should ever see the cause of.
 * @module
 */

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { createSessions, type Engine, type Session, SessionError, type SessionsOptions } from 'holdfast'
import { answerErrors, protect as protectExpress } from 'holdfast/express'
import { protect as protectNode } from 'holdfast/node'
import { openEngine } from 'holdfast/open'

type Data = Record<string, unknown>

/** What a test asks of a server. */
export interface ServerOptions {
  readonly adapter: 'node' | 'express'
  /** The URL of an engine. */
  readonly store: string
  readonly keys: string
  readonly sessions?: Partial<SessionsOptions<Data>>
}

const { adapter, store, keys, sessions: more } = JSON.parse(process.argv[2] ?? '{}') as ServerOptions

const engine = await openEngine(store)
let lostSwaps = 0
const replace: Engine['replace'] = async (next, version) => {
  const written = await engine.replace(next, version)
  if (!written) lostSwaps++
  return written
}

const sessions = createSessions<Data>({
  engine: { ...engine, replace },
  keys,
  ...more,
  onEvent: ({ name, reason }) => {
    if (name === 'engine_failure') console.error(`${name}: ${reason}`)
  },
})

const server = createServer(adapter === 'express' ? expressApp() : protectNode(sessions, handle))
server.listen(0, '127.0.0.1', 4_096, () => console.log((server.address() as AddressInfo).port))
// Whoever started us is gone: nobody else will end us.
process.stdin.on('end', () => process.exit()).resume()

function expressApp(): RequestListener {
  const app = express()
  app.set('env', 'test')
  app.use(protectExpress(sessions))
  app.use((req, res) => handle(req, res, sessions.current()))
  app.use(answerErrors())
  return app
}

async function handle(req: IncomingMessage, res: ServerResponse, session: Session<Data>): Promise<void> {
  const { pathname, searchParams: query } = new URL(req.url!, 'http://host.invalid')
  const name = query.get('name') ?? 'count'
  const delay = Number(query.get('delay') ?? 0)
  if (delay > 0) await sleep(delay)
  switch (`${req.method} ${pathname}`) {
    case 'GET /data':
      return answer(res, 200, {
        user: session.userId,
        id: session.id,
        lost: session.lost,
        data: Object.fromEntries(session.keys().map((key) => [key, session.get(key)])),
      })
    case 'POST /login':
      session.authenticate(query.get('user')!)
      break
    case 'POST /logout':
      session.terminate()
      break
    case 'POST /increment':
      session.update(name, (count) => Number(count ?? 0) + 1)
      break
    case 'POST /set':
      session.set(name, query.get('value'))
      break
    case 'POST /renew':
      session.renew()
      break
    case 'POST /reauthenticate':
      session.reauthenticate()
      break
    case 'POST /revoke':
      await sessions.revoke({ userId: session.require() })
      break
    case 'GET /sessions':
      return answer(res, 200, { ids: (await sessions.list(query.get('user')!)).map(({ id }) => id) })
    case 'GET /swaps':
      return answer(res, 200, { lost: lostSwaps })
    default:
      throw new SessionError('ERR_REQUEST', 'There is no such path.')
  }
  answer(res, 200, { id: session.id })
}

function answer(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify(body))
}
