/**
 * What is noted of a request, kept at the request itself under a name that nobody else has. In a `WeakMap`, which V8 goes through
 * at every collection, each request and all that hangs on it would outlive some: that cost Express more than its sessions.
 */
export class Notes<Value> {
  readonly #name = Symbol('holdfast')

  get(about: object): Value | undefined {
    const note = (about as Record<symbol, { about: object; value: Value } | undefined>)[this.#name]
    // A copy, or what inherits from it, is another request, though it has all that was noted of this one.
    return note?.about === about ? note.value : undefined
  }

  set(about: object, value: Value): void {
    ;(about as Record<symbol, { about: object; value: Value }>)[this.#name] = { about, value }
  }

  has(about: object): boolean {
    return this.get(about) !== undefined
  }
}
