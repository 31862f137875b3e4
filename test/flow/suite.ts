/** The scenarios: the same requests get the same answers, through every adapter and on every engine. */

import { after, describe, test } from 'node:test'
import { type Adapter, engines } from './harness.ts'
import { openHere, openRemote } from './open.ts'
import { type Outcome, record } from './record.ts'
import { apiScenarios } from './scenarios/api.ts'
import { cacheScenarios } from './scenarios/caches.ts'
import { commitScenarios } from './scenarios/commit.ts'
import { csrfScenarios } from './scenarios/csrf.ts'
import { transportScenarios } from './scenarios/https.ts'
import type { Open, Test } from './scenarios/kit.ts'
import { sessionScenarios } from './scenarios/sessions.ts'

/** What the README's table has for columns. */
const features = {
  sessions: sessionScenarios,
  'commit first': commitScenarios,
  HTTPS: transportScenarios,
  CSRF: csrfScenarios,
  caches: cacheScenarios,
  'API clients': apiScenarios,
}

/** Registers every scenario for one adapter; where it runs in this process, once for each engine. */
export function scenarios(adapter: Adapter): void {
  if ('spawn' in adapter) {
    const remote = openRemote(adapter)
    register(adapter, adapter.name, remote.open, remote.close)
    return
  }
  for (const [name, createEngine] of Object.entries(engines))
    register(adapter, `${adapter.name}, ${name}`, openHere(adapter, createEngine))
}

function register(adapter: Adapter, title: string, open: Open, close = async () => {}): void {
  describe(title, { concurrency: !('spawn' in adapter) }, () => {
    const outcomes: Outcome[] = []
    for (const [feature, group] of Object.entries(features)) {
      const testOne: Test = (name, run) => {
        const reason = adapter.except?.[name]
        const outcome: Outcome = { feature, name, reason: reason ?? null, passed: false }
        outcomes.push(outcome)
        test(name, { skip: reason ?? false }, async (t) => {
          await run(t)
          outcome.passed = true
        })
      }
      group(open, testOne)
    }
    after(async () => {
      await close()
      record(adapter, outcomes)
    })
  })
}
