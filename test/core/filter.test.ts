/** Which records a search is after, and that the core looks again, whatever an engine hands out. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSessions, type RecordFilter } from 'holdfast'
import { memory } from 'holdfast/memory'
import { fits } from '../../src/core/filter.ts'
import { recordOf } from './fixtures.ts'

const record = {
  ...recordOf(),
  userId: 'ada',
  ended: null,
  createdAt: 5_000,
  client: { ip: '192.0.2.1', userAgent: 'Firefox/140 Linux' },
}

describe('fits', () => {
  const rows: [name: string, filter: RecordFilter, expected: boolean][] = [
    ['nothing is asked', {}, true],
    ['live', { live: true }, true],
    ['the beginning of its address', { ipStarts: '192.0.2.' }, true],
    ['something in the middle of its address', { ipStarts: '0.2.' }, false],
    ['a text in any case', { userAgentHas: [['FIREFOX']] }, true],
    ['one of several texts', { userAgentHas: [['chrome', 'linux']] }, true],
    ['each list', { userAgentHas: [['firefox'], ['chrome']] }, false],
    ['none of no texts', { userAgentHas: [[]] }, false],
    ['from its moment on', { createdFrom: 5_000 }, true],
    ['from a later one on', { createdFrom: 5_001 }, false],
    ['until its moment', { createdUntil: 5_000 }, true],
    ['until an earlier one', { createdUntil: 4_999 }, false],
  ]
  for (const [name, filter, expected] of rows)
    test(`${name}: ${expected}`, () => assert.equal(fits(record, filter), expected))

  test("a visitor's and one that has ended are not live", () => {
    assert.equal(fits({ ...record, userId: null }, { live: true }), false)
    assert.equal(fits({ ...record, ended: { reason: 'logout', at: 1 } }, { live: true }), false)
  })

  test('a client that sent nothing has no address and no text', () => {
    assert.equal(fits({ ...record, client: {} }, { ipStarts: '1' }), false)
    assert.equal(fits({ ...record, client: {} }, { userAgentHas: [['x']] }), false)
    assert.equal(fits({ ...record, client: {} }, { ipStarts: '' }), true)
  })
})

describe('listPage', () => {
  test('the core looks again: an engine may know nothing of filters', async () => {
    const sessions = createSessions({ engine: memory() })
    for (const userAgent of ['curl/8', 'Firefox/140']) {
      const session = await sessions.open({
        method: 'POST',
        origin: 'https://example.com',
        path: '/login',
        search: '',
        ip: '192.0.2.1',
        now: Date.now(),
        header: (name) => ({ origin: 'https://example.com', 'user-agent': userAgent })[name] ?? null,
        field: () => null,
      })
      session.authenticate('ada')
      await sessions.commit(session)
    }
    const page = await sessions.listPage({ where: { userAgentHas: [['CURL']] } })
    assert.deepEqual(
      page.sessions.map(({ userAgent }) => userAgent),
      ['curl/8'],
    )
    assert.equal((await sessions.listPage({ where: { ipStarts: '192.0.2.' } })).sessions.length, 2)
    assert.equal((await sessions.listPage({ where: { ipStarts: '198.' } })).sessions.length, 0)
  })

  test('what is no filter is refused: it would let through everybody, or nobody', async () => {
    const sessions = createSessions({ engine: memory() })
    for (const where of [
      ...[
        { ip: '192.' },
        { ipStarts: undefined },
        { ipStarts: 7 },
        { userAgentHas: 'curl' },
        { userAgentHas: ['curl'] },
      ],
      ...[{ createdFrom: '5' }, { createdUntil: Number.NaN }, { live: false }],
    ])
      await assert.rejects(sessions.listPage({ where } as never), TypeError, JSON.stringify(where))
    await assert.rejects(sessions.listPage({ userId: 'ada', where: { live: true } }), TypeError)
    await assert.rejects(sessions.listPage({ where: null } as never), TypeError)
  })

  test('who revokes is a text', async () => {
    const sessions = createSessions({ engine: memory() })
    await assert.rejects(sessions.revoke({ userId: 'ada', by: 7 } as never), TypeError)
    await assert.rejects(sessions.revoke({ userId: 'ada', by: undefined } as never), TypeError)
  })
})
