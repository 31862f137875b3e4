/** The console among fifty thousand sessions: how soon a search is answered, and how a quick scroll looks. */

import { describe, test } from 'node:test'
import { measureCrowd } from './console-crowd.ts'
import { populate } from './console-people.ts'
import { IN_CHROMIUM, startConsole } from './console-place.ts'
import { useBrowser } from './launch.ts'

describe('the console among 50,000 sessions in SQLite', IN_CHROMIUM, () => {
  const browser = useBrowser()

  test('a search is answered within 200 ms, and a quick scroll has no stutter', async (t) => {
    const place = await startConsole(t)
    await populate(place.file, 50_000)
    await measureCrowd(t, await browser.newContext(), place)
  })
})
