import type { MaybePromise } from '../core/engine.ts'
import { isLater } from '../core/later.ts'

/** Goes on with a value: at once where it is there at once, so that a synchronous engine stays one. */
export function chain<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isLater(value) ? value.then(next) : next(value)
}

/** The same with what may throw, now or later: `failed` takes note, and the error goes on. */
export function attempt<T, R>(
  run: () => MaybePromise<T>,
  done: (value: T) => R,
  failed: () => void,
): MaybePromise<R> {
  const fail = (error: unknown): never => {
    failed()
    throw error
  }
  let value: MaybePromise<T>
  try {
    value = run()
  } catch (error) {
    return fail(error)
  }
  return isLater(value) ? value.then(done, fail) : done(value)
}

/** All values: at once where all are there at once. */
export function together<T>(values: readonly MaybePromise<T>[]): MaybePromise<readonly T[]> {
  return values.some(isLater) ? Promise.all(values) : (values as readonly T[])
}
