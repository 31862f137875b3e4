/** What reaches a terminal of what clients sent. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { plain, toJsonLine } from '../../src/cli/output.ts'

const rows: [what: string, text: string, shown: string][] = [
  ['letters of any script', 'Åda 李 🦊 e\u0301', 'Åda 李 🦊 e\u0301'],
  ['ends of lines', 'a\r\nb', 'a\\u000d\\u000ab'],
  ['NUL and tab', '\u0000\t', '\\u0000\\u0009'],
  ['escape sequences', '\u001b[2J\u001b]0;x\u0007', '\\u001b[2J\\u001b]0;x\\u0007'],
  ['DEL', '\u007f', '\\u007f'],
  ['C1, which some terminals take for escape sequences', '\u009b1m\u0085', '\\u009b1m\\u0085'],
  ['text turned round', 'gnp.\u202eexe\u202c', 'gnp.\\u202eexe\\u202c'],
  ['isolates', '\u2066a\u2069', '\\u2066a\\u2069'],
  ['marks of direction', '\u200e\u200f\u061c', '\\u200e\\u200f\\u061c'],
  ['what ends lines elsewhere', '\u2028\u2029', '\\u2028\\u2029'],
  ['what shows nothing', 'a\u200bb\ufeff\u00ad', 'a\\u200bb\\ufeff\\u00ad'],
  ['half a character', 'a\ud800b\udc00', 'a\\ud800b\\udc00'],
]

describe('ASVS 16.4.1 text for a terminal', () => {
  for (const [what, text, shown] of rows) {
    test(what, () => {
      assert.equal(plain(text), shown)
      const line = toJsonLine({ text })
      assert.deepEqual(JSON.parse(line), { text }, 'JSON stays the same JSON')
      assert.equal(plain(line), line, 'and is safe')
    })
  }
})
