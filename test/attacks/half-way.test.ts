/** A handler that gives up half-way: what it had begun must not last. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SESSION, serve } from './support.ts'
import { ADAPTERS, ours } from './wire.ts'

for (const [adapter, start] of ADAPTERS) {
  describe(`through ${adapter}`, () => {
    test('R-12 ASVS 7.5.3 a second factor that is found missing after authenticate leaves nobody logged in', async (t) => {
      t.mock.method(console, 'error', () => {})
      const { sessions } = serve()
      const wire = await start(t, sessions, (session, path) => {
        if (path !== '/login') return String(session.userId)
        session.authenticate('ada', { methods: ['pwd'] })
        return session.require({ methods: ['pwd', 'otp'] })
      })
      const answer = await wire.send({ method: 'POST', path: '/login', headers: ours() })
      assert.equal(answer.status, 401)
      assert.equal(answer.cookie(SESSION), undefined)
      assert.deepEqual(await sessions.list('ada'), [])
    })

    test('R-12 a handler that throws anything else stores nothing, and logs nobody in', async (t) => {
      t.mock.method(console, 'error', () => {})
      const { sessions } = serve()
      const wire = await start(t, sessions, (session, path) => {
        if (path !== '/login') return String(session.get('paid'))
        session.authenticate('ada')
        session.set('paid', true)
        throw new Error('the bank said no')
      })
      const answer = await wire.send({ method: 'POST', path: '/login', headers: ours() }).catch(() => null)
      if (answer) assert.deepEqual([answer.status, answer.cookie(SESSION)], [500, undefined])
      assert.deepEqual(await sessions.list('ada'), [])
    })
  })
}
