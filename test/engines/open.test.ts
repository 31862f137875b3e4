/** Engines by URL, as far as they need no server. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect, promisify } from 'node:util'
import { openEngine } from '../../src/engines/open.ts'
import { recordOf, refusal } from '../core/fixtures.ts'

/** AuthenticationCleartextPassword, and an ErrorResponse, of PostgreSQL's protocol. */
const ASK_PASSWORD = Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 3])
const REFUSAL = Buffer.from('SFATAL\0C28P01\0Mpassword refused\0\0')
const REFUSE_PASSWORD = Buffer.concat([Buffer.from([69, 0, 0, 0, REFUSAL.length + 4]), REFUSAL])

test('memory, and a file of SQLite', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-open-'))
  t.after(() => rmSync(folder, { recursive: true }))
  assert.equal((await openEngine('memory')).name, 'memory')
  const url = `sqlite:${join(folder, 'sessions.db')}`
  const engine = await openEngine(url)
  assert.equal(await engine.create(recordOf()), true)
  await engine.close!()
  const again = await openEngine(url)
  assert.deepEqual(await again.load(recordOf().id), recordOf())
  await again.close!()
})

test('what makes no sense is refused, without the password', async () => {
  const urls = ['', 'memory:', 'sessions.db', 'mongodb://u:secret@host', 'sqlite:', 'Redis://host']
  const redis = ['redis:', 'redis://', 'redis://u:secret@', 'redis://u:secret@a:1,b:2', 'redis://host/x']
  redis.push('redis://u:secret@host?prefix=a&db=3', 'redis://host:99999', 'redis+cluster://a:1,')
  for (const url of [...urls, ...redis])
    await assert.rejects(openEngine(url), refusal('ERR_OPTION', /^(?!.*secret)/), url)
  await assert.rejects(openEngine('redis://host?prefix={a}'), refusal('ERR_OPTION', /prefix/))
})

const refusals: [scheme: string, path: string, answer: (asked: Buffer) => string | Buffer][] = [
  ['redis', '', (asked) => '-WRONGPASS refused\r\n'.repeat(asked.toString().match(/^\*/gm)?.length ?? 0)],
  ['postgres', '/x', (asked) => (asked[0] === 0 ? ASK_PASSWORD : REFUSE_PASSWORD)],
]
for (const [scheme, path, answer] of refusals) {
  test(`a password that ${scheme} refuses is nowhere in the error`, { timeout: 60_000 }, async (t) => {
    let heard = ''
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (asked) => {
        heard += asked.toString('latin1')
        const said = answer(asked)
        // As the real one does: pg waits for it.
        if (said === REFUSE_PASSWORD) socket.end(said)
        else socket.write(said)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const error = await openEngine(`${scheme}://bob:hunter2@127.0.0.1:${port}${path}`).catch((error) => error)
    assert.equal(error.code, 'ERR_ENGINE')
    assert.match(error.message, /refused/)
    assert.match(heard, /hunter2/, 'it was sent')
    assert.doesNotMatch(inspect(error, { depth: Infinity, showHidden: true }), /hunter2/)
  })
}

test('a client library that is not installed is asked for by its name', async () => {
  const hooks = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) { return next(name === 'ioredis' ? 'not-installed' : name, context) } })`
  const code = `import { openEngine } from 'holdfast/open'
    await openEngine('redis://127.0.0.1').catch(({ code, message }) => console.log(code, message))`
  const data = `data:text/javascript,${encodeURIComponent(hooks)}`
  const args = ['--conditions=holdfast-source', '--no-warnings', '--import', data]
  const cwd = join(import.meta.dirname, '../..')
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...args, '--input-type=module', '--eval', code],
    { cwd },
  )
  assert.equal(stdout, 'ERR_OPTION This engine needs the package ioredis: npm install ioredis\n')
})
