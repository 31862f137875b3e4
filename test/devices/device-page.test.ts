/** The device page, through each kind of adapter: what a user sees, and what he can do. */

import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { createDevicePage } from 'holdfast/devices'
import { CHROME, call, idOf, listOf, MOUNTS, open, PATH, pageOf, SAFARI, submit } from './support.ts'

for (const [name, mount] of Object.entries(MOUNTS)) {
  describe(name, () => {
    test('lists a user’s own sessions in words, this one first, and nobody else’s', async () => {
      await using site = await open(mount)
      await site.logIn('ada', { userAgent: SAFARI })
      await site.logIn('grace')
      const desk = await site.logIn('ada', { userAgent: CHROME })
      const { sessions, fresh } = await listOf(desk)
      assert.deepEqual(
        sessions.map(({ device, current, name }) => [device, current, name]),
        [
          ['Chrome on Windows', true, null],
          ['Safari on iOS', false, null],
        ],
      )
      assert.equal(fresh, true)
      const html = await pageOf(desk)
      assert.match(html, /Chrome on Windows<\/bdi> <span class="badge">this one/)
      assert.match(html, /Safari on iOS/)
      assert.equal(html.match(/<li data-id=/g)?.length, 2)
    })

    test('the page works as forms do: rename, end one, end all others; each leads back to it and says so', async () => {
      await using site = await open(mount)
      const [desk, phone, third] = [
        await site.logIn(),
        await site.logIn('ada', { userAgent: SAFARI }),
        await site.logIn(),
      ]
      const id = await idOf(phone)
      const renamed = await submit(desk, 'rename', { id, name: ' My   phone\u202e ' })
      assert.deepEqual([renamed.status, renamed.headers.get('location')], [303, `${PATH}?renamed=1`])
      assert.match(await pageOf(desk, '?renamed=1'), /role="status">The name was kept/)
      assert.match(await pageOf(desk), /<bdi>My phone<\/bdi>/)
      assert.match(await pageOf(desk), /<p class="dim">Safari on iOS<\/p>/)

      const ended = await submit(desk, 'revoke', { id })
      assert.deepEqual([ended.status, ended.headers.get('location')], [303, `${PATH}?ended=1`])
      assert.match(await pageOf(desk, '?ended=1'), /1 session has ended/)
      assert.equal(await (await phone.get('/')).text(), 'a visitor')
      const others = await submit(desk, 'revoke', { others: '1' })
      assert.equal(others.headers.get('location'), `${PATH}?ended=1`)
      assert.equal(await (await third.get('/')).text(), 'a visitor')
      assert.equal(await (await desk.get('/')).text(), 'ada')
    })

    test('the same as JSON', async () => {
      await using site = await open(mount)
      const [desk, phone] = [await site.logIn(), await site.logIn()]
      const id = await idOf(phone)
      assert.deepEqual(await (await call(desk, 'rename', { id, name: 'Phone' })).json(), { renamed: true })
      assert.equal((await listOf(phone)).sessions[0]!.name, 'Phone')
      assert.deepEqual(await (await call(desk, 'rename', { id, name: '' })).json(), { renamed: true })
      assert.equal((await listOf(phone)).sessions[0]!.name, null)
      assert.deepEqual(await (await call(desk, 'revoke', { id })).json(), { ended: 1 })
      assert.deepEqual(await (await call(desk, 'revoke', { others: '1' })).json(), { ended: 0 })
      assert.equal(await (await phone.get('/')).text(), 'a visitor')
    })

    test('to end one’s own is to log out, and needs no fresh login', async () => {
      await using site = await open(mount)
      for (const [send, answer] of [
        [submit, 303],
        [call, 200],
      ] as const) {
        const desk = await site.logIn()
        const response = await send(desk, 'revoke', { id: await idOf(desk) })
        assert.equal(response.status, answer)
        if (answer === 303) assert.equal(response.headers.get('location'), '/login')
        assert.equal(await (await desk.get('/')).text(), 'a visitor')
      }
      assert.equal(site.events.filter((event) => event.name === 'session_logout').length, 2)
    })

    test('whoever is not logged in is sent to the login page, and a script gets a 401', async () => {
      await using site = await open(mount)
      const page = await site.visit().get(PATH)
      assert.deepEqual(
        [page.status, page.headers.get('location')],
        [303, '/login?next=%2Faccount%2Fsessions'],
      )
      const json = await site.visit().fetch(PATH, { headers: { accept: 'application/json' } })
      assert.equal(json.status, 401)
      assert.equal(((await json.json()) as { error: { code: string } }).error.code, 'ERR_NOT_AUTHENTICATED')
    })

    test('HEAD, other methods, other paths', async () => {
      await using site = await open(mount)
      const desk = await site.logIn()
      const head = await desk.fetch(PATH, { method: 'HEAD' })
      assert.deepEqual([head.status, await head.text()], [200, ''])
      for (const [method, path, status, allow] of [
        ['DELETE', PATH, 405, 'GET, HEAD'],
        ['POST', PATH, 405, 'GET, HEAD'],
        ['GET', `${PATH}/revoke`, 405, 'POST'],
        ['PUT', `${PATH}/rename`, 405, 'POST'],
        ['GET', `${PATH}/`, 200, null],
        ['GET', `${PATH}/list`, 404, null],
        ['GET', `${PATH}/nothing`, 404, null],
        ['GET', `${PATH}/revoke/`, 404, null],
      ] as const) {
        const response = await desk.fetch(path, { method })
        assert.deepEqual(
          [response.status, response.headers.get('allow')],
          [status, allow],
          `${method} ${path}`,
        )
      }
    })
  })
}

test('a name survives renewal, changes and a login in the same browser; it is gone with the session', async () => {
  mock.timers.enable({ apis: ['Date'], now: Date.now() })
  try {
    await using site = await open()
    const desk = await site.logIn()
    const id = await idOf(desk)
    await submit(desk, 'rename', { id, name: 'Desk' })
    await desk.post('/write')
    mock.timers.tick(16 * 60_000)
    await desk.get('/')
    await desk.get('/')
    assert.ok(site.events.some(({ name }) => name === 'session_renewed'))
    assert.equal((await listOf(desk)).sessions[0]!.name, 'Desk')
    await desk.post('/again')
    assert.equal((await listOf(desk)).sessions[0]!.name, 'Desk')
    await desk.post('/login?user=ada')
    const [own] = (await listOf(desk)).sessions
    assert.notEqual(own!.id, id)
    assert.equal(own!.name, 'Desk')
    await desk.post('/login?user=grace')
    assert.equal((await listOf(desk)).sessions[0]!.name, null, 'another user’s is not what he called it')
  } finally {
    mock.timers.reset()
  }
})

test('a login of long ago lists and renames, and asks for the password before it ends others', async () => {
  mock.timers.enable({ apis: ['Date'], now: Date.now() })
  try {
    await using site = await open()
    const [desk, phone] = [await site.logIn(), await site.logIn()]
    mock.timers.tick(11 * 60_000)
    assert.equal((await listOf(desk)).fresh, false)
    assert.match(await pageOf(desk), /you will be asked who you are first/)
    assert.equal((await call(desk, 'rename', { id: await idOf(phone), name: 'Phone' })).status, 200)
    for (const fields of [{ id: await idOf(phone) }, { others: '1' }]) {
      const page = await submit(desk, 'revoke', fields)
      assert.deepEqual(
        [page.status, page.headers.get('location')],
        [303, '/again?next=%2Faccount%2Fsessions'],
      )
      const json = await call(desk, 'revoke', fields)
      assert.equal(json.status, 401)
      assert.match(json.headers.get('www-authenticate')!, /max_age="600"/)
      const { error } = (await json.json()) as { error: { code: string; required: object } }
      assert.deepEqual([error.code, error.required], ['ERR_NOT_RECENT', { maxAge: 600 }])
    }
    assert.equal(await (await phone.get('/')).text(), 'ada')
    await desk.post('/again')
    assert.equal((await submit(desk, 'revoke', { others: '1' })).headers.get('location'), `${PATH}?ended=1`)
  } finally {
    mock.timers.reset()
  }
})

test('a name that is too long is refused, and what was typed is nowhere else', async () => {
  await using site = await open()
  const desk = await site.logIn()
  const id = await idOf(desk)
  const page = await submit(desk, 'rename', { id, name: 'x'.repeat(65) })
  assert.equal(page.status, 422)
  assert.match(await page.text(), /too long/)
  assert.equal((await call(desk, 'rename', { id, name: 'x'.repeat(65) })).status, 422)
  assert.equal((await call(desk, 'rename', { id, name: '👩‍💻'.repeat(12) })).status, 200)
})

test('other words, another language, another place', async () => {
  const texts = { title: 'Deine Geräte', ended: (count: number) => `${count} beendet` }
  await using site = await open(MOUNTS.web, {
    path: '/account/geraete',
    lang: 'de',
    texts,
    backUrl: '/konto',
  })
  const desk = await site.logIn()
  const html = await (await desk.get('/account/geraete?ended=3')).text()
  for (const part of [
    '<html lang="de">',
    '<h1>Deine Geräte</h1>',
    '3 beendet',
    'href="/konto"',
    'in 30 Minuten',
  ])
    assert.ok(html.includes(part), part)
  assert.equal((await desk.get(PATH)).status, 404)
})

test('wrong options are named', () => {
  const sessions = {} as never
  for (const [options, message] of [
    [{ paht: '/x' }, /there is no option paht/],
    [{ path: 'account' }, /path: expected/],
    [{ path: '/account/' }, /path: expected/],
    [{ loginUrl: 'javascript:alert(1)' }, /loginUrl: expected/],
    [{ backUrl: '//evil.example' }, /backUrl: expected/],
    [{ reauthenticateUrl: '/\\evil.example' }, /reauthenticateUrl: expected/],
    [{ authenticatedWithin: '10' }, /authenticatedWithin/],
    [{ lang: 'not a tag' }, /lang: expected/],
    [{ texts: { titel: 'x' } }, /texts.titel: there is no such text/],
    [{ texts: { ended: 'x' } }, /texts.ended: expected a function/],
  ] as const) {
    assert.throws(
      () => createDevicePage(sessions, options as never),
      { code: 'ERR_OPTION', message },
      String(message),
    )
  }
})
