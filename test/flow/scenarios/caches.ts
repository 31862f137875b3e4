/** Scenarios of what caches may keep. */

import assert from 'node:assert/strict'
import { type Open, SESSION, type Test } from './kit.ts'

export function cacheScenarios(open: Open, test: Test): void {
  test('a token never leaves in a response that a shared cache may keep, whatever the application says (R-37)', async () => {
    const headers: [string, string][] = [
      ['cache-control', 'public, max-age=600'],
      ['cdn-cache-control', 'max-age=600'],
      ['vercel-cdn-cache-control', 'max-age=600'],
      ['surrogate-control', 'max-age=600'],
      ['x-accel-expires', '600'],
      ['expires', new Date(Date.now() + 600_000).toUTCString()],
      ['vary', 'Accept'],
      ['etag', '"kept"'],
    ]
    await using site = await open()
    const query = new URLSearchParams(headers)
    const answer = await site.browser().get(`/headers?session&${query}`)
    assert.equal(answer.headers.get('cache-control'), 'no-store, private')
    assert.equal(answer.headers.get('vary'), 'Accept, Cookie')
    assert.equal(answer.headers.get('etag'), '"kept"')
    for (const name of [
      'cdn-cache-control',
      'vercel-cdn-cache-control',
      'surrogate-control',
      'x-accel-expires',
      'expires',
    ]) {
      assert.equal(answer.headers.get(name), null, name)
    }
    const untouched = await site.browser().get(`/headers?${query}`)
    assert.deepEqual(
      headers.map(([name]) => untouched.headers.get(name)),
      headers.map(([, value]) => value),
    )
  })

  test('Vary is merged: no name twice, and * says it all', async () => {
    await using site = await open()
    for (const [given, expected] of [
      [[], 'Cookie'],
      [['Accept'], 'Accept, Cookie'],
      [['accept, cookie'], 'accept, cookie'],
      [['COOKIE'], 'COOKIE'],
      [['Accept', 'Origin'], 'Accept, Origin, Cookie'],
      [['*'], '*'],
      [['Set-Cookie'], 'Set-Cookie, Cookie'],
    ] as const) {
      const query = new URLSearchParams(given.map((value): [string, string] => ['vary', value]))
      assert.equal((await site.browser().get(`/headers?look&${query}`)).headers.get('vary'), expected)
    }
  })

  test("the application's own cookies stay beside ours", async () => {
    await using site = await open()
    const client = site.browser()
    const path = '/headers?session&set-cookie=theme%3Ddark&set-cookie=lang%3Den'
    const names = (await client.get(path)).headers.getSetCookie().map((line) => line.split('=')[0])
    assert.deepEqual(names.sort(), [SESSION, 'lang', 'theme'])
  })

  test('what the application says of caching stays where there is no token in the response', async () => {
    await using site = await open()
    const client = site.browser()
    await client.post('/login?user=ada')
    const response = await client.get('/headers?look&cache-control=private,+max-age%3D5')
    assert.equal(response.headers.get('cache-control'), 'private, max-age=5')
  })
}
