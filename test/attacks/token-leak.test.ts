/** The token travels in one cookie, and appears nowhere else: every byte of a full run is searched. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { memory } from '../../src/engines/memory.ts'
import { around, contextOf, partsOf, SESSION, serve, VISITOR } from './support.ts'
import { ADAPTERS, ours, type WireResponse } from './wire.ts'

const CONSOLE = ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const

for (const [adapter, start] of ADAPTERS) {
  describe(`through ${adapter}`, () => {
    test('P6 ASVS 3.3.4 14.2.1 16.2.5 no URL, body, log, event, error or row holds a token or its parts', async (t) => {
      const logged: string[] = []
      for (const name of CONSOLE)
        t.mock.method(console, name, (...args: unknown[]) =>
          logged.push(args.map((arg) => inspect(arg, { depth: 9 })).join(' ')),
        )
      const written: string[] = []
      let down = false
      const engine = around(memory(), (verb, run, args) => {
        written.push(JSON.stringify(args))
        if (down) throw new Error(`${verb} failed for ${JSON.stringify(args)}`)
        return run()
      })
      const { sessions, events, clock } = serve({ engine, csrf: { requireToken: true } })
      void clock
      const errors: unknown[] = []
      const wire = await start(t, sessions, async (session, path) => {
        if (path === '/login') session.authenticate('ada', { remember: true })
        if (path === '/write') session.set('note', 'kept')
        if (path === '/renew') session.renew()
        if (path === '/step-up') session.reauthenticate()
        if (path === '/date') session.set('date', new Date())
        if (path === '/throw') throw new Error('the application failed')
        if (path === '/logout') session.terminate()
        if (path === '/form') return session.csrfToken()
        return JSON.stringify([
          session,
          inspect(session, { depth: 9, showHidden: true }),
          session.id,
          session.lost,
        ])
      })
      const answers: WireResponse[] = []
      const tokens = new Set<string>()
      const forms = new Set<string>()
      const jar: Record<string, string | null> = {}
      const send = async (method: string, path: string, headers: Record<string, string> = {}) => {
        const answer = await wire
          .send({ method, path, headers: { ...ours(jar), ...headers } })
          .catch((error) => {
            errors.push(error)
            return null
          })
        if (!answer) return ''
        answers.push(answer)
        for (const name of [SESSION, VISITOR]) {
          const value = answer.cookie(name)
          if (value) tokens.add(value)
          if (value !== undefined) jar[name] = value
        }
        return answer.body
      }
      const form = async () => {
        const csrf = await send('GET', '/form')
        forms.add(csrf)
        return { 'x-csrf-token': csrf }
      }
      await send('POST', '/login', await form())
      for (const path of ['/write', '/renew', '/write', '/step-up', '/date', '/throw']) {
        await send('POST', path, await form())
        await send('GET', '/page')
      }
      const old = { ...jar }
      await send('POST', '/write', { 'x-csrf-token': 'wrong' })
      await send('POST', '/write', { 'sec-fetch-site': 'cross-site' })
      await send('GET', `/page?${SESSION}=${encodeURIComponent(jar[SESSION]!)}`)
      await send('POST', '/logout', await form())
      Object.assign(jar, old)
      await send('GET', '/page')
      await send('POST', '/write', await form())
      down = true
      await send('GET', '/page')
      down = false

      assert.ok(tokens.size >= 5, `${tokens.size} tokens were seen`)
      const texts = {
        headers: answers.flatMap(({ headers }) =>
          headers.filter(([name]) => !/^set-cookie$/i.test(name)).map(String),
        ),
        bodies: answers.map(({ body }) => body).filter((body) => !forms.has(body)),
        logs: logged,
        events: events.map((event) => JSON.stringify(event)),
        rows: written,
        errors: errors.map((error) => inspect(error, { depth: 9 })),
      }
      for (const token of tokens) {
        const { secret, tag, parent } = partsOf(token)
        const parts = [
          token,
          secret,
          tag,
          parent,
          secret && createHash('sha256').update(secret).digest('base64url'),
        ]
        for (const part of parts.filter((part) => part && part.length >= 20)) {
          for (const [where, list] of Object.entries(texts)) {
            // The path that a forger made is the client's own doing.
            const found = list.find((text) => text.includes(part!))
            assert.equal(found, undefined, `${where} hold a part of a token`)
          }
        }
      }
      for (const csrf of forms) {
        for (const [where, list] of Object.entries(texts)) {
          assert.ok(!list.some((text) => text.includes(csrf)), `${where} hold a CSRF token`)
        }
      }
      for (const answer of answers) {
        for (const line of answer.all('set-cookie'))
          assert.match(line, /^__Host-Http-(?:session|visitor)=[^;]*; /)
        for (const name of [SESSION, VISITOR]) {
          assert.ok(
            answer.all('set-cookie').filter((line) => line.startsWith(`${name}=`)).length <= 1,
            'one cookie per state',
          )
        }
      }
    })
  })
}

test('P6 SM-3 the token counts nowhere but in its cookie: not in the query, path, body, or another header', async () => {
  const server = serve()
  const login = await server.sessions.open(contextOf())
  login.authenticate('ada')
  const { headers } = await server.sessions.commit(login)
  const token = headers.find(([name]) => name === 'Set-Cookie')![1].split(/[=;]/)[1]!
  for (const ask of [
    { path: `/${token}` },
    { headers: { authorization: `Bearer ${token}` } },
    { headers: { 'x-session': token, 'session-token': token, [SESSION.toLowerCase()]: token } },
    { headers: { cookie: `session=${token}; sid=${token}; connect.sid=${token}` } },
    { headers: { cookie: `${VISITOR}=${token}` } },
    { fields: { [SESSION]: token, session: token } },
  ]) {
    assert.equal((await server.sessions.open(contextOf(ask))).userId, null)
  }
})

test('P6 CS-14 one cookie per state: a visitor has his, a user hers, and nobody keeps both', async () => {
  const { Client } = await import('./support.ts')
  const server = serve()
  const client = new Client(server)
  await client.send((session) => void session.csrfToken(), { method: 'GET' })
  assert.deepEqual([...client.jar.keys()], [VISITOR])
  await client.login('ada')
  await client.send((session) => void session.csrfToken())
  assert.deepEqual([...client.jar.keys()], [SESSION])
  await client.send((session) => session.terminate())
  assert.deepEqual([...client.jar.keys()], [])
})

test('P6 a refusal quotes what was sent as one harmless line', async () => {
  const server = serve()
  for (const hostile of [
    '<script>alert(1)</script>',
    'a\r\nb',
    '\x1b[31mred',
    '\u202e',
    'x'.repeat(10_000),
  ]) {
    for (const name of ['origin', 'sec-fetch-site']) {
      const headers = { 'sec-fetch-site': null, [name]: hostile }
      const { refusal } = await server.sessions.open(contextOf({ headers }))
      assert.match(refusal!.message, /^[\x20-\x7e]{1,400}$/)
    }
  }
})
