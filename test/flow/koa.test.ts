/** The adapter for Koa: the scenarios, and what only Koa has. */

import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import type { CsrfOptions, Engine, SessionError } from 'holdfast'
import { answerErrors, protect, type SessionState } from 'holdfast/koa'
import { memory } from 'holdfast/memory'
import Koa from 'koa'
import { koa } from './adapters.ts'
import { type AnySessions, pause, type Site, start, wrapEngine } from './harness.ts'
import { scenarios } from './suite.ts'

scenarios(koa)

const serve = (
  build: (sessions: AnySessions) => { callback(): (...args: never[]) => unknown },
  options: { readonly engine?: Engine; readonly csrf?: CsrfOptions } = {},
): Promise<Site> => start((sessions) => build(sessions).callback() as never, options)

/** An engine that creates slowly, and fails if told to. */
function slow(state: { fails: boolean; durable: boolean }): Engine {
  return wrapEngine(memory(), async (verb, call) => {
    if (verb !== 'create') return call()
    await pause(20)
    if (state.fails) throw new Error('disk full')
    const created = await call()
    state.durable = true
    return created
  })
}

describe('Koa has', { concurrency: true }, () => {
  for (const [way, answer] of [
    ['ctx.body = text', (ctx) => (ctx.body = 'body')],
    ['ctx.body = stream', (ctx) => (ctx.body = Readable.from(['bo', 'dy']))],
    ['ctx.body = ReadableStream', (ctx) => (ctx.body = new Blob(['body']).stream())],
    ['ctx.body = Response', (ctx) => (ctx.body = new Response('body'))],
    ['ctx.res', (ctx) => void Object.assign(ctx, { respond: false }).res.end('body')],
    [
      'ctx.res, later',
      (ctx) => {
        ctx.respond = false
        setTimeout(() => ctx.res.end('body'), 40)
      },
    ],
  ] as [string, (ctx: Koa.Context) => unknown][]) {
    test(`${way}: after the commit, or not at all`, async () => {
      const state = { fails: false, durable: false }
      await using site = await serve(
        (sessions) =>
          new Koa().use(protect(sessions)).use((ctx) => {
            ctx.state.session.set('a', 1)
            ctx.set('x-app', 'yes')
            answer(ctx as unknown as Koa.Context)
          }),
        { engine: slow(state) },
      )
      const response = await site.browser().get('/')
      assert.equal(state.durable, true)
      assert.equal(await response.text(), 'body')
      assert.equal(response.headers.getSetCookie().length, 1)
      assert.equal(response.headers.get('cache-control'), 'no-store, private')

      state.fails = true
      const failed = await site.browser().get('/')
      assert.equal(failed.status, 503)
      assert.match(await failed.text(), /store/)
      assert.deepEqual(failed.headers.getSetCookie(), [])
      assert.equal(failed.headers.get('x-app'), null)
      assert.match(failed.headers.get('cache-control')!, /no-store/)
    })
  }

  test('a stream that nobody will read is closed', async () => {
    const made = new PassThrough()
    await using site = await serve(
      (sessions) =>
        new Koa().use(protect(sessions)).use((ctx) => {
          ctx.state.session.set('a', 1)
          ctx.body = made
        }),
      { engine: slow({ fails: true, durable: false }) },
    )
    assert.equal((await site.browser().get('/')).status, 503)
    assert.equal(made.destroyed, true)
  })

  test("an error is Koa's: its own answer, with what ours must carry", async () => {
    await using site = await serve((sessions) => {
      const app = new Koa().use(protect(sessions))
      app.use((ctx) => {
        if (ctx.method === 'POST') ctx.body = 'reached'
        else ctx.state.session.require()
      })
      return app
    })
    const forged = await site.browser().crossSite('/', { method: 'POST' })
    assert.deepEqual([forged.status, forged.headers.get('cache-control')], [403, 'no-store'])
    assert.match(
      await forged.text(),
      /^A request that changes something was refused, for it comes from elsewhere/,
    )
    const response = await site.browser().get('/')
    assert.equal(response.status, 401)
    assert.equal(response.headers.get('vary'), 'Cookie')
  })

  test('middleware above catches refusals and failed commits, and the session still draws a token for a form', async () => {
    const state = { fails: false, durable: false }
    const seen: unknown[] = []
    await using site = await serve(
      (sessions) =>
        new Koa<SessionState<Record<string, unknown>>>()
          .use(async (ctx, next) => {
            try {
              await next()
            } catch (error) {
              const { status, code, expose } = error as SessionError
              seen.push([status, code, expose])
              ctx.status = status
              ctx.body =
                status === 403
                  ? `<form method="post"><input name="csrf_token" value="${ctx.state.session.csrfToken()}"></form>`
                  : 'mine'
            }
          })
          .use(bodyParser())
          .use(protect(sessions))
          .use((ctx) => {
            ctx.state.session.set('a', 1)
            ctx.set('x-app', 'yes')
            ctx.status = 201
            ctx.body = 'done'
          }),
      { engine: slow(state), csrf: { requireToken: true } },
    )
    const client = site.browser()
    const refused = await client.post('/', { csrf_token: 'wrong' })
    assert.equal(refused.status, 403)
    state.fails = true
    const failed = await client.submit(await refused.text())
    assert.deepEqual([failed.status, await failed.text(), failed.headers.get('x-app')], [503, 'mine', null])
    assert.deepEqual(seen, [
      [403, 'ERR_CSRF_TOKEN_INVALID', true],
      [503, 'ERR_ENGINE', true],
    ])
  })

  test('a login that ends in an error is none, whatever status is made of it above', async () => {
    await using site = await serve((sessions) =>
      new Koa()
        .use(async (ctx, next) => {
          await next().catch(() => (ctx.body = 'sorry'))
        })
        .use(protect(sessions))
        .use((ctx) => {
          ctx.state.session.authenticate('ada')
          throw new Error('half-way')
        }),
    )
    const response = await site.browser().post('/')
    assert.deepEqual([response.status, response.headers.getSetCookie()], [200, []])
    assert.deepEqual(await site.sessions.list('ada'), [])
  })

  test('answerErrors leaves other errors to Koa', async (t) => {
    t.mock.method(console, 'error', () => {})
    await using site = await serve((sessions) =>
      new Koa()
        .use(answerErrors())
        .use(protect(sessions))
        .use(() => {
          throw new Error('a secret')
        }),
    )
    const response = await site.browser().get('/')
    assert.deepEqual([response.status, await response.text()], [500, 'Internal Server Error'])
  })

  test('a router, and mounted twice: the session is opened once, and its type goes along', async () => {
    let loads = 0
    const engine = wrapEngine(memory(), (verb, call) => {
      if (verb === 'load') loads++
      return call()
    })
    await using site = await serve(
      (sessions) => {
        const router = new Router<SessionState<Record<string, unknown>>>({ prefix: '/api' })
        router.post('/hook', protect(sessions), (ctx) => {
          ctx.state.session.update('n', (n) => Number(n ?? 0) + 1)
          ctx.body = `${ctx.state.session.get('n')} ${sessions.current().get('n')}`
        })
        return new Koa().use(answerErrors()).use(protect(sessions)).use(router.routes())
      },
      { engine, csrf: { insecureExempt: ['/api/hook'] } },
    )
    const foreign = { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }
    const client = site.browser()
    const response = await client.fetch('/api/hook?a', foreign)
    assert.deepEqual([response.status, await response.text()], [200, '1 1'])
    await client.fetch('/api/hook')
    assert.equal(loads, 1)
    await client.fetch('/api/hook', { method: 'POST' })
    assert.equal(loads, 2)
    assert.equal((await site.browser().fetch('/api/hook/', foreign)).status, 403)
  })

  test('a path that middleware rewrites is exempt by what the client asked for', async () => {
    await using site = await serve(
      (sessions) =>
        new Koa()
          .use((ctx, next) => {
            ctx.path = '/hook'
            return next()
          })
          .use(answerErrors())
          .use(protect(sessions))
          .use((ctx) => void (ctx.body = 'reached')),
      { csrf: { insecureExempt: ['/hook'] } },
    )
    const foreign = { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }
    assert.equal((await site.browser().fetch('/other', foreign)).status, 403)
    assert.equal((await site.browser().fetch('/hook', foreign)).status, 200)
  })
})
