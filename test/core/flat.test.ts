/** What is kept of a long header keeps nothing else of it alive. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoize } from '../../src/core/memo.ts'
import { newRecord } from '../../src/core/plan.ts'
import { RateLimiter } from '../../src/core/rate-limits.ts'
import { policyOf, request, secretOf } from './fixtures.ts'
import { retained } from './retained.ts'

const COUNT = 900
/** 32 KB each, flat, as a parser of HTTP makes it: 28 MB of them. */
const headerOf = (index: number) => Buffer.alloc(32_768, `${index} and so on; `).toString('latin1')

test('the user agent of a record', () => {
  const policy = policyOf()
  const kept: unknown[] = []
  const held = retained(() => {
    for (let index = 0; index < COUNT; index++) {
      const context = request({ headers: { 'user-agent': headerOf(index) } })
      const fields = { id: 'id', secret: secretOf('a'), userId: null, methods: [], remembered: false }
      kept.push(newRecord({ ...fields, data: '{}' }, context, policy))
    }
  })
  assert.ok(held < 10, `${COUNT} records hold ${held} MiB`)
  assert.equal(kept.length, COUNT)
})

test('what is remembered of texts', () => {
  const remembering = memoize(COUNT, () => 1)
  const held = retained(() => {
    for (let index = 0; index < COUNT; index++) remembering(headerOf(index).slice(0, 100))
  })
  assert.ok(held < 10, `${COUNT} texts hold ${held} MiB`)
  assert.equal(remembering('one more'), 1)
})

test('forged tokens', async () => {
  const policy = policyOf({ rateLimits: { forgedTokens: { take: () => null } } })
  let limiter: RateLimiter | null = new RateLimiter(policy, () => {})
  for (let index = 0; index < COUNT; index++)
    await limiter.takeForged(headerOf(index).slice(0, 100), request())
  const freed = -retained(() => {
    limiter = null
  })
  assert.ok(freed < 10, `${COUNT} tokens held ${freed} MiB`)
})
