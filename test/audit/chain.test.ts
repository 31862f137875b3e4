/** What the chain of an audit log tells, and what it can't. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { macKey } from '#crypto'
import {
  type AuditRow,
  ChainCheck,
  formatAnchor,
  GENESIS,
  type Head,
  parseAnchor,
  seal,
} from '../../src/audit/chain.ts'

const key = macKey(new Uint8Array(32).fill(7))

function logOf(length: number, by: typeof key | null = key): AuditRow[] {
  const rows: AuditRow[] = []
  let head: Head = GENESIS
  for (let n = 1; n <= length; n++) rows.push((head = seal(head, `{"n":${n}}`, by)) as AuditRow)
  return rows
}

function flawsOf(rows: readonly AuditRow[], anchors: readonly Head[] = [], by: typeof key | null = key) {
  const chain = new ChainCheck(by, anchors)
  return [...rows.flatMap((row) => chain.add(row)), ...chain.finish()].map(
    ({ seq, kind }) => `${kind} ${seq}`,
  )
}

const whole = logOf(6)
const without = (...gone: number[]) => whole.filter(({ seq }) => !gone.includes(seq))
const edit = (seq: number, change: Partial<AuditRow>) =>
  whole.map((row) => (row.seq === seq ? { ...row, ...change } : row))
const forged = (seq: number) => edit(seq, seal(whole[seq - 2] ?? GENESIS, '{"n":"other"}', null))
const anchor = { seq: 6, seal: whole[5]!.seal }

describe('the chain', () => {
  const rows: [what: string, log: readonly AuditRow[], flaws: string[], anchors?: readonly Head[]][] = [
    ['whole', whole, []],
    ['empty', [], []],
    ['an entry was edited', edit(3, { entry: '{"n":33}' }), ['changed 3']],
    ['one byte of it', edit(3, { entry: '{"n":3 }' }), ['changed 3']],
    ['a seal was edited', edit(3, { seal: whole[0]!.seal }), ['changed 3', 'changed 4']],
    ['an entry was edited and sealed anew without the key', forged(3), ['changed 3', 'changed 4']],
    ['the first one', edit(1, { entry: '{}' }), ['changed 1']],
    ['the last one', edit(6, { entry: '{}' }), ['changed 6']],
    ['one is missing', without(3), ['missing 3']],
    ['several', without(2, 3, 5), ['missing 2', 'missing 5']],
    ['the first one is missing', without(1), ['missing 1']],
    [
      'one is missing and the rest renumbered',
      without(3).map((row, n) => ({ ...row, seq: n + 1 })),
      ['changed 3', 'changed 4', 'changed 5'],
    ],
    [
      'two were exchanged',
      [...whole.slice(0, 2), { ...whole[3]!, seq: 3 }, { ...whole[2]!, seq: 4 }, ...whole.slice(4)],
      ['changed 3', 'changed 4', 'changed 5'],
    ],
    ['one stands there twice', [...whole, whole[5]!], ['changed 6']],
    ['the end was cut off: nothing tells', without(5, 6), []],
    ['the end was cut off, and there is an anchor', without(5, 6), ['missing 5'], [anchor]],
    ['all was cut off, and there is an anchor', [], ['missing 1'], [anchor]],
    ['it went on since the anchor', logOf(9), [], [anchor]],
  ]
  for (const [what, log, flaws, anchors] of rows)
    test(what, () => assert.deepEqual(flawsOf(log, anchors), flaws))

  test('another key, or none, verifies nothing', () => {
    assert.equal(flawsOf(whole, [], macKey(new Uint8Array(32).fill(8))).length, 6)
    assert.equal(flawsOf(whole, [], null).length, 6)
  })

  test('without a key a log that was made anew is found by an anchor alone', () => {
    const original = logOf(6, null)
    let head: Head = GENESIS
    const remade = original.map(({ seq }) => {
      const row = seal(head, `{"n":${seq === 2 ? '"other"' : seq}}`, null)
      head = row
      return row
    })
    assert.deepEqual(flawsOf(remade, [], null), [])
    assert.deepEqual(flawsOf(remade, [{ seq: 6, seal: original[5]!.seal }], null), ['anchor 6'])
  })
})

describe('anchors', () => {
  test('are read as they were written', () => {
    for (const head of [GENESIS, anchor]) assert.deepEqual(parseAnchor(` ${formatAnchor(head)}\n`), head)
  })
  for (const text of [
    '',
    '6',
    ':',
    '0',
    '6:',
    `0:${anchor.seal}`,
    `6:${anchor.seal}x`,
    `-6:${anchor.seal}`,
    `6.5:${anchor.seal}`,
  ])
    test(`'${text}' is none`, () => assert.equal(parseAnchor(text), null))
})
