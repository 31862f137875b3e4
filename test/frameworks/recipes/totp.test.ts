/** The recipe for codes of six digits. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSessions, type SessionEvent } from 'holdfast'
import { memory } from 'holdfast/memory'
import { browser } from 'holdfast/testing'
import { Secret, TOTP } from 'otpauth'
import { type TotpUser, totpApp } from '../../../examples/recipes/totp.ts'

function setUp() {
  const secret = new Secret().base32
  const ada: TotpUser = { id: 'ada-1', name: 'ada', password: 'right', secret, lastStep: 0, failures: 0 }
  const events: SessionEvent[] = []
  const sessions = createSessions({ engine: memory(), onEvent: (event) => void events.push(event) })
  const client = browser(totpApp(sessions, [ada]))
  const code = (shift = 0) =>
    new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + shift })
  const codeOf = async (response: Response) =>
    response.ok ? null : ((await response.json()) as { error: { code: string } }).error.code
  const transfer = async () => codeOf(await client.fetch('/transfer', { method: 'POST' }))
  const enter = async (code: string) => (await client.post('/code', { code })).status
  const login = () => client.post('/login', { name: 'ada', password: 'right' })
  return { sessions, client, code, transfer, enter, login, events }
}

test('a password is level 1; with a code it is level 2, of both methods, and a new token', async () => {
  const { sessions, client, code, transfer, enter, login } = setUp()
  assert.equal(await transfer(), 'ERR_NOT_AUTHENTICATED')
  await login()
  assert.equal(await transfer(), 'ERR_LEVEL')
  const before = await client.cookies()
  assert.equal(await enter(code()), 200)
  assert.notDeepEqual(await client.cookies(), before)
  assert.equal(await transfer(), null)
  const [info] = await sessions.list('ada-1')
  assert.deepEqual([info!.methods, info!.level], [['pwd', 'otp'], 2])
  await client.close()
})

test('a code is taken once: not again, and none that is older', async () => {
  const { client, code, enter, login, events } = setUp()
  await login()
  const used = code()
  assert.equal(await enter(used), 200)
  assert.equal(await enter(used), 401)
  assert.equal(await enter(code(-30_000)), 401)
  assert.equal(await enter(code(30_000)), 200)
  const failures = events.filter(({ name }) => name === 'authn_login_fail')
  assert.deepEqual(
    failures.map(({ userId, reason }) => [userId, reason]),
    [
      ['ada-1', 'otp'],
      ['ada-1', 'otp'],
    ],
  )
  await client.close()
})

test('of the same code at once, one is taken', async () => {
  const { client, code, enter, login } = setUp()
  await login()
  const used = code()
  const answers = await Promise.all([enter(used), enter(used), enter(used)])
  assert.equal(answers.filter((status) => status === 200).length, 1)
  await client.close()
})

test('a wrong code, one of an hour ago, and no password before it: refused', async () => {
  const { client, code, enter, login } = setUp()
  assert.equal(await enter(code()), 401)
  await login()
  for (const wrong of ['000000x', '', code(-3_600_000)]) assert.equal(await enter(wrong), 401)
  await client.close()
})

test('whoever guesses is stopped, by whatever session he does it, and by the right code no less', async () => {
  const { client, code, enter, login } = setUp()
  await login()
  const answers: number[] = []
  for (let guess = 0; guess < 20; guess++) answers.push(await enter('no code'))
  assert.deepEqual(new Set(answers), new Set([401]))
  await login()
  assert.equal(await enter(code()), 429)
  await client.close()
})
