/** Several server processes on one store, over HTTP: whatever they do at once must come out as if in turn. @module */

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type Client, Fleet, inParallel, type OpenStore, tally } from './support.ts'

const FOUR = ['node', 'express', 'node', 'express'] as const
/** A machine that does other things besides may starve one of four processes for longer than the default allows. */
const PATIENT = { engineTimeout: '20s' } as const
/** How often everything is done. */
const ROUNDS = Number(process.env.HOLDFAST_RACES ?? 1)

async function loggedIn(fleet: Fleet, user: string): Promise<Client> {
  const client = fleet.client()
  assert.equal((await client.post(`/login?user=${user}`)).status, 200)
  return client
}

/** Registers what only a store on a network is put to, on an empty one. */
export function raceAllAtOnce(name: string, openStore: OpenStore): void {
  test(`P2 500 increments of one name, all at once, end at exactly 500 on ${name}: none 409, none 503`, async (t) => {
    const fleet = new Fleet(t, PATIENT, await openStore(t))
    await fleet.start(...FOUR)
    const ada = await loggedIn(fleet, 'ada')
    const answers = await inParallel(500, 500, (index) => ada.send('POST', '/increment', index))
    assert.deepEqual(tally(answers), { 200: 500 })
    assert.deepEqual((await ada.get('/data')).body.data, { count: 500 })
  })
}

/** Registers the races on a store, each on an empty one. @param name - what the store is called */
export function raceProcesses(name: string, openStore: OpenStore): void {
  async function fleetOn(t: TestContext, options: Fleet['options'] = {}): Promise<Fleet> {
    return new Fleet(t, { ...PATIENT, ...options }, await openStore(t))
  }

  for (let round = 1; round <= ROUNDS; round++) {
    describe(`races: four processes on ${name}, round ${round}`, () => {
      test('P2 2,000 increments of one name end at exactly 2,000', async (t) => {
        const fleet = await fleetOn(t)
        await fleet.start(...FOUR)
        const ada = await loggedIn(fleet, 'ada')
        const answers = await inParallel(2_000, 32, (index) => ada.send('POST', '/increment', index))
        assert.deepEqual(tally(answers), { 200: 2_000 })
        const { body } = await ada.get('/data')
        assert.deepEqual(body.data, { count: 2_000 })
        await fleet.look(({ records }) => {
          assert.equal(records.get(ada.id!)!.data, '{"count":2000}')
        })
      })

      test('P2 200 parallel writes of distinct names all survive', async (t) => {
        const fleet = await fleetOn(t)
        await fleet.start(...FOUR)
        const ada = await loggedIn(fleet, 'ada')
        const answers = await inParallel(200, 200, (index) =>
          ada.send('POST', `/set?name=n${index}&value=${index}`, index),
        )
        assert.deepEqual(tally(answers), { 200: 200 })
        const expected = Object.fromEntries(
          Array.from({ length: 200 }, (_, index) => [`n${index}`, String(index)]),
        )
        assert.deepEqual((await ada.get('/data', 3)).body.data, expected)
      })

      test('P1 200 logouts against slow writers: none is revived', async (t) => {
        const fleet = await fleetOn(t)
        await fleet.start(...FOUR)
        const answers = await inParallel(200, 20, async (index) => {
          const user = await loggedIn(fleet, `user${index}`)
          const thief = user.copy()
          // Begun before the logout and ended around it: a little before, at the same time, a little after.
          const writers = Array.from({ length: 4 }, (_, writer) =>
            thief.send(
              'POST',
              `/${writer % 2 ? 'increment?' : `set?name=w${writer}&value=1&`}delay=${((index + writer) % 5) * 5}`,
              writer,
            ),
          )
          const logout = (async () => {
            await new Promise((resolve) => setTimeout(resolve, (index % 4) * 5))
            return user.post('/logout', index)
          })()
          const ended = await logout
          assert.equal(ended.status, 200)
          assert.equal(user.token, null)
          const written = await Promise.all(writers)
          for (const on of [0, 1, 2, 3]) {
            const { body } = await thief.copy().get('/data', on)
            assert.deepEqual([body.user, body.data], [null, {}], `user${index} on ${on}`)
          }
          return { id: thief.id!, user: `user${index}`, written }
        })
        // A writer that only came when all was over is a visitor, and stores something as one.
        const written = answers.flatMap((answer) => answer.written)
        const visitors = written.filter(({ token }) => token !== undefined)
        const {
          200: landed = 0,
          '409 ERR_SESSION_ENDED': late = 0,
          ...others
        } = tally(written.filter((answer) => !visitors.includes(answer)))
        assert.deepEqual(others, {})
        assert.deepEqual(Object.keys(tally(visitors)).join(), visitors.length > 0 ? '200' : '')
        assert.ok(late > 0, 'no writer was ever late: this proved nothing')
        t.diagnostic(
          `writers: ${landed} landed, ${late} came too late, ${visitors.length} were visitors by then`,
        )
        await fleet.look(async ({ records, ledger }) => {
          for (const { id, user } of answers) {
            const { ended, data, secrets } = records.get(id)!
            assert.deepEqual([ended?.reason, data, secrets.current], ['logout', '{}', ''])
            assert.deepEqual((await ledger(user))!.sessions, [])
          }
        })
      })
    })

    describe(`races: two processes on ${name}, round ${round}`, () => {
      for (const onExceeded of ['revoke-least-recent', 'revoke-oldest', 'refuse'] as const) {
        test(`100 parallel logins at a limit of 3 leave exactly 3 usable sessions: ${onExceeded}`, async (t) => {
          const fleet = await fleetOn(t, { maxSessionsPerUser: 3, onExceeded })
          await fleet.start('node', 'express')
          const clients = Array.from({ length: 100 }, () => fleet.client())
          const answers = await Promise.all(
            clients.map((client, index) => client.post('/login?user=ada', index)),
          )
          const refused = onExceeded === 'refuse' ? { '409 ERR_SESSION_LIMIT': 97 } : {}
          assert.deepEqual(tally(answers), { 200: onExceeded === 'refuse' ? 3 : 100, ...refused })
          const users = await inParallel(100, 16, async (index) => {
            const [one, other] = [0, 1].map((on) => clients[index]!.send('GET', '/data', on))
            const seen = [(await one!).body.user, (await other!).body.user]
            assert.equal(seen[0], seen[1])
            return seen[0]
          })
          assert.equal(users.filter((user) => user === 'ada').length, 3)
          const { body } = await clients[0]!.get('/sessions?user=ada')
          assert.equal((body.ids as string[]).length, 3)
          await fleet.look(async ({ records, ledger }) => {
            const live = [...records.values()].filter(({ userId, ended }) => userId === 'ada' && !ended)
            const { sessions, ending } = (await ledger('ada'))!
            assert.deepEqual(new Set(live.map(({ id }) => id)), new Set(sessions.map(({ id }) => id)))
            assert.equal(live.length, 3)
            assert.deepEqual(ending, [])
          })
        })
      }

      test('100 users who log in twice at once, for the first time: both sessions are theirs to see', async (t) => {
        const fleet = await fleetOn(t)
        await fleet.start('node', 'express')
        await inParallel(100, 8, async (index) => {
          const clients = [fleet.client(), fleet.client(), fleet.client(), fleet.client()]
          await Promise.all(clients.map((client, on) => client.post(`/login?user=user${index}`, on)))
          const { body } = await fleet.client().get(`/sessions?user=user${index}`)
          assert.deepEqual(new Set(body.ids as string[]), new Set(clients.map(({ id }) => id)))
        })
      })

      test('P3 100 parallel logins from one token leave no way back to it', async (t) => {
        const fleet = await fleetOn(t)
        await fleet.start('node', 'express')
        const before = await loggedIn(fleet, 'ada')
        const clients = Array.from({ length: 100 }, () => before.copy())
        const answers = await Promise.all(
          clients.map((client, index) => client.post(`/login?user=${index % 2 ? 'ada' : 'grace'}`, index)),
        )
        assert.deepEqual(Object.keys(tally(answers)), ['200'])
        assert.equal((await before.get('/data')).body.user, null)
        const users = await inParallel(
          100,
          16,
          async (index) => (await clients[index]!.get('/data')).body.user,
        )
        assert.deepEqual(
          users,
          clients.map((_, index) => (index % 2 ? 'ada' : 'grace')),
        )
        assert.equal(new Set(clients.map(({ id }) => id)).size, 100)
      })
    })

    describe(`races: one process on ${name}, round ${round}`, () => {
      for (const adapter of ['node', 'express'] as const) {
        test(`P2 500 parallel writers on one session all land: none 409, none 503 (${adapter})`, async (t) => {
          const fleet = await fleetOn(t)
          await fleet.start(adapter)
          const ada = await loggedIn(fleet, 'ada')
          // All are opened before the first one writes: one after another they would not meet at all.
          const answers = await inParallel(500, 500, () => ada.send('POST', '/increment?delay=300'))
          assert.deepEqual(tally(answers), { 200: 500 })
          assert.deepEqual((await ada.get('/data')).body.data, { count: 500 })
          const { lost } = (await ada.get('/swaps')).body
          t.diagnostic(`${lost} swaps lost`)
          // Who comes when the queue has just run dry begins with what he has read, and may find it stale: once.
          assert.ok(Number(lost) < 500, 'they did not write in turn')
          assert.deepEqual(fleet.words, [])
        })
      }
    })
  }
}
