/** Everything that a full run stored, logged, and printed for its operator is searched for what could take a session over. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { pino } from 'pino'
import { toPino } from '../../src/audit/pino.ts'
import { App, type Asked, AUDIT_KEY, holdfast, KEY } from './support.ts'

test('P6 ASVS 16.2.5 no store, log, event, or output of a command holds a token, its parts, or a key', async (t) => {
  const logged: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk))
      done()
    },
  })
  const log = toPino(pino(stream))
  let heard = 0
  const app: App = new App(t, {
    onEvent(event) {
      heard++
      log(event)
      app.log.onEvent(event)
    },
  })
  const start = Date.now() - 60 * 60_000
  const at = (minutes: number) => start + minutes * 60_000
  const tokens = new Set<string>()
  const csrf = new Set<string>()
  const ask = async (asked: Asked, handler?: Parameters<App['ask']>[1]) => {
    const answer = await app.ask(asked, handler)
    if (answer.token) tokens.add(answer.token)
    return answer
  }

  const login = await ask({ method: 'POST', path: '/login', now: at(0) }, (session) =>
    session.authenticate('ada'),
  )
  const first = login.token
  const offer = (await ask({ cookie: first, now: at(16) }, (session) => csrf.add(session.csrfToken()))).token
  await ask({ cookie: offer, now: at(17) }, (session) => session.set('note', 'kept'))
  await ask({ cookie: first, now: at(25) })
  await ask({ cookie: offer, now: at(26) })
  const next = await ask({ method: 'POST', now: at(26) }, (session) => session.authenticate('ada'))
  await ask({ cookie: next.token, now: at(27), userAgent: 'curl/8' })
  await ask({ cookie: `${next.token}x`, now: at(27) })
  await ask({ cookie: next.token, now: at(28), method: 'POST' }, (session) => session.reauthenticate())
  const live = await ask({ method: 'POST' }, (session) => session.authenticate('bob'))
  await app.log.flush()

  const env = { SESSION_KEYS: KEY, AUDIT_KEY, HOLDFAST_STORE: app.store, HOLDFAST_AUDIT: app.audit }
  const lost = await holdfast(['audit', 'tail', '--json', '--name', 'authn_token_reuse'], { env })
  const runs: [args: string[], input?: string][] = [
    [['list', '--all']],
    [['list', '--all', '--json']],
    [['show', live.id]],
    [['show', live.id, '--json']],
    [['stats']],
    [['audit', 'tail', '-n', '500']],
    [['audit', 'tail', '-n', '500', '--json']],
    [['audit', 'verify']],
    [['explain', JSON.parse(lost.stdout).id]],
    ...[first, offer, next.token, live.token].map((token): [string[], string] => [['explain'], token]),
    [['explain', '--json'], live.token],
    [['explain', live.token]],
    [['revoke', '--user', 'bob', '--yes']],
    [['sweep']],
  ]
  const printed: string[] = []
  for (const [args, input = ''] of runs) {
    const { exit, stdout, stderr } = await holdfast(args, { env, input })
    assert.ok(exit !== null && exit < 2, `${args.join(' ')}: ${stderr}`)
    printed.push(stdout + stderr)
  }

  const texts = {
    'the files': globSync('*', { cwd: app.folder }).map((file) =>
      readFileSync(join(app.folder, file), 'latin1'),
    ),
    'the log': logged,
    'the commands': printed,
  }
  assert.ok(heard >= 12 && logged.length === heard, `${heard} events`)
  assert.ok(tokens.size >= 5, `${tokens.size} tokens`)
  const parts = [...tokens].flatMap((token) => {
    const [, , parent, secret, , tag] = token.split('.')
    return [token, parent!, secret!, tag!, createHash('sha256').update(secret!).digest('base64url')]
  })
  for (const secret of [...parts, ...csrf, KEY, AUDIT_KEY].filter((part) => part.length >= 20)) {
    for (const [where, list] of Object.entries(texts)) {
      assert.ok(!list.some((text) => text.includes(secret)), `${where} hold a secret`)
    }
  }
})
