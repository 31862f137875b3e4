/** A web-standard handler below the adapters for Node's requests: what goes in and what comes out. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import express from 'express'
import express4 from 'express4'
import { answerErrors, protect as protectExpress, toListener } from 'holdfast/express'
import { protect as protectNode } from 'holdfast/node'
import { readText } from '../../src/adapters/mount.ts'
import { SessionError } from '../../src/core/errors.ts'
import { type AnySessions, pause, type Site, send, start } from './harness.ts'

type Handler = (request: Request, sessions: AnySessions) => Response | Promise<Response>

const mounts: Record<string, (handler: Handler) => Promise<Site>> = {
  node: (handler) =>
    start((sessions) => {
      const listener = toListener((request) => handler(request, sessions))
      return protectNode(sessions, (req, res) => listener(req, res))
    }),
  express: (handler) => onExpress(express, handler),
  'express 4': (handler) => onExpress(express4 as unknown as typeof express, handler),
}

function onExpress(framework: typeof express, handler: Handler): Promise<Site> {
  return start((sessions) => {
    const app = framework().set('env', 'test')
    app.use(framework.urlencoded({ extended: false }), protectExpress(sessions))
    app.use(
      '/below',
      toListener((request) => handler(request, sessions)),
    )
    app.use(answerErrors())
    return app
  })
}

for (const [name, mount] of Object.entries(mounts)) {
  describe(name, { concurrency: true }, () => {
    test('the whole path, the query, headers and session are seen, wherever it is mounted', async () => {
      await using site = await mount((request, sessions) => {
        const { pathname, search } = new URL(request.url)
        sessions.current().set('seen', true)
        return Response.json([request.method, pathname, search, request.headers.get('x-odd')])
      })
      const answer = await send(site.port, { path: '/below/a%20b?q=1', headers: { 'x-odd': 'a' } })
      assert.deepEqual(JSON.parse(answer.body), ['GET', '/below/a%20b', '?q=1', 'a'])
      assert.match(String(answer.headers['set-cookie']), /^__Host-Http-session=/)
    })

    test('a form that was parsed before, and a body that was not, are read all the same', async () => {
      await using site = await mount(async (request) => new Response(await readText(request, 100)))
      const origin = `http://127.0.0.1:${site.port}`
      for (const [type, body] of [
        ['application/x-www-form-urlencoded', 'a=1&b=x+y&b=2'],
        ['text/plain', 'Ä plain text'],
      ]) {
        const headers = { 'content-type': type!, origin }
        assert.equal(
          (await send(site.port, { method: 'POST', path: '/below', headers, body: body! })).body,
          body,
        )
      }
    })

    test('no more is read of a body than is allowed', async () => {
      await using site = await mount(async (request) => Response.json(await readText(request, 1_000)))
      const headers = { origin: `http://127.0.0.1:${site.port}`, 'content-type': 'text/plain' }
      const options = { method: 'POST', path: '/below', headers }
      assert.equal((await send(site.port, { ...options, body: 'x'.repeat(1_001) })).body, 'null')
      assert.equal((await send(site.port, { ...options, body: 'x'.repeat(3_000_000) })).body, 'null')
      assert.equal(
        JSON.parse((await send(site.port, { ...options, body: 'x'.repeat(1_000) })).body).length,
        1_000,
      )
    })

    test('status, headers, several cookies; HEAD has no body', async () => {
      const headers = new Headers([
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['x-mine', 'yes'],
      ])
      await using site = await mount(() => new Response('body', { status: 418, headers }))
      const answer = await send(site.port, { path: '/below' })
      assert.deepEqual([answer.status, answer.body, answer.headers['x-mine']], [418, 'body', 'yes'])
      assert.deepEqual(answer.headers['set-cookie']?.slice(0, 2), ['a=1', 'b=2'])
      assert.equal((await send(site.port, { method: 'HEAD', path: '/below' })).body, '')
      assert.equal((await send(site.port, { method: 'TRACE', path: '/below' })).status, 405)
    })

    test("a handler's SessionError is answered as the adapter answers", async () => {
      await using site = await mount((_request, sessions) => {
        sessions.current().require()
        throw new SessionError('ERR_REQUEST', 'not reached')
      })
      const answer = await send(site.port, { path: '/below', headers: { accept: 'application/json' } })
      assert.equal(answer.status, 401)
      assert.equal(JSON.parse(answer.body).error.code, 'ERR_NOT_AUTHENTICATED')
    })

    test('a stream waits for a slow client, and ends when he goes away', async () => {
      let made = 0
      let cancelled = false
      let aborted = false
      await using site = await mount((request) => {
        request.signal.addEventListener('abort', () => {
          aborted = true
        })
        return new Response(
          new ReadableStream({
            pull(controller) {
              made++
              controller.enqueue(new Uint8Array(65_536))
            },
            cancel() {
              cancelled = true
            },
          }),
        )
      })
      const outgoing = request({ host: '127.0.0.1', port: site.port, path: '/below' }).end()
      const [message] = await once(outgoing, 'response')
      message.pause()
      await pause(300)
      const before = made
      await pause(200)
      // What fits into the buffers between, and then no more.
      assert.ok(made === before && made < 400, `${made} chunks were made for a client that reads none`)
      message.destroy()
      for (let tries = 0; tries < 100 && !(cancelled && aborted); tries++) await pause(10)
      assert.deepEqual({ cancelled, aborted }, { cancelled: true, aborted: true })
    })
  })
}
