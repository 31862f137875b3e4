const texts = new WeakMap<object, string>()

/** JSON, worked out once for each object: no state's objects are ever changed. */
export function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  let text = texts.get(value)
  if (text === undefined) {
    text = JSON.stringify(value)
    texts.set(value, text)
  }
  return text
}
