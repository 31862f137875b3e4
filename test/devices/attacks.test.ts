/** Attacks on the device page. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { showSession } from '../../src/console/shape.ts'
import { call, idOf, listOf, MOUNTS, open, PATH, pageOf, submit } from './support.ts'

/** Whatever tells two answers apart, but for what differs each time. */
async function shape(response: Response): Promise<unknown> {
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'date'))
  return [
    response.status,
    headers,
    (await response.text()).replaceAll(/value="[\w-]{86}"|<time.*?<\/time>/g, ''),
  ]
}

for (const [name, mount] of Object.entries(MOUNTS)) {
  describe(name, () => {
    test('another’s session is answered as one that isn’t there, whatever is asked of it', async () => {
      await using site = await open(mount)
      const [mallory, ada] = [await site.logIn('mallory'), await site.logIn('ada')]
      const foreign = await idOf(ada)
      const ids = [foreign, 'A'.repeat(22), 'x', '', '\0', '../', `${foreign}\0`, 'x'.repeat(2_000)]
      for (const [send, fields] of [
        [submit, {}],
        [call, {}],
        [submit, { name: 'Mine' }],
        [call, { name: 'Mine' }],
      ] as const) {
        const what = 'name' in fields ? 'rename' : 'revoke'
        const shapes = []
        for (const id of ids) shapes.push(await shape(await send(mallory, what, { id, ...fields })))
        assert.equal((shapes[0] as unknown[])[0], 404)
        for (const each of shapes) assert.deepEqual(each, shapes[0])
      }
      assert.equal(await (await ada.get('/')).text(), 'ada')
      assert.equal((await listOf(ada)).sessions[0]!.name, null)
      assert.ok(!(await pageOf(mallory)).includes(foreign))
    })

    test('a POST without its CSRF token, with another’s, or from another site, changes nothing', async () => {
      await using site = await open(mount)
      const [desk, phone, mallory] = [await site.logIn(), await site.logIn(), await site.logIn('mallory')]
      const id = await idOf(phone)
      const { csrfToken } = await listOf(mallory)
      const fields = { id, name: 'Forged', others: '1' }
      for (const what of ['rename', 'revoke']) {
        for (const [code, response] of [
          ['ERR_CSRF_TOKEN_MISSING', await desk.post(`${PATH}/${what}`, fields)],
          [
            'ERR_CSRF_TOKEN_INVALID',
            await desk.post(`${PATH}/${what}`, { ...fields, csrf_token: csrfToken }),
          ],
          ['ERR_CSRF_TOKEN_INVALID', await desk.post(`${PATH}/${what}`, { ...fields, csrf_token: 'x' })],
          ['ERR_CSRF_TOKEN_MISSING', await desk.fetch(`${PATH}/${what}`, { json: fields })],
          ['ERR_CSRF_TOKEN_MISSING', await desk.post(`${PATH}/${what}?csrf_token=${csrfToken}`, fields)],
        ] as const) {
          assert.equal(response.status, 403)
          assert.match(await response.text(), new RegExp(code))
        }
        const body = new URLSearchParams({ ...fields, csrf_token: (await listOf(desk)).csrfToken })
        // The cookie doesn't come along; and where it did, the origin is another.
        assert.ok((await desk.crossSite(`${PATH}/${what}`, { method: 'POST', body })).status >= 400)
      }
      assert.equal(await (await phone.get('/')).text(), 'ada')
      assert.equal((await listOf(phone)).sessions[0]!.name, null)
    })

    test('no page of another can frame it, cache it, or run a script in it', async () => {
      await using site = await open(mount)
      const desk = await site.logIn()
      for (const response of [
        await desk.get(PATH),
        await desk.fetch(PATH, { headers: { accept: 'application/json' } }),
        await desk.get(`${PATH}/nothing`),
        await desk.post(`${PATH}/revoke`, {}),
        await site.visit().get(PATH),
      ]) {
        const policy = response.headers.get('content-security-policy')!
        assert.match(policy, /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; /)
        for (const part of ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"])
          assert.ok(policy.includes(part), part)
        assert.doesNotMatch(policy, /unsafe|script-src/)
        assert.equal(response.headers.get('x-frame-options'), 'DENY')
        assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
        assert.equal(response.headers.get('referrer-policy'), 'same-origin')
        assert.match(response.headers.get('cache-control')!, /no-store/)
        assert.match(response.headers.get('vary')!, /accept/i)
      }
    })

    test('a body that is too long, of another type, or no object', async () => {
      await using site = await open(mount)
      const desk = await site.logIn()
      const { csrfToken } = await listOf(desk)
      const headers = { accept: 'application/json', 'x-csrf-token': csrfToken }
      const send = (type: string, body: string) =>
        desk.fetch(`${PATH}/rename`, { method: 'POST', body, headers: { ...headers, 'content-type': type } })
      const statuses = []
      for (const [type, body] of [
        ['application/json', JSON.stringify({ id: 'x', name: 'x'.repeat(20_000) })],
        ['text/plain', 'id=x'],
        ['multipart/form-data; boundary=x', '--x--'],
        ['application/json', '[1]'],
      ] as const)
        statuses.push((await send(type, body)).status)
      assert.deepEqual(statuses, [413, 415, 415, 400])
    })
  })
}

test('hostile names and user agents are text, wherever they stand', async () => {
  await using site = await open()
  const hostile = `"><script>alert(1)</script><img src=x onerror='a'>&amp;`
  const userAgents = [
    '<script>alert(1)</script>',
    `Evil"onmouseover='x'/1.0`,
    `Mozilla/5.0 (<b>) <i>`,
    'x'.repeat(8_000),
  ]
  for (const userAgent of userAgents) await site.logIn('ada', { userAgent })
  const desk = await site.logIn()
  await call(desk, 'rename', { id: await idOf(desk), name: hostile })
  const html = await pageOf(desk, `?ended=<script>&renamed=${encodeURIComponent(hostile)}`)
  assert.doesNotMatch(html, /<(?:script|img|b|i)\b/)
  assert.doesNotMatch(html.replaceAll(/"[^"<>]*"/g, ''), /<[^>]*(?:\son\w+=|["'])/)
  assert.ok(html.includes('&lt;script&gt;alert(1)'))
  assert.equal((await listOf(desk)).sessions[0]!.name, hostile)
  assert.ok(!html.includes('x'.repeat(600)))
})

test('what turns lines around, hides, or is broken is no part of a name', async () => {
  await using site = await open()
  const desk = await site.logIn()
  const id = await idOf(desk)
  for (const [typed, kept] of [
    ['a\u202eb', 'ab'],
    ['\u2066x\u2069\u200b', 'x'],
    ['a\r\nb\tc', 'a b c'],
    ['\u0000\u0007', null],
    ['\u200d\u200d', null],
    ['\ud800x', '\ufffdx'],
    ['  ', null],
    ['e\u0301', 'é'],
    ['👩‍💻 שלום', '👩‍💻 שלום'],
  ] as const) {
    await call(desk, 'rename', { id, name: typed })
    assert.equal((await listOf(desk)).sessions[0]!.name, kept, JSON.stringify(typed))
  }
})

test('a field that is there twice, or is no text, is not there', async () => {
  await using site = await open()
  const [desk, phone] = [await site.logIn(), await site.logIn()]
  const id = await idOf(phone)
  const { csrfToken } = await listOf(desk)
  const twice = await desk.post(
    `${PATH}/revoke`,
    new URLSearchParams([
      ['id', id],
      ['id', id],
      ['csrf_token', csrfToken],
    ]),
  )
  assert.equal(twice.status, 404)
  for (const json of [{ id: [id] }, { id: { id } }, { others: 1 }, { others: true }, { id: null }])
    assert.equal((await call(desk, 'revoke', json)).status, 404, JSON.stringify(json))
  assert.equal(await (await phone.get('/')).text(), 'ada')
})

test('a link from elsewhere makes the page say nothing', async () => {
  await using site = await open()
  const desk = await site.logIn()
  const response = await desk.crossSite(`${PATH}?ended=7`)
  assert.doesNotMatch(await response.text(), /role="status"/)
})

test('a name is for its user: no event and no answer of the operators’ console has it', async () => {
  await using site = await open()
  const [desk, phone] = [await site.logIn(), await site.logIn()]
  const id = await idOf(phone)
  await call(desk, 'rename', { id, name: 'sesame' })
  const info = (await site.sessions.find(id))!
  assert.equal(info.name, 'sesame')
  assert.ok(!JSON.stringify(showSession(info, null)).includes('sesame'))
  await call(desk, 'revoke', { id })
  assert.ok(!JSON.stringify(site.events).includes('sesame'))
})

test('a session that ends while it is renamed stays ended', async () => {
  await using site = await open()
  const [desk, phone] = [await site.logIn(), await site.logIn()]
  const id = await idOf(phone)
  await Promise.all([
    ...Array.from({ length: 10 }, (_, count) =>
      site.sessions.rename({ id, userId: 'ada', name: `n${count}` }),
    ),
    site.sessions.revoke({ id, userId: 'ada' }),
  ])
  assert.equal(await (await phone.get('/')).text(), 'a visitor')
  assert.equal(await site.sessions.rename({ id, userId: 'ada', name: 'late' }), false)
  assert.equal((await listOf(desk)).sessions.length, 1)
})
