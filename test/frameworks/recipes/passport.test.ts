/** The recipe for Passport. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSessions } from 'holdfast'
import { memory } from 'holdfast/memory'
import { browser } from 'holdfast/testing'
import { passportApp } from '../../../examples/recipes/passport.ts'
import { KEY } from '../../core/fixtures.ts'

test('a login and a logout', async () => {
  const sessions = createSessions({ engine: memory(), keys: KEY })
  await using client = browser(passportApp(sessions))
  const look = async () => (await (await client.get('/')).json()) as { name: unknown; methods: unknown }
  assert.deepEqual(await look(), { name: null, methods: [] })
  await client.post('/login', { username: 'ada', password: 'wrong' })
  assert.deepEqual(await look(), { name: null, methods: [] })
  await client.post('/login', { username: 'ada', password: 'analytical-engine' })
  assert.deepEqual(await look(), { name: 'ada', methods: ['pwd'] })
  await client.post('/logout')
  assert.deepEqual(await look(), { name: null, methods: [] })
  assert.deepEqual(await sessions.list('ada-1'), [])
})
