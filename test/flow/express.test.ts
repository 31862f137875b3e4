/** The adapter for Express: the scenarios on 5 and 4, and what only Express has. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import express, { type ErrorRequestHandler, type Express } from 'express'
import express4 from 'express4'
import { type CsrfOptions, type Engine, SessionError } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { memory } from 'holdfast/memory'
import { expressAdapter } from './adapters.ts'
import { type AnySessions, pause, type Site, start, wrapEngine } from './harness.ts'
import { scenarios } from './suite.ts'

/** Their types differ, where none of this is concerned. */
const frameworks = { 'Express 5': express, 'Express 4': express4 as unknown as typeof express }

/** It mounts on either, by their own types. */
export const mounted = (sessions: AnySessions) => [
  express().use(protect(sessions), answerErrors()),
  express4().use(protect(sessions), answerErrors()),
  express.Router().use(protect(sessions)),
  express4.Router().use('/below', protect(sessions)),
]

for (const [name, framework] of Object.entries(frameworks)) {
  scenarios(expressAdapter(name, framework))
  describe(`${name} has`, { concurrency: true }, () => own(framework))
}

function own(framework: typeof express): void {
  const serve = (
    build: (app: Express, sessions: AnySessions) => unknown,
    options: { readonly engine?: Engine; readonly csrf?: CsrfOptions } = {},
  ): Promise<Site> =>
    start((sessions) => {
      const app = framework()
      app.set('env', 'test')
      build(app, sessions)
      return app
    }, options)

  test('mounted again, it finds the session of its request, wherever a shared connection called back', async () => {
    const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    let shared: Socket | undefined
    const waiting: (() => void)[] = []
    const query = (done: () => void) => {
      shared ??= connect((echo.address() as AddressInfo).port).on('data', () => waiting.shift()!())
      waiting.push(done)
      shared.write('?')
    }
    await using site = await serve((app, sessions) => {
      app.use(protect(sessions))
      app.post('/login/:user', (req, res) => {
        sessions.current().authenticate(req.params.user)
        res.end()
      })
      app.use((_req, _res, next) => query(() => next()))
      app.use(protect(sessions))
      app.get('/', (_req, res) => res.send(sessions.current().userId))
    })
    for (const user of ['ada', 'bob']) {
      const client = site.browser()
      await client.post(`/login/${user}`)
      assert.equal(await (await client.get('/')).text(), user)
    }
    shared!.destroy()
    echo.close()
  })

  for (const [way, answer, expected] of [
    ['send(text)', (res) => res.send('body'), 'body'],
    ['send(object)', (res) => res.send({ a: 1 }), '{"a":1}'],
    ['send(buffer)', (res) => res.send(Buffer.from('body')), 'body'],
    ['json', (res) => res.status(201).json([1]), '[1]'],
    ['sendStatus', (res) => res.sendStatus(202), 'Accepted'],
    ['redirect', (res) => res.redirect('/next'), /Redirecting to/],
    ['sendFile', (res) => res.sendFile(file), 'x'.repeat(300_000)],
    ['end', (res) => res.end('body'), 'body'],
    ['format', (res) => res.format({ text: () => res.send('text'), json: () => res.json({}) }), 'text'],
  ] as [string, (res: express.Response) => unknown, string | RegExp][]) {
    test(`res.${way}, after the commit, or not at all`, async () => {
      let fails = false
      const log: string[] = []
      const engine = wrapEngine(memory(), async (verb, call) => {
        if (verb !== 'create') return call()
        await pause(20)
        if (fails) throw new Error('disk full')
        const created = await call()
        log.push('durable')
        return created
      })
      await using site = await serve(
        (app, sessions) => {
          app.use(protect(sessions))
          app.get('/', (_req, res) => {
            sessions.current().set('a', 1)
            res.cookie('theme', 'dark')
            answer(res)
          })
        },
        { engine },
      )
      const client = site.browser({ redirect: 'manual' })
      const response = await client.get('/', { accept: '*/*' })
      log.push('head')
      const text = await response.text()
      assert.ok(typeof expected === 'string' ? text === expected : expected.test(text), text.slice(0, 100))
      assert.deepEqual(log, ['durable', 'head'])
      assert.equal(response.headers.getSetCookie().length, 2)
      assert.equal(response.headers.get('cache-control'), 'no-store, private')

      fails = true
      const failed = await site.browser({ redirect: 'manual' }).get('/')
      assert.equal(failed.status, 503)
      assert.match(await failed.text(), /^503 ERR_ENGINE: [^\n]+\n$/)
      assert.deepEqual(failed.headers.getSetCookie(), [])
    })
  }

  test('conditional requests: 304, with our cookie', async () => {
    await using site = await serve((app, sessions) => {
      app.use(protect(sessions))
      app.get('/', (_req, res) => {
        sessions.current().set('a', 1)
        res.send('body')
      })
    })
    const etag = (await site.browser().get('/')).headers.get('etag')!
    const response = await site.browser().get('/', { 'if-none-match': etag })
    assert.deepEqual([response.status, response.headers.getSetCookie().length], [304, 1])
  })

  test('routers: the path is the whole one, wherever the adapter is mounted', async () => {
    const csrf = { insecureExempt: ['/api/hook'] }
    await using site = await serve(
      (app, sessions) => {
        const router = framework.Router()
        router.use(protect(sessions))
        router.post('/hook', (req, res) => void res.send(req.url))
        router.post('/other', (_req, res) => void res.send('reached'))
        app.use('/api', router)
        app.get('/outside', (_req, res) => void res.json({ outside: codeOf(() => sessions.current()) }))
        app.use(answerErrors())
      },
      { csrf },
    )
    const foreign = { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }
    const client = site.browser()
    assert.equal(await (await client.fetch('/api/hook?a', { method: 'POST' })).text(), '/hook?a')
    assert.equal((await client.fetch('/api/hook?a', foreign)).status, 200)
    assert.equal((await client.fetch('/api/other', foreign)).status, 403)
    assert.equal((await client.fetch('/api/hook/', foreign)).status, 403)
    assert.deepEqual(await (await client.get('/outside')).json(), { outside: 'ERR_NO_SESSION' })
  })

  test('mounted twice, it opens the session once', async () => {
    let loads = 0
    const engine = wrapEngine(memory(), (verb, call) => {
      if (verb === 'load') loads++
      return call()
    })
    await using site = await serve(
      (app, sessions) => {
        const middleware = protect(sessions)
        app.use(middleware)
        app.use('/below', middleware, protect(sessions))
        app.use((_req, res) => {
          sessions.current().update('n', (n) => Number(n ?? 0) + 1)
          res.json(sessions.current().get('n'))
        })
      },
      { engine },
    )
    const client = site.browser()
    await client.get('/')
    assert.equal(await (await client.get('/below')).text(), '2')
    assert.equal(loads, 1)
  })

  test("the application's error handler gets refusals, with a session for its page", async () => {
    await using site = await serve(
      (app, sessions) => {
        app.use(framework.urlencoded({ extended: false }), protect(sessions))
        app.post('/login', (_req, res) => void res.send('reached'))
        const show: ErrorRequestHandler = (error, _req, res, _next) => {
          const session = sessions.current()
          assert.equal(session.refusal, error)
          res
            .status(error.status)
            .send(
              `<p>${error.code}</p><form method=post><input name=csrf_token value=${session.csrfToken()}></form>`,
            )
        }
        app.use(show)
      },
      { csrf: { requireToken: true } },
    )
    const client = site.browser()
    await client.setCookie('__Host-Http-visitor=stale; Path=/; Secure; HttpOnly')
    const stale = await client.post('/login', { csrf_token: 'stale' })
    const page = await stale.text()
    assert.equal(stale.status, 403)
    assert.match(page, /<p>ERR_CSRF_TOKEN_INVALID/)
    assert.equal(stale.headers.get('cache-control'), 'no-store, private')
    assert.equal(stale.headers.getSetCookie().length, 1, 'a pre-session for the form')
    assert.equal(await (await client.submit(page)).text(), 'reached')
  })

  test('without an error handler: the status, the code, and no stack, in any environment', async (t) => {
    t.mock.method(console, 'error', () => {})
    for (const env of ['development', 'production']) {
      await using site = await serve((app, sessions) => {
        app.set('env', env)
        app.use(protect(sessions))
        app.post('/', (_req, res) => void res.send('reached'))
      })
      const response = await site
        .browser()
        .fetch('/', { method: 'POST', headers: { 'sec-fetch-site': 'same-site' } })
      const page = await response.text()
      assert.equal(response.status, 403)
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.match(page, env === 'production' ? /Forbidden/ : /SessionError \[ERR_CROSS_ORIGIN\]: A request/)
      assert.doesNotMatch(page, /at .*:\d+:\d+|node_modules/)
    }
  })

  test('a store that is down goes to the error handler, too', async () => {
    let down = false
    const engine = wrapEngine(memory(), (_verb, call) => {
      if (down) throw new Error('down')
      return call()
    })
    await using site = await serve(
      (app, sessions) => {
        app.use(protect(sessions))
        app.get('/', (_req, res) => {
          sessions.current().set('a', 1)
          res.send('reached')
        })
        const show: ErrorRequestHandler = (error, _req, res, _next) => {
          assert.ok(error instanceof SessionError)
          res.status(error.status).send(`sorry: ${error.code}`)
        }
        app.use(show)
      },
      { engine },
    )
    const client = site.browser()
    await client.get('/')
    down = true
    const response = await client.get('/')
    assert.deepEqual([response.status, await response.text()], [503, 'sorry: ERR_ENGINE'])
    assert.deepEqual(
      [response.headers.get('retry-after'), response.headers.get('cache-control')],
      ['1', 'no-store, private'],
    )
  })

  test('plain HTTP is redirected, without an error handler, too', async () => {
    await using site = await serve((app, sessions) => app.use(protect(sessions)))
    const client = site.browser({ origin: 'http://app.example', redirect: 'manual' })
    const response = await client.get('/a?b')
    assert.deepEqual([response.status, response.headers.get('location')], [308, 'https://app.example/a?b'])
  })

  test('a field of the body is an own one, and text', async () => {
    await using site = await serve((app, sessions) => {
      app.use('/inherited', (req, _res, next) => {
        req.body = Object.create({ csrf_token: 'x' })
        next()
      })
      app.use(framework.urlencoded({ extended: true }), framework.json(), protect(sessions))
      app.post('/', (_req, res) => void res.send('reached'))
      app.use(answerErrors())
    })
    const client = site.browser()
    for (const json of [
      { csrf_token: ['x'] },
      { csrf_token: null },
      JSON.parse('{"__proto__":{"csrf_token":"x"}}'),
      [],
    ]) {
      assert.equal((await client.fetch('/', { json })).status, 200, JSON.stringify(json))
    }
    assert.equal((await client.fetch('/inherited', { method: 'POST' })).status, 404)
    assert.equal((await client.fetch('/', { json: { csrf_token: 'x' } })).status, 403)
    assert.equal((await client.post('/', { csrf_token: 'x' })).status, 403)
    assert.equal((await client.post('/', { 'csrf_token[]': 'x' })).status, 200)
  })

  test('the session stays at hand below parsers, timers and promises', async () => {
    await using site = await serve((app, sessions) => {
      app.use(protect(sessions), framework.json())
      app.post('/', (req, res, next) => {
        setImmediate(() =>
          Promise.resolve()
            .then(() => pause(1))
            .then(() => {
              sessions.current().set('a', req.body.a)
              res.json(sessions.current().get('a'))
            })
            .catch(next),
        )
      })
    })
    const client = site.browser()
    const answers = Array.from({ length: 20 }, async (_, n) =>
      (await client.clone().fetch('/', { json: { a: n } })).text(),
    )
    assert.deepEqual(
      await Promise.all(answers),
      Array.from({ length: 20 }, (_, n) => String(n)),
    )
  })

  test('a pipeline whose commit fails: the whole answer arrives, whoever hears of the error', async () => {
    const engine = wrapEngine(memory(), async (verb, call) => {
      if (verb !== 'create') return call()
      await pause(5)
      throw new Error('disk full')
    })
    const answer = { status: 503, headers: [], body: 'x'.repeat(8_000_000) }
    for (const [handlers, options] of [
      [[], {}],
      [[answerErrors()], {}],
      [[answerErrors()], { onError: () => answer }],
    ] as const) {
      await using site = await serve(
        (app, sessions) => {
          app.use(protect(sessions, options))
          app.get('/', (_req, res, next) => {
            sessions.current().set('a', 1)
            pipeline(Readable.from(['x'.repeat(100_000), 'y']), res).catch(next)
          })
          for (const handler of handlers) app.use(handler)
        },
        { engine },
      )
      const answers = Array.from({ length: 5 }, async () => (await site.browser().get('/')).text())
      for (const text of await Promise.all(answers))
        assert.ok(text === answer.body || /^503 ERR_ENGINE: [^\n]+\n$/.test(text))
    }
  })
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-express-'))
const file = join(folder, 'file.txt')
writeFileSync(file, 'x'.repeat(300_000))
process.on('exit', () => rmSync(folder, { recursive: true }))

function codeOf(call: () => unknown): string {
  try {
    call()
    return 'no error'
  } catch (error) {
    return (error as SessionError).code
  }
}
