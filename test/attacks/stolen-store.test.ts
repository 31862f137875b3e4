/** A stolen store is worthless, together with the keys, too. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { KeyRing, parseKeys } from '../../src/core/keys.ts'
import { formatToken } from '../../src/core/token.ts'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import {
  around,
  Client,
  contextOf,
  KEYS,
  MINUTE,
  namesOf,
  partsOf,
  SESSION,
  type Server,
  serve,
  temporaryFile,
} from './support.ts'

/** Everything that was ever written, by any verb. */
function dumping() {
  const written: string[] = []
  const engine = around(memory(), (_verb, run, args) => {
    written.push(JSON.stringify(args))
    return run()
  })
  return { engine, written }
}

/** A session that has lived: visited, logged in, renewed, settled, reauthenticated. */
async function live(server: Server): Promise<{ ada: Client; shown: string[] }> {
  const ada = new Client(server)
  const shown: string[] = []
  const step = async (work: () => Promise<unknown>) => {
    await work()
    if (ada.token) shown.push(ada.token)
  }
  await step(() => ada.send((session) => session.set('cart', 1)))
  await step(() => ada.login('ada'))
  server.clock.now += 16 * MINUTE
  await step(() => ada.whoami())
  await step(() => ada.whoami())
  server.clock.now += 7 * MINUTE
  await step(() => ada.whoami())
  server.clock.now += 10 * MINUTE
  await step(() => ada.whoami())
  await step(() => ada.whoami())
  await step(() => ada.send((session) => session.reauthenticate()))
  return { ada, shown }
}

test('P5 nothing that is ever stored contains a secret, its hash, an offer, or a CSRF token', async () => {
  const { engine, written } = dumping()
  const server = serve({ engine })
  const { ada, shown } = await live(server)
  const csrf = (await ada.send((session) => void session.csrfToken())).session.csrfToken()
  const all = written.join('\n')
  assert.ok(shown.length >= 6)
  for (const token of shown) {
    const { secret, parent, tag } = partsOf(token)
    const once = createHash('sha256').update(secret).digest('base64url')
    for (const part of [token, secret, once, parent, tag]) if (part) assert.ok(!all.includes(part), part)
  }
  assert.ok(!all.includes(csrf))
})

test('P5 store and keys together: no text of the store, taken as a secret or a parent, makes a token that works', async () => {
  const { engine, written } = dumping()
  const server = serve({ engine })
  const { ada } = await live(server)
  const { id } = partsOf(ada.token!)
  const ring = new KeyRing(parseKeys(KEYS))
  const record = (await engine.load(id))!
  const texts = new Set(written.join('\n').match(/[A-Za-z0-9_-]{43}/g))
  for (const text of [...texts]) texts.add(createHash('sha256').update(text).digest('base64url'))
  assert.ok(texts.size >= 4)
  const owner = (await ada.peek()).userId
  assert.equal(owner, 'ada')
  for (const secret of texts) {
    for (const parent of ['', ...texts]) {
      for (const era of [record.era, record.era - 1]) {
        const minted = formatToken(ring, SESSION, { id, era, parent, secret, issued: server.clock.now })
        const context = contextOf({
          method: 'GET',
          headers: { cookie: `${SESSION}=${minted}` },
          now: server.clock.now,
        })
        assert.equal((await server.sessions.open(context)).userId, null)
      }
    }
  }
})

test('P5 a token minted with the keys and a wrong secret is noticed as a replay or unknown, and never lives', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const ring = new KeyRing(parseKeys(KEYS))
  const thief = new Client(server)
  const { id } = partsOf(ada.token!)
  for (const issued of [server.clock.now, server.clock.now + MINUTE]) {
    thief.jar.set(
      SESSION,
      formatToken(ring, SESSION, { id, era: 1, parent: '', secret: 'A'.repeat(43), issued }),
    )
    assert.equal(await thief.whoami(), null)
  }
})

test('P5 a tombstone keeps no hash that a token could be measured against, and no data', async () => {
  const engine = memory()
  const server = serve({ engine })
  const ada = new Client(server)
  await ada.login('ada')
  await ada.send((session) => session.set('iban', 'DE02120300000000202051'))
  const { id } = partsOf(ada.token!)
  await ada.send((session) => session.terminate())
  const record = (await engine.load(id))!
  assert.deepEqual([record.secrets, record.data, record.bound], [{ current: '', parent: null }, '{}', {}])
})

test('P5 an empty hash of a tombstone cannot be shown: no token without a secret is a token', async () => {
  const server = serve()
  const ring = new KeyRing(parseKeys(KEYS))
  const client = new Client(server)
  const id = 'A'.repeat(22)
  client.jar.set(SESSION, formatToken(ring, SESSION, { id, era: 1, parent: '', secret: '', issued: 1 }))
  assert.equal(await client.whoami(), null)
  assert.deepEqual(namesOf(server), ['session_token_forged'])
})

test('P5 the bytes of the SQLite file and its log hold no token, and the file is for its owner alone', async (t) => {
  const file = temporaryFile(t)
  const engine = sqlite(file)
  const server = serve({ engine })
  const { shown } = await live(server)
  const { mode } = (await import('node:fs')).statSync(file)
  assert.equal(mode & 0o077, 0)
  for (const path of [file, `${file}-wal`]) {
    const bytes = readFileSync(path).toString('latin1')
    for (const token of shown) assert.ok(!bytes.includes(partsOf(token).secret))
  }
  await engine.close?.()
})

test('P5 R-14 without the keys a dump mints no CSRF token, and what is masked tells nothing', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const { session } = await ada.send((session) => void session.csrfToken())
  const subject = `session ${session.id} ${session.authenticatedAt}`
  const guesses = [subject, session.id!, 'ada'].map((text) => createHash('sha256').update(text).digest())
  for (const guess of guesses) {
    const token = Buffer.concat([Buffer.alloc(32), guess]).toString('base64url')
    const { session } = await ada.begin({ headers: { 'x-csrf-token': token } })
    assert.equal(session.refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
  }
})

test('R-46 ASVS 9.2.2 the MAC of one purpose means nothing to another, over the very same text', () => {
  const ring = new KeyRing(parseKeys(KEYS))
  const purposes = ['session', 'visitor', 'csrf'] as const
  for (const one of purposes) {
    for (const other of purposes) {
      assert.equal(
        ring.verify(other, 'text', ring.sign(one, 'text')),
        one === other ? 0 : -1,
        `${one}, ${other}`,
      )
    }
  }
})
