/** The tasks of one key run one after another, and learn what the one before left. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Queue } from '../../src/core/queue.ts'
import { retained } from './retained.ts'

const pause = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms))

describe('queue', () => {
  test('one after another, each with what the one before left', async () => {
    const queue = new Queue<number>()
    let running = 0
    const task = async (left: number | null) => {
      assert.equal(++running, 1, 'two at once')
      await pause()
      running--
      return (left ?? 0) + 1
    }
    let last: number | null = null
    await Promise.all(
      Array.from({ length: 20 }, () => queue.run('a', async (left) => (last = await task(left)))),
    )
    assert.equal(last, 20)
  })
  test('keys do not wait for one another', async () => {
    const queue = new Queue<string>()
    const order: string[] = []
    const slow = queue.run('a', async () => {
      await pause(5)
      order.push('a')
      return null
    })
    await queue.run('b', async () => {
      order.push('b')
      return null
    })
    await slow
    assert.deepEqual(order, ['b', 'a'])
  })
  test('a failure is its own: the next one runs, and starts from nothing', async () => {
    const queue = new Queue<number>()
    const failing = queue.run('a', async () => {
      await pause()
      throw new Error('on purpose')
    })
    const heard: (number | null)[] = []
    const next = queue.run('a', async (left) => {
      heard.push(left)
      return 7
    })
    const after = queue.run('a', async (left) => {
      heard.push(left)
      return null
    })
    await assert.rejects(failing, /on purpose/)
    await Promise.all([next, after])
    assert.deepEqual(heard, [null, 7])
  })
  test('null is what one leaves that found nothing', async () => {
    const queue = new Queue<number>()
    const heard: (number | null)[] = []
    await Promise.all([
      queue.run('a', async () => null),
      queue.run('a', async (left) => {
        heard.push(left)
        return 1
      }),
    ])
    assert.deepEqual(heard, [null])
  })
  test('thousands of keys later, one under way is still waited for, and the others are forgotten', async () => {
    const queue = new Queue<number>()
    const order: string[] = []
    const slow = queue.run('slow', async () => {
      await pause(20)
      order.push('first')
      return 1
    })
    for (let i = 0; i < 3_000; i++) await queue.run(`key ${i}`, async () => null)
    await queue.run('slow', async (left) => {
      order.push(`then, after ${left}`)
      return null
    })
    await slow
    assert.deepEqual(order, ['first', 'then, after 1'])
    let busy: Queue<number> | null = new Queue()
    for (let i = 0; i < 20_000; i++) await busy.run(`${i} `.repeat(100), async () => null)
    const freed = -retained(() => {
      busy = null
    })
    assert.ok(freed < 5, `${freed} MiB were held`)
  })
  test('nothing is left behind: a later task starts from nothing', async () => {
    const queue = new Queue<number>()
    await queue.run('a', async () => 1)
    await queue.run('a', async (left) => {
      assert.equal(left, null)
      return 2
    })
  })
})
