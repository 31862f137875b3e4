/** The adapter for Hono: the scenarios, and what only Hono has. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import type { CsrfOptions, Engine, SessionError } from 'holdfast'
import { answerErrors, protect } from 'holdfast/hono'
import { memory } from 'holdfast/memory'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { stream, streamSSE } from 'hono/streaming'
import { hono } from './adapters.ts'
import { type AnySessions, pause, type Site, send, start, wrapEngine } from './harness.ts'
import { scenarios } from './suite.ts'

scenarios(hono)

const serve = (
  build: (sessions: AnySessions) => { fetch: Hono['fetch'] },
  options: { readonly engine?: Engine; readonly csrf?: CsrfOptions } = {},
): Promise<Site> => start((sessions) => getRequestListener(build(sessions).fetch), options)

function failing(): Engine {
  return wrapEngine(memory(), (verb, call) => {
    if (verb === 'create') throw new Error('disk full')
    return call()
  })
}

describe('Hono has', { concurrency: true }, () => {
  test('c.var.session, with its type in a chain, and whatever the helpers answer', async () => {
    await using site = await serve((sessions) => {
      const app = new Hono().use(protect(sessions))
      return app
        .get('/json', (c) => {
          c.var.session.set('a', 1)
          return c.json({ id: c.var.session.userId })
        })
        .get('/redirect', (c) => {
          c.get('session').set('a', 1)
          return c.redirect('/next', 303)
        })
        .get('/fetched', async (c) => {
          c.var.session.set('a', 1)
          return fetch('data:text/plain,body')
        })
        .get('/static', (c) => {
          c.var.session.set('a', 1)
          return Response.redirect('https://localhost/next', 303)
        })
    })
    for (const path of ['/json', '/redirect', '/fetched', '/static']) {
      const response = await site.browser({ redirect: 'manual' }).get(path)
      assert.equal(response.headers.getSetCookie().length, 1, path)
      assert.equal(response.headers.get('cache-control'), 'no-store, private', path)
    }
  })

  test('streams and server-sent events come as they are made, after the commit', async () => {
    await using site = await serve((sessions) =>
      new Hono()
        .use(protect(sessions))
        .get('/stream', (c) => {
          c.var.session.set('a', 1)
          return stream(c, async (out) => {
            await out.write('one,')
            await pause(10)
            await out.write('two')
          })
        })
        .get('/sse', (c) => {
          c.var.session.set('a', 1)
          return streamSSE(c, async (out) => {
            await out.writeSSE({ data: String(c.var.session.get('a')) })
            await pause(10)
            await out.writeSSE({ data: sessions.current().id ?? 'none', event: 'id' })
          })
        }),
    )
    const whole = await site.browser().get('/stream')
    assert.deepEqual([await whole.text(), whole.headers.getSetCookie().length], ['one,two', 1])
    const events = await site.browser().get('/sse')
    assert.equal(events.headers.getSetCookie().length, 1)
    assert.match(await events.text(), /^data: 1\n\nevent: id\ndata: [\w-]{22}\n\n$/)
  })

  test('without an error handler: Hono asks the error for its response', async () => {
    await using site = await serve(
      (sessions) =>
        new Hono()
          .use(protect(sessions))
          .post('/', (c) => c.text('reached'))
          .get('/private', (c) => c.text(c.var.session.require()))
          .get('/teapot', () => {
            throw new HTTPException(418, { message: 'teapot' })
          }),
      {},
    )
    const forged = await site.browser().crossSite('/', { method: 'POST' })
    assert.deepEqual([forged.status, forged.headers.get('cache-control')], [403, 'no-store'])
    assert.match(await forged.text(), /^403 ERR_CROSS_ORIGIN: [^\n]+\n$/)
    assert.deepEqual(forged.headers.getSetCookie(), [])
    const response = await site.browser().get('/private')
    assert.deepEqual([response.status, response.headers.get('vary')], [401, 'Cookie'])
    assert.equal((await site.browser().get('/teapot')).status, 418)
  })

  test('plain HTTP beyond loopback: a redirect, not an error', async () => {
    await using site = await serve((sessions) =>
      new Hono().use(protect(sessions)).get('/a', (c) => c.text('a')),
    )
    const { status, headers } = await send(site.port, { path: '/a?b', headers: { host: 'app.example' } })
    assert.deepEqual([status, headers.location], [308, 'https://app.example/a?b'])
  })

  test("an application's error handler gets refusals and failed commits, and what was prepared is gone", async () => {
    const seen: unknown[] = []
    await using site = await serve(
      (sessions) => {
        const app = new Hono().use(cors({ origin: (origin) => origin })).use(protect(sessions))
        app.onError((error, c) => {
          seen.push((error as SessionError).code)
          return c.text('mine', (error as SessionError).status as 403)
        })
        return app.post('/', (c) => {
          c.var.session.set('a', 1)
          c.header('x-app', 'yes')
          c.header('set-cookie', 'theme=dark')
          return c.text('done', 201)
        })
      },
      { engine: failing() },
    )
    const forged = await site.browser().crossSite('/', { method: 'POST' })
    assert.deepEqual([forged.status, await forged.text()], [403, 'mine'])
    const failed = await site.browser().post('/')
    assert.deepEqual([failed.status, await failed.text(), failed.headers.get('x-app')], [503, 'mine', null])
    assert.deepEqual(failed.headers.getSetCookie(), [])
    assert.equal(failed.headers.get('cache-control'), 'no-store, private')
    assert.equal(failed.headers.get('access-control-allow-origin'), `http://localhost:${site.port}`)
    assert.deepEqual(seen, ['ERR_CROSS_ORIGIN', 'ERR_ENGINE'])
  })

  test('a form that is shown again by the error handler has a token that works', async () => {
    await using site = await serve(
      (sessions) => {
        const app = new Hono().use(protect(sessions))
        app.onError((_error, c) =>
          c.html(
            `<form method="post"><input name="csrf_token" value="${c.var.session.csrfToken()}"></form>`,
            403,
          ),
        )
        return app.post('/', async (c) => {
          const { name } = await c.req.parseBody()
          return c.text(`hello ${name}`)
        })
      },
      { csrf: { requireToken: true } },
    )
    const client = site.browser()
    const refused = await client.post('/', { csrf_token: 'wrong', name: 'ada' })
    assert.equal(refused.status, 403)
    const again = await client.submit(await refused.text(), { name: 'ada' })
    assert.deepEqual([again.status, await again.text()], [200, 'hello ada'])
  })

  test('a login that ends in an error is none, whatever status the error handler chooses', async () => {
    await using site = await serve((sessions) => {
      const app = new Hono().use(protect(sessions))
      app.onError((_error, c) => c.text('sorry', 200))
      return app.post('/', (c) => {
        c.var.session.authenticate('ada')
        throw new Error('half-way')
      })
    })
    const response = await site.browser().post('/')
    assert.deepEqual([response.status, response.headers.getSetCookie()], [200, []])
    assert.deepEqual(await site.sessions.list('ada'), [])
  })

  test('mounted twice, it opens the session once; answerErrors leaves other errors to Hono', async (t) => {
    t.mock.method(console, 'error', () => {})
    await using site = await serve((sessions) => {
      const app = new Hono().use(protect(sessions)).use('/below/*', protect(sessions))
      app.onError(answerErrors())
      return app
        .get('/below/', (c) => {
          c.var.session.update('n', (n) => Number(n ?? 0) + 1)
          return c.json(c.var.session.get('n'))
        })
        .get('/fail', () => {
          throw new Error('a secret')
        })
        .get('/teapot', () => {
          throw new HTTPException(418)
        })
    })
    assert.equal(await (await site.browser().get('/below/')).text(), '1')
    const failed = await site.browser().get('/fail')
    assert.deepEqual([failed.status, await failed.text()], [500, 'Internal Server Error'])
    assert.equal((await site.browser().get('/teapot')).status, 418)
  })

  test('other runtimes tell the address in c.env: Bun, Deno; a worker by the option ip', async () => {
    await using site = await serve(() => new Hono())
    const app = new Hono().use(protect(site.sessions)).get('/', (c) => c.text('in'))
    const local = new Hono()
      .use(protect(site.sessions, { ip: () => '127.0.0.1' }))
      .get('/', (c) => c.text('in'))
    const ask = async (env: object, on = app) => (await on.request('http://localhost/', {}, env)).status
    assert.equal(await ask({ requestIP: () => ({ address: '127.0.0.1' }) }), 200)
    assert.equal(await ask({ server: { requestIP: () => ({ address: '::1' }) } }), 200)
    assert.equal(await ask({ remoteAddr: { hostname: '127.0.0.1' } }), 200)
    assert.equal(await ask({}, local), 200)
    assert.equal(await ask({}), 308, 'nobody knows, so this may be anywhere')
  })
})
