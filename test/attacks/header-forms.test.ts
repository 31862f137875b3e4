/** whichever way a response's head is written, our headers are on it, and the application's stay. */

import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { protect } from '../../src/adapters/node.ts'
import { SESSION, serve } from './support.ts'
import { listen, ours } from './wire.ts'

type Form = readonly [name: string, write: (res: ServerResponse) => void]

/** Each with a cookie of the application's, and a cache rule that must not win. */
const FORMS: readonly Form[] = [
  ['end alone', (res) => void res.setHeader('set-cookie', 'app=1').end('body')],
  [
    'writeHead with an object',
    (res) =>
      void res.writeHead(200, { 'Set-Cookie': 'app=1', 'Cache-Control': 'public, max-age=60' }).end('body'),
  ],
  [
    'writeHead with an array of values',
    (res) => void res.writeHead(200, { 'Set-Cookie': ['app=1', 'two=2'] }).end('body'),
  ],
  [
    'writeHead with a flat array',
    (res) =>
      void res.writeHead(200, ['Set-Cookie', 'app=1', 'Cache-Control', 'public, max-age=60']).end('body'),
  ],
  [
    'writeHead with pairs',
    (res) =>
      void res
        .writeHead(200, [
          ['Set-Cookie', 'app=1'],
          ['cache-control', 'public'],
        ] as never)
        .end('body'),
  ],
  [
    'writeHead with a message',
    (res) => void res.writeHead(200, 'Fine', { 'Set-Cookie': 'app=1' }).end('body'),
  ],
  [
    'writeHead with a message and a flat array',
    (res) => void res.writeHead(200, 'Fine', ['Set-Cookie', 'app=1']).end('body'),
  ],
  ['appendHeader', (res) => void res.appendHeader('Set-Cookie', 'app=1').end('body')],
  ['setHeaders', (res) => void res.setHeaders(new Map([['Set-Cookie', 'app=1']])).end('body')],
  [
    'write, then end',
    (res) => {
      res.setHeader('Set-Cookie', ['app=1'])
      res.write('bo')
      res.write('dy')
      res.end()
    },
  ],
  [
    'flushHeaders',
    (res) => {
      res.setHeader('Set-Cookie', 'app=1')
      res.flushHeaders()
      setTimeout(() => res.end('body'), 5)
    },
  ],
  [
    'early hints first',
    (res) => {
      res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
      res.setHeader('Set-Cookie', 'app=1')
      res.end('body')
    },
  ],
  [
    'writeProcessing first',
    (res) => {
      res.writeProcessing()
      res.setHeader('Set-Cookie', 'app=1').end('body')
    },
  ],
  ['end with a callback', (res) => void res.setHeader('Set-Cookie', 'app=1').end('body', () => {})],
  ['end with an encoding', (res) => void res.setHeader('Set-Cookie', 'app=1').end('626f6479', 'hex')],
  ['end with bytes', (res) => void res.setHeader('Set-Cookie', 'app=1').end(Buffer.from('body'))],
  [
    'the old writeHeader',
    (res) => {
      const old = res as unknown as { writeHeader(status: number, headers: object): void }
      if (typeof old.writeHeader === 'function') old.writeHeader(200, { 'Set-Cookie': 'app=1' })
      else res.writeHead(200, { 'Set-Cookie': 'app=1' })
      res.end('body')
    },
  ],
]

describe('R-36 CVE-2025-7339', () => {
  for (const [name, write] of FORMS) {
    test(`P9 P11 ${name}`, async (t) => {
      const { sessions } = serve()
      const wire = await listen(
        t,
        protect(sessions, (_req, res, session) => {
          session.authenticate('ada')
          write(res)
        }),
      )
      const answer = await wire.send({ method: 'POST', headers: ours() })
      assert.equal(answer.status, 200)
      assert.equal(answer.body, 'body')
      assert.equal(answer.cookie('app'), '1')
      assert.equal(answer.all('set-cookie').filter((line) => line.startsWith(SESSION)).length, 1)
      assert.deepEqual(answer.all('cache-control'), ['no-store, private'])
      assert.match(answer.one('vary') ?? '', /Cookie/)
    })
  }
})
