/** Calls under way, and the one timer that they share. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Calls } from '../../src/core/calls.ts'

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

describe('calls', () => {
  test('each is given up when its own time is over, once', async () => {
    const calls = new Calls(30)
    const given: string[] = []
    calls.begin(() => given.push('first'))
    await sleep(20)
    calls.begin(() => given.push('second'))
    await sleep(15)
    assert.deepEqual(given, ['first'])
    await sleep(40)
    assert.deepEqual(given, ['first', 'second'])
  })
  test('one that has ended is not given up, be it ended twice, and its place taken meanwhile', async () => {
    const calls = new Calls(20)
    const given: string[] = []
    const first = calls.begin(() => given.push('first'))
    calls.end(first)
    const second = calls.begin(() => given.push('second'))
    assert.equal(second.place, first.place)
    calls.end(first)
    await sleep(40)
    assert.deepEqual(given, ['second'])
    calls.end(second)
  })
  test('what giving up begins has its own time', async () => {
    const calls = new Calls(15)
    const given: string[] = []
    calls.begin(() => {
      given.push('first')
      calls.begin(() => given.push('again'))
    })
    await sleep(25)
    assert.deepEqual(given, ['first'])
    await sleep(25)
    assert.deepEqual(given, ['first', 'again'])
  })
  test('a thousand have one timer, and a place each no longer than they need it', () => {
    const before = timers()
    const calls = new Calls(60_000)
    const many = Array.from({ length: 1_000 }, () => calls.begin(() => {}))
    assert.equal(timers(), before + 1)
    for (const call of many) calls.end(call)
    assert.equal(timers(), before)
    for (let i = 0; i < 1_000; i++) {
      const call = calls.begin(() => {})
      assert.ok(call.place < 1_000)
      calls.end(call)
    }
  })
  test('where timers are numbers each has its own, which ends with it', async (t) => {
    const real = { set: globalThis.setTimeout, clear: globalThis.clearTimeout }
    const cleared: number[] = []
    const waiting = new Map<number, NodeJS.Timeout>()
    t.mock.method(globalThis, 'setTimeout', ((run: () => void, time: number) => {
      const number = waiting.size + 1
      waiting.set(number, real.set(run, time))
      return number
    }) as never)
    t.mock.method(globalThis, 'clearTimeout', ((number: number) => {
      cleared.push(number)
      real.clear(waiting.get(number))
    }) as never)
    const calls = new Calls(20)
    const given: string[] = []
    const first = calls.begin(() => given.push('first'))
    calls.begin(() => given.push('second'))
    assert.equal(waiting.size, 2)
    calls.end(first)
    assert.deepEqual(cleared, [1])
    await new Promise((resolve) => real.set(resolve, 40))
    assert.deepEqual(given, ['second'])
  })
  test('a process with nothing else to do waits for a call, and for no more', () => {
    const file = new URL('../../src/core/calls.ts', import.meta.url)
    const program = `import { Calls } from ${JSON.stringify(file)}
      const calls = new Calls(300)
      calls.end(calls.begin(() => console.log('ended')))
      if (process.argv[1]) calls.begin(() => console.log('given up'))`
    const run = (...args: string[]) =>
      spawnSync(process.execPath, ['--input-type=module', '--eval', program, ...args], { encoding: 'utf8' })
    assert.equal(run('more').stdout, 'given up\n')
    const started = performance.now()
    const long = program.replace('300', '60_000')
    spawnSync(process.execPath, ['--input-type=module', '--eval', long])
    assert.ok(performance.now() - started < 20_000)
  })
})
