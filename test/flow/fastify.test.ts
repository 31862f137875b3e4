/** The adapter for Fastify: the scenarios, and what only Fastify has. */

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import formbody from '@fastify/formbody'
import createApp, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { CsrfOptions, Engine, SessionError } from 'holdfast'
import { answerErrors, holdfast } from 'holdfast/fastify'
import { memory } from 'holdfast/memory'
import { fastify } from './adapters.ts'
import { type AnySessions, pause, type Site, send, start, wrapEngine } from './harness.ts'
import { scenarios } from './suite.ts'

scenarios(fastify)

type Build = (app: FastifyInstance, sessions: AnySessions) => unknown

const serve = (
  build: Build,
  options: { readonly engine?: Engine; readonly csrf?: CsrfOptions } = {},
): Promise<Site> =>
  start(async (sessions) => {
    const app = createApp()
    await app.register(formbody)
    await build(app, sessions)
    await app.ready()
    return (req, res) => app.routing(req, res)
  }, options)

/** An engine that creates slowly, says so, and fails if told to. */
function slow(log: string[], state: { fails: boolean }): Engine {
  return wrapEngine(memory(), async (verb, call) => {
    if (verb !== 'create') return call()
    await pause(20)
    if (state.fails) throw new Error('disk full')
    const created = await call()
    log.push('durable')
    return created
  })
}

type Answer = (reply: FastifyReply) => unknown

describe('Fastify has', { concurrency: true }, () => {
  for (const [way, answer, type] of [
    ['return text', () => 'body', 'text/plain; charset=utf-8'],
    ['send(text)', (reply) => reply.send('body'), 'text/plain; charset=utf-8'],
    ['send(buffer)', (reply) => reply.send(Buffer.from('body')), 'application/octet-stream'],
    ['send(stream)', (reply) => reply.send(Readable.from(['bo', 'dy'])), null],
    ['return a Response', () => new Response('body'), 'text/plain;charset=UTF-8'],
    ['reply.raw', (reply) => void reply.raw.end('body'), null],
    ['hijack', (reply) => void reply.hijack().raw.writeHead(200, { 'x-app': 'yes' }).end('body'), null],
  ] as [string, Answer, string | null][]) {
    test(`${way}: after the commit, or not at all`, async () => {
      const state = { fails: false }
      const log: string[] = []
      await using site = await serve(
        async (app, sessions) => {
          await app.register(holdfast, { sessions })
          app.get('/', (request, reply) => {
            request.session.set('a', 1)
            return answer(reply)
          })
        },
        { engine: slow(log, state) },
      )
      const response = await site.browser().get('/')
      log.push('head')
      assert.equal(await response.text(), 'body')
      assert.deepEqual(log, ['durable', 'head'])
      assert.equal(response.headers.getSetCookie().length, 1)
      assert.equal(response.headers.get('cache-control'), 'no-store, private')
      if (type) assert.equal(response.headers.get('content-type'), type)

      state.fails = true
      const failed = await site.browser().fetch('/')
      const problem = (await failed.json()) as { code?: string; error: { code: string } }
      assert.equal(failed.status, 503)
      assert.equal(problem.code ?? problem.error.code, 'ERR_ENGINE')
      assert.deepEqual(failed.headers.getSetCookie(), [])
      assert.equal(failed.headers.get('x-app'), null)
      assert.match(failed.headers.get('cache-control')!, /no-store/)
    })
  }

  test('a stream that nobody will read is closed', async () => {
    const made: Readable[] = []
    await using site = await serve(
      async (app, sessions) => {
        await app.register(holdfast, { sessions })
        app.get('/', (request, reply) => {
          request.session.set('a', 1)
          made.push(new Readable({ read() {} }))
          return reply.send(made[0])
        })
      },
      { engine: slow([], { fails: true }) },
    )
    assert.equal((await site.browser().get('/')).status, 503)
    assert.equal(made[0]?.destroyed, true)
  })

  test("an error is Fastify's: its own answer, with what ours must carry", async () => {
    await using site = await serve(async (app, sessions) => {
      await app.register(holdfast, { sessions })
      app.get('/step-up', (request) => {
        request.session.authenticate('ada')
        return request.session.require({ level: 2 })
      })
      app.post('/', () => 'reached')
    })
    const forged = await site.browser().crossSite('/', { method: 'POST' })
    assert.equal(forged.status, 403)
    const { message, ...rest } = (await forged.json()) as Record<string, unknown>
    assert.deepEqual(rest, { statusCode: 403, code: 'ERR_CROSS_ORIGIN', error: 'Forbidden' })
    assert.match(String(message), /elsewhere/)
    assert.equal(forged.headers.get('cache-control'), 'no-store')
    const step = await site.browser().fetch('/step-up')
    assert.equal(step.status, 401)
    assert.match(step.headers.get('www-authenticate')!, /insufficient_user_authentication/)
  })

  test("an application's error handler gets refusals and failed commits, with statusCode, code and the session", async () => {
    const seen: unknown[] = []
    let fails = false
    const engine = wrapEngine(memory(), (verb, call) => {
      if (fails && verb === 'create') throw new Error('disk full')
      return call()
    })
    await using site = await serve(
      async (app, sessions) => {
        await app.register(holdfast, { sessions })
        app.setErrorHandler((error: SessionError, request, reply) => {
          const refused = error.code === 'ERR_CROSS_ORIGIN'
          seen.push([error.code, error.statusCode, refused && request.session.csrfToken() !== ''])
          return reply.code(error.statusCode).send('mine')
        })
        app.post('/', (request, reply) => {
          request.session.set('a', 1)
          return reply.code(201).header('x-app', 'yes').send('done')
        })
      },
      { engine },
    )
    const forged = await site.browser().crossSite('/', { method: 'POST' })
    assert.deepEqual([forged.status, await forged.text()], [403, 'mine'])
    fails = true
    const failed = await site.browser().post('/')
    assert.deepEqual([failed.status, await failed.text(), failed.headers.get('x-app')], [503, 'mine', null])
    assert.deepEqual(seen, [
      ['ERR_CROSS_ORIGIN', 403, true],
      ['ERR_ENGINE', 503, false],
    ])
  })

  test('an error handler that fails, too, leaves no cookie either', async () => {
    await using site = await serve(async (app, sessions) => {
      await app.register(holdfast, { sessions })
      app.setErrorHandler(() => {
        throw new Error('twice')
      })
      app.post('/', (request) => {
        request.session.authenticate('ada')
        throw new Error('once')
      })
    })
    const response = await site.browser().post('/')
    assert.equal(response.status, 500)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.deepEqual(await site.sessions.list('ada'), [])
  })

  test('the store is down: request.session throws why, instead of a visitor', async () => {
    let down = false
    const engine = wrapEngine(memory(), (_verb, call) => {
      if (down) throw new Error('down')
      return call()
    })
    const codes: string[] = []
    await using site = await serve(
      async (app, sessions) => {
        await app.register(holdfast, { sessions })
        app.setErrorHandler((error: SessionError, request, reply) => {
          try {
            request.session.get('a')
          } catch (inner) {
            codes.push((inner as SessionError).code)
          }
          return reply.code(error.statusCode).send('mine')
        })
        app.post('/', (request) => {
          request.session.set('a', 1)
          return 'done'
        })
      },
      { engine },
    )
    const client = site.browser()
    await client.post('/')
    down = true
    assert.equal((await client.post('/')).status, 503)
    assert.deepEqual(codes, ['ERR_ENGINE'])
  })

  test('encapsulation: of the context that registers it, and those below', async () => {
    await using site = await serve(async (app, sessions) => {
      await app.register(async (scope) => {
        await scope.register(holdfast, { sessions })
        await scope.register(async (below) => {
          below.get('/below', (request) => String(request.session.userId))
        })
      })
      app.get('/beside', (request) => ({ has: 'session' in request, code: codeOf(() => sessions.current()) }))
    })
    const client = site.browser()
    assert.equal(await (await client.get('/below')).text(), 'null')
    assert.deepEqual(await (await client.get('/beside')).json(), { has: false, code: 'ERR_NO_SESSION' })
  })

  test('the session is there from onRequest on, for a form as well, whose token counts when it is parsed', async () => {
    const steps: string[] = []
    await using site = await serve(
      async (app, sessions) => {
        await app.register(holdfast, { sessions })
        app.setErrorHandler(answerErrors())
        app.addHook('onRequest', async (request) => void steps.push(`onRequest ${request.session.userId}`))
        app.addHook('preHandler', async () => void steps.push(`preHandler ${sessions.current().userId}`))
        app.get('/', (request) => request.session.csrfToken())
        app.post('/login', (request) => {
          request.session.authenticate('ada')
          return 'in'
        })
      },
      { csrf: { requireToken: true } },
    )
    const client = site.browser()
    const csrf_token = await (await client.get('/')).text()
    assert.equal((await client.post('/login', { csrf_token: 'x'.repeat(86) })).status, 403)
    assert.equal((await client.post('/login', { csrf_token })).status, 200)
    steps.length = 0
    assert.equal((await client.post('/login', {})).status, 403)
    assert.equal(
      (await client.post('/login', { csrf_token: await (await client.get('/')).text() })).status,
      200,
    )
    assert.deepEqual(steps, [
      'onRequest ada',
      'onRequest ada',
      'preHandler ada',
      'onRequest ada',
      'preHandler ada',
    ])
  })

  test('a body that comes late loses nobody', async () => {
    await using site = await serve(async (app, sessions) => {
      await app.register(holdfast, { sessions })
      app.post('/', () => `user ${sessions.current().userId}`)
    })
    const length = 'content-type: application/x-www-form-urlencoded\r\ncontent-length: 3'
    const socket = connect(site.port, '127.0.0.1')
    socket.write(`POST / HTTP/1.1\r\nhost: localhost:${site.port}\r\n${length}\r\nconnection: close\r\n\r\n`)
    await pause(50)
    socket.write('a=1')
    assert.match(await text(socket), /user null$/)
  })

  test('plain HTTP beyond loopback: a redirect, not an error', async () => {
    await using site = await serve(async (app, sessions) => {
      await app.register(holdfast, { sessions })
      app.get('/a', () => assert.fail('reached'))
    })
    const { status, headers } = await send(site.port, { path: '/a?b', headers: { host: 'app.example' } })
    assert.deepEqual([status, headers.location], [308, 'https://app.example/a?b'])
  })

  test('what is stored before the body was looked at is not, when the body turns out to be unreadable', async () => {
    await using site = await serve(async (app, sessions) => {
      await app.register(holdfast, { sessions })
      app.setErrorHandler(answerErrors())
      app.addHook('onRequest', async (request) => {
        if (request.method === 'POST') request.session.set('tried', true)
      })
      app.get('/', (request) => String(request.session.get('tried')))
      app.post('/', () => 'reached')
    })
    const client = site.browser()
    const response = await client.fetch('/', {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    })
    assert.equal(response.status, 403)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(await (await client.get('/')).text(), 'undefined')
  })

  test('inject', async () => {
    await using site = await serve(() => {})
    const app = createApp()
    await app.register(holdfast, { sessions: site.sessions })
    app.get('/', (request) => {
      request.session.set('a', 1)
      return 'body'
    })
    const response = await app.inject({ url: '/', headers: { host: 'localhost' } })
    assert.deepEqual([response.statusCode, response.body, response.cookies.length], [200, 'body', 1])
  })
})

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return (error as SessionError).code
  }
}
