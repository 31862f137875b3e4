/** A store that hangs or fails ends in ERR_ENGINE, and soon. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withDeadline } from '../../src/core/deadline.ts'
import type { Engine } from '../../src/core/engine.ts'
import { SessionError } from '../../src/core/errors.ts'
import { emptyLedger } from '../../src/core/ledger.ts'
import { memory } from '../../src/engines/memory.ts'
import { recordOf, refusal } from './fixtures.ts'

const VERBS: Record<Exclude<keyof Engine, 'name' | 'shared'>, (engine: Engine) => unknown> = {
  load: (engine) => engine.load('a'),
  create: (engine) => engine.create(recordOf()),
  replace: (engine) => engine.replace(recordOf(), 1),
  touch: (engine) => engine.touch('a', 1, 2, 3),
  loadUser: (engine) => engine.loadUser('ada'),
  replaceUser: (engine) => engine.replaceUser(emptyLedger('ada'), 0),
  scan: (engine) => engine.scan?.({ limit: 1 }),
  sweep: (engine) => engine.sweep(1, 1),
  close: (engine) => engine.close?.(),
}

/** An engine of which every verb does the same. */
function engineOf(verb: () => never): Engine {
  return {
    name: 'shelf',
    shared: true,
    ...Object.fromEntries(Object.keys(VERBS).map((name) => [name, verb])),
  } as unknown as Engine
}

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

describe('deadline', () => {
  for (const [name, call] of Object.entries(VERBS)) {
    test(`${name}: hangs, and is given up in time`, async () => {
      const engine = withDeadline(engineOf((() => new Promise(() => {})) as never), 20)
      const started = performance.now()
      await assert.rejects(async () => call(engine), refusal('ERR_ENGINE', new RegExp(name)))
      assert.ok(performance.now() - started < 500)
    })
    test(`${name}: a rejection becomes ERR_ENGINE, its cause kept`, async () => {
      const cause = new Error('disk')
      const engine = withDeadline(engineOf((() => Promise.reject(cause)) as never), 1_000)
      await assert.rejects(
        async () => call(engine),
        (error: SessionError) => error.code === 'ERR_ENGINE' && error.cause === cause,
      )
    })
    test(`${name}: so does what is thrown at once`, () => {
      const engine = withDeadline(
        engineOf((() => {
          throw new Error('disk')
        }) as never),
        1_000,
      )
      assert.throws(() => call(engine), refusal('ERR_ENGINE', /Try again/))
    })
    test(`${name}: what only resembles a promise has a deadline, too`, async () => {
      // biome-ignore lint/suspicious/noThenProperty: this is about just such things
      const engine = withDeadline(engineOf((() => ({ then: () => {} })) as never), 20)
      await assert.rejects(async () => call(engine), refusal('ERR_ENGINE'))
    })
  }

  test('ERR_ENGINE_FULL stays what it is, and its message goes to the operator alone', async () => {
    const full = new SessionError('ERR_ENGINE_FULL', 'sesame')
    const engine = withDeadline(engineOf((() => Promise.reject(full)) as never), 1_000)
    const said = async () => engine.load('a')
    await assert.rejects(said, refusal('ERR_ENGINE_FULL', /^(?!.*sesame)/))
    await assert.rejects(said, (error: SessionError) => error.cause === full)
  })
  test('the message tells nothing of the cause, which may hold an address or a password', () => {
    const engine = withDeadline(
      engineOf((() => {
        throw new Error('postgres://u:sesame@db')
      }) as never),
      1_000,
    )
    assert.throws(
      () => engine.load('a'),
      (error: Error) => !error.message.includes('sesame'),
    )
  })
  test('answers go through as they are, at once when they come at once', () => {
    const engine = withDeadline(memory(), 1_000)
    assert.equal(engine.create(recordOf()), true)
    assert.deepEqual(engine.load(recordOf().id), recordOf())
    assert.equal(engine.load('x'), undefined)
    assert.equal(engine.sweep(1, 1), 0)
  })
  test('no timer is left that would keep a process alive', async () => {
    const before = timers()
    const engine = withDeadline(engineOf((async () => undefined) as never), 60_000)
    await Promise.all([engine.load('a'), engine.loadUser('ada'), engine.sweep(1, 1)])
    const failing = withDeadline(
      engineOf((async () => {
        throw new Error('disk')
      }) as never),
      60_000,
    )
    await assert.rejects(async () => failing.load('a'))
    assert.equal(timers(), before)
  })
  test("a failure after the deadline is nobody's unhandled rejection", async () => {
    const late = () => new Promise((_resolve, reject) => setTimeout(() => reject(new Error('late')), 30))
    const heard: unknown[] = []
    const listen = (reason: unknown) => heard.push(reason)
    process.on('unhandledRejection', listen)
    await assert.rejects(
      async () => withDeadline(engineOf(late as never), 5).load('a'),
      refusal('ERR_ENGINE'),
    )
    await new Promise((resolve) => setTimeout(resolve, 60))
    process.off('unhandledRejection', listen)
    assert.deepEqual(heard, [])
  })
  test('an engine need not scan or close', () => {
    const { scan: _scan, close: _close, ...least } = memory()
    const engine = withDeadline(least, 1_000)
    assert.equal('scan' in engine || 'close' in engine, false)
  })
  test('the options of a verb reach the engine', () => {
    const heard: unknown[] = []
    const engine = withDeadline({ ...memory(), load: (...args) => void heard.push(args) }, 1_000)
    engine.load('a', { fresh: true })
    assert.deepEqual(heard, [['a', { fresh: true }]])
  })
})
