/** The console's page among fifty thousand sessions in PostgreSQL, in a browser. */

import { after, describe, test } from 'node:test'
import { postgres } from '../../../src/engines/postgres.ts'
import { measureCrowd } from '../../browser/console-crowd.ts'
import { crowd } from '../../browser/console-people.ts'
import { IN_CHROMIUM, startConsole } from '../../browser/console-place.ts'
import { useBrowser } from '../../browser/launch.ts'
import { missing, PostgresServer } from '../postgres/server.ts'

const server = missing ? null! : await PostgresServer.start({ after })
const skip = missing || IN_CHROMIUM.skip

describe('the console among 50,000 sessions in PostgreSQL', { skip }, () => {
  const browser = useBrowser()

  test('a search is answered within 200 ms, and a quick scroll has no stutter', async (t) => {
    const engine = postgres(server.pool(await server.database()))
    const people = await crowd(50_000)
    for (let from = 0; from < people.length; from += 200) {
      const some = people.slice(from, from + 200)
      await Promise.all(
        some.flatMap(({ record, ledger }) => [
          engine.create(record),
          engine.replaceUser({ ...ledger, version: 1 }, 0),
        ]),
      )
    }
    await measureCrowd(t, await browser.newContext(), await startConsole(t, {}, engine))
  })
})
