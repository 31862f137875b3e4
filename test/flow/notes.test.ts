/** Notes of requests. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Notes } from '../../src/adapters/notes.ts'

test('notes: a copy of a request, or what inherits from it, has none of its notes', () => {
  const notes = new Notes<string>()
  const request = { url: '/' }
  notes.set(request, 'served')
  assert.equal(notes.get(request), 'served')
  assert.ok(notes.has(request))
  for (const other of [
    { ...request },
    Object.create(request),
    Object.assign(Object.create(request), request),
  ]) {
    assert.equal(notes.get(other), undefined)
    notes.set(other, 'its own')
    assert.equal(notes.get(other), 'its own')
  }
  assert.equal(notes.get(request), 'served')
  assert.equal(new Notes<string>().get(request), undefined)
})
