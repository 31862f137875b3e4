/** Searches among many sessions. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sqlite } from 'holdfast/sqlite'
import { assertQuick, fill, MANY, said, searchMany } from './many.ts'
import { place } from './support.ts'

test(`SQLite, ${MANY} sessions: a search is answered within 200 ms, and others are served meanwhile`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const engine = sqlite(join(folder, 'sessions.db'))
  await using site = await place({ engine })
  const operator = await site.login('op')
  await fill(engine)
  const lines = await searchMany(operator)
  for (const line of lines) t.diagnostic(said(line))
  for (const line of lines) assertQuick(line)
})
