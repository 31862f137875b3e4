/** Lengths of time carry their unit. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../src/core/duration.ts'
import { refusal } from './fixtures.ts'

describe('duration: read', () => {
  for (const [text, millis] of [
    ['1ms', 1],
    ['250ms', 250],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['14d', 1_209_600_000],
    ['1.5h', 5_400_000],
    ['0.5ms', 1],
    ['007s', 7_000],
  ] as [string, number][]) {
    test(`${text} is ${millis} ms`, () => assert.equal(parseDuration(text, 'idle'), millis))
  }
  for (const wrong of [
    30,
    1_800_000,
    '30',
    '',
    'm',
    '-1m',
    '+1m',
    '1 m',
    ' 1m',
    '1m ',
    '1M',
    '1min',
    '1h30m',
    '1e3s',
    '0s',
    '0.0s',
    '.5s',
    '1.s',
    'Infinitys',
    '1m\n',
    '٣m',
    '99999999999999999d',
    null,
    undefined,
    true,
    {},
    [],
    ['1m'],
    10n,
    Number.NaN,
  ]) {
    test(`${typeof wrong} ${String(JSON.stringify(wrong, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)))} is refused, by the option's name and the right form`, () =>
      assert.throws(
        () => parseDuration(wrong, 'remembered.idle'),
        refusal('ERR_OPTION', /^remembered\.idle: .*'30m'/),
      ))
  }
})

describe('duration: written', () => {
  for (const [millis, text] of [
    [1, '1ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [90_000, '90s'],
    [1_800_000, '30m'],
    [43_200_000, '12h'],
    [86_400_000, '1d'],
    [86_400_001, '86400001ms'],
  ] as [number, string][]) {
    test(`${millis} ms is ${text}`, () => assert.equal(formatDuration(millis), text))
  }
  test('and read again, it is the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (millis) => {
        assert.equal(parseDuration(formatDuration(millis), 'x'), millis)
      }),
    )
  })
})
