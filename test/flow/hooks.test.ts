/**
 * The adapters whose frameworks have servers of their own (test/frameworks has those): their hooks alone, called as the
 * frameworks call them.
 */

import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, test } from 'node:test'
import type { Session } from 'holdfast'
import { protectProxy, protect as protectRoute, watchRequests } from 'holdfast/next'
import { type NuxtEvent, protect as protectNitro } from 'holdfast/nuxt'
import { protect as protectRouter } from 'holdfast/react-router'
import { answerErrors, protect as protectSvelteKit } from 'holdfast/sveltekit'
import { createContext, isRouteErrorResponse, RouterContextProvider } from 'react-router'
import { exchange, reply, serveFetch } from './adapters.ts'
import { exchangeOf, responseOf } from './application.ts'
import { type AnySession, type AnySessions, type LocalAdapter, start } from './harness.ts'
import { scenarios } from './suite.ts'

watchRequests()

/** Hands a request on as Next.js does: with what was put on it, and with headers of its own. */
function handOn(fetch: (request: Request) => Promise<Response>): RequestListener {
  return (req, res) => {
    const scheme = 'encrypted' in req.socket ? 'https' : 'http'
    serveFetch((request) => {
      const { headers } = request
      headers.set('x-holdfast-request', String(req.headers['x-holdfast-request']))
      if (!headers.has('x-forwarded-for')) headers.set('x-forwarded-for', String(req.socket.remoteAddress))
      if (!headers.has('x-forwarded-proto')) headers.set('x-forwarded-proto', scheme)
      return fetch(request)
    })(req, res)
  }
}

const next: LocalAdapter = {
  name: 'hooks of Next.js',
  unrecorded: true,
  listen: (sessions, handler) =>
    handOn(
      protectRoute(sessions, async (request, session) =>
        responseOf(await handler(exchangeOf(request, session))),
      ),
    ),
}

const nuxt: LocalAdapter = {
  name: 'hooks of Nuxt',
  unrecorded: true,
  listen(sessions, handler) {
    const nitro = {
      h3App: {
        async handler({ node: { req, res }, context }: NuxtEvent): Promise<void> {
          const given = exchange(req, (context as { session: AnySession }).session)
          const body = async () => String((req as { rawBody?: unknown }).rawBody ?? (await given.text()))
          await reply(res, await handler({ ...given, text: body }))
        },
      },
    }
    protectNitro(sessions)(nitro)
    return (req, res) => {
      nitro.h3App.handler({ node: { req, res }, context: {} }).catch(() => {
        res.statusCode = 500
        res.end()
      })
    }
  },
}

const sessionContext = createContext<AnySession>()

const reactRouter: LocalAdapter = {
  name: 'hooks of React Router',
  unrecorded: true,
  listen(sessions, handler) {
    const middleware = protectRouter(sessions, { context: sessionContext })
    return handOn(async (request) => {
      const context = new RouterContextProvider()
      const next = async () => {
        try {
          return responseOf(await handler(exchangeOf(request, context.get(sessionContext))))
        } catch (error) {
          return new Response(null, { status: isRouteErrorResponse(error) ? error.status : 500 })
        }
      }
      return (await middleware({ request, context } as never, next)) as Response
    })
  },
}

const svelteKit: LocalAdapter = {
  name: 'hooks of SvelteKit',
  unrecorded: true,
  listen(sessions, handler) {
    const handle = protectSvelteKit(sessions)
    const handleError = answerErrors(() => ({ status: 500, message: 'Internal Error' }))
    return (req, res) =>
      serveFetch((request) => {
        const locals = {} as { session: AnySession }
        const event = { request, locals, platform: { req }, getClientAddress: () => assert.fail('asked') }
        const resolve = async () => {
          try {
            return responseOf(await handler(exchangeOf(request, locals.session)))
          } catch (error) {
            const problem = handleError({ error, event })
            return Response.json(problem, { status: problem.status })
          }
        }
        return handle({ event, resolve })
      })(req, res)
  },
}

for (const adapter of [next, nuxt, reactRouter, svelteKit]) scenarios(adapter)

describe('the proxy of Next.js', () => {
  const open = (look: (session: AnySession) => Response | undefined) =>
    start((sessions: AnySessions) => {
      const proxy = protectProxy(sessions, (_request, session) => look(session))
      const route = protectRoute(sessions, (request, session) => {
        if (new URL(request.url).pathname === '/login') session.authenticate('ada')
        return Response.json(session.userId)
      })
      return handOn(async (request) => {
        const answer = await proxy(request.clone())
        return answer && !answer.headers.has('x-middleware-next') ? answer : route(request)
      })
    })

  test('it goes on with nothing or with what says so, and leaves the cookie to the page', async () => {
    for (const given of [undefined, new Response(null, { headers: { 'x-middleware-next': '1' } })]) {
      await using site = await open(() => given)
      const client = site.browser()
      assert.equal((await client.post('/login')).headers.getSetCookie().length, 1)
      assert.equal(await (await client.get('/')).json(), 'ada')
      assert.deepEqual(given?.headers.getSetCookie() ?? [], [])
    }
  })

  test('it sends visitors away, and can change nothing', async () => {
    await using site = await open((session) => {
      assert.throws(() => session.set('a', 1), { code: 'ERR_SESSION_COMMITTED' })
      return session.userId === null ? new Response('away', { status: 403 }) : undefined
    })
    const response = await site.browser().get('/')
    assert.deepEqual([response.status, response.headers.get('vary')], [403, 'Cookie'])
    assert.equal((await site.browser().crossSite('/', { method: 'POST' })).status, 403)
  })
})

describe('what the application asks of itself', () => {
  test('in Nuxt it has the session of the request in whose name it asks, and else none', async () => {
    let seen: unknown[] = []
    await using site = await start((sessions: AnySessions) => {
      const nitro = {
        h3App: {
          async handler(event: NuxtEvent): Promise<void> {
            const { req, res } = event.node
            const { session } = event.context as { session: AnySession }
            if (req.url !== '/') return void seen.push(session)
            const ask = (headers: object) => {
              const inner = { node: { req: { url: '/inner', headers }, res: {} }, context: {} }
              return nitro.h3App.handler(inner as never)
            }
            await ask(req.headers)
            seen = [seen[0] === session]
            res.end('done')
          },
        },
      }
      protectNitro(sessions)(nitro)
      return (req, res) => void nitro.h3App.handler({ node: { req, res }, context: {} })
    })
    assert.equal(await (await site.browser().get('/')).text(), 'done')
    assert.deepEqual(seen, [true])
  })
})

test('in React Router what a session demands is an error response, whose words may be seen', async () => {
  let caught: unknown
  await using site = await start((sessions: AnySessions) => {
    const middleware = protectRouter(sessions, { context: sessionContext })
    return handOn(async (request) => {
      const context = new RouterContextProvider()
      const next = async () => {
        try {
          ;(context.get(sessionContext) as Session).require({ level: 2 })
        } catch (error) {
          caught = error
        }
        return new Response('<p>', { status: 401, headers: { 'content-type': 'text/html' } })
      }
      return (await middleware({ request, context } as never, next)) as Response
    })
  })
  const response = await site.browser().get('/')
  assert.ok(isRouteErrorResponse(caught))
  assert.deepEqual([caught.status, caught.data.error.code], [401, 'ERR_NOT_AUTHENTICATED'])
  assert.equal(await response.text(), '<p>', "the page's own")
})

test('in SvelteKit a redirect that another hook throws leaves after the commit, with its cookie', async () => {
  await using site = await start((sessions: AnySessions) => {
    const handle = protectSvelteKit(sessions)
    return (req, res) =>
      serveFetch(async (request) => {
        const locals = {} as { session: AnySession }
        const event = { request, locals, platform: { req }, getClientAddress: () => assert.fail('asked') }
        const resolve = async () => {
          const { pathname } = new URL(request.url)
          if (pathname === '/') return Response.json(locals.session.userId)
          if (pathname === '/login') locals.session.authenticate('ada')
          throw { status: pathname === '/fail' ? 400 : 303, location: '/' }
        }
        return Promise.resolve(handle({ event, resolve })).catch(
          ({ status }) => new Response(null, { status }),
        )
      })(req, res)
  })
  const client = site.browser()
  assert.equal(await (await client.post('/login')).json(), 'ada')
  assert.equal((await client.get('/fail')).status, 400)
})
