/** The application of the scenarios: the same routes through every adapter, in whatever process. */

import { Readable } from 'node:stream'
import { type Exchange, type Handler, pause, type Surroundings, TRUSTED_ORIGIN } from './site.ts'

/** A response, as every adapter can send it. */
export interface Reply {
  readonly status?: number
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string | Readable
}

/** Two megabytes. */
export const BODY = 'x'.repeat(2 * 1024 * 1024)

type Route = (exchange: Exchange, surroundings: Surroundings) => Reply | Promise<Reply>

/** Makes the application of a site. */
export function application(surroundings: Surroundings): Handler {
  return async (exchange) => {
    const { session, path, query } = exchange
    if (query.has('delay')) session.get('count')
    await pause(Number(query.get('delay') ?? 0))
    return (await routes[path]?.(exchange, surroundings)) ?? { status: 404, body: 'not found' }
  }
}

const done: Reply = { body: 'done' }

const routes: Readonly<Record<string, Route>> = {
  '/public': () => ({ body: 'public' }),
  '/hook': () => done,
  '/only/1': () => done,
  '/me': ({ session }) => json({ user: session.userId, ...(session.lost && { lost: session.lost }) }),
  '/get': ({ session, query }) => json(session.get(query.get('name')!) ?? null),
  '/set'({ session, query }) {
    session.set(query.get('name')!, query.get('value'))
    return done
  },
  '/increment'({ session }) {
    session.update('count', (count) => Number(count ?? 0) + 1)
    return done
  },
  '/login'({ session, query }) {
    session.authenticate(query.get('user')!, { remember: query.has('remember') })
    return { status: 303, headers: [['location', '/me']] }
  },
  '/logout'({ session }) {
    session.terminate({ clearSiteData: ['cache'] })
    return { status: 303, headers: [['location', '/public']] }
  },
  '/token': ({ session }) => ({ body: session.csrfToken() }),
  '/form': ({ session }) => ({
    body: `<form method="post" action="/login?user=ada"><input name="csrf_token" value="${session.csrfToken()}"></form>`,
  }),
  async '/upload'({ session, query, text }) {
    if (!query.has('careless'))
      session.verifyCsrf(/name="csrf_token"\r\n\r\n([\w-]+)/.exec(await text())?.[1])
    session.set('uploaded', true)
    return done
  },
  '/status': ({ query }) => ({ status: Number(query.get('code')) }),
  async '/deep'(_exchange, { sessions }) {
    await pause(2)
    return { body: String(sessions.current().userId) }
  },
  '/private': ({ session }) => ({ body: session.require() }),
  '/pay'({ session }) {
    session.require({ authenticatedWithin: '10m', methods: ['otp'], level: 2 })
    return done
  },
  '/password'({ session }) {
    session.reauthenticate({ methods: ['pwd'], level: 1 })
    return done
  },
  '/code'({ session }) {
    session.reauthenticate({ methods: ['otp'], level: 2 })
    return done
  },
  '/sorry'({ session }) {
    session.set('half', 'done')
    return { status: 500, body: 'sorry' }
  },
  '/half'({ session }) {
    session.authenticate('ada')
    session.set('name', 'Ada')
    session.require({ methods: ['otp'] })
    return done
  },
  '/invalid'({ session }) {
    session.set('draft', 'text')
    return { status: 422 }
  },
  '/fail'({ session, query }) {
    session.set('secret', 'plan')
    if (query.has('end')) session.terminate()
    throw new Error('a defect that holds a secret plan')
  },
  '/kinds'({ session, query }) {
    const kind = query.get('kind')
    session.set('kind', kind)
    if (kind === 'nothing') return { status: 204 }
    return { body: kind === 'stream' ? Readable.from(['a', 'b']) : 'ab' }
  },
  '/megabytes'({ session }) {
    session.set('streamed', true)
    return { headers: [['content-type', 'text/plain']], body: Readable.from(chunksOf(BODY, 64 * 1024)) }
  },
  '/created'({ session, query }) {
    session.set('a', 1)
    return {
      status: 201,
      headers: [
        ['set-cookie', 'theme=dark'],
        ['x-app', 'yes'],
        ['etag', '"1"'],
        ['vary', 'Origin'],
      ],
      body: query.has('stream') ? Readable.from(chunksOf(BODY, 64 * 1024)) : 'the secret body',
    }
  },
  async '/wait'({ session }, { wait }) {
    session.set('waited', true)
    await wait()
    return { headers: [['set-cookie', 'mine=1']], body: 'done' }
  },
  async '/early'({ session, query }, { stored }) {
    session.authenticate('ada')
    await session.commit()
    const known = (await stored()).length
    const events = async function* () {
      yield `data: ${known} stored\n\n`
      await pause(20)
      yield `data: ${session.userId}\n\n`
    }
    if (query.has('more')) session.set('more', 1)
    return { headers: [['content-type', 'text/event-stream']], body: Readable.from(events()) }
  },
  '/trickle'(_exchange, { wait }) {
    const parts = async function* () {
      yield 'first'
      await wait()
      yield ', last'
    }
    return { body: Readable.from(parts()) }
  },
  '/late'({ session }) {
    const late = async function* () {
      yield 'begun'
      await pause(10)
      try {
        session.set('late', true)
        yield ', stored'
      } catch (error) {
        yield `, ${(error as { code: string }).code}`
      }
    }
    return { body: Readable.from(late()) }
  },
  '/empty'({ session, query }) {
    session.set('n', query.get('status'))
    return { status: Number(query.get('status')), ...(query.get('status') === '200' && { body: 'body' }) }
  },
  '/hsts': () => ({ headers: [['strict-transport-security', 'max-age=60']] }),
  /** Says of caching what the query says; `?session` stores something. */
  '/headers'({ session, query }) {
    if (query.has('session')) session.set('a', 1)
    if (query.has('look')) session.get('a')
    const named = [...query].filter(([name]) => !['session', 'look'].includes(name))
    return { headers: named, body: 'body' }
  },
  '/api'({ session, method }) {
    if (method !== 'OPTIONS') session.update('calls', (calls) => Number(calls ?? 0) + 1)
    return {
      status: method === 'OPTIONS' ? 204 : 200,
      headers: [
        ['access-control-allow-origin', TRUSTED_ORIGIN],
        ['access-control-allow-credentials', 'true'],
        ['access-control-allow-headers', 'content-type, x-csrf-token, authorization'],
        ['access-control-allow-methods', 'GET, POST'],
        ['access-control-expose-headers', 'Session-Token'],
        ['vary', 'Origin'],
      ],
      ...(method !== 'OPTIONS' && { body: 'done' }),
    }
  },
}

function json(value: unknown): Reply {
  return { headers: [['content-type', 'application/json']], body: JSON.stringify(value) }
}

function* chunksOf(text: string, size: number): Generator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
}

/** What a fetch request shows of itself. */
export function exchangeOf(request: Request, session: Exchange['session']): Exchange {
  const { pathname: path, searchParams: query } = new URL(request.url)
  return { session, method: request.method, path, query, text: () => request.text() }
}

/** A reply as a fetch response. */
export function responseOf({ status = 200, headers = [], body }: Reply): Response {
  const stream = body instanceof Readable ? (Readable.toWeb(body) as ReadableStream) : body
  return new Response(stream ?? null, { status, headers: headers.map(([name, value]) => [name, value]) })
}
