/** Engines by URL, on the servers that they name. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openEngine } from '../../../src/engines/open.ts'
import { recordOf, refusal } from '../../core/fixtures.ts'
import { freePort } from '../process.ts'
import { startCluster } from './cluster.ts'
import { available, startRedis, until } from './server.ts'

const HOUR = 3_600_000

for (const flavour of available('redis', 'valkey')) {
  describe(flavour, () => {
    test('a URL names the server, the user, the password, the database and the prefix', async (t) => {
      const { port, ask } = await startRedis(t, flavour)
      await ask('ACL', 'SETUSER', 'app', 'on', '>p@ss:w/rd', '~*', '+@all')
      const url = `${flavour}://app:${encodeURIComponent('p@ss:w/rd')}@127.0.0.1:${port}/3?prefix=app:`
      const engine = await openEngine(url)
      const now = Date.now()
      assert.equal(await engine.create(recordOf({ version: 1, seenAt: now, expiresAt: now + HOUR })), true)
      assert.match(String(await ask('INFO', 'keyspace')), /db3:keys=1/)
      assert.match(String(await ask('CLIENT', 'LIST')), /user=app/)
      const { records } = await engine.scan!({ limit: 10 })
      assert.equal(records.length, 1)
      await engine.close!()
      await until(async () => !/user=app/.test(String(await ask('CLIENT', 'LIST'))))
    })

    test('a Cluster is found from any of its nodes', async (t) => {
      const { nodes } = await startCluster(t, flavour)
      const nobody = await freePort()
      const engine = await openEngine(`${flavour}+cluster://127.0.0.1:${nobody},127.0.0.1:${nodes[4]!.port}`)
      const now = Date.now()
      for (const id of ['a', 'b', 'c', 'd'])
        assert.equal(
          await engine.create(recordOf({ id, version: 1, seenAt: now, expiresAt: now + HOUR })),
          true,
        )
      await engine.close!()
    })
  })
}

test('where no server answers, it says so, without the password', async () => {
  const port = await freePort()
  for (const url of [`redis://u:secret@127.0.0.1:${port}`, `redis+cluster://u:secret@127.0.0.1:${port}`])
    await assert.rejects(openEngine(url), refusal('ERR_ENGINE', /no server answers at 127(?!.*secret)/))
})
