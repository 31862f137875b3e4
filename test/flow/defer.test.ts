/** Whichever way a ServerResponse is written, it waits for the commit, keeps what was written, and can still be replaced. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import { createGzip, gunzipSync } from 'node:zlib'
import { type Binding, createSessions, generateKey } from 'holdfast'
import { memory } from 'holdfast/memory'
import { protect } from 'holdfast/node'
import { deferResponse, type Outcome } from '../../src/adapters/defer.ts'
import {
  type AnySession,
  type AnySessions,
  pause,
  type Site,
  send,
  signal,
  start,
  wrapEngine,
} from './harness.ts'

type Handle = (res: ServerResponse, session: AnySession, req: IncomingMessage) => unknown

const BODY = 'x'.repeat(2 * 1024 * 1024)
const own = 'theme=dark; Path=/'

/** A server whose commits take a while, and whose every request stores something. `durable`: when the last one was. */
async function slow(handle: Handle, delay = 25): Promise<Site & { readonly log: string[] }> {
  const log: string[] = []
  const engine = wrapEngine(memory(), async (verb, call) => {
    if (verb === 'create') await pause(delay)
    const result = await call()
    if (verb === 'create') log.push('durable')
    return result
  })
  const site = await start(
    (sessions) =>
      protect(sessions, (req, res, session) => {
        session.set('a', 1)
        return handle(res, session, req)
      }),
    { engine },
  )
  return Object.assign(site, { log })
}

/** A server whose commits fail, after a while. */
async function failing(handle: Handle, onError?: Parameters<typeof protect>[2]): Promise<Site> {
  const engine = wrapEngine(memory(), async (verb, call) => {
    if (verb !== 'create') return call()
    await pause(25)
    throw new Error('disk full')
  })
  return start(
    (sessions) =>
      protect(
        sessions,
        (req, res, session) => {
          session.set('a', 1)
          return handle(res, session, req)
        },
        onError,
      ),
    { engine },
  )
}

const get = (site: Site, onHead?: () => void) =>
  send(site.port, { headers: { host: `localhost:${site.port}` } }, onHead)

/** Each answers with the header `x-app: yes`, a cookie of its own, and the body `body`. */
const ways: Record<string, Handle> = {
  'end(text)': (res) => plain(res).end('body'),
  'end(text, encoding)': (res) => plain(res).end('body', 'latin1'),
  'end(text, callback)': (res) =>
    new Promise<void>((resolve) => void plain(res).end('body', () => resolve())),
  'end(text, encoding, callback)': (res) =>
    new Promise<void>((resolve) => void plain(res).end('body', 'utf8', () => resolve())),
  'end(buffer)': (res) => plain(res).end(Buffer.from('body')),
  'write, end': (res) => {
    plain(res).write('bo')
    res.end('dy')
  },
  'write(text, callback), end(callback)': (res) =>
    new Promise<void>((resolve) => {
      plain(res).write('body', () => res.end(() => resolve()))
    }),
  'write(text, encoding, callback)': (res) =>
    new Promise<void>((resolve) => {
      plain(res).write('Ym9keQ==', 'base64', () => resolve())
      res.end()
    }),
  'write(bytes)': (res) => {
    plain(res).write(new TextEncoder().encode('body'))
    res.end()
  },
  'writeHead(status)': (res) => plain(res).writeHead(200).end('body'),
  'writeHead(status, message)': (res) => plain(res).writeHead(200, 'Fine').end('body'),
  'writeHead(status, object)': (res) => res.writeHead(200, { 'x-app': 'yes', 'Set-Cookie': own }).end('body'),
  'writeHead(status, object with an array)': (res) =>
    res.writeHead(200, { 'x-app': 'yes', 'set-cookie': [own] }).end('body'),
  'writeHead(status, message, object)': (res) =>
    res.writeHead(200, 'Fine', { 'x-app': 'yes', 'set-cookie': own }).end('body'),
  'writeHead(status, undefined, object)': (res) =>
    res.writeHead(200, undefined, { 'x-app': 'yes', 'set-cookie': own }).end('body'),
  'writeHead(status, flat array)': (res) =>
    res.writeHead(200, ['x-app', 'yes', 'Set-Cookie', own]).end('body'),
  'writeHead(status, message, flat array)': (res) =>
    res.writeHead(200, 'Fine', ['x-app', 'yes', 'set-cookie', own]).end('body'),
  'writeHead(status, pairs)': (res) =>
    res
      .writeHead(200, [
        ['x-app', 'yes'],
        ['set-cookie', own],
      ] as never)
      .end('body'),
  'writeHead(status, message, pairs)': (res) =>
    res
      .writeHead(200, 'Fine', [
        ['x-app', 'yes'],
        ['set-cookie', own],
      ] as never)
      .end('body'),
  'setHeader, then writeHead(status, flat array)': (res) => {
    res.setHeader('x-app', 'replaced')
    res.setHeader('set-cookie', 'replaced=1')
    res.writeHead(200, ['x-app', 'yes', 'Set-Cookie', own]).end('body')
  },
  'setHeader, then writeHead(status, pairs)': (res) => {
    res.setHeader('x-app', 'replaced')
    res
      .writeHead(200, [
        ['X-App', 'yes'],
        ['set-cookie', own],
      ] as never)
      .end('body')
  },
  'writeHeader, its old name': (res) =>
    (plain(res) as unknown as { writeHeader(status: number): ServerResponse }).writeHeader(200).end('body'),
  '_implicitHeader, as old middleware calls it': (res) => {
    const internal = plain(res) as ServerResponse & { _header: string | null; _implicitHeader(): void }
    for (let i = 0; i < 2; i++) if (!internal._header) internal._implicitHeader()
    res.end('body')
  },
  'writeHead, then much later the body': async (res) => {
    plain(res).writeHead(200)
    await pause(60)
    res.end('body')
  },
  'flushHeaders, then end': async (res) => {
    plain(res).flushHeaders()
    res.end('body')
  },
  'flushHeaders, then much later the body': async (res) => {
    plain(res).flushHeaders()
    await pause(60)
    res.write('bo')
    res.end('dy')
  },
  'cork, write, write, uncork': (res) => {
    plain(res).cork()
    res.write('bo')
    res.write('dy')
    res.uncork()
    res.end()
  },
  pipe: (res) => void Readable.from(['bo', 'dy']).pipe(plain(res)),
  'write, then pipe': (res) => {
    plain(res).write('b')
    Readable.from(['o', 'dy']).pipe(res)
  },
  pipeline: (res) => pipeline(Readable.from(['bo', 'dy']), plain(res)),
  Writable: async (res) => {
    const writer = Writable.toWeb(plain(res)).getWriter()
    for (const chunk of ['bo', 'dy']) await writer.write(Buffer.from(chunk))
    await writer.close()
  },
}

function plain(res: ServerResponse): ServerResponse {
  res.setHeader('x-app', 'yes')
  return res.setHeader('set-cookie', own)
}

describe('the response leaves when the commit is durable, and not before', { concurrency: true }, () => {
  for (const [name, way] of Object.entries(ways)) {
    test(name, async () => {
      await using site = await slow(way)
      const response = await get(site, () => site.log.push('head'))
      assert.deepEqual(site.log, ['durable', 'head'])
      assert.equal(response.status, 200)
      assert.equal(response.body, 'body')
      assert.equal(response.headers['x-app'], 'yes')
      const cookies = response.headers['set-cookie']!
      assert.deepEqual(cookies.map((line) => line.split('=')[0]).sort(), ['__Host-Http-session', 'theme'])
      assert.equal(response.headers['cache-control'], 'no-store, private')
      const message = /Fine/.test(way.toString()) ? 'Fine' : 'OK'
      assert.equal(await statusMessage(site), message)
    })
  }

  for (const [name, way] of Object.entries(ways)) {
    test(`or gives way whole: ${name}`, async () => {
      await using site = await failing(way)
      const response = await get(site)
      assert.equal(response.status, 503)
      assert.match(response.body, /^503 ERR_ENGINE: [^\n]+\n$/)
      assert.equal(response.headers['x-app'], undefined)
      assert.equal(response.headers['set-cookie'], undefined)
      assert.equal(response.headers['content-length'], String(response.body.length))
      assert.equal(await statusMessage(site), 'Service Unavailable')
    })
  }

  test('flushHeaders sends the head, whenever the body comes', async () => {
    const arrived = signal()
    await using site = await slow(async (res) => {
      res.flushHeaders()
      await arrived.given
      res.end('body')
    })
    assert.equal((await get(site, () => arrived.give())).body, 'body')
  })

  test('at once where there is nothing to wait for: before the handler returns', async () => {
    const seen: unknown[] = []
    await using site = await start((sessions) =>
      protect(sessions, (_req, res, session) => {
        session.get('a')
        res.end('at once')
        seen.push(res.getHeader('vary'), res.headersSent, res.writableEnded)
      }),
    )
    assert.equal((await get(site)).body, 'at once')
    assert.deepEqual(seen, ['Cookie', true, true])
  })
  for (const [name, way] of Object.entries(ways)) {
    test(`at once: ${name}`, async () => {
      await using site = await start((sessions) =>
        protect(sessions, (req, res, session) => {
          session.get('a')
          return way(res, session, req)
        }),
      )
      const { status, body, headers } = await get(site)
      assert.deepEqual([status, body, headers['x-app'], headers.vary], [200, 'body', 'yes', 'Cookie'])
      assert.deepEqual(headers['set-cookie'], [own])
    })
  }

  test('at once, what hooks into the head can not undo what the session asks for', async () => {
    const late: unknown[] = []
    await using site = await start((sessions) =>
      protect(sessions, (_req, res, session) => {
        session.csrfToken()
        const { writeHead } = res
        res.writeHead = ((...args: Parameters<typeof writeHead>) => {
          const returned = writeHead.apply(res, args)
          res.setHeader('cache-control', 'public')
          return returned
        }) as typeof writeHead
        res.end('body')
        assert.throws(() => res.setHeader('cache-control', 'public'), { code: 'ERR_HTTP_HEADERS_SENT' })
        late.push(res.headersSent)
      }),
    )
    const { headers } = await get(site)
    assert.equal(headers['cache-control'], 'no-store, private')
    assert.deepEqual(late, [true])
  })
  test('at once, a head that is asked for by its internal name is sent', async () => {
    const seen: unknown[] = []
    await using site = await start((sessions) =>
      protect(sessions, (_req, res, session) => {
        session.csrfToken()
        ;(res as ServerResponse & { _implicitHeader(): void })._implicitHeader()
        seen.push(res.headersSent)
        assert.throws(() => res.setHeader('cache-control', 'public'), { code: 'ERR_HTTP_HEADERS_SENT' })
        res.end('body')
      }),
    )
    const { headers, body } = await get(site)
    assert.deepEqual([headers['cache-control'], body, seen], ['no-store, private', 'body', [true]])
  })
  test('or is cut off, where two wait for one response, and the outer one fails: nobody waits for good', async () => {
    const effects = { headers: [['X-Effect', 'yes']], vary: 'Cookie', noStore: 'always' } as const
    const answer = { status: 503, headers: [], body: 'sorry' } as const
    const fine = { effects, instead: null }
    const failed = { effects, instead: { answer, error: new Error('disk full') } }
    const later = (outcome: Outcome) => async () => {
      await pause(5)
      return outcome
    }
    for (const [inner, outer, status] of [
      [() => fine, () => fine, 200],
      [later(fine), () => fine, 200],
      [() => fine, later(fine), 200],
      [later(fine), later(fine), 200],
      [() => fine, later(failed), 503],
      [later(failed), later(fine), 503],
      [later(fine), later(failed), 'ECONNRESET'],
      [later(failed), later(failed), 'ECONNRESET'],
    ] as const) {
      await using site = await start(() => (_req, res) => {
        deferResponse(res, inner)
        deferResponse(res, outer)
        res.end('body')
      })
      const found = await get(site).catch((error: NodeJS.ErrnoException) => error)
      assert.equal(found instanceof Error ? found.code : found.status, status)
    }
  })
  test('for the sessions of two applications, one in the other', async () => {
    const inner = createSessions({ engine: memory(), keys: generateKey(), cookie: { name: 'inner' } })
    await using site = await slow((res, _session, req) => {
      protect(inner, (_req, _res, session) => {
        session.set('b', 2)
        res.end('both')
        assert.ok(res.headersSent && res.writableEnded)
        assert.throws(() => res.setHeader('x-late', 'yes'), { code: 'ERR_HTTP_HEADERS_SENT' })
      })(req, res)
    })
    const { headers, body } = await get(site)
    assert.equal(body, 'both')
    const names = headers['set-cookie']?.map((cookie) => cookie.split('=')[0]).sort()
    assert.deepEqual(names, ['__Host-Http-inner', '__Host-Http-session'])
  })

  test('by the same functions for every response: its own would cost more than its session', async () => {
    const seen: ServerResponse[] = []
    await using site = await slow((res) => {
      seen.push(res)
      res.end()
    })
    await get(site)
    await get(site)
    const [one, other] = seen.map((res) => Object.getOwnPropertyDescriptors(res))
    for (const name of ['write', 'end', 'writeHead', 'setHeader', 'on'] as const) {
      assert.equal(typeof one![name].value, 'function')
      assert.equal(one![name].value, other![name].value)
    }
    for (const name of ['headersSent', 'writableEnded', 'writableNeedDrain'] as const) {
      assert.equal(typeof one![name].get, 'function')
      assert.equal(one![name].get, other![name].get)
    }
  })

  test('many at once, each for its own commit', async () => {
    await using site = await slow((res, session) => res.end(session.keys().join()))
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(site)))
    assert.equal(new Set(answers.map(({ headers }) => headers['set-cookie']![0])).size, 20)
  })

  test('a body in one piece keeps its length', async () => {
    await using site = await slow((res) => res.end('body'))
    const { headers } = await get(site)
    assert.equal(headers['content-length'], '4')
    assert.equal(headers['transfer-encoding'], undefined)
  })

  test('two megabytes by pipeline: nothing is lost, and nothing piles up', async () => {
    let most = 0
    await using site = await slow(async (res) => {
      const chunks = function* () {
        for (let at = 0; at < BODY.length; at += 65_536) {
          most = Math.max(most, res.writableLength)
          yield BODY.slice(at, at + 65_536)
        }
      }
      await pipeline(Readable.from(chunks(), { highWaterMark: 1 }), res)
    })
    assert.ok((await get(site)).body === BODY)
    assert.ok(most < 512 * 1024, `${most} bytes waited`)
  })
})

describe('to the application the response has begun', { concurrency: true }, () => {
  test('headersSent, writableEnded and writableNeedDrain say so', async () => {
    const seen: unknown[] = []
    await using site = await slow(async (res) => {
      const look = () => seen.push([res.headersSent, res.writableEnded, res.writableNeedDrain])
      look()
      assert.equal(res.write('a'), false)
      look()
      await once(res, 'drain')
      look()
      res.end('b')
      look()
      await once(res, 'finish')
    })
    assert.equal((await get(site)).body, 'ab')
    assert.deepEqual(seen, [
      [false, false, false],
      [true, false, true],
      [true, false, false],
      [true, true, false],
    ])
  })

  test('ended at once, it says so at once', async () => {
    const seen: unknown[] = []
    await using site = await slow((res) => {
      res.end('a')
      seen.push(res.headersSent, res.writableEnded)
    })
    await get(site)
    assert.deepEqual(seen, [true, true])
  })

  test('headers and head can no longer be set', async () => {
    const codes: unknown[] = []
    await using site = await slow((res) => {
      res.write('a')
      for (const late of [
        () => res.setHeader('x-late', '1'),
        () => res.appendHeader('x-late', '1'),
        () => res.setHeaders(new Headers({ 'x-late': '1' })),
        () => res.removeHeader('x-late'),
        () => res.writeHead(500),
      ]) {
        codes.push(codeOf(late))
      }
      res.statusCode = 500
      res.end()
    })
    const response = await get(site)
    assert.deepEqual(codes, Array(5).fill('ERR_HTTP_HEADERS_SENT'))
    assert.deepEqual([response.status, response.headers['x-late']], [200, undefined])
  })

  test('a wrong call throws where it is made', async () => {
    const codes: unknown[] = []
    await using site = await slow((res) => {
      codes.push(codeOf(() => res.writeHead(42)))
      codes.push(codeOf(() => res.writeHead(200, ['x-odd'])))
      codes.push(codeOf(() => res.writeHead(200, { 'x-bad': 'a\nb' })))
      codes.push(codeOf(() => res.write(7)))
      codes.push(codeOf(() => res.end({} as never)))
      res.end('fine')
    })
    assert.equal((await get(site)).body, 'fine')
    assert.deepEqual(codes, [
      'ERR_HTTP_INVALID_STATUS_CODE',
      'ERR_INVALID_ARG_VALUE',
      'ERR_INVALID_CHAR',
      'ERR_INVALID_ARG_TYPE',
      'ERR_INVALID_ARG_TYPE',
    ])
  })

  test('informational responses pass at once', async () => {
    await using site = await slow((res) => {
      res.writeEarlyHints({ link: '</style.css>; rel=preload' })
      assert.equal(res.headersSent, false)
      res.end('body')
    })
    const outgoing = request({ port: site.port, headers: { host: `localhost:${site.port}` } }).end()
    outgoing.on('information', () => site.log.push('hints'))
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
    message.resume()
    assert.deepEqual(site.log, ['hints', 'durable'])
  })

  test('whoever hooks into writeHead has his say once, before the commit, and can use the session', async () => {
    for (const [explicit, stores] of [
      [false, true],
      [true, true],
      [false, false],
      [true, false],
    ]) {
      let calls = 0
      const hook: Handle = (res, session) => {
        const { writeHead } = res
        res.writeHead = function (this: ServerResponse, ...args: never[]) {
          calls++
          res.setHeader('x-token', session.csrfToken().length)
          res.setHeader('cache-control', 'public')
          res.statusCode = 202
          return (writeHead as (...args: never[]) => ServerResponse).apply(
            this,
            explicit ? args : ([202] as never[]),
          )
        } as typeof writeHead
        if (explicit) res.writeHead(202)
        res.end('body')
      }
      const atOnce = () =>
        start((sessions) => protect(sessions, (req, res, session) => hook(res, session, req)))
      await using site = await (stores ? slow(hook) : atOnce())
      const response = await get(site)
      assert.deepEqual(
        [response.status, response.headers['x-token'], response.body, calls],
        [202, '86', 'body', 1],
      )
      assert.equal(response.headers['cache-control'], 'no-store, private', 'but not the last')
    }
  })

  test('the status that counts is the one of the head', async () => {
    await using site = await slow((res) => res.writeHead(500).end('sorry'))
    const response = await get(site)
    assert.deepEqual([response.status, response.headers['set-cookie'], site.log], [500, undefined, []])
  })
})

describe('middleware that compresses', { concurrency: true }, () => {
  for (const place of ['before', 'after']) {
    for (const [name, respond] of Object.entries({
      end: (res) => res.end(BODY),
      writes: (res) => {
        for (let at = 0; at < BODY.length; at += 65_536) res.write(BODY.slice(at, at + 65_536))
        res.end()
      },
      pipe: (res) => Readable.from(BODY.match(/.{1,8192}/g)!).pipe(res),
      pipeline: (res) => pipeline(Readable.from(BODY.match(/.{1,8192}/g)!), res),
      'a listener from before': (res) => {
        const chunks = BODY.match(/.{1,8192}/g)!
        const go = (): unknown => {
          while (chunks.length > 0) if (!res.write(chunks.pop())) return
          return res.end()
        }
        res.on('drain', go)
        go()
      },
    } as Record<string, Handle>)) {
      for (const stores of [true, false])
        test(`mounted ${place} the adapter: ${name}, ${stores ? 'later' : 'at once'}`, async () => {
          const listener = (sessions: AnySessions) => {
            const inner = protect(sessions, (_req, res, session) => {
              if (place === 'after') compress(res)
              if (stores) session.set('a', 1)
              return respond(res, session, _req)
            })
            return (req: IncomingMessage, res: ServerResponse & { req: IncomingMessage }) => {
              if (place === 'before') compress(res)
              inner(req, res)
            }
          }
          const engine = wrapEngine(memory(), async (_verb, call) => {
            await pause(20)
            return call()
          })
          await using site = await start(listener, { engine })
          const response = await send(site.port, { headers: { host: `localhost:${site.port}` } })
          assert.equal(response.headers['content-encoding'], 'gzip')
          assert.equal(response.headers['set-cookie']?.length, stores ? 1 : undefined)
          assert.ok(gunzipSync(response.bytes).toString() === BODY)
        })
    }
  }

  /** As the package of that name does it. */
  function compress(res: ServerResponse): void {
    const { write, end, on, writeHead } = res as unknown as Record<string, (...args: unknown[]) => unknown>
    const gzip = createGzip()
    let begun = false
    const held: unknown[][] = []
    const begin = () => {
      if (begun) return
      begun = true
      res.setHeader('content-encoding', 'gzip')
      for (const args of held) gzip.on(...(args as ['drain', () => void]))
      gzip.on('data', (chunk) => write!.call(res, chunk) === false && gzip.pause())
      gzip.on('end', () => end!.call(res))
      on!.call(res, 'drain', () => gzip.resume())
    }
    const head = (): unknown => res.headersSent || res.writeHead(res.statusCode)
    Object.assign(res, {
      writeHead: (...args: unknown[]) => {
        begin()
        return writeHead!.apply(res, args)
      },
      write: (chunk: string) => {
        head()
        return gzip.write(chunk)
      },
      end: (chunk?: string) => {
        head()
        gzip.end(chunk)
        return res
      },
      on: (...args: unknown[]) => {
        if (args[0] !== 'drain') return on!.apply(res, args)
        if (begun) gzip.on(...(args as ['drain', () => void]))
        else held.push(args)
        return res
      },
    })
  }
})

describe('a response that was replaced', { concurrency: true }, () => {
  test('destroys the source of a pipeline, and its whole answer arrives', async () => {
    for (let round = 0; round < 20; round++) {
      const outcome = signal()
      const source = new Readable({ read: () => setImmediate(() => source.push('x'.repeat(1024))) })
      await using site = await failing((res) => {
        pipeline(source, res).catch((error) => outcome.give(error.code))
      })
      assert.match((await get(site)).body, /^503 ERR_ENGINE/)
      assert.equal(await outcome.given, 'ERR_ENGINE')
      assert.equal(source.destroyed, true)
    }
  })

  test('is not cut off, however long its answer, by what flowed into it', async () => {
    const answer = { status: 503, headers: [], body: BODY.repeat(4) }
    for (const [name, flow] of Object.entries({
      pipeline: (res) => void pipeline(Readable.from(['a', 'b']), res).catch(() => {}),
      pipe: (res) => void Readable.from(['a', 'b']).pipe(res),
      destroy: async (res) => {
        res.write('a')
        await once(res, 'error').catch(() => {})
        res.destroy()
      },
    } as Record<string, Handle>)) {
      await using site = await failing(flow, { onError: () => answer })
      assert.equal((await get(site)).body.length, answer.body.length, name)
    }
  })

  test('takes whatever else is written, calls back, and sends none of it', async () => {
    const calls: unknown[] = []
    const done = signal()
    await using site = await failing(async (res) => {
      res.write('a', () => calls.push('first'))
      await new Promise((resolve) => res.on('close', resolve))
      calls.push(
        res.write('b', () => calls.push('second')),
        res.headersSent,
      )
      res.end('c', () => done.give())
      res.destroy()
    })
    assert.match((await get(site)).body, /^503 ERR_ENGINE: [^\n]+\n$/)
    await done.given
    assert.deepEqual(calls, ['first', true, true, 'second'])
  })

  test('leaves its connection usable', async () => {
    await using site = await failing((res, _session, req) => {
      res.end(req.url)
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let round = 0; round < 3; round++) {
      const outgoing = request({ port: site.port, agent, headers: { host: `localhost:${site.port}` } }).end()
      const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
      assert.equal(message.statusCode, 503)
      assert.equal(outgoing.reusedSocket, round > 0)
      await message.resume().toArray()
    }
    agent.destroy()
  })

  test('onError makes the answer; one that fails itself is a bare 500', async (t) => {
    const logged = t.mock.method(console, 'error', () => {})
    const page = (code: string) => ({
      status: 503,
      headers: [['content-type', 'text/html']] as const,
      body: `<p>${code}`,
    })
    await using site = await failing((res) => res.end('x'), { onError: ({ code }) => page(code) })
    const answer = await get(site)
    assert.deepEqual(
      [answer.status, answer.body, answer.headers['content-type']],
      [503, '<p>ERR_ENGINE', 'text/html'],
    )
    await using broken = await failing((res) => res.end('x'), {
      onError: () => {
        throw new Error('no template')
      },
    })
    const bare = await get(broken)
    assert.deepEqual([bare.status, bare.body], [500, '500 Internal Server Error\n'])
    assert.equal(logged.mock.callCount(), 1)
  })

  test('another Promise than the native one waits as well', async () => {
    const program = `
      const Native = Promise
      globalThis.Promise = class extends Native {}
      const { createSessions, generateKey } = await import('holdfast')
      const { memory } = await import('holdfast/memory')
      const { protect } = await import('holdfast/node')
      const { createServer } = await import('node:http')
      const shelf = memory()
      const log = []
      const create = async (record) => {
        await new Native((resolve) => setTimeout(resolve, 50))
        log.push('durable')
        return shelf.create(record)
      }
      const sessions = createSessions({ engine: { ...shelf, create }, keys: generateKey() })
      const server = createServer(protect(sessions, (_req, res, session) => {
        session.set('a', 1)
        res.end('body')
      })).listen(0, '127.0.0.1', async () => {
        const response = await fetch('http://127.0.0.1:' + server.address().port)
        log.push(response.status, response.headers.getSetCookie().length)
        console.log(JSON.stringify(log))
        server.close()
        server.closeAllConnections()
      })`
    const flags = ['--conditions=holdfast-source', '--input-type=module', '--eval', program]
    const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' })
    assert.equal(stdout, '["durable",200,1]\n', stderr)
  })
  test('a defect of the application at commit is a bare 500', async (t) => {
    t.mock.method(console, 'error', () => {})
    const broken: Binding = {
      name: 'broken',
      onMismatch: 'report',
      capture: () => {
        // As an error of another library might look.
        throw Object.assign(new Error('a secret'), { code: 'E', status: 418, headers: {} })
      },
      matches: () => true,
    }
    const listen = (sessions: AnySessions) =>
      protect(sessions, (_req, res, session) => {
        session.set('a', 1)
        res.writeHead(200, { 'x-app': 'yes' }).end('body')
      })
    await using site = await start(listen, { bindings: [broken] })
    const response = await get(site)
    assert.deepEqual([response.status, response.body], [500, '500 Internal Server Error\n'])
    assert.deepEqual([response.headers['set-cookie'], response.headers['x-app']], [undefined, undefined])
  })
})

test('an error after the head: the connection is cut, for what came is not the whole', async (t) => {
  const logged = t.mock.method(console, 'error', () => {})
  await using site = await slow(async (res) => {
    res.write('begun')
    await once(res, 'drain')
    throw new Error('defect')
  })
  await assert.rejects(get(site), { code: 'ECONNRESET' })
  assert.equal(logged.mock.callCount(), 1)
})

async function statusMessage(site: Site): Promise<string> {
  const outgoing = request({ port: site.port, headers: { host: `localhost:${site.port}` } }).end()
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
  message.resume()
  return message.statusMessage!
}

function codeOf(call: () => unknown): string {
  try {
    call()
    return 'no error'
  } catch (error) {
    return (error as { code: string }).code
  }
}
