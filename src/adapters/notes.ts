/**
 * What is noted of a request, kept at the request itself under a name that nobody else has. In a `WeakMap`, which V8 goes through
 * at every collection, each request and all that hangs on it would outlive some: that cost Express more than its sessions.
 */
export class Notes<Value> {
  readonly #name = Symbol('holdfast')

  get(about: object): Value | undefined {
    return (about as Record<symbol, Value | undefined>)[this.#name]
  }

  set(about: object, value: Value): void {
    ;(about as Record<symbol, Value>)[this.#name] = value
  }

  has(about: object): boolean {
    return this.get(about) !== undefined
  }
}
