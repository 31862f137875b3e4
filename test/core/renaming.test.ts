/** What a user calls his sessions. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Sessions } from '../../src/core/sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { type Verb, wrapEngine } from '../flow/harness.ts'
import { KEY, request } from './fixtures.ts'

async function open() {
  const verbs: Verb[] = []
  const engine = wrapEngine(memory(), (verb, call) => {
    verbs.push(verb)
    return call()
  })
  const sessions = new Sessions({ engine, keys: [KEY] })
  return { sessions, engine, verbs, logIn: (userId: string) => logInto(sessions, userId) }
}

async function logInto(sessions: Sessions, userId: string): Promise<string> {
  const headers = { origin: 'https://example.com' }
  const session = await sessions.open(request({ method: 'POST', now: Date.now(), headers }))
  session.authenticate(userId)
  await sessions.commit(session)
  return session.id!
}

describe('rename', () => {
  test('gives a name, another, and none; only its user sees it in his list', async () => {
    const { sessions, logIn } = await open()
    const id = await logIn('ada')
    for (const name of ['Desk', 'Zoë’s 👩‍💻', null]) {
      assert.equal(await sessions.rename({ id, userId: 'ada', name }), true)
      assert.equal((await sessions.list('ada'))[0]!.name, name)
      assert.equal((await sessions.find(id))!.name, name)
    }
  })

  test('costs one read and one write', async () => {
    const { sessions, verbs, logIn } = await open()
    const id = await logIn('ada')
    verbs.length = 0
    await sessions.rename({ id, userId: 'ada', name: 'Desk' })
    assert.deepEqual(verbs, ['load', 'replace'])
  })

  test('of another’s session, one that is over, or none: false, and nothing is written', async () => {
    const { sessions, verbs, logIn } = await open()
    const [id, over] = [await logIn('ada'), await logIn('ada')]
    await sessions.revoke({ id: over })
    verbs.length = 0
    for (const [which, userId] of [
      [id, 'mallory'],
      [over, 'ada'],
      ['A'.repeat(22), 'ada'],
      ['no id', 'ada'],
    ] as const)
      assert.equal(await sessions.rename({ id: which, userId, name: 'x' }), false)
    assert.ok(verbs.every((verb) => verb === 'load'))
  })

  test('P2: takes nothing from those who write to the session meanwhile, and loses nothing to them', async () => {
    const { sessions, engine, logIn } = await open()
    const id = await logIn('ada')
    const bump = async () => {
      for (let done = false; !done; ) {
        const record = (await engine.load(id))!
        const { n = 0 } = JSON.parse(record.data) as { n?: number }
        const next = { ...record, version: record.version + 1, data: JSON.stringify({ n: n + 1 }) }
        done = await engine.replace(next, record.version)
      }
    }
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 ? bump() : sessions.rename({ id, userId: 'ada', name: `n${index}` }),
      ),
    )
    const record = (await engine.load(id))!
    assert.equal(record.data, '{"n":10}')
    assert.match(record.name!, /^n\d+$/)
  })

  test('P1: of a session that ends between its read and its write: false, and it stays ended', async () => {
    let end: (() => Promise<unknown>) | null = null
    const engine = wrapEngine(memory(), async (verb, call) => {
      const first = verb === 'replace' ? end : null
      if (first) end = null
      await first?.()
      return call()
    })
    const sessions = new Sessions({ engine, keys: [KEY] })
    const id = await logInto(sessions, 'ada')
    end = () => sessions.revoke({ id })
    assert.equal(await sessions.rename({ id, userId: 'ada', name: 'late' }), false)
    const record = (await engine.load(id))!
    assert.deepEqual([record.ended?.reason, record.name], ['revoked', undefined])
  })

  test('leaves nothing in the tombstone', async () => {
    const { sessions, engine, logIn } = await open()
    const id = await logIn('ada')
    await sessions.rename({ id, userId: 'ada', name: 'Desk' })
    await sessions.revoke({ id })
    assert.equal('name' in (await engine.load(id))!, false)
  })

  test('a query that is wrong', async () => {
    const { sessions, logIn } = await open()
    const query = { id: await logIn('ada'), userId: 'ada' }
    const names = ['', ' x', 'x ', 'x'.repeat(65), 'a\nb', '\ud800', undefined, 5]
    for (const name of names) await assert.rejects(sessions.rename({ ...query, name } as never), TypeError)
    await assert.rejects(sessions.rename({ id: query.id, name: 'x' } as never), TypeError)
    await assert.rejects(sessions.rename({ userId: 'ada', name: 'x' } as never), TypeError)
  })
})
