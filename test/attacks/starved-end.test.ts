/** What ends a session ends it, however often a thief writes to it meanwhile (P1, P12). */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine } from '../../src/core/engine.ts'
import type { Session } from '../../src/core/session.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { Browser, KEY, MINUTE, NOW, post, refusal, visit } from '../core/fixtures.ts'

const WRITERS = 6
const MANY_ROUNDS = 300

/**
 * A store far away, moved by hand: in each round it performs all calls that have arrived by then, in the order that is
 * worst for an end: what is read is old already when the writers have had their turn, and tombstones come last.
 */
class FarStore {
  readonly engine: Engine
  readonly near = memory()
  #arrived: { readonly rank: number; readonly perform: () => void }[] = []

  constructor() {
    const far = new Map<string, unknown>()
    for (const [name, rank] of [
      ['load', 0],
      ['loadUser', 0],
      ['touch', 1],
      ['create', 1],
      ['replace', 1],
      ['replaceUser', 1],
      ['sweep', 1],
    ] as const) {
      far.set(name, (...args: unknown[]) => {
        const isEnd = name === 'replace' && (args[0] as { ended: unknown }).ended !== null
        return new Promise((resolve) => {
          const perform = () =>
            resolve((this.near[name] as (...args: unknown[]) => unknown).apply(this.near, args))
          this.#arrived.push({ rank: isEnd ? 2 : rank, perform })
        })
      })
    }
    this.engine = { name: 'far', shared: true, ...Object.fromEntries(far) } as unknown as Engine
  }

  /** Moves on until `work` is done. @returns what it made, and in how many rounds */
  async until<T>(work: Promise<T>, limit = MANY_ROUNDS): Promise<{ value: T; rounds: number }> {
    let settled = false
    const noted = work.finally(() => {
      settled = true
    })
    noted.catch(() => {})
    let rounds = 0
    for (; !settled; rounds++) {
      await new Promise(setImmediate)
      assert.ok(rounds < limit, `not done after ${rounds} round trips`)
      const batch = this.#arrived.splice(0).sort((a, b) => a.rank - b.rank)
      for (const { perform } of batch) perform()
    }
    return { value: await noted, rounds }
  }

  /** Moves on for so many rounds. */
  async run(rounds: number): Promise<void> {
    let left = rounds
    for (; left > 0; left--) {
      await new Promise(setImmediate)
      for (const { perform } of this.#arrived.splice(0).sort((a, b) => a.rank - b.rank)) perform()
    }
  }
}

interface Scene {
  readonly store: FarStore
  /** Where the owner's and the operator's requests go. */
  readonly home: Sessions
  readonly owner: Browser
  readonly id: string
  readonly thief: Browser
}

/** Some write to a stolen session without pause, at each server, until they are out. */
async function withWriters(
  servers: 'the same server' | 'three other servers',
  act: (scene: Scene) => Promise<void>,
  at = NOW,
  setUp: (scene: Scene) => Promise<void> = async () => {},
): Promise<void> {
  const store = new FarStore()
  const make = () => new Sessions({ engine: store.engine, keys: [KEY], engineTimeout: '20s' })
  const home = make()
  const others = servers === 'the same server' ? [home] : [make(), make(), make()]
  const owner = new Browser()
  const { value: id } = await store.until(
    visit(home, owner, post(), (session) => {
      session.authenticate('ada', { credential: 'v1' })
      return session.id!
    }),
  )
  const scene = { store, home, owner, id, thief: owner.copy() }
  await setUp(scene)
  let stopped = false
  let written = 0
  const write = async (server: Sessions) => {
    while (!stopped) {
      const session = await server.open(scene.thief.request(post({ now: at })))
      if (session.userId === null) return
      session.update('n', (n) => Number(n ?? 0) + 1)
      try {
        await server.commit(session)
        written++
      } catch (error) {
        assert.match((error as { code: string }).code, /^ERR_SESSION_(ENDED|CHANGED)$/)
      }
    }
  }
  const writers = Promise.all(
    others.flatMap((server) => Array.from({ length: WRITERS }, () => write(server))),
  )
  await store.run(20)
  assert.ok(written > 5, 'nobody writes')
  try {
    await act(scene)
  } finally {
    stopped = true
  }
  // They wait by the clock where they lose.
  await store.until(writers, Number.POSITIVE_INFINITY)
}

async function isOut({ store, home, thief }: Scene, at = NOW): Promise<void> {
  const { value } = await store.until(home.open(thief.request({ now: at })))
  assert.equal(value.userId, null)
}

for (const servers of ['the same server', 'three other servers'] as const) {
  describe(`a thief writes without pause, by ${servers}`, () => {
    test('a revoke by id ends the session', () =>
      withWriters(servers, async (scene) => {
        const { value } = await scene.store.until(scene.home.revoke({ id: scene.id }))
        assert.equal(value, 1)
        await isOut(scene)
      }))
    test("a revoke of all the user's ends it", () =>
      withWriters(servers, async (scene) => {
        const { value } = await scene.store.until(scene.home.revoke({ userId: 'ada' }))
        assert.equal(value, 1)
        await isOut(scene)
      }))
    test('its logout ends it', () =>
      withWriters(servers, async (scene) => {
        const { store, home, owner } = scene
        await store.until(visit(home, owner, post(), (session) => session.terminate()))
        assert.equal(owner.token, undefined)
        await isOut(scene)
      }))
    test('a login that revokes the others ends it', () =>
      withWriters(servers, async (scene) => {
        const { store, home } = scene
        const anew = (session: Session) =>
          session.authenticate('ada', { credential: 'v1', revokeOthers: true })
        await store.until(visit(home, new Browser(), post({ now: NOW + MINUTE }), anew))
        await isOut(scene)
      }))
    test('a change of the password ends it, and the new one logs in', () => {
      const good = new Browser()
      return withWriters(
        servers,
        async (scene) => {
          const { store, home } = scene
          await store.until(
            visit(home, good, post({ now: NOW + MINUTE }), (session) =>
              session.reauthenticate({ credential: 'v2' }),
            ),
          )
          await isOut(scene)
          const again = new Browser()
          await store.until(
            visit(home, again, post({ now: NOW + 2 * MINUTE }), (session) =>
              session.authenticate('ada', { credential: 'v2' }),
            ),
          )
          assert.notEqual(again.token, undefined)
        },
        NOW,
        async ({ store, home }) => {
          await store.until(
            visit(home, good, post(), (session) => session.authenticate('ada', { credential: 'v1' })),
          )
        },
      )
    })
  })
}

describe('a thief writes without pause, by the same server', () => {
  test('the owner logs in anew, and takes along what was written', () =>
    withWriters('the same server', async (scene) => {
      const { store, home, owner } = scene
      const { value } = await store.until(
        visit(home, owner, post({ now: NOW + MINUTE }), (session) => {
          session.authenticate('ada', { credential: 'v1' })
          return session.id
        }),
      )
      assert.notEqual(value, scene.id)
      await isOut(scene)
    }))
  test('a replay ends the session', () => {
    const at = NOW + 40 * MINUTE
    return withWriters(
      'the same server',
      async (scene) => {
        const { store, home, owner } = scene
        const { value } = await store.until(home.open(owner.request({ now: at })))
        assert.equal(value.userId, null)
        assert.equal((await scene.store.near.load(scene.id))?.ended?.reason, 'replayed')
        await isOut(scene, at)
      },
      at,
      async ({ store, home, thief }) => {
        for (const minutes of [16, 17])
          await store.until(visit(home, thief, { now: NOW + minutes * MINUTE }, () => {}))
      },
    )
  })
})

describe('a record that fights its end', () => {
  function setUp() {
    const near = memory()
    const scene = { near, blocked: '', sessions: null as unknown as Sessions }
    const engine = {
      ...near,
      replace(next: Parameters<Engine['replace']>[0], version: number) {
        if (next.ended && next.id === scene.blocked) throw new Error('on purpose')
        return near.replace(next, version)
      },
    }
    scene.sessions = new Sessions({ engine, keys: [KEY] })
    return scene
  }
  const logIn = (sessions: Sessions, credential: string, at: number) =>
    visit(sessions, new Browser(), post({ now: at }), (session) => {
      session.authenticate('ada', { credential })
      return session.id!
    })

  test('whose end failed with a password is ended by the next one, and locks nobody out', async () => {
    const scene = setUp()
    const { sessions, near } = scene
    const good = new Browser()
    scene.blocked = await logIn(sessions, 'v1', NOW)
    await visit(sessions, good, post(), (session) => session.authenticate('ada', { credential: 'v1' }))
    const changing = visit(sessions, good, post({ now: NOW + MINUTE }), (session) =>
      session.reauthenticate({ credential: 'v2' }),
    )
    await assert.rejects(changing, refusal('ERR_ENGINE'), 'it must say that not all have ended')
    assert.deepEqual((await near.loadUser('ada'))?.ending, [{ id: scene.blocked, reason: 'revoked' }])

    await logIn(sessions, 'v2', NOW + 2 * MINUTE)
    await visit(sessions, good, post({ now: NOW + 2 * MINUTE }), (session) => session.terminate())
    assert.deepEqual((await near.loadUser('ada'))?.ending, [{ id: scene.blocked, reason: 'revoked' }])

    const { blocked } = scene
    scene.blocked = ''
    await logIn(sessions, 'v2', NOW + 3 * MINUTE)
    assert.equal((await near.load(blocked))?.ended?.reason, 'revoked')
    assert.deepEqual((await near.loadUser('ada'))?.ending, [])
  })
  test('fails whoever revokes all, each time, and the others end', async () => {
    const scene = setUp()
    const { sessions, near } = scene
    scene.blocked = await logIn(sessions, 'v1', NOW)
    const other = await logIn(sessions, 'v1', NOW)
    await assert.rejects(sessions.revoke({ userId: 'ada' }), refusal('ERR_ENGINE'))
    assert.equal((await near.load(other))?.ended?.reason, 'revoked')
    await assert.rejects(sessions.revoke({ userId: 'ada' }), refusal('ERR_ENGINE'))
    scene.blocked = ''
    await sessions.revoke({ userId: 'ada' })
    assert.deepEqual((await near.loadUser('ada'))?.ending, [])
  })
})
