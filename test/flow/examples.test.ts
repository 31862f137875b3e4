/** The small examples, each in a process of its own, as a browser sees them. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { browser } from 'holdfast/testing'
import { freePort } from './open.ts'

const root = join(import.meta.dirname, '../..')
const SESSION = '__Host-Http-session'
const PASSWORD = 'analytical-engine'

for (const name of ['express', 'fastify', 'hono', 'koa']) {
  describe(`examples/${name}`, () => {
    let child: ChildProcess
    let origin = ''

    before(async () => {
      const port = await freePort()
      child = spawn(process.execPath, ['--conditions=holdfast-source', 'main.ts'], {
        cwd: join(root, 'examples', name),
        env: { ...process.env, NODE_OPTIONS: '', PORT: String(port) },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [line] = await once(child.stdout!, 'data')
      origin = /http:\/\/\S+:\d+/.exec(String(line))![0]
    })

    after(async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    })

    test('a login by its form, a logout by its form, and no other way', async () => {
      await using client = browser(origin)
      const visit = await client.get('/')
      assert.match(visit.headers.get('content-type')!, /^text\/html/)
      const form = await visit.text()
      const wrong = await client.submit(form, { username: 'ada', password: 'wrong' })
      assert.equal(wrong.status, 401)
      const again = await wrong.text()
      assert.match(again, /Wrong name or password/)
      assert.equal((await client.cookies())[SESSION], undefined)

      const page = await client.submit(again, { username: 'ada', password: PASSWORD })
      assert.equal(new URL(page.url).pathname, '/')
      const home = await page.text()
      assert.match(home, /Hello, ada/)
      assert.deepEqual(Object.keys(await client.cookies()), [SESSION])

      const thief = client.clone()
      assert.match(await (await client.submit(home)).text(), /Log in/)
      assert.equal((await client.cookies())[SESSION], undefined)
      assert.doesNotMatch(await (await thief.get('/')).text(), /Hello/, 'what has ended stays ended')
    })

    test("a forged post: 403, in the framework's own form", async () => {
      await using client = browser(origin)
      await client.submit(await (await client.get('/')).text(), { username: 'ada', password: PASSWORD })
      const forged = await client.crossSite('/logout', { method: 'POST' })
      assert.equal(forged.status, 403)
      assert.match(await forged.text(), /refused, for it comes from elsewhere/)
      assert.match(forged.headers.get('cache-control')!, /no-store/)
      const stale = await client.post('/logout', { csrf_token: 'x'.repeat(86) })
      assert.equal(stale.status, 403)
      assert.match(await (await client.get('/')).text(), /Hello, ada/)
    })
  })
}
