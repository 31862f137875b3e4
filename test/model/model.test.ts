/**
 * The model checker, within bounds that the tests have time for. `HOLDFAST_MODEL_DEPTH=1` goes one request deeper,
 * `docs/model.md` says what that takes.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONFIGURATIONS } from './configurations.ts'
import { toSvg } from './diagram.ts'
import { explore, worldOf } from './explore.ts'
import { describe, summary } from './main.ts'
import { BROKEN } from './mutants.ts'

const deeper = Number(process.env.HOLDFAST_MODEL_DEPTH ?? 0)
const seconds = deeper > 0 ? 3_600 : 1_200

for (const [name, { depth, states = Infinity, at }] of Object.entries(CONFIGURATIONS)) {
  const config = at(depth + deeper)
  test(`${name}: ${config.about}`, async (context) => {
    const limits = deeper > 0 ? { seconds } : { seconds, states }
    const exploration = await explore(await worldOf(config), limits)
    context.diagnostic(summary(exploration))
    const found = exploration.counterexamples.map(({ property }) => property.name)
    const unknown = found.filter((property) => !config.known.includes(property))
    assert.deepEqual(unknown, [], await describe(exploration))
    assert.deepEqual(
      [...found].sort(),
      [...config.known].sort(),
      'what was known to fail holds: take it off the list',
    )
    if (deeper === 0 && states === Infinity) assert.ok(exploration.complete, 'not everything was seen')
  })
}

test('finds what is broken on purpose', async (context) => {
  for (const { mutant, config, violates } of BROKEN) {
    await context.test(mutant.name, async (context) => {
      const { depth, at } = CONFIGURATIONS[config]!
      const exploration = await explore(await worldOf({ ...at(depth), mutant }), { seconds })
      context.diagnostic(summary(exploration))
      const found = exploration.counterexamples.map(({ property }) => property.name)
      assert.ok(
        violates.some((property) => found.includes(property)),
        `expected one of: ${violates.join(', ')}; found: ${found.join(', ') || 'nothing'}`,
      )
      assert.match(await describe(exploration), /server A/)
    })
  }
})

test('draws names as text', () => {
  const svg = toSvg({ title: 'a < b & c', lanes: ['browser'], rows: [] })
  assert.match(svg, /a &#60; b &#38; c/)
})
