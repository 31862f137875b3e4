/** Session data: JSON, read-only on the way out, changed by functions that can be replayed. @module */

import { SessionError } from './errors.ts'
import { type SessionSchema, validate } from './schema.ts'

/** A type, read-only all the way down. */
export type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T

/** Names and values: an object as JSON has it, in which `__proto__` is a name like any other. */
export class DataMap {
  readonly #values: Record<string, unknown>

  /** @param values - is made use of, and changed */
  constructor(values: object = {}) {
    this.#values = values as Record<string, unknown>
  }

  get(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name)
  }

  keys(): string[] {
    return Object.keys(this.#values)
  }

  set(name: string, value: unknown): void {
    if (!(name in Object.prototype)) this.#values[name] = value
    // `__proto__`, if it were set, would be the object's prototype; and where prototypes are frozen their names can't be set.
    else Object.defineProperty(this.#values, name, { value, ...ORDINARY })
  }

  delete(name: string): void {
    delete this.#values[name]
  }

  clear(): void {
    for (const name of this.keys()) delete this.#values[name]
  }

  /** All of them, for looking at. */
  get values(): object {
    return this.#values
  }
}

const ORDINARY = { configurable: true, enumerable: true, writable: true }

/** One change, that may run again on newer data when its session was changed by another request meanwhile. */
export type Change = (data: DataMap) => void

export const EMPTY = '{}'

/** The change that `clear` makes. What was there before is not even looked at. */
export const CLEAR: Change = (data) => data.clear()

const MAX_DEPTH = 64

/** @throws {SessionError} `ERR_SESSION_DATA` when it doesn't fit the schema (any more) */
export function parseData(text: string, schema: SessionSchema<object> | null): DataMap {
  if (text === EMPTY && !schema) return new DataMap()
  const value = parseObject(text)
  // A schema's own defaults are its own: what is handed out is frozen, and must be a copy.
  return new DataMap(schema ? toJson(validate(schema, value), '') : value)
}

/** @throws {SessionError} `ERR_SESSION_DATA`, `ERR_SESSION_DATA_TOO_LARGE` */
export function formatData(
  { values }: DataMap,
  schema: SessionSchema<object> | null,
  maxBytes: number,
): string {
  // A schema may freeze what it is given.
  const text = JSON.stringify(schema ? toJson(validate(schema, { ...values }), '') : values)
  // A character takes three bytes at most, so that most texts need not be encoded to be measured.
  if (
    text.length > maxBytes ||
    (3 * text.length > maxBytes && new TextEncoder().encode(text).length > maxBytes)
  ) {
    throw new SessionError(
      'ERR_SESSION_DATA_TOO_LARGE',
      `Session data would be longer than maxDataBytes, ${maxBytes} bytes`,
    )
  }
  return text
}

/** Applies changes to data as text, in their order. */
export function replay(
  text: string,
  changes: readonly Change[],
  schema: SessionSchema<object> | null,
  maxBytes: number,
): string {
  const cleared = changes.lastIndexOf(CLEAR)
  const data = cleared < 0 ? parseData(text, schema) : new DataMap()
  for (const change of changes.slice(cleared + 1)) change(data)
  return formatData(data, schema, maxBytes)
}

function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // The message of the parser would quote the data.
  }
  throw new SessionError('ERR_SESSION_DATA', 'Session data: what is stored is no JSON object')
}

/** Freezes a JSON value all the way down. */
export function freeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) freeze(child)
  }
  return value as DeepReadonly<T>
}

/**
 * Copies a value, refusing whatever JSON would change or drop in silence: a date, a map, NaN.
 *
 * @param path - the value's name, for the message
 * @throws {SessionError} `ERR_SESSION_DATA`, naming the place and never the value
 */
export function toJson<T>(value: T, path: string, depth = 0): T {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (depth >= MAX_DEPTH) throw notJson(path, `is nested deeper than ${MAX_DEPTH} levels, or in a circle`)
  // Not `map`, which skips holes, whom JSON would turn into null.
  if (Array.isArray(value))
    return Array.from(value, (item, index) => toJson(item, `${path}[${index}]`, depth + 1)) as T
  if (typeof value === 'object') {
    const prototype = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined)
      return Object.fromEntries(
        entries.map(([name, item]) => [name, toJson(item, `${path}.${name}`, depth + 1)]),
      ) as T
    }
  }
  const kind = typeof value === 'object' ? (value as object).constructor?.name : typeof value
  throw notJson(
    path,
    `is ${typeof value === 'number' ? String(value) : `of the kind ${kind}`}, which JSON can't hold`,
  )
}

function notJson(path: string, problem: string): SessionError {
  return new SessionError('ERR_SESSION_DATA', `Session data: ${path.slice(0, 100)} ${problem}`)
}
