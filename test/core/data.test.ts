/** Session data: JSON and nothing else, read-only on the way out, changed by what can be replayed. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import {
  type Change,
  CLEAR,
  DataMap,
  formatData,
  freeze,
  parseData,
  replay,
  toJson,
} from '../../src/core/data.ts'
import { parseSchema, type SessionSchema, validate } from '../../src/core/schema.ts'
import { refusal } from './fixtures.ts'

const BYTES = 65_536
const set =
  (name: string, value: unknown): Change =>
  (data) =>
    void data.set(name, value)
const unset =
  (name: string): Change =>
  (data) =>
    void data.delete(name)
const increment: Change = (data) => void data.set('n', ((data.get('n') as number | undefined) ?? 0) + 1)
function dataOf(entries: readonly (readonly [string, unknown])[]): DataMap {
  const data = new DataMap()
  for (const [name, value] of entries) data.set(name, value)
  return data
}

const entriesOf = (data: DataMap) => data.keys().map((name) => [name, data.get(name)] as [string, unknown])
const run = (text: string, ...changes: Change[]) => replay(text, changes, null, BYTES)

describe('data: JSON and nothing else', () => {
  for (const [rule, value] of [
    ['null', null],
    ['true', true],
    ['a number', -1.5e300],
    ['a text', 'é\ud83d\ude00\0"'],
    ['a list', [1, [2, []]]],
    ['an object', { a: { b: [{}] } }],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['__proto__ as a name', JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{}}}')],
    ['64 levels', nested(64)],
  ] as [string, unknown][]) {
    test(`${rule} is copied as it is`, () => {
      const copy = toJson(value, 'x')
      assert.equal(JSON.stringify(copy), JSON.stringify(value))
      assert.ok(typeof copy !== 'object' || copy === null || copy !== value)
    })
  }
  const circle: Record<string, unknown> = {}
  circle.self = circle
  for (const [rule, value, message] of [
    ['undefined', undefined, /: x is of the kind undefined/],
    ['NaN', Number.NaN, /: x is NaN/],
    ['infinity', Number.POSITIVE_INFINITY, /: x is Infinity/],
    ['a bigint', 1n, /kind bigint/],
    ['a symbol', Symbol('s'), /kind symbol/],
    ['a function', () => 1, /kind function/],
    ['a date', new Date(0), /kind Date/],
    ['a map', new Map(), /kind Map/],
    ['a set', new Set(), /kind Set/],
    ['bytes', new Uint8Array(1), /kind Uint8Array/],
    ['an error', new Error('e'), /kind Error/],
    ['an instance of a class', new (class User {})(), /kind User/],
    ['a promise', Promise.resolve(), /kind Promise/],
    ['a boxed number', Object(1), /kind Number/],
    ['an object that JSON would ask', { toJSON: () => 1 }, /x\.toJSON is of the kind function/],
    ['undefined in a list', [undefined], /x\[0\] is of the kind undefined/],
    ['a hole in a list', Object.assign([1], { 2: 2 }), /x\[1\] is of the kind undefined/],
    ['something deep inside', { a: [{ b: new Date() }] }, /x\.a\[0\]\.b is of the kind Date/],
    ['65 levels', nested(65), /nested deeper than 64 levels/],
    ['a circle', circle, /circle/],
  ] as [string, unknown, RegExp][]) {
    test(`${rule} is refused, by its place`, () => {
      assert.throws(() => toJson(value, 'x'), refusal('ERR_SESSION_DATA', message))
    })
  }
  test('a name without a value is left out, as JSON would', () => {
    assert.deepEqual(toJson({ a: undefined, b: 1 }, 'x'), { b: 1 })
  })
  test('the message names the place, never the value, and not at length', () => {
    const value = { ['n'.repeat(1_000)]: { token: new Error('sesame') } }
    assert.throws(
      () => toJson(value, 'x'),
      (error: Error) => error.message.length < 250 && !error.message.includes('sesame'),
    )
  })
  test('any JSON value comes back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 5 }), (value) => {
        assert.equal(JSON.stringify(toJson(value, 'x')), JSON.stringify(value))
      }),
    )
  })
})

describe('data: read-only all the way down', () => {
  test('lists and objects throw when changed', () => {
    const value = freeze(toJson({ list: [{ n: 2 }, { n: 1 }] }, 'x')) as { list: { n: number }[] }
    assert.throws(() => value.list.push({ n: 3 }), TypeError)
    assert.throws(() => (value.list[0]!.n = 3), TypeError)
    assert.throws(() => value.list.sort((a, b) => a.n - b.n), TypeError)
  })
  test('null, numbers and texts pass through', () => {
    for (const value of [null, 1, 'a', undefined]) assert.equal(freeze(value), value)
  })
})

describe('data: text', () => {
  test('__proto__ is a name like any other, and pollutes nothing', () => {
    const data = dataOf([
      ['__proto__', { polluted: true }],
      ['constructor', 1],
      ['a', JSON.parse('{"__proto__":1}')],
    ])
    const text = formatData(data, null, BYTES)
    assert.equal(text, '{"__proto__":{"polluted":true},"constructor":1,"a":{"__proto__":1}}')
    const read = parseData(text, null)
    assert.deepEqual(entriesOf(read), entriesOf(data))
    assert.equal(Object.getPrototypeOf(read.values), Object.prototype)
    assert.deepEqual(
      ['__proto__', 'constructor', 'toString', 'valueOf'].map((name) => [
        read.has(name),
        dataOf([]).has(name),
      ]),
      [
        [true, false],
        [true, false],
        [false, false],
        [false, false],
      ],
    )
    assert.equal(read.get('toString'), undefined)
    read.delete('__proto__')
    assert.deepEqual(read.keys(), ['constructor', 'a'])
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
  })
  test('its limit counts bytes, not characters', () => {
    const overhead = '{"a":""}'.length
    assert.equal(formatData(dataOf([['a', 'é'.repeat(10)]]), null, overhead + 20).length, overhead + 10)
    for (const [value, max] of [
      ['é'.repeat(10), overhead + 19],
      ['x'.repeat(10), overhead + 9],
    ] as const) {
      assert.throws(
        () => formatData(dataOf([['a', value]]), null, max),
        refusal('ERR_SESSION_DATA_TOO_LARGE', /maxDataBytes/),
      )
    }
    formatData(dataOf([['a', 'x'.repeat(10)]]), null, overhead + 10)
  })
})

describe('data: replay', () => {
  for (const [rule, before, changes, after] of [
    ['a new name', '{"a":1}', [set('b', 2)], '{"a":1,"b":2}'],
    ['in their order', '{}', [set('a', 1), set('a', 2)], '{"a":2}'],
    ['a deletion', '{"a":1,"b":2}', [unset('a')], '{"b":2}'],
    ['a deletion of what others deleted', '{}', [unset('a')], '{}'],
    ['on the newest value', '{"n":41}', [increment], '{"n":42}'],
    ['clear forgets all before it', '{"a":1}', [set('b', 2), CLEAR, set('c', 3)], '{"c":3}'],
    ['the last clear counts', '{"a":1}', [CLEAR, set('b', 2), CLEAR], '{}'],
    ['nothing', '{"a":1}', [], '{"a":1}'],
  ] as [string, string, Change[], string][]) {
    test(rule, () => assert.equal(run(before, ...changes), after))
  }
  test('clear does not even read what is there, be it beyond repair', () => {
    assert.equal(run('not JSON', increment, CLEAR, set('a', 1)), '{"a":1}')
  })
  test('what comes before a clear does not run', () => {
    run('{}', () => assert.fail('it ran'), CLEAR)
  })
  test('P2: changes of different names may come in either order', () => {
    const name = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'toString')
    const changes = fc.record({
      name,
      kind: fc.constantFrom('set', 'delete', 'count'),
      value: fc.jsonValue({ maxDepth: 2 }),
    })
    const make = ({ name, kind, value }: { name: string; kind: string; value: unknown }): Change =>
      kind === 'set'
        ? set(name, value)
        : kind === 'delete'
          ? unset(name)
          : (data) => void data.set(name, JSON.stringify(data.get(name) ?? '').length)
    const start = fc.dictionary(name, fc.jsonValue({ maxDepth: 1 }))
    fc.assert(
      fc.property(
        start,
        fc.uniqueArray(changes, { selector: (change) => change.name, maxLength: 6 }),
        fc.nat(5),
        (data, list, cut) => {
          const text = JSON.stringify(data)
          const done = (order: typeof list) => parseData(run(text, ...order.map(make)), null)
          const sorted = (data: DataMap) => entriesOf(data).sort(([a], [b]) => (a < b ? -1 : 1))
          const rotated = [...list.slice(cut), ...list.slice(0, cut)]
          assert.deepEqual(sorted(done(list)), sorted(done(rotated)))
          assert.deepEqual(sorted(done(list)), sorted(done([...list].reverse())))
          // Two commits are as good as one.
          const twice = run(run(text, ...list.slice(0, cut).map(make)), ...list.slice(cut).map(make))
          assert.deepEqual(sorted(parseData(twice, null)), sorted(done(list)))
        },
      ),
    )
  })
})

describe('data: a schema', () => {
  const schema = parseSchema(
    z.object({
      count: z.number().int().default(0),
      name: z.string().max(5).optional(),
      list: z.array(z.string()).default([]),
    }),
  )
  test('fills in defaults when it is read', () => {
    assert.deepEqual(entriesOf(parseData('{}', schema)), [
      ['count', 0],
      ['list', []],
    ])
  })
  test('refuses what is stored and no longer fits, by its place and without its value', () => {
    assert.throws(() => parseData('{"count":"sesame"}', schema), refusal('ERR_SESSION_DATA', /count/))
    assert.throws(
      () => parseData('{"count":"sesame"}', schema),
      (error: Error) => !error.message.includes('sesame'),
    )
  })
  test('refuses what does not fit when it is written', () => {
    assert.throws(
      () => formatData(dataOf([['name', 'too long']]), schema, BYTES),
      refusal('ERR_SESSION_DATA', /name/),
    )
  })
  test('names a place deep inside', () => {
    assert.throws(() => validate(schema, { list: ['a', 1] }), refusal('ERR_SESSION_DATA', /list\.1/))
  })
  test('that freezes what it is given leaves the data as they are', () => {
    const freezing = standard((value) => ({ value: Object.freeze(value) }))
    const data = dataOf([['a', 1]])
    formatData(data, freezing, BYTES)
    data.set('b', 2)
    assert.deepEqual(entriesOf(data), [
      ['a', 1],
      ['b', 2],
    ])
  })
  test('its output is stored, not its input', () => {
    assert.equal(formatData(dataOf([['unknown', 1]]), schema, BYTES), '{"count":0,"list":[]}')
  })
  test('its output must be JSON', () => {
    const dates = standard(() => ({ value: { at: new Date(0) } }))
    assert.throws(() => formatData(new DataMap(), dates, BYTES), refusal('ERR_SESSION_DATA', /kind Date/))
  })
  test('what it froze only on the outside is frozen inside, too', () => {
    const shallow = z.object({
      cart: z
        .object({ items: z.array(z.string()) })
        .readonly()
        .optional(),
    })
    const cart = freeze(parseData('{"cart":{"items":["a"]}}', shallow).get('cart')) as { items: string[] }
    assert.throws(() => cart.items.push('b'), TypeError)
  })
  test('a default of its own is neither frozen nor shared', () => {
    const shared = { items: [] as string[] }
    const sharing = standard((value) => ({ value: { cart: shared, ...(value as object) } }))
    freeze(parseData('{}', sharing).get('cart'))
    shared.items.push('still mine')
  })

  for (const [rule, wrong, message] of [
    ['nothing', null, /Standard Schema/],
    ['a function', () => true, /Standard Schema/],
    ['an object', {}, /z\.object/],
    ['one that refuses {}', z.object({ name: z.string() }), /must accept \{\}.*name/],
    ['an asynchronous one', standard(async (value) => ({ value: value as object })), /synchronously/],
  ] as [string, SessionSchema<object>, RegExp][]) {
    test(`the option refuses ${rule}`, () => {
      assert.throws(() => parseSchema(wrong), refusal('ERR_OPTION', /^schema: /))
      assert.throws(() => parseSchema(wrong), message)
    })
  }
  test('issues without a path are of the whole', () => {
    const never = standard(() => ({ issues: [{ message: 'no' }] }))
    assert.throws(() => validate(never, {}), refusal('ERR_SESSION_DATA', /as a whole/))
  })
  test('paths of objects are read as their keys', () => {
    const odd = standard(() => ({ issues: [{ message: 'no', path: [{ key: 'a' }, 0, Symbol('s')] }] }))
    assert.throws(() => validate(odd, {}), refusal('ERR_SESSION_DATA', /a\.0\.Symbol\(s\)/))
  })
})

function standard(validateValue: SessionSchema<object>['~standard']['validate']): SessionSchema<object> {
  return { '~standard': { version: 1, vendor: 'test', validate: validateValue } }
}

/** `{ a: { a: ... 1 } }`, of so many objects. */
function nested(levels: number): unknown {
  return levels === 0 ? 1 : { a: nested(levels - 1) }
}
