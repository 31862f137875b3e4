/** The demo on Redis: what one of two servers is told, the other knows. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Client, type Demo, runDemo, startDemo } from '../../demo/demo-process.ts'
import { freePort, temporaryFolder } from '../process.ts'
import { available, startRedis } from './server.ts'

async function started(t: TestContext, ...args: string[]): Promise<Demo> {
  const demo = await startDemo(...args)
  t.after(() => demo.stop())
  return demo
}

if (available('redis').length > 0) {
  test('two demos on one Redis share sessions; a restart forgets none; an end counts everywhere', async (t) => {
    const { port, ask } = await startRedis(t)
    const database = join(temporaryFolder(t, 'demo'), 'demo.db')
    const args = ['--database', database, '--engine', `redis://127.0.0.1:${port}`]
    const one = await started(t, ...args)
    const other = await started(t, ...args)
    const ada = new Client(one.url)
    assert.equal((await ada.logIn('ada', 'analytical-engine')).status, 303)
    assert.equal((await new Client(other.url, undefined, ada.cookies).get('/account')).status, 200)
    assert.match(String(await ask('KEYS', '*')), /holdfast:u:ada/)
    assert.equal(await one.stop(), 0)
    const again = await started(t, ...args)
    const later = new Client(again.url, undefined, ada.cookies)
    assert.equal((await later.get('/account')).status, 200)
    assert.equal((await later.submit('/logout', {}, '/account')).status, 303)
    assert.notEqual((await new Client(other.url, undefined, ada.cookies).get('/account')).status, 200)
  })
}

test('where no server answers, the demo says so without a stack or the password', async (t) => {
  const database = join(temporaryFolder(t, 'demo'), 'demo.db')
  const url = `redis://u:secret@127.0.0.1:${await freePort()}`
  const { code, err } = await runDemo('--database', database, '--engine', url)
  assert.equal(code, 1)
  assert.match(err, /no server answers/)
  assert.doesNotMatch(err, /secret|\n\s+at /)
})
