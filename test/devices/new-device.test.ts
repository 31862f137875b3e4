/** The event for a login from a device that its user has not logged in from before. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSessions, generateKey, type SessionEvent } from 'holdfast'
import { rememberDevices } from 'holdfast/devices'
import { memory } from 'holdfast/memory'
import type { RequestContext } from '../../src/core/request.ts'
import { type Verb, wrapEngine } from '../flow/harness.ts'
import { CHROME, call, idOf, open, SAFARI } from './support.ts'

const news = (events: readonly SessionEvent[]) =>
  events.filter(({ name }) => name === 'authn_new_device').map(({ userId, reason }) => `${userId} ${reason}`)

function login(userAgent: string, ip: string): RequestContext {
  return {
    method: 'POST',
    origin: 'https://example.com',
    path: '/login',
    search: '',
    ip,
    now: Date.now() + 1_000,
    header: (name) => ({ origin: 'https://example.com', 'user-agent': userAgent })[name] ?? null,
    field: () => null,
  }
}

describe('a login is told', () => {
  test('the first one as such, another kind of browser as unknown, a known one not at all', async () => {
    await using site = await open()
    for (const userAgent of [CHROME, CHROME, SAFARI, CHROME, SAFARI]) await site.logIn('ada', { userAgent })
    await site.logIn('grace', { userAgent: SAFARI })
    assert.deepEqual(news(site.events), ['ada first', 'ada unknown', 'grace first'])
  })

  test('not because a browser was updated', async () => {
    await using site = await open()
    await site.logIn('ada', { userAgent: CHROME })
    await site.logIn('ada', { userAgent: CHROME.replace('148', '149') })
    assert.deepEqual(news(site.events), ['ada first'])
  })

  test('with the session that it made, and where it came from: what a mail needs', async () => {
    await using site = await open()
    const phone = await site.logIn('ada', { userAgent: SAFARI })
    const event = site.events.find(({ name }) => name === 'authn_new_device')!
    assert.equal(event.sessionId, await idOf(phone))
    assert.equal(event.userAgent, SAFARI)
    assert.equal(event.path, '/login')
  })

  test('again, once its session was ended as unwanted; not after a logout', async () => {
    await using site = await open()
    const desk = await site.logIn('ada', { userAgent: CHROME })
    const phone = await site.logIn('ada', { userAgent: SAFARI })
    await phone.post('/logout')
    await site.logIn('ada', { userAgent: SAFARI })
    assert.deepEqual(news(site.events), ['ada first', 'ada unknown'])
    const { sessions } = await site.sessions.listPage({ userId: 'ada' })
    const unwanted = sessions.find(({ userAgent }) => userAgent === SAFARI)!
    await call(desk, 'revoke', { id: unwanted.id })
    await site.logIn('ada', { userAgent: SAFARI })
    assert.deepEqual(news(site.events), ['ada first', 'ada unknown', 'ada unknown'])
  })

  test('again from everywhere but here, once all others were ended', async () => {
    await using site = await open()
    const desk = await site.logIn('ada', { userAgent: CHROME })
    await site.logIn('ada', { userAgent: SAFARI })
    await call(desk, 'revoke', { others: '1' })
    site.events.length = 0
    // Logins under way when others were ended are refused, and so are those of the same millisecond.
    await new Promise((resolve) => setTimeout(resolve, 5))
    await site.logIn('ada', { userAgent: CHROME })
    await site.logIn('ada', { userAgent: SAFARI })
    assert.deepEqual(news(site.events), ['ada unknown'])
  })

  test('once, of two that come at the same moment', async () => {
    await using site = await open()
    await site.logIn('ada', { userAgent: CHROME })
    await Promise.all([site.logIn('ada', { userAgent: SAFARI }), site.logIn('ada', { userAgent: SAFARI })])
    assert.deepEqual(news(site.events), ['ada first', 'ada unknown'])
  })

  test('not when it was refused', async () => {
    await using site = await open(undefined, {}, { maxSessionsPerUser: 1, onExceeded: 'refuse' })
    await site.logIn('ada', { userAgent: CHROME })
    await site.logIn('ada', { userAgent: SAFARI })
    assert.deepEqual(news(site.events), ['ada first'])
  })

  test('never, without the option', async () => {
    await using site = await open(undefined, {}, { devices: undefined as never })
    await site.logIn('ada', { userAgent: CHROME })
    assert.deepEqual(news(site.events), [])
  })
})

test('with network: true another network makes another device', async () => {
  for (const [network, expected] of [
    [false, ['ada first']],
    [true, ['ada first', 'ada unknown']],
  ] as const) {
    const events: SessionEvent[] = []
    const devices = rememberDevices({ network })
    const onEvent = (event: SessionEvent) => events.push(event)
    const sessions = createSessions({ engine: memory(), keys: generateKey(), devices, onEvent })
    for (const address of ['192.0.2.1', '192.0.2.77', '198.51.100.1']) {
      const session = await sessions.open(login(CHROME, address))
      session.authenticate('ada')
      await sessions.commit(session)
    }
    assert.deepEqual(news(events), expected)
  }
})

test('it costs no access to the store more: a login reads and writes as without it', async () => {
  const costs: Verb[][] = []
  for (const devices of [undefined, rememberDevices()]) {
    const verbs: Verb[] = []
    const engine = wrapEngine(memory(), (verb, call) => {
      verbs.push(verb)
      return call()
    })
    const sessions = createSessions({ engine, keys: generateKey(), ...(devices && { devices }) })
    for (const userAgent of [CHROME, SAFARI]) {
      const session = await sessions.open(login(userAgent, '192.0.2.1'))
      session.authenticate('ada')
      await sessions.commit(session)
    }
    costs.push(verbs)
  }
  assert.deepEqual(costs[1], costs[0])
  assert.deepEqual(costs[0], ['create', 'loadUser', 'replaceUser', 'create', 'loadUser', 'replaceUser'])
})

test('whoever has the password can’t make the ledger grow without end', async () => {
  const engine = memory()
  const sessions = createSessions({
    engine,
    keys: generateKey(),
    devices: rememberDevices(),
    maxSessionsPerUser: 2,
  })
  for (let count = 0; count < 60; count++) {
    const session = await sessions.open(login(`Agent${count}/1.0 ${'x'.repeat(4_000)}`, '192.0.2.1'))
    session.authenticate('ada')
    await sessions.commit(session)
  }
  const { devices } = (await engine.loadUser('ada'))!
  assert.equal(devices!.length, 32)
  assert.ok(JSON.stringify(devices).length < 32 * 80)
})

test('wrong options are named', () => {
  for (const [options, message] of [
    [{ remembered: '1d' }, /no option remembered/],
    [{ rememberedFor: '1' }, /rememberedFor/],
    [{ network: 'yes' }, /network/],
  ] as const)
    assert.throws(() => rememberDevices(options as never), { code: 'ERR_OPTION', message })
  const wrong = { engine: memory(), keys: generateKey(), devices: true } as never
  assert.throws(() => createSessions(wrong), { code: 'ERR_OPTION', message: /^devices: expected a memory/ })
})
