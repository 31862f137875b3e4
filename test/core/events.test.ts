/** What a listener hears, and what its failures must not do. */

import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { type EventListener, reportTo as reportToAll, type SessionEvent } from '../../src/core/events.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { KEY, NOW, request } from './fixtures.ts'

const reportTo = (listener: EventListener) => reportToAll(new Set([listener]))

describe('events', () => {
  test('an event says who, when, where from and what was asked for', () => {
    const heard: SessionEvent[] = []
    const headers = { 'user-agent': 'UA', cookie: 'sesame', authorization: 'sesame' }
    const context = request({ method: 'POST', path: '/login', search: '?sesame', headers })
    reportTo((event) => heard.push(event))('session_created', context, { sessionId: 's', userId: 'ada' })
    assert.deepEqual(heard, [
      {
        id: heard[0]!.id,
        name: 'session_created',
        at: NOW,
        sessionId: 's',
        userId: 'ada',
        actor: null,
        ip: '203.0.113.7',
        userAgent: 'UA',
        method: 'POST',
        path: '/login',
        reason: null,
        code: null,
      },
    ])
  })
  test('P6: no cookie, no query, no header but the user agent', () => {
    const headers = {
      'user-agent': 'UA',
      cookie: 'sesame',
      authorization: 'sesame',
      referer: 'sesame',
      'x-csrf-token': 'sesame',
    }
    reportTo((event) => assert.ok(!JSON.stringify(event).includes('sesame')))(
      'session_unknown',
      request({ headers, search: '?sesame' }),
    )
  })
  test('each event has an id of its own, which no other process draws', () => {
    const ids = new Set<string>()
    const report = reportTo(({ id }) => ids.add(id))
    for (let count = 0; count < 1_000; count++) report('session_token_forged', null)
    assert.equal(ids.size, 1_000)
    for (const id of ids) assert.match(id, /^[\w-]{12}\.[\da-z]+$/)
  })
  test('without a request it is of now, and of nowhere', () => {
    const before = Date.now()
    reportTo(({ at, ip, method, path, userAgent }) => {
      assert.ok(at >= before && at <= Date.now())
      assert.deepEqual([ip, method, path, userAgent], [null, null, null, null])
    })('session_revoked', null)
  })
  test('of a user agent 512 characters are told', () => {
    const headers = { 'user-agent': 'x'.repeat(10_000) }
    reportTo(({ userAgent }) => assert.equal(userAgent?.length, 512))('session_created', request({ headers }))
  })
  test('nobody need listen', () => reportToAll(new Set())('session_created', null))
})

describe('events: several listeners', () => {
  test('all hear, the one of the options and those that came later, until they leave', async () => {
    const heard: string[] = []
    const note = (who: string) => () => void heard.push(who)
    const sessions = new Sessions({ engine: memory(), keys: [KEY], onEvent: note('options') })
    const leave = sessions.listen(note('later'))
    await sessions.revoke({ everybody: true })
    leave()
    await sessions.revoke({ everybody: true })
    assert.deepEqual(heard, ['options', 'later', 'options'])
  })
  test("one's failure is not the other's", (t) => {
    t.mock.method(console, 'error', () => {})
    const heard = mock.fn()
    const fail = () => {
      throw new Error('on purpose')
    }
    reportToAll(new Set([fail, heard]))('session_created', null)
    assert.equal(heard.mock.callCount(), 1)
  })
})

describe('events: a listener that fails', () => {
  test('by throwing decides nothing, and is heard of', (t) => {
    const error = t.mock.method(console, 'error', () => {})
    reportTo(() => {
      throw new Error('on purpose')
    })('session_created', null)
    assert.match(String(error.mock.calls[0]!.arguments[1]), /on purpose/)
  })
  test('by a rejection does not end the process', async (t) => {
    const error = t.mock.method(console, 'error', () => {})
    const unhandled = mock.fn()
    process.on('unhandledRejection', unhandled)
    reportTo(async () => {
      throw new Error('on purpose')
    })('session_created', null)
    await new Promise((resolve) => setTimeout(resolve, 5))
    process.off('unhandledRejection', unhandled)
    assert.equal(unhandled.mock.callCount(), 0)
    assert.match(String(error.mock.calls[0]!.arguments[1]), /on purpose/)
  })
})
