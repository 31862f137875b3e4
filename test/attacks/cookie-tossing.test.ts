/** Cookies that a sibling host, a script or an older page has put into the victim's jar. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cookie } from '../../src/index.ts'
import { Client, contextOf, KEYS, namesOf, SESSION, type Server, serve, VISITOR } from './support.ts'

/** Whom the server takes a raw Cookie header for. */
async function as(server: Server, header: string): Promise<string | null> {
  return (await server.sessions.open(contextOf({ method: 'GET', headers: { cookie: header } }))).userId
}

async function tokenOf(server: Server, user: string): Promise<string> {
  const client = new Client(server)
  await client.login(user)
  return client.token!
}

test('R-30 CK-14 a __Host- cookie that comes twice counts for nothing, in either order, and is an event', async () => {
  const server = serve()
  const [ada, mallory] = [await tokenOf(server, 'ada'), await tokenOf(server, 'mallory')]
  for (const pair of [
    [ada, mallory],
    [mallory, ada],
    [ada, ada],
    [ada, ''],
    ['', ada],
  ]) {
    assert.equal(await as(server, pair.map((token) => `${SESSION}=${token}`).join('; ')), null)
  }
  assert.equal(namesOf(server).filter((name) => name === 'session_token_ambiguous').length, 5)
})

test('R-30 with a domain, and so a plain name, the first one wins: the one with the longest path', async () => {
  const server = serve({ cookie: { domain: 'example.com' } })
  const name = '__Secure-session'
  const [ada, mallory] = [new Client(server), new Client(server)]
  await ada.login('ada')
  await mallory.login('mallory')
  assert.equal(await as(server, `${name}=${ada.jar.get(name)}; ${name}=${mallory.jar.get(name)}`), 'ada')
})

test('R-13 R-02 two pre-sessions are none: a form token that goes with either is refused', async () => {
  const server = serve({ csrf: { requireToken: true } })
  const forms = await Promise.all(
    [0, 1].map(async () => {
      const client = new Client(server)
      let csrf = ''
      await client.send((session) => (csrf = session.csrfToken()), { method: 'GET' })
      return { csrf, visitor: client.jar.get(VISITOR)! }
    }),
  )
  const header = forms.map(({ visitor }) => `${VISITOR}=${visitor}`).join('; ')
  for (const { csrf } of forms) {
    const context = contextOf({ headers: { cookie: header }, fields: { csrf_token: csrf } })
    assert.equal((await server.sessions.open(context)).refusal?.code, 'ERR_CSRF_TOKEN_INVALID')
  }
})

describe('R-27 names that only look like ours are not ours', () => {
  const spaces = [
    '\u00a0',
    '\u2000',
    '\u2003',
    '\u3000',
    '\ufeff',
    '\v',
    '\f',
    '\0',
    '\u0085',
    '\r',
    '\n',
    '\u200b',
  ]
  const NAMES = [
    ...spaces.flatMap((space) => [`${space}${SESSION}`, `${SESSION}${space}`]),
    SESSION.toLowerCase(),
    SESSION.toUpperCase(),
    `__Host-session`,
    `__Secure-session`,
    'session',
    `$${SESSION}`,
    `"${SESSION}"`,
    `x${SESSION}`,
    `${SESSION}x`,
    `${SESSION}.0`,
    encodeURIComponent(SESSION).replaceAll('-', '%2D'),
  ]
  for (const name of NAMES) {
    test(JSON.stringify(name), async () => {
      const server = serve()
      const token = await tokenOf(server, 'mallory')
      assert.equal(await as(server, `${name}=${token}`), null)
      const ada = await tokenOf(server, 'ada')
      for (const header of [`${name}=${token}; ${SESSION}=${ada}`, `${SESSION}=${ada}; ${name}=${token}`]) {
        assert.equal(await as(server, header), 'ada', 'nor does it shadow ours')
      }
    })
  }
})

test('R-27 spaces and tabs around name and value, which servers have always trimmed, change nothing', async () => {
  const server = serve()
  const token = await tokenOf(server, 'ada')
  for (const header of [` ${SESSION}=${token}`, `\t${SESSION} = ${token} `, `a=b;${SESSION}=${token};`]) {
    assert.equal(await as(server, header), 'ada', JSON.stringify(header))
  }
})

test('R-27 the legacy syntax ($Version, quotes, commas) makes no cookie of ours out of another', async () => {
  const server = serve()
  const token = await tokenOf(server, 'mallory')
  for (const header of [
    `$Version=1; a="x; ${SESSION}=${token}"`.replace('; __', ' __'),
    `a="${SESSION}=${token}"`,
    `a=b, ${SESSION}=${token}`,
    `=${SESSION}=${token}`,
    `${SESSION}`,
    `${SESSION}="${token}"`,
    `$Path="/"; $${SESSION}=${token}`,
    `a=${SESSION}=${token}`,
  ]) {
    assert.equal(await as(server, header), null, header)
  }
})

test('R-02 a visitor session that a sibling host planted does not become the victim’s login', async () => {
  const server = serve({ cookie: { domain: 'example.com' } })
  const name = '__Secure-session'
  const attacker = new Client(server)
  await attacker.send((session) => session.set('planted', true))
  const victim = attacker.copy()
  await victim.login('ada')
  assert.notEqual(victim.jar.get(name), attacker.jar.get(name))
  assert.equal(await attacker.whoami(), null)
})

test('R-44 no header stands in for the cookie, nor comes before it', async () => {
  const server = serve()
  const [ada, mallory] = [await tokenOf(server, 'ada'), await tokenOf(server, 'mallory')]
  const headers = {
    authorization: `Bearer ${mallory}`,
    session: mallory,
    'session-token': mallory,
    'x-session': mallory,
    'x-session-token': mallory,
  }
  for (const cookie of [null, `${SESSION}=${ada}`]) {
    const session = await server.sessions.open(contextOf({ headers: { ...headers, cookie } }))
    assert.equal(session.userId, cookie && 'ada')
  }
})

test('R-32 R-33 chunks are no part of any cookie: numbered names are other cookies', async () => {
  const server = serve()
  const token = await tokenOf(server, 'ada')
  const [head, tail] = [token.slice(0, 60), token.slice(60)]
  for (const header of [
    `${SESSION}.0=${head}; ${SESSION}.1=${tail}`,
    `${SESSION}=__chunked__2; ${SESSION}.1=${head}; ${SESSION}.2=${tail}`,
    `${SESSION}=${head}; ${SESSION}=${tail}`,
  ]) {
    assert.equal(await as(server, header), null)
  }
})

test('CK-12 two applications on one host, each with its name and keys, do not disturb one another’s sessions', async () => {
  const [one, two] = [serve({ cookie: { name: 'one' } }), serve({ cookie: { name: 'two' } })]
  const client = new Client(one)
  await client.login('ada')
  await client.moveTo(two).login('grace')
  assert.equal(await client.whoami(), 'grace')
  assert.equal(await client.moveTo(one).whoami(), 'ada')
})

test('CK-12 ... nor their open login forms', async () => {
  const [one, two] = [
    serve({ cookie: { name: 'one' }, csrf: { requireToken: true } }),
    serve({ cookie: { name: 'two' }, csrf: { requireToken: true }, keys: undefined as never }),
  ]
  const client = new Client(one)
  let csrf = ''
  await client.send((session) => (csrf = session.csrfToken()), { method: 'GET' })
  await client.moveTo(two).send((session) => void session.csrfToken(), { method: 'GET' })
  const { session } = await client.moveTo(one).begin({ fields: { csrf_token: csrf } })
  assert.equal(session.refusal, null)
})

test('P6 no cookie name makes the session and the pre-session one cookie', () => {
  assert.throws(() => serve({ cookie: { name: 'visitor' } }), { code: 'ERR_OPTION' })
  assert.throws(() => serve({ cookie: { name: 'visitor' }, insecureHttp: true }), { code: 'ERR_OPTION' })
  assert.throws(() => serve({ transport: cookie({ name: 'visitor' }), keys: KEYS }), { code: 'ERR_OPTION' })
})
