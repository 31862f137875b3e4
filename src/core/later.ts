import type { MaybePromise } from './engine.ts'

/** Whether a value is yet to come. Some clients' promises are only like promises, and some programs have another `Promise`. */
export function isLater<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | null | undefined)?.then === 'function'
}
