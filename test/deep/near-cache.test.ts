/** More at once than `test/engines/near-cache-races.test.ts`: it takes some three minutes. */

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
} from '../engines/near-cache-world.ts'

const CASES: Record<string, () => readonly Thread[]> = {
  'a read, a fresh one, and two changes elsewhere': () => [
    read(),
    freshRead(),
    touchedElsewhere(),
    revokedElsewhere(),
  ],
  'two reads, a write of our own, and a revocation elsewhere': () => [
    read(),
    read(),
    replaced(),
    revokedElsewhere(),
  ],
  'a read, two writes of our own, and a touch elsewhere': () => [
    read(),
    replaced(),
    touched(),
    touchedElsewhere(),
  ],
}

for (const [name, threads] of Object.entries(CASES)) {
  test(`every order of: ${name}`, async () => {
    assert.ok((await playAll(threads)) >= 25_000)
  })
}
