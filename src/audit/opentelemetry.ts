/**
 * Metrics by OpenTelemetry: takes a meter of `@opentelemetry/api`, and needs no package itself. No attribute holds what a
 * client sent: each of its values would be a time series.
 * @module
 */

import type { Engine, MaybePromise } from '../core/engine.ts'
import type { SessionEvent } from '../core/events.ts'

type Attributes = Record<string, string>

/** What is used of a `Meter`. */
export interface Meter {
  createCounter(name: string, options: Described): { add(value: number, attributes: Attributes): void }
  createHistogram(name: string, options: Described): { record(value: number, attributes: Attributes): void }
  createObservableGauge(
    name: string,
    options: Described,
  ): { addCallback(callback: (result: { observe(value: number): void }) => void | Promise<void>): void }
}

interface Described {
  readonly description: string
  readonly unit: string
}

/**
 * Makes a listener that counts events: `holdfast.events`, by `holdfast.event`, the event's name.
 *
 * @example
 * const sessions = createSessions({ engine, keys, onEvent: toOpenTelemetry(metrics.getMeter('holdfast')) })
 */
export function toOpenTelemetry(meter: Meter): (event: SessionEvent) => void {
  const events = meter.createCounter('holdfast.events', {
    description: 'Events of sessions',
    unit: '{event}',
  })
  return ({ name }) => events.add(1, { 'holdfast.event': name })
}

/**
 * Observes how many sessions are live: `holdfast.sessions.live`.
 *
 * @param count - asked at each collection; where it fails there is no value, and its failure is the collector's to tell
 */
export function observeLive(meter: Meter, count: () => MaybePromise<number>): void {
  const gauge = meter.createObservableGauge('holdfast.sessions.live', {
    description: 'Sessions that are neither ended nor expired',
    unit: '{session}',
  })
  gauge.addCallback(async (result) => result.observe(await count()))
}

const VERBS = new Set(['load', 'create', 'replace', 'touch', 'loadUser', 'replaceUser', 'scan', 'sweep'])
const REMEMBERED = 10_000

/**
 * Measures an engine: `holdfast.engine.duration`, in seconds, by `holdfast.verb` and `holdfast.outcome`; and
 * `holdfast.revocation.lag`, for how long after its end a session was still handed out here, which is 0 but for caches
 * and replicas, and the moment that ending takes. Put it around whatever is in front of the store. An engine that answers
 * at once still does.
 *
 * @returns the same engine, measured
 */
export function measured(engine: Engine, meter: Meter): Engine {
  const duration = meter.createHistogram('holdfast.engine.duration', {
    description: 'What one call of the session store took',
    unit: 's',
  })
  const lag = watchLag(meter)

  const time = (verb: string, run: () => MaybePromise<unknown>): MaybePromise<unknown> => {
    const started = performance.now()
    const end = (outcome: 'ok' | 'error') => {
      const attributes = {
        'holdfast.engine': engine.name,
        'holdfast.verb': verb,
        'holdfast.outcome': outcome,
      }
      duration.record((performance.now() - started) / 1000, attributes)
    }
    const succeed = (value: unknown) => {
      end('ok')
      if (verb === 'load') lag(value as Awaited<ReturnType<Engine['load']>>)
      return value
    }
    const fail = (error: unknown) => {
      end('error')
      throw error
    }
    try {
      const result = run()
      if (typeof (result as Promise<unknown> | undefined)?.then !== 'function') return succeed(result)
      return (result as Promise<unknown>).then(succeed, fail)
    } catch (error) {
      return fail(error)
    }
  }

  // A proxy, so that whatever else an engine has stays there.
  return new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (!VERBS.has(name as string)) return value.bind(target)
      return (...given: unknown[]) => time(name as string, () => value.apply(target, given))
    },
  })
}

/** Remembers when each session was last handed out alive; at its tombstone the difference is the lag. */
function watchLag(meter: Meter) {
  const histogram = meter.createHistogram('holdfast.revocation.lag', {
    description: 'For how long after its end a session was still handed out',
    unit: 's',
  })
  const served = new Map<string, number>()
  return (record: Awaited<ReturnType<Engine['load']>>) => {
    if (!record) return
    const { id, ended } = record
    const last = served.get(id)
    served.delete(id)
    if (!ended) {
      served.set(id, Date.now())
      if (served.size > REMEMBERED) served.delete(served.keys().next().value!)
    } else if (last !== undefined) histogram.record(Math.max(0, last - ended.at) / 1000, {})
  }
}
