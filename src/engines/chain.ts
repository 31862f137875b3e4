import type { MaybePromise } from '../core/engine.ts'

/** Goes on with a value: at once where it is there at once, so that a synchronous engine stays one. */
export function chain<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isLater(value) ? value.then(next) : next(value)
}

/** All values: at once where all are there at once. */
export function together<T>(values: readonly MaybePromise<T>[]): MaybePromise<readonly T[]> {
  return values.some(isLater) ? Promise.all(values) : (values as readonly T[])
}

/** Some clients' promises are only like promises. */
function isLater<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined)?.then === 'function'
}
