/** Passport 0.7 on Express 5 and 4, with passport-local: its logins are ours. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import express, { type Express } from 'express'
import express4 from 'express4'
import { answerErrors, protect } from 'holdfast/express'
import { type PassportOptions, passportSession } from 'holdfast/passport'
import passportModule from 'passport'
import { Strategy } from 'passport-local'
import { type AnySessions, type Site, start } from './harness.ts'

interface User {
  readonly id: string | number
  readonly name: string
}

const USERS: readonly User[] = [
  { id: 'ada-1', name: 'ada' },
  { id: 'bob-2', name: 'bob' },
  { id: 3, name: 'carol' },
  { id: 'dan-4', name: 'dan' },
]

type Anything = Record<string, unknown>

interface Options {
  readonly shim?: PassportOptions
  readonly serialize?: (user: User) => unknown
  readonly keepSessionInfo?: boolean
  readonly more?: (app: Express, sessions: AnySessions) => void
}

const MOUNT = { 'Express 5': express, 'Express 4': express4 as unknown as typeof express }

for (const [name, framework] of Object.entries(MOUNT)) {
  describe(`passport on ${name}`, { concurrency: true }, () => {
    const gone = new Set<unknown>()

    function serve({ shim, serialize, keepSessionInfo = false, more }: Options = {}): Promise<Site> {
      const passport = new passportModule.Passport()
      passport.use(
        new Strategy((name, password, done) => {
          const user = USERS.find((each) => each.name === name)
          if (!user || password !== 'right') return done(null, false, { message: 'Wrong.' })
          done(null, user)
        }),
      )
      passport.serializeUser((user, done) => done(null, (serialize ?? (({ id }: User) => id))(user as User)))
      passport.deserializeUser((stored: unknown, done) => {
        const id = typeof stored === 'object' ? (stored as Anything).id : stored
        done(null, gone.has(id) ? false : (USERS.find((each) => each.id === id) ?? false))
      })
      return start((sessions) => {
        const app = framework()
        app.set('env', 'test')
        app.use(framework.urlencoded({ extended: false }), protect(sessions))
        app.use(passportSession(sessions, shim ?? { login: () => ({ methods: ['pwd'], level: 1 }) }))
        app.use(passport.session())
        const sessionOf = (req: object) => (req as { session: Anything }).session
        app.get('/', (req, res) => {
          const { id, userId, methods, level } = sessions.current()
          res.json({ id, userId, methods, level, user: req.user ?? null, data: sessionOf(req) })
        })
        app.post(
          '/login',
          passport.authenticate('local', { keepSessionInfo, failureMessage: true, failureRedirect: '/' }),
          (_req, res) => res.redirect('/'),
        )
        app.post('/logout', (req, res, next) =>
          req.logout({ keepSessionInfo }, (error) => (error ? next(error) : res.redirect('/'))),
        )
        app.post('/put', (req, res) => {
          const { body } = req as { body: Record<string, string> }
          for (const [name, value] of Object.entries(body)) sessionOf(req)[name] = { value }
          res.end()
        })
        app.post(
          '/put-and-login',
          (req, _res, next) => {
            sessionOf(req).basket = { value: 'what the user before put in' }
            next()
          },
          passport.authenticate('local', { keepSessionInfo: true, successRedirect: '/' }),
        )
        app.post('/drop', (req, res) => {
          delete sessionOf(req).cart
          res.end()
        })
        more?.(app, sessions)
        app.use(answerErrors())
        return app
      })
    }

    const login = (client: ReturnType<Site['browser']>, username = 'ada', password = 'right') =>
      client.post('/login', { username, password })
    const look = async (client: ReturnType<Site['browser']>) =>
      (await (await client.get('/')).json()) as Anything & { data: Anything; user: User | null }

    test('a login is authenticate: its methods, its level, and the user on the next request', async () => {
      await using site = await serve()
      const client = site.browser()
      await login(client)
      const { id, ...seen } = await look(client)
      assert.deepEqual(seen, {
        userId: 'ada-1',
        methods: ['pwd'],
        level: 1,
        user: { id: 'ada-1', name: 'ada' },
        data: { passport: { user: 'ada-1' } },
      })
      assert.match(id as string, /^[\w-]{22}$/)
      assert.ok(site.events.some(({ name, reason }) => name === 'authn_login_success' && reason === 'pwd'))
    })

    test('nobody said how: no method is claimed', async () => {
      await using site = await serve({ shim: {} })
      const client = site.browser()
      await login(client)
      assert.deepEqual((await look(client)).methods, [])
    })

    test('P3 no fixation: the id, the token and whatever was issued before it are dead', async () => {
      await using site = await serve()
      const client = site.browser()
      await client.post('/put', { cart: 'tea' })
      const before = await look(client)
      const thief = client.clone()
      await login(client)
      const after = await look(client)
      assert.ok(before.id && after.id && before.id !== after.id)
      const stolen = await look(thief)
      assert.deepEqual([stolen.userId, stolen.user], [null, null])
    })

    test('a second login draws another id, and ends the first', async () => {
      await using site = await serve()
      const client = site.browser()
      await login(client)
      const thief = client.clone()
      await login(client)
      assert.equal((await look(thief)).userId, null)
      assert.equal((await site.sessions.list('ada-1')).length, 1)
    })

    test('a login that fails authenticates nobody, and leaves its message', async () => {
      await using site = await serve()
      const client = site.browser()
      await login(client, 'ada', 'wrong')
      const { userId, data } = await look(client)
      assert.deepEqual([userId, data], [null, { messages: ['Wrong.'] }])
    })

    test('a logout terminates: the token is dead, and the cookie gone', async () => {
      await using site = await serve()
      const client = site.browser()
      await login(client)
      const thief = client.clone()
      await client.post('/logout')
      assert.deepEqual(await client.cookies(), {})
      assert.equal((await look(thief)).userId, null)
      assert.deepEqual(await site.sessions.list('ada-1'), [])
      assert.ok(site.events.some(({ name }) => name === 'session_logout'))
    })

    test('what is set on req.session is stored, each name by itself, and what is deleted is gone', async () => {
      await using site = await serve()
      const client = site.browser()
      await login(client)
      await Promise.all(['a', 'b', 'c', 'd'].map((name) => client.post('/put', { [name]: 'x' })))
      await client.post('/put', { cart: 'tea' })
      const value = { value: 'x' }
      const expected = { a: value, b: value, c: value, d: value, passport: { user: 'ada-1' } }
      assert.deepEqual((await look(client)).data, { ...expected, cart: { value: 'tea' } })
      await client.post('/drop')
      assert.deepEqual((await look(client)).data, expected)
    })

    for (const keepSessionInfo of [false, true]) {
      test(`a visitor's data ${keepSessionInfo ? 'stay with' : 'go without'} keepSessionInfo, as Passport has it`, async () => {
        await using site = await serve({ keepSessionInfo })
        const client = site.browser()
        await client.post('/put', { cart: 'tea' })
        await login(client)
        const { data } = await look(client)
        assert.deepEqual(data.cart, keepSessionInfo ? { value: 'tea' } : undefined)
      })
    }

    test("another user's data never come along, even with keepSessionInfo", async () => {
      await using site = await serve({ keepSessionInfo: true })
      const client = site.browser()
      await login(client)
      await client.post('/put', { cart: 'tea' })
      await login(client, 'bob')
      const { userId, data } = await look(client)
      assert.deepEqual([userId, data], ['bob-2', { passport: { user: 'bob-2' } }])
      await client.post('/put-and-login', { username: 'ada', password: 'right' })
      assert.deepEqual((await look(client)).data, { passport: { user: 'ada-1' } })
    })

    test('a slow request that only looks writes nothing: what its session has become is nothing to it', async () => {
      let go = () => {}
      const gate = new Promise<void>((resolve) => {
        go = resolve
      })
      let begun = () => {}
      const under = new Promise<void>((resolve) => {
        begun = resolve
      })
      await using site = await serve({
        more: (app) =>
          app.get('/slow', async (_req, res) => {
            begun()
            await gate
            res.end()
          }),
      })
      const client = site.browser()
      await login(client)
      await client.post('/put', { cart: 'old' })
      const slow = client.get('/slow')
      await under
      await site.sessions.revoke({ userId: 'ada-1' })
      go()
      assert.equal((await slow).status, 200)
    })

    test("what lies under Passport's name makes nobody another", async () => {
      await using site = await serve({
        more: (app, sessions) => {
          app.post('/plant', (_req, res) => {
            sessions.current().set('passport', { of: 'bob-2', user: 'bob-2' })
            res.end()
          })
          app.post('/direct', (_req, res) => {
            sessions.current().authenticate('ada-1')
            res.end()
          })
        },
      })
      const client = site.browser()
      await client.post('/plant')
      assert.equal((await look(client)).user, null)
      await client.post('/direct')
      assert.equal((await look(client)).user?.name, 'ada')
    })

    test("a name that is one of JavaScript's own makes nobody another, and breaks nothing", async () => {
      await using site = await serve({
        more: (app, sessions) => {
          app.post('/name', (req, res) => {
            const { name } = (req as { body: { name: string } }).body
            sessions.current().set(name, { passport: { user: 'bob-2' } })
            res.end()
          })
        },
      })
      for (const name of ['__proto__', 'id', 'constructor']) {
        const client = site.browser()
        await client.post('/name', { name })
        const seen = await look(client)
        assert.deepEqual([seen.user, seen.userId], [null, null], name)
        await login(client)
        assert.equal((await look(client)).userId, 'ada-1', name)
      }
    })

    test('what is to be kept over a logout is refused, not lost in silence', async () => {
      await using site = await serve({ keepSessionInfo: true })
      const client = site.browser()
      await login(client)
      await client.post('/put', { cart: 'tea' })
      const res = await client.post('/logout')
      assert.deepEqual([res.status, await site.sessions.list('ada-1')], [409, []])
      assert.match(await res.text(), /ERR_SESSION_ENDED/)
    })

    test('a number stays one, and an object, too, where it is said what the user is called', async () => {
      await using one = await serve()
      const carol = one.browser()
      await login(carol, 'carol')
      assert.deepEqual((await look(carol)).data, { passport: { user: 3 } })
      assert.equal((await look(carol)).userId, '3')

      const shim = { userId: (user: unknown) => String((user as User).id) }
      await using other = await serve({ shim, serialize: ({ id }) => ({ id, tenant: 'x' }) })
      const ada = other.browser()
      await login(ada)
      const { userId, user, data } = await look(ada)
      assert.deepEqual(
        [userId, user?.name, data],
        ['ada-1', 'ada', { passport: { user: { id: 'ada-1', tenant: 'x' } } }],
      )
    })

    test('an object that nobody gave a name is an error, and no login', async () => {
      await using site = await serve({ serialize: ({ id }) => ({ id }) })
      const client = site.browser()
      const res = await login(client)
      assert.equal(res.status, 500)
      assert.match(
        await res.text(),
        /say by userId what the user is called/,
        "it is the application's own answer",
      )
      assert.deepEqual(await client.cookies(), {})
    })

    test('a user whom deserializeUser no longer finds is logged out', async () => {
      await using site = await serve()
      const client = site.browser()
      await login(client, 'dan')
      gone.add('dan-4')
      const { user } = await look(client)
      gone.delete('dan-4')
      assert.equal(user, null)
      assert.deepEqual(await site.sessions.list('dan-4'), [])
    })

    test('what authenticated without Passport is its user, too', async () => {
      await using site = await serve({
        more: (app, sessions) =>
          app.post('/direct', (_req, res) => {
            sessions.current().authenticate('bob-2', { methods: ['otp'] })
            res.end()
          }),
      })
      const client = site.browser()
      await client.post('/direct')
      assert.equal((await look(client)).user?.name, 'bob')
      const carol = site.browser()
      await login(carol, 'carol')
      await carol.post('/direct')
      assert.equal((await look(carol)).user?.name, 'bob')
    })

    test('P8 a visitor who stores nothing costs nothing', async () => {
      await using site = await serve()
      const client = site.browser()
      await client.get('/')
      assert.deepEqual(await client.cookies(), {})
    })
  })
}
