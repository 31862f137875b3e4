/** Reads that are asked for at once. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Batch } from '../../src/engines/batch.ts'

const never = () => false as const

describe('batch', () => {
  test('what one turn of the event loop asks for is one read, and each gets its own', async () => {
    const reads: (readonly string[])[] = []
    const batch = new Batch(async (keys: readonly string[]) => {
      reads.push(keys)
      return keys.map((key) => (key === 'none' ? null : `value of ${key}`))
    }, never)
    const first = Promise.all(['a', 'none', 'a', 'b'].map((key) => batch.ask(key)))
    await turn()
    const second = batch.ask('c')
    assert.deepEqual(await first, ['value of a', null, 'value of a', 'value of b'])
    assert.equal(await second, 'value of c')
    assert.deepEqual(reads, [['a', 'none', 'a', 'b'], ['c']])
  })

  test('those who come while it is read are in the next', async () => {
    const reads: (readonly string[])[] = []
    const batch: Batch<string, string> = new Batch(async (keys) => {
      reads.push(keys)
      if (keys.includes('a')) void batch.ask('late')
      return keys
    }, never)
    await batch.ask('a')
    await turn()
    assert.deepEqual(reads, [['a'], ['late']])
  })

  test('a hundred and no more go together, and all are answered', async () => {
    const sizes: number[] = []
    const batch = new Batch(async (keys: readonly string[]) => {
      sizes.push(keys.length)
      return keys
    }, never)
    for (const count of [99, 100, 101, 250]) {
      const keys = Array.from({ length: count }, (_, n) => String(n))
      assert.deepEqual(await Promise.all(keys.map((key) => batch.ask(key))), keys)
    }
    assert.deepEqual(sizes, [99, 100, 100, 1, 100, 100, 50])
  })

  test('a read that fails fails for all who asked, and for nobody after them', async () => {
    let reads = 0
    const batch = new Batch(async () => {
      reads++
      if (reads === 1) throw new Error('down')
      return ['again']
    }, never)
    const failed = await Promise.allSettled([batch.ask('a'), batch.ask('b')])
    assert.deepEqual(
      failed.map((each) => each.status === 'rejected' && each.reason.message),
      ['down', 'down'],
    )
    assert.equal(await batch.ask('a'), 'again')
  })

  for (const apart of ['this time', 'always'] as const) {
    test(`an error that is one’s alone has each asked alone, ${apart}`, async () => {
      const reads: (readonly string[])[] = []
      const batch = new Batch(
        async (keys: readonly string[]) => {
          reads.push(keys)
          if (keys.includes('bad')) throw new Error('bad')
          return keys
        },
        (error) => (error as Error).message === 'bad' && apart,
      )
      const settled = await Promise.allSettled(['a', 'bad', 'b'].map((key) => batch.ask(key)))
      assert.deepEqual(
        settled.map((each) => (each.status === 'fulfilled' ? each.value : each.status)),
        ['a', 'rejected', 'b'],
      )
      await Promise.all(['c', 'd'].map((key) => batch.ask(key)))
      const later = apart === 'always' ? [['c'], ['d']] : [['c', 'd']]
      assert.deepEqual(reads, [['a', 'bad', 'b'], ['a'], ['bad'], ['b'], ...later])
    })
  }
})
