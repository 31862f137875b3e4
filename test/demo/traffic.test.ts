/** The demo's traffic against itself: what it leads to is real, and it opens no door to others. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, generateKey, type SessionEvent } from 'holdfast'
import { ip } from 'holdfast/ip'
import { memory } from 'holdfast/memory'
import { userAgent } from 'holdfast/user-agent'
import { createApp } from '../../examples/demo/src/app.ts'
import { Attempts } from '../../examples/demo/src/attempts.ts'
import { openConsole } from '../../examples/demo/src/operators.ts'
import type { Data } from '../../examples/demo/src/parts.ts'
import { startTraffic } from '../../examples/demo/src/traffic.ts'
import { openUsers } from '../../examples/demo/src/users.ts'
import { openWire, TRAFFIC_ADDRESS } from '../../examples/demo/src/wire.ts'
import { Client, type Demo, type Line, startDemo } from './demo-process.ts'

const PATIENCE = 40_000
const WANTED = [
  'authn_login_success',
  'authn_login_fail',
  'authn_reauthenticated',
  'authn_token_reuse',
  'malicious_csrf',
  'session_binding_mismatch',
  'session_logout',
  'session_renewed',
  'session_revoked',
  'session_token_forged',
  'session_use_after_expire',
]
const DOCUMENTATION = /^(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+$/

test('within a while there is something of everything, from addresses for documentation', async () => {
  const events: SessionEvent[] = []
  const said: string[] = []
  const sessions = createSessions<Data>({
    engine: memory(),
    keys: generateKey(),
    csrf: { requireToken: true },
    bindings: [userAgent(), ip()],
    proxy: [TRAFFIC_ADDRESS],
    renewal: '2s',
    grace: '200ms',
    late: '200ms',
    onEvent: (event) => events.push(event),
  })
  const users = await openUsers(':memory:')
  const parts = { sessions, users, attempts: new Attempts(), console: openConsole(sessions) }
  const server = createServer(createApp(parts, [TRAFFIC_ADDRESS]))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const traffic = await startTraffic(users, url, null, (line) => said.push(line), 0.2)
  const missing = () => WANTED.filter((name) => !events.some((event) => event.name === name))
  const isOver = () => said.some((line) => /^The copy is used/.test(line))
  for (const end = Date.now() + PATIENCE; Date.now() < end && (missing().length > 0 || !isOver()); )
    await sleep(100)
  await traffic.stop()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  const count = events.length
  await sleep(200)

  assert.deepEqual(missing(), [])
  assert.equal(events.length, count, 'nothing goes on after its end')
  for (const { ip, name } of events) if (ip !== null) assert.match(ip, DOCUMENTATION, name)
  assert.match(said.find((line) => /^The copy is used/.test(line))!, /The thief is out, and .* is over/)
  for (const problem of ['stopped', 'no 127', 'undefined'])
    assert.ok(!said.some((line) => line.includes(problem)), said.join('\n'))
  assert.equal(
    await users.verify('grace', 'nanosecond-wire'),
    'grace',
    'nobody has changed a password of others',
  )
  users.close()
  await sessions.close()
})

test('whoever visits the demo meanwhile is not believed about his address', async () => {
  const demo = await startDemo('--memory', '--traffic')
  try {
    const client = new Client(demo.url)
    const headers = { 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Proto': 'https' }
    await client.ask('/api/session', { headers: { ...headers, Cookie: '__Host-Http-session=forged' } })
    // A client that speaks as a proxy does is no visitor on loopback any more: plain HTTP is refused.
    const told = await heard(demo, 'insecure_transport')
    assert.equal(told.ip, '127.0.0.1')
    assert.equal((await client.logIn()).status, 303)
  } finally {
    assert.equal(await demo.stop(), 0)
  }
})

test('without it, the address that it comes from is one like any other', async () => {
  const demo = await startDemo('--memory')
  try {
    const wire = await openWire(demo.url, null, TRAFFIC_ADDRESS)
    const headers = { 'x-forwarded-for': '192.0.2.1', cookie: '__Host-Http-session=forged' }
    await wire.fetch(new Request(`${demo.url}/api/session`, { headers }))
    assert.equal((await heard(demo, 'insecure_transport')).ip, wire.pretends ? TRAFFIC_ADDRESS : '127.0.0.1')
  } finally {
    assert.equal(await demo.stop(), 0)
  }
})

/** The first event of that name. */
async function heard(demo: Demo, name: string): Promise<Line> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(50)) {
    const found = demo.events().find((event) => event.name === name)
    if (found) return found
  }
  throw new Error(`no ${name}`)
}
