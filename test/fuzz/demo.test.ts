/** Bad input to the demo, over real connections: to its API as JSON, and to its server as bytes. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { after, before, test } from 'node:test'
import { createApp } from '../../examples/demo/src/app.ts'
import { Attempts } from '../../examples/demo/src/attempts.ts'
import { openConsole } from '../../examples/demo/src/operators.ts'
import type { Data } from '../../examples/demo/src/parts.ts'
import { ip } from '../../src/bindings/ip.ts'
import { userAgent } from '../../src/bindings/user-agent.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { createSessions, generateKey } from '../../src/index.ts'
import { Client } from '../demo/demo-process.ts'
import { fuzz } from './fuzz.ts'
import type { Random } from './random.ts'

/** Its limits would soon let no fuzzer in. */
class Unlimited extends Attempts {
  override async run<T>(_account: string, _address: string, attempt: () => Promise<T | null>) {
    return { result: await attempt() }
  }
}

let server: Server
let url: string
let close: () => Promise<void>

before(async () => {
  const sessions = createSessions<Data>({
    engine: sqlite(':memory:'),
    keys: generateKey(),
    csrf: { requireToken: true },
    bindings: [userAgent(), ip()],
    proxy: ['127.0.0.1'],
  })
  // Hashing passwords would take all of the time.
  const users = {
    verify: async (name: string, password: string) => (password === 'right' ? name : null),
    setPassword: async () => {},
    put: async () => {},
    has: () => true,
    nameOf: (id: string) => id,
    close: () => {},
  }
  const parts = { sessions, users, attempts: new Unlimited(), console: openConsole(sessions) }
  server = createServer(createApp(parts, ['127.0.0.1']))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await sessions.close()
  }
})

after(() => close())

async function logIn(): Promise<{ client: Client; csrf: string }> {
  const client = new Client(url)
  await client.logIn('ada', 'right')
  const answer = await client.get('/api/session')
  assert.equal(answer.status, 200, answer.text)
  return { client, csrf: String(answer.json().csrfToken) }
}

const PATHS = [
  '/api/data',
  '/api/increment',
  '/api/rotate',
  '/api/session',
  '/account/note',
  '/account/sessions/revoke',
  '/login',
  '/reauthenticate',
]
const TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'application/json; charset=utf-7',
  'application/x-www-form-urlencoded',
  'text/plain',
  'multipart/form-data; boundary=x',
  '',
]
const BODIES = [
  '{"name":"a","value":1}',
  '{"name":"a","name":"b","value":[]}',
  '{"name":"__proto__","value":{"x":1}}',
  '{"__proto__":{"name":"a"},"value":1}',
  '{"name":["a"],"value":1}',
  '[]',
  'null',
  '""',
  '{',
  '\ufeff{}',
  '{"name":"a","value":1e999}',
  '{"name":"a","value":"\\ud800"}',
  `${'['.repeat(2_000)}${']'.repeat(2_000)}`,
  `{"name":"a","value":${'[1,'.repeat(70)}1${']'.repeat(70)}}`,
  'name=a&value=b&csrf_token=x',
  'a[b][c]=1&__proto__[x]=1',
  'x=%ff%fe',
]

test('JSON bodies of any kind to the API: an answer in JSON, and never a 5xx', async (t) => {
  let { client, csrf } = await logIn()
  let asked = 0
  await fuzz(t, async (random) => {
    if (++asked % 300 === 0) ({ client, csrf } = await logIn())
    const path = random.chance(3) ? random.pick(PATHS) : random.pick(['/api/data', '/api/increment'])
    const body = bodyOf(random)
    const type = random.chance(4) ? random.pick(TYPES) : 'application/json'
    const method = random.chance(8) ? random.pick(['PUT', 'DELETE', 'PATCH']) : 'POST'
    const headers = {
      'Content-Type': type || undefined,
      'Content-Length': String(Buffer.byteLength(body)),
      'X-CSRF-Token': random.chance(10) ? random.text(12).replace(/[^\x20-\x7e]/g, '') : csrf,
    }
    const answer = await client.copy().ask(path, { method, body, headers })
    assert.ok(
      answer.status < 500,
      `${answer.status} to ${method} ${path} ${type} ${JSON.stringify(body)}: ${answer.text}`,
    )
    if (path.startsWith('/api/')) answer.json()
    if (path === '/api/data' && answer.status === 200 && method === 'POST') {
      const { name, value } = answer.json() as { name: string; value: unknown }
      const kept = (await client.get('/api/data')).json()
      assert.ok(Object.hasOwn(kept, name))
      assert.deepEqual(kept[name], value)
    }
    // What it did to its own session it may have done on purpose.
    if ((await client.get('/api/session')).status !== 200) ({ client, csrf } = await logIn())
  })
})

function bodyOf(random: Random): string {
  switch (random.below(4)) {
    case 0:
      return random.mutate(random.pick(BODIES), BODIES)
    case 1:
      return random.pick(BODIES)
    case 2:
      return JSON.stringify(random.json())
    default:
      return JSON.stringify({
        name: random.chance(2) ? random.name() : `n${random.below(50)}`,
        value: random.json(),
      })
  }
}

const HEADERS = [
  'Cookie',
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'Host',
  'Origin',
  'Referer',
  'Sec-Fetch-Site',
  'User-Agent',
  'X-CSRF-Token',
  'Accept',
  'Content-Type',
  'Session-Passive',
  'Upgrade',
  'Connection',
  'Expect',
  'Transfer-Encoding',
  'Content-Length',
]
const VALUES = [
  'https',
  'app.example',
  '192.0.2.1',
  '10.0.0.1, 192.0.2.1',
  'same-origin',
  'null',
  'text/html',
  'websocket',
  'Upgrade',
  '100-continue',
  'chunked',
  '5',
  '-1',
  '99999999999',
]

test('bytes of any kind to the server: an answer below 500, or none', async (t) => {
  const { client } = await logIn()
  const cookie = [...client.cookies].map((pair) => pair.join('=')).join('; ')
  await fuzz(t, async (random) => {
    const target = random.pick([
      '/',
      '/login',
      '/account',
      '/api/session',
      '/api/data',
      '//evil.example/',
      '/%00',
      '/..%2f',
      `http://evil.example/account`,
      '*',
      random.text(12),
    ])
    const lines = random.some(
      6,
      () =>
        `${random.pick(HEADERS)}: ${random.chance(2) ? random.pick([...VALUES, cookie]) : random.mutate(random.pick([...VALUES, cookie]))}`,
    )
    const head = [
      `${random.pick(['GET', 'POST', 'HEAD', 'OPTIONS', 'QUERY'])} ${target} HTTP/1.1`,
      'Host: app.example',
      'Connection: close',
      ...lines,
    ]
    const text = `${head.join('\r\n')}\r\n\r\n${random.text(20)}`
    const bytes = random.chance(6) ? random.mutate(text) : text
    // As Latin-1, so that bytes above 0x7f arrive as such.
    const status = /^HTTP\/1\.1 (\d{3})/.exec(
      await exchange(Buffer.from(bytes, random.chance(2) ? 'latin1' : 'utf8')),
    )?.[1]
    assert.ok(status === undefined || Number(status) < 500, `${status} to ${JSON.stringify(bytes)}`)
  })
  assert.equal(
    (await client.get('/api/session')).status,
    200,
    'the server is still there, and so is the session',
  )
})

/** Sends bytes and hangs up; reads until the server does. */
async function exchange(bytes: Buffer): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
  socket.end(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}
