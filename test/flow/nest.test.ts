/** The adapter for NestJS: the scenarios, and what only Nest has: a module, a guard, parameters. */

import 'reflect-metadata'
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import {
  All,
  Controller,
  Get,
  type INestApplication,
  Inject,
  Module,
  Post,
  Req,
  Res,
  type Type,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Authenticated, CurrentSession, HoldfastModule, SESSIONS } from 'holdfast/nest'
import { exchange, reply } from './adapters.ts'
import { type AnySession, type AnySessions, type LocalAdapter, start } from './harness.ts'
import { scenarios } from './suite.ts'

/** Puts decorators on a method, as their syntax would. */
function decorate(
  target: Type,
  name: string,
  decorators: readonly MethodDecorator[],
  parameters: readonly ParameterDecorator[] = [],
): void {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name)!
  for (const decorator of decorators) decorator(target.prototype, name, descriptor)
  for (const [index, decorator] of parameters.entries()) decorator(target.prototype, name, index)
}

async function createApp(
  sessions: AnySessions,
  controller: Type,
  prepare: (app: INestApplication) => void = () => {},
): Promise<(req: IncomingMessage, res: ServerResponse) => void> {
  class AppModule {}
  Module({ imports: [HoldfastModule.forRoot(sessions)], controllers: [controller] })(AppModule)
  const app = await NestFactory.create(AppModule, { logger: false })
  prepare(app)
  await app.init()
  return app.getHttpAdapter().getInstance()
}

const nest: LocalAdapter = {
  name: 'NestJS 12',
  listen(sessions, handler) {
    class Everything {
      async serve(req: IncomingMessage, res: ServerResponse, session: AnySession) {
        await reply(res, await handler(exchange(req, session)))
      }
    }
    Controller()(Everything)
    decorate(Everything, 'serve', [All('{*path}')], [Req(), Res(), CurrentSession()])
    return createApp(sessions, Everything)
  },
}

scenarios(nest)

describe('HoldfastModule', () => {
  class Account {
    readonly sessions: AnySessions

    constructor(sessions: AnySessions) {
      this.sessions = sessions
    }

    login(session: AnySession) {
      session.authenticate('ada', { level: 1 })
      return { welcome: session.userId }
    }

    me(session: AnySession) {
      return { user: session.userId, same: this.sessions.current() === session }
    }

    pay() {
      return 'paid'
    }
  }
  Controller('account')(Account)
  Inject(SESSIONS)(Account, undefined, 0)
  decorate(Account, 'login', [Post('login')], [CurrentSession()])
  decorate(Account, 'me', [Get('me'), Authenticated()], [CurrentSession()])
  decorate(Account, 'pay', [Post('pay'), Authenticated({ level: 2 })])

  const open = (prepare?: (app: INestApplication) => void) =>
    start((sessions) => createApp(sessions, Account, prepare))

  test('a guard lets users in, and says what would be enough', async () => {
    await using site = await open()
    const client = site.browser()
    const refused = await client.fetch('/account/me')
    assert.equal(refused.status, 401)
    assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'ERR_NOT_AUTHENTICATED')
    assert.deepEqual(await (await client.post('/account/login')).json(), { welcome: 'ada' })
    assert.deepEqual(await (await client.get('/account/me')).json(), { user: 'ada', same: true })
    const weak = await client.fetch('/account/pay', { method: 'POST' })
    assert.equal(weak.status, 401)
    assert.match(weak.headers.get('www-authenticate')!, /acr_values="aal2"/)
  })

  test('with a global prefix, what lies outside of it is guarded all the same', async () => {
    await using site = await open((app) => app.setGlobalPrefix('api'))
    const client = site.browser()
    for (const path of ['/api/account/login', '/outside']) {
      const forged = await client.crossSite(path, { method: 'POST' })
      assert.deepEqual([forged.status, /ERR_\w+/.exec(await forged.text())?.[0]], [403, 'ERR_CROSS_ORIGIN'])
    }
  })

  test('a parameter without the module: an error that says what lacks', async () => {
    class Bare {}
    Module({ controllers: [Account], providers: [{ provide: SESSIONS, useValue: null }] })(Bare)
    const app = await NestFactory.create(Bare, { logger: false })
    await app.init()
    await using site = await start(() => app.getHttpAdapter().getInstance())
    assert.equal((await site.browser().post('/account/login')).status, 500)
  })
})
