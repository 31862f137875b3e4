/** Codes and statuses are stable; a refusal is an answer, not a defect. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorCode, SessionError, shown } from '../../src/core/errors.ts'

const STATUSES: Record<ErrorCode, number> = {
  ERR_OPTION: 500,
  ERR_REQUEST: 400,
  ERR_FORWARDED: 400,
  ERR_INSECURE_TRANSPORT: 403,
  ERR_CROSS_ORIGIN: 403,
  ERR_CSRF_TOKEN_MISSING: 403,
  ERR_CSRF_TOKEN_INVALID: 403,
  ERR_NOT_AUTHENTICATED: 401,
  ERR_NOT_RECENT: 401,
  ERR_METHODS: 401,
  ERR_LEVEL: 401,
  ERR_SESSION_SUSPENDED: 401,
  ERR_SESSION_ENDED: 409,
  ERR_SESSION_CHANGED: 409,
  ERR_SESSION_LIMIT: 409,
  ERR_RATE_LIMITED: 429,
  ERR_SESSION_COMMITTED: 500,
  ERR_NO_SESSION: 500,
  ERR_SESSION_DATA: 500,
  ERR_SESSION_DATA_TOO_LARGE: 413,
  ERR_ENGINE: 503,
  ERR_ENGINE_FULL: 503,
  ERR_UNSUPPORTED: 500,
}

describe('errors', () => {
  for (const [code, status] of Object.entries(STATUSES) as [ErrorCode, number][]) {
    const error = new SessionError(code, 'why')
    test(`${code} is answered with ${status}`, () => assert.equal(error.status, status))
    test(`${code} has ${status === 500 ? 'a stack: somebody must repair it' : 'no stack: it is an answer'}`, () => {
      assert.equal(/\n\s+at /.test(error.stack ?? ''), status === 500)
    })
  }
  test('it is an Error with a name, a code and a message', () => {
    const error = new SessionError('ERR_ENGINE', 'why')
    assert.ok(error instanceof Error)
    assert.deepEqual(
      [error.name, error.code, error.message, error.location],
      ['SessionError', 'ERR_ENGINE', 'why', null],
    )
    assert.equal('cause' in error, false)
  })
  test('a place to go to makes it a redirect', () => {
    const error = new SessionError('ERR_INSECURE_TRANSPORT', 'why', { location: 'https://example.com/' })
    assert.deepEqual([error.status, error.location], [308, 'https://example.com/'])
  })
  test('when to try again is said where that helps: at once for a store that may be back, later for a limit', () => {
    assert.equal(new SessionError('ERR_ENGINE', 'why').retryAfter, 1)
    assert.equal(new SessionError('ERR_RATE_LIMITED', 'why', { retryAfter: 42 }).retryAfter, 42)
    assert.equal(new SessionError('ERR_CROSS_ORIGIN', 'why').retryAfter, null)
  })
  test('frameworks that make the answer themselves find what they ask for: statusCode, expose, headers', () => {
    const error = new SessionError('ERR_LEVEL', 'why', { challenge: 'Session a', retryAfter: 3 })
    assert.deepEqual([error.statusCode, error.expose], [401, true])
    assert.deepEqual(error.headers, {
      'Cache-Control': 'no-store',
      'WWW-Authenticate': 'Session a',
      'Retry-After': '3',
    })
    const moved = new SessionError('ERR_INSECURE_TRANSPORT', 'why', { location: 'https://example.com/' })
    assert.deepEqual(moved.headers, { 'Cache-Control': 'no-store', Location: 'https://example.com/' })
    const defect = new SessionError('ERR_NO_SESSION', 'why')
    assert.deepEqual([defect.statusCode, defect.expose], [500, false])
  })
  test('its cause is kept, with a stack of its own', () => {
    const cause = new Error('disk')
    assert.equal(new SessionError('ERR_ENGINE', 'why', { cause }).cause, cause)
    assert.match(cause.stack!, /\n\s+at /)
  })
  test('the stacks of others are as long as they were', () => {
    const limit = Error.stackTraceLimit
    new SessionError('ERR_CROSS_ORIGIN', 'why')
    assert.equal(Error.stackTraceLimit, limit)
    assert.match(new Error('x').stack!, /\n\s+at /)
  })
})

describe('errors: a wrong value in a message', () => {
  for (const [value, text] of [
    ['30', '"30"'],
    ['x'.repeat(200), `"${'x'.repeat(100)}"`],
    [30, '30'],
    [Number.NaN, 'NaN'],
    [null, 'null'],
    [undefined, 'undefined'],
    [true, 'true'],
    [10n, 'something of the type bigint'],
    [Object.create(null), 'something of the type object'],
    [Symbol('s'), 'something of the type symbol'],
  ] as [unknown, string][]) {
    test(text, () => assert.equal(shown(value), text))
  }
})
