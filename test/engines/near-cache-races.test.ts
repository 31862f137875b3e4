import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  freshRead,
  playAll,
  read,
  replaced,
  revokedElsewhere,
  type Thread,
  touched,
  touchedElsewhere,
} from './near-cache-world.ts'

const CASES: Record<string, () => readonly Thread[]> = {
  'two reads, and a revocation elsewhere': () => [read(), read(), revokedElsewhere()],
  'a read, a fresh one, and a revocation elsewhere': () => [read(), freshRead(), revokedElsewhere()],
  'a read, and two changes elsewhere': () => [read(), touchedElsewhere(), revokedElsewhere()],
  'a read, a write of our own, and a revocation elsewhere': () => [read(), replaced(), revokedElsewhere()],
  'a read, a write of our own, and a touch elsewhere': () => [read(), replaced(), touchedElsewhere()],
  'a read, a touch of our own, and a revocation elsewhere': () => [read(), touched(), revokedElsewhere()],
  'a read, a touch of our own, and one elsewhere': () => [read(), touched(), touchedElsewhere()],
  'a read, a write and a touch of our own': () => [read(), replaced(), touched()],
  'a read, and two rivals of our own': () => [read(), replaced(), replaced()],
}

for (const [name, threads] of Object.entries(CASES)) {
  test(`every order of: ${name}`, async () => {
    assert.ok((await playAll(threads)) >= 200)
  })
}
