/** Events through a real pino, and metrics through the real SDK of OpenTelemetry. */

import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { pino } from 'pino'
import { measured, observeLive, toOpenTelemetry } from '../../src/audit/opentelemetry.ts'
import { toPino } from '../../src/audit/pino.ts'
import type { Engine, SessionRecord } from '../../src/core/engine.ts'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { engineContract } from '../../src/testing/engine-contract.ts'
import { eventOf } from './fixtures.ts'

describe('pino', () => {
  function logger() {
    const lines: string[] = []
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk))
        done()
      },
    })
    return { lines, log: toPino(pino(stream)) }
  }

  test('each event is a line, at its level', () => {
    const { lines, log } = logger()
    for (const name of ['session_created', 'session_token_forged', 'authn_token_reuse'] as const)
      log(eventOf({ name }))
    const parsed = lines.map((line) => JSON.parse(line))
    assert.deepEqual(
      parsed.map(({ level, msg }) => `${level} ${msg}`),
      ['30 session_created', '40 session_token_forged', '50 authn_token_reuse'],
    )
    assert.deepEqual(parsed[0].event, eventOf())
  })

  test('ASVS 16.4.1 one line each, whatever a client sent', () => {
    const { lines, log } = logger()
    const evil = 'a\r\n{"level":50,"msg":"forged"}\u0000\u001b[2J'
    log(eventOf({ userAgent: evil, path: evil, userId: evil }))
    assert.equal(lines.length, 1)
    assert.equal(lines[0]!.trimEnd().split(/[\r\n]/).length, 1)
    assert.doesNotMatch(lines[0]!.trimEnd(), /[\u0000-\u001f]/)
    assert.equal(JSON.parse(lines[0]!).event.userAgent, evil)
  })
})

/** Collects when asked. */
class Reader extends MetricReader {
  protected override async onForceFlush() {}
  protected override async onShutdown() {}

  async values(name: string) {
    const { resourceMetrics } = await this.collect()
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
    const metric = metrics.find(({ descriptor }) => descriptor.name === name)
    return (metric?.dataPoints ?? []).map(({ attributes, value }) => ({ attributes, value }))
  }
}

function metering() {
  const reader = new Reader()
  return { reader, meter: new MeterProvider({ readers: [reader] }).getMeter('test') }
}

interface Spread {
  readonly count: number
  readonly sum: number
  readonly min: number
}

describe('OpenTelemetry', () => {
  test('events are counted by name, and by nothing that a client sent', async () => {
    const { reader, meter } = metering()
    const listen = toOpenTelemetry(meter)
    for (let n = 0; n < 3; n++) listen(eventOf({ userAgent: `agent ${n}`, path: `/${n}`, userId: `${n}` }))
    listen(eventOf({ name: 'authn_token_reuse' }))
    assert.deepEqual(await reader.values('holdfast.events'), [
      { attributes: { 'holdfast.event': 'session_created' }, value: 3 },
      { attributes: { 'holdfast.event': 'authn_token_reuse' }, value: 1 },
    ])
  })

  test('live sessions are asked for when they are collected', async () => {
    const { reader, meter } = metering()
    let live = 3
    observeLive(meter, async () => live)
    assert.equal((await reader.values('holdfast.sessions.live'))[0]!.value, 3)
    live = 4
    assert.equal((await reader.values('holdfast.sessions.live'))[0]!.value, 4)
  })

  test('each call of an engine is timed, and its failure told', async () => {
    const { reader, meter } = metering()
    let down = false
    const store = memory()
    const slow: Engine = {
      ...store,
      load: async (id) => {
        if (down) throw new Error('on purpose')
        return store.load(id)
      },
    }
    const engine = measured(slow, meter)
    assert.equal(await engine.loadUser('ada'), undefined)
    await engine.load('a')
    down = true
    await assert.rejects(async () => engine.load('a'), /on purpose/)
    const points = await reader.values('holdfast.engine.duration')
    const counts = points.map(({ attributes, value }) => {
      const { 'holdfast.engine': name, 'holdfast.verb': verb, 'holdfast.outcome': outcome } = attributes
      return `${name} ${verb} ${outcome} ${(value as Spread).count}`
    })
    assert.deepEqual(counts, ['memory loadUser ok 1', 'memory load ok 1', 'memory load error 1'])
  })

  test('an engine that answers at once still does, and throws at once', () => {
    const { meter } = metering()
    const engine = measured(sqlite(':memory:'), meter)
    assert.equal(engine.load('none'), undefined)
    engine.close?.()
    assert.throws(() => engine.load('none'), { code: 'ERR_ENGINE' })
  })

  test('the lag of a revocation: how long a cache in front went on handing out what had ended', async () => {
    const { reader, meter } = metering()
    let stored = { id: 'a', ended: null } as SessionRecord
    const engine = measured({ ...memory(), load: () => stored }, meter)
    const at = Date.now() - 5_000
    await engine.load('a')
    stored = { ...stored, ended: { reason: 'revoked', at } }
    await engine.load('a')
    await engine.load('a')
    const [point, ...others] = await reader.values('holdfast.revocation.lag')
    assert.deepEqual(others, [])
    const { count, min } = point!.value as Spread
    assert.equal(count, 1, 'once for each session')
    assert.ok(min >= 5, `${min} s`)
  })

  test('without a cache there is none', async () => {
    const { reader, meter } = metering()
    let stored = { id: 'a', ended: null } as SessionRecord
    const engine = measured({ ...memory(), load: () => stored }, meter)
    await engine.load('a')
    stored = { ...stored, ended: { reason: 'revoked', at: Date.now() + 10_000 } }
    await engine.load('a')
    assert.equal(((await reader.values('holdfast.revocation.lag'))[0]!.value as Spread).sum, 0)
  })
})

describe('a measured engine keeps the contract', () => {
  const { meter } = metering()
  engineContract({ test, create: () => measured(sqlite(':memory:'), meter) })
})
