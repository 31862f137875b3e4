import { Calls } from './calls.ts'
import type { Millis } from './duration.ts'
import type { Engine, MaybePromise } from './engine.ts'
import { SessionError } from './errors.ts'
import { isLater } from './later.ts'

/**
 * Gives each call of an engine a deadline, and turns every failure into `ERR_ENGINE`: a store that hangs must end in a
 * 503, never in a hanging request, and never in "anonymous, carry on" (ASVS 16.5.3). What becomes of a call that is
 * given up is unknown; its result is not waited for.
 */
export function withDeadline(engine: Engine, timeout: Millis): Engine {
  const call = <T>(verb: string, run: () => MaybePromise<T>): MaybePromise<T> => {
    try {
      const result = run()
      return isLater(result) ? race(result, verb) : result
    } catch (cause) {
      throw failure(verb, cause)
    }
  }

  const calls = new Calls(timeout)

  /** One promise by hand: `Promise.race` costs a request to a server's store twice as much. */
  const race = <T>(result: Promise<T>, verb: string): Promise<T> =>
    new Promise((resolve, reject) => {
      const call = calls.begin(() => reject(failure(verb, new Error(`no answer within ${timeout} ms`))))
      result.then(
        (value) => {
          calls.end(call)
          resolve(value)
        },
        (cause: unknown) => {
          calls.end(call)
          reject(failure(verb, cause))
        },
      )
    })

  // The client learns no more than that; the operator finds the cause in the event.
  const failure = (verb: string, cause: unknown) =>
    cause instanceof SessionError && cause.code === 'ERR_ENGINE_FULL'
      ? new SessionError(cause.code, 'The session store is full. Try again later.', { cause })
      : new SessionError('ERR_ENGINE', `The session store failed (${verb}). Try again in a moment.`, {
          cause,
        })

  const { scan, close } = engine
  return {
    name: engine.name,
    shared: engine.shared,
    load: (id, options) => call('load', () => engine.load(id, options)),
    create: (record) => call('create', () => engine.create(record)),
    replace: (next, version) => call('replace', () => engine.replace(next, version)),
    touch: (id, version, seenAt, expiresAt) =>
      call('touch', () => engine.touch(id, version, seenAt, expiresAt)),
    loadUser: (userId) => call('loadUser', () => engine.loadUser(userId)),
    replaceUser: (next, version) => call('replaceUser', () => engine.replaceUser(next, version)),
    sweep: (now, limit) => call('sweep', () => engine.sweep(now, limit)),
    ...(scan && { scan: (query) => call('scan', () => scan.call(engine, query)) }),
    ...(close && { close: () => call('close', () => close.call(engine)) }),
  }
}
