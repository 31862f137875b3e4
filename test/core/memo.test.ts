/** What is remembered of what clients send is bounded, in number and in length. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoize } from '../../src/core/memo.ts'

describe('memoize', () => {
  const rows: readonly [
    rule: string,
    limit: number,
    texts: readonly string[],
    computed: readonly string[],
  ][] = [
    ['the same text is computed once', 2, ['a', 'a', 'b', 'a', 'b'], ['a', 'b']],
    ['null is a result like any other', 2, ['null', 'null'], ['null']],
    [
      'one beyond the limit, and all before it are forgotten',
      2,
      ['a', 'b', 'c', 'c', 'a', 'b'],
      ['a', 'b', 'c', 'a', 'b'],
    ],
    ['a failure is not remembered', 2, ['fail', 'fail'], ['fail', 'fail']],
    ['512 characters are remembered', 2, ['x'.repeat(512), 'x'.repeat(512)], ['x'.repeat(512)]],
    ['513 are not', 2, ['x'.repeat(513), 'x'.repeat(513)], ['x'.repeat(513), 'x'.repeat(513)]],
    ['names that every object has are names', 9, ['__proto__', 'constructor'], ['__proto__', 'constructor']],
  ]
  for (const [rule, limit, texts, expected] of rows) {
    test(rule, () => {
      const computed: string[] = []
      const remembering = memoize(limit, (text) => {
        computed.push(text)
        if (text === 'fail') throw new Error('on purpose')
        return text === 'null' ? null : text.length
      })
      for (const text of texts) {
        if (text === 'fail') assert.throws(() => remembering(text), /on purpose/)
        else assert.equal(remembering(text), text === 'null' ? null : text.length)
      }
      assert.deepEqual(computed, expected)
    })
  }
})
