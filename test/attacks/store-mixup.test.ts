/** A store that mixes up its replies, or whose rows were moved, makes no user another. */

import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import type { SessionRecord, UserLedger } from '../../src/index.ts'
import { around, Client, codeOf, partsOf, serve, temporaryFile } from './support.ts'

/** An engine that answers `load` and `loadUser` with what belongs to somebody else. */
function mixedUp() {
  const swap = { records: new Map<string, string>(), users: new Map<string, string>() }
  const real = memory()
  const engine = around(real, (verb, run, args) => {
    const [key] = args as [string]
    if (verb === 'load' && swap.records.has(key)) return real.load(swap.records.get(key)!)
    if (verb === 'loadUser' && swap.users.has(key)) return real.loadUser(swap.users.get(key)!)
    return run()
  })
  return { engine, swap, real }
}

test("P7 an engine that returns another user's record is an error, and nobody's session", async () => {
  const { engine, swap } = mixedUp()
  const server = serve({ engine })
  const [ada, grace] = [new Client(server), new Client(server)]
  await ada.login('ada')
  await grace.login('grace')
  swap.records.set(partsOf(grace.token!).id, partsOf(ada.token!).id)
  assert.equal(await codeOf(grace.begin()), 'ERR_ENGINE')
})

test("an engine that returns another user's ledger shows no stranger's sessions, and ends none", async () => {
  const { engine, swap } = mixedUp()
  const server = serve({ engine })
  const [ada, grace] = [new Client(server), new Client(server)]
  await ada.login('ada')
  await grace.login('grace')
  swap.users.set('grace', 'ada')
  const listed = await server.sessions.list('grace').catch(() => [])
  assert.deepEqual(
    listed.filter(({ userId }) => userId !== 'grace'),
    [],
  )
  await codeOf(server.sessions.revoke({ userId: 'grace' }))
  swap.users.clear()
  assert.equal(await ada.whoami(), 'ada', "grace's revocation ended ada's session")
})

test("a ledger that names a stranger's session neither lists nor ends it", async () => {
  const real = memory()
  const server = serve({ engine: real })
  const [ada, mallory] = [new Client(server), new Client(server)]
  await ada.login('ada')
  await mallory.login('mallory')
  const hers = (await real.loadUser('ada')) as UserLedger
  const his = (await real.loadUser('mallory')) as UserLedger
  const merged = { ...his, version: his.version + 1, sessions: [...his.sessions, ...hers.sessions] }
  assert.ok(await real.replaceUser(merged, his.version))
  const listed = await server.sessions.list('mallory')
  assert.deepEqual(
    listed.map(({ userId }) => userId),
    ['mallory'],
  )
  await server.sessions.revoke({ userId: 'mallory' })
  assert.equal(await ada.whoami(), 'ada')
})

test("a row whose record was copied from another user's is dead: the secrets are not its token's", async (t) => {
  const file = temporaryFile(t)
  const engine = sqlite(file)
  t.after(() => engine.close?.())
  const server = serve({ engine })
  const [ada, mallory] = [new Client(server), new Client(server)]
  await ada.login('ada')
  await ada.send((session) => session.set('iban', 'of ada'))
  await mallory.login('mallory')
  const database = new DatabaseSync(file)
  const [hers, his] = [partsOf(ada.token!).id, partsOf(mallory.token!).id]
  database
    .prepare(
      `UPDATE holdfast_sessions SET (user_id, record) = (SELECT user_id, record FROM holdfast_sessions WHERE id = ?)
       WHERE id = ?`,
    )
    .run(hers, his)
  database.close()
  const { session } = await mallory.begin()
  assert.deepEqual([session.userId, session.get('iban')], [null, undefined])
})

test('a record that was copied onto a fresh id is found by no token', async () => {
  const real = memory()
  const server = serve({ engine: real })
  const ada = new Client(server)
  await ada.login('ada')
  const { id } = partsOf(ada.token!)
  const record = (await real.load(id)) as SessionRecord
  await real.create({ ...record, id: 'B'.repeat(22) })
  const moved = ada.copy()
  moved.jar.set('__Host-Http-session', ada.token!.replace(id, 'B'.repeat(22)))
  assert.equal(await moved.whoami(), null)
})

test('P1 a tombstone that a store brings back to life by half, without its secrets, serves nobody', async () => {
  const real = memory()
  let revive = false
  const engine = around(real, (verb, run) => {
    const record = run() as SessionRecord | undefined
    return revive && verb === 'load' && record ? { ...record, ended: null } : record
  })
  const server = serve({ engine })
  const ada = new Client(server)
  await ada.login('ada')
  const copy = ada.copy()
  await ada.send((session) => session.terminate())
  revive = true
  assert.equal(await copy.whoami(), null)
})

test('a record whose data is no JSON, or no object, is an error and no empty session', async () => {
  for (const data of ['', '{', 'null', '[]', '"text"', '7']) {
    const real = memory()
    const server = serve({ engine: real })
    const ada = new Client(server)
    await ada.login('ada')
    const record = (await real.load(partsOf(ada.token!).id)) as SessionRecord
    await real.replace({ ...record, version: 2, data }, 1)
    const { session } = await ada.begin()
    assert.equal(session.userId, 'ada')
    assert.throws(() => session.keys(), { code: 'ERR_SESSION_DATA' }, data)
  }
})
