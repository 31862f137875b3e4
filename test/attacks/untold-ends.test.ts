/** An end that is told to nobody: the record is written, then the store fails before the ledger is (ASVS 16.3). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { userAgent } from '../../src/bindings/user-agent.ts'
import { memory } from '../../src/engines/memory.ts'
import { breaking, Client, codeOf, type Server, serve } from './support.ts'

const ENDS: Record<string, { event: string; end: (server: Server, ada: Client) => Promise<unknown> }> = {
  'an operator revokes it': {
    event: 'session_revoked op',
    end: async ({ sessions }) => sessions.revoke({ id: (await sessions.list('ada'))[0]!.id, by: 'op' }),
  },
  'its user logs out': {
    event: 'session_logout null',
    end: (_server, ada) => ada.send((session) => session.terminate()),
  },
  'its token moves to another kind of browser': {
    event: 'session_revoked null',
    end: (_server, ada) => ada.copy({ headers: { 'user-agent': 'curl/8.14' } }).whoami(),
  },
}

for (const [name, { event, end }] of Object.entries(ENDS)) {
  test(`${name}: it is told, though the ledger can’t be written`, async () => {
    const { engine, broken } = breaking(memory())
    const server = serve({ engine, bindings: [userAgent({ onMismatch: 'revoke' })] })
    const ada = new Client(server)
    await ada.login('ada')
    server.events.length = 0
    broken.add('replaceUser')
    assert.equal(await codeOf(end(server, ada)), 'ERR_ENGINE')
    broken.clear()
    await end(server, ada).catch(() => {})
    const told = server.events.filter(({ name }) => event.startsWith(name))
    assert.deepEqual(
      told.map(({ name, userId, actor }) => [`${name} ${actor}`, userId]),
      [[event, 'ada']],
    )
    assert.deepEqual(await server.sessions.list('ada'), [])
  })
}
