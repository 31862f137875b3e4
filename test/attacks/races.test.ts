/** Every pair of what can happen to a session, one of the two stopped at each of its steps while the other runs. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memory } from '../../src/engines/memory.ts'
import {
  type Answer,
  type AnySession,
  Client,
  codeOf,
  partsOf,
  pausing,
  type Server,
  serve,
  type Verb,
} from './support.ts'

interface World {
  readonly server: Server
  /** The session that both are about. */
  readonly ada: Client
  /** Every token that anybody was ever given. */
  readonly tokens: Set<string>
}

interface Act {
  /** @returns `none`, or the code of the error */
  run(world: World): Promise<string>
  /** Whether the session from before must be dead when it has succeeded. */
  readonly ends: boolean
}

function request(work: (session: AnySession) => void, ends = false): Act {
  return {
    ends,
    run: ({ ada, tokens }) =>
      codeOf(
        (async () => {
          const client = ada.copy()
          const exchange = await client.begin()
          work(exchange.session)
          const answer: Answer = await exchange.end()
          for (const value of answer.cookies.values()) if (value) tokens.add(value)
        })(),
      ),
  }
}

const ACTS: Record<string, Act> = {
  write: request((session) => session.update('count', (count) => Number(count ?? 0) + 1)),
  renew: request((session) => session.renew()),
  reauthenticate: request((session) => session.reauthenticate()),
  'log in again': request((session) => session.authenticate('ada'), true),
  'log in, revoking others': request((session) => session.authenticate('ada', { revokeOthers: true }), true),
  'log in as another': request((session) => session.authenticate('grace'), true),
  'log out': request((session) => session.terminate(), true),
  'log in elsewhere': {
    ends: false,
    async run({ server, tokens }) {
      const client = new Client(server)
      const code = await codeOf(client.login('ada'))
      if (client.token) tokens.add(client.token)
      return code
    },
  },
  'revoke it': {
    ends: true,
    run: ({ server, ada }) => codeOf(server.sessions.revoke({ id: partsOf(ada.token!).id })),
  },
  'revoke others': {
    ends: false,
    run: ({ server, ada }) =>
      codeOf(server.sessions.revoke({ userId: 'ada', except: partsOf(ada.token!).id })),
  },
  'revoke all': { ends: true, run: ({ server }) => codeOf(server.sessions.revoke({ userId: 'ada' })) },
}

const FINE = ['none', 'ERR_SESSION_ENDED', 'ERR_SESSION_CHANGED', 'ERR_NOT_AUTHENTICATED']
const STEPS: readonly Verb[] = ['load', 'create', 'loadUser', 'replaceUser', 'replace']

for (const [firstName, first] of Object.entries(ACTS)) {
  for (const [secondName, second] of Object.entries(ACTS)) {
    describe(`P1 P2 P12 ${firstName}, stopped, while another does: ${secondName}`, () => {
      for (const verb of STEPS) {
        for (const when of ['before', 'after'] as const) {
          test(`${when} ${verb}`, async () => {
            const gate = pausing(memory())
            const server = serve({ engine: gate.engine, maxSessionsPerUser: 3 })
            const ada = new Client(server)
            await ada.login('ada')
            await ada.send((session) => session.set('count', 0))
            const other = new Client(server)
            await other.login('ada')
            const world: World = { server, ada, tokens: new Set([ada.token!, other.token!]) }
            // Another process on the same store: in one, requests of one session queue up.
            const elsewhere: World = {
              ...world,
              server: serve({ engine: gate.engine, maxSessionsPerUser: 3 }, server.clock),
            }

            const stop = gate.hold(verb, when)
            const running = first.run(world)
            const reached = await Promise.race([stop.reached.then(() => true), running.then(() => false)])
            if (!reached) gate.hold('sweep')
            const code = reached
              ? await second.run({ ...elsewhere, ada: ada.copy().moveTo(elsewhere.server) })
              : 'none'
            stop.release()
            const codes = [await running, code]
            for (const each of codes) assert.ok(FINE.includes(each), each)
            if (!reached) return

            const alive = new Map<string, string>()
            for (const token of world.tokens) {
              const client = new Client(server)
              client.jar.set('__Host-Http-session', token)
              const { userId, id } = await client.peek()
              if (userId !== null) alive.set(id!, userId)
            }
            const ended = (first.ends && codes[0] === 'none') || (second.ends && codes[1] === 'none')
            if (ended)
              assert.equal(alive.has(partsOf(ada.token!).id), false, 'it lives on, though it was ended')
            for (const user of ['ada', 'grace']) {
              const listed = (await server.sessions.list(user)).map(({ id }) => id)
              const living = [...alive].filter(([, owner]) => owner === user).map(([id]) => id)
              for (const id of living)
                assert.ok(listed.includes(id), 'alive, but neither listed nor revocable')
              assert.ok(listed.length <= 3, `${listed.length} sessions, at a limit of 3`)
            }
            if ([firstName, secondName].includes('revoke all')) {
              assert.deepEqual(
                [...alive.values()].filter((user) => user === 'ada'),
                [],
              )
            }
            if (firstName === 'write' && secondName === 'write') {
              assert.equal((await ada.peek()).get('count'), 2)
            }
            const kept = [...world.tokens].map(async (token) => {
              const client = new Client(server)
              client.jar.set('__Host-Http-session', token)
              return (await client.peek()).get('count')
            })
            const writes = [firstName, secondName].filter(
              (name, index) => name === 'write' && codes[index] === 'none',
            )
            const counts = (await Promise.all(kept)).filter((count) => count !== undefined)
            const isLive =
              alive.has(partsOf(ada.token!).id) || [firstName, secondName].includes('log in again')
            if (counts.length > 0 && isLive) {
              assert.equal(Math.max(...counts.map(Number)), writes.length, 'a committed write was lost')
            }
          })
        }
      }
    })
  }
}

test('P1 a logout that a newer authentication has overtaken says so: it is not answered as if it had been one', async () => {
  for (const newer of ['reauthenticate', 'authenticate'] as const) {
    const server = serve()
    const ada = new Client(server)
    await ada.login('ada')
    const tab = ada.copy()
    await ada.send((session) =>
      newer === 'authenticate' ? session.authenticate('ada') : session.reauthenticate(),
    )
    const code = await codeOf(tab.send((session) => session.terminate()))
    const alive = await ada.whoami()
    assert.ok(
      alive === null || code === 'ERR_SESSION_CHANGED',
      `${newer}: answered with ${code}, and still logged in`,
    )
  }
})

test('P2 early commits, then more changes, then the end: everything is stored, once', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  await ada.send(async (session) => {
    for (let round = 0; round < 5; round++) {
      session.update('count', (count) => Number(count ?? 0) + 1)
      await session.commit()
    }
    session.update('count', (count) => Number(count ?? 0) + 1)
  })
  assert.equal((await ada.peek()).get('count'), 6)
})

test('P2 commits of one session that run at once each store what they were given, once', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  await ada.send(async (session) => {
    const commits: Promise<void>[] = []
    for (let round = 0; round < 5; round++) {
      session.update('count', (count) => Number(count ?? 0) + 1)
      commits.push(session.commit())
    }
    await Promise.all(commits)
  })
  assert.equal((await ada.peek()).get('count'), 5)
})

test('P2 a visitor’s first commits that run at once make one session, with everything in it', async () => {
  const server = serve()
  const visitor = new Client(server)
  await visitor.send(async (session) => {
    session.set('a', 1)
    const first = session.commit()
    session.set('b', 2)
    await Promise.all([first, session.commit()])
    session.set('c', 3)
  })
  assert.deepEqual((await visitor.peek()).keys().sort(), ['a', 'b', 'c'])
})

test('P3 a login, an early commit, then a logout in one request leaves nobody logged in', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send(async (session) => {
    session.authenticate('ada')
    await session.commit()
    assert.equal(session.userId, 'ada')
    session.terminate()
  })
  assert.equal(client.token, undefined)
  assert.deepEqual(await server.sessions.list('ada'), [])
})

test('P3 a reauthentication and a login in one request: the login is what counts', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  const before = ada.copy()
  await ada.send((session) => {
    session.reauthenticate()
    session.authenticate('ada', { methods: ['hwk'] })
  })
  assert.equal(await before.whoami(), null)
  assert.deepEqual((await ada.peek()).methods, ['hwk'])
})

test('P9 a 5xx after an early commit takes nothing back, and its cookie leaves all the same', async () => {
  const server = serve()
  const client = new Client(server)
  await client.send(
    async (session) => {
      session.authenticate('ada')
      await session.commit()
      session.set('note', 'dropped')
    },
    {},
    500,
  )
  assert.equal(await client.whoami(), 'ada')
  assert.equal((await client.peek()).get('note'), undefined)
})

test('P4 P9 a 5xx adopts an offer and touches, and drops the rest', async () => {
  const server = serve()
  const ada = new Client(server)
  await ada.login('ada')
  server.clock.now += 16 * 60_000
  await ada.whoami()
  const offered = ada.token!
  await ada.send(
    (session) => {
      session.set('note', 'dropped')
      session.reauthenticate()
    },
    {},
    502,
  )
  assert.equal(ada.token, offered)
  const session = await ada.peek()
  assert.deepEqual([session.userId, session.get('note')], ['ada', undefined])
})
