import type { OnMismatch } from '../core/binding.ts'
import { SessionError } from '../core/errors.ts'

const ACTIONS: readonly unknown[] = ['report', 'reauthenticate', 'revoke'] satisfies OnMismatch[]

/**
 * Checks what the options of all bindings have in common.
 *
 * @param binding - its name, for the message
 * @param options - `onMismatch` with its default filled in
 * @param names - the options that this binding has besides
 * @throws {SessionError} `ERR_OPTION` when an option is unknown, or `onMismatch` no known word
 */
export function checkOptions(
  binding: string,
  options: { readonly onMismatch: unknown },
  names: readonly string[],
): void {
  const known = ['onMismatch', ...names]
  const stranger = Object.keys(options).find((name) => !known.includes(name))
  if (stranger !== undefined) {
    const list = known.join(', ')
    throw new SessionError('ERR_OPTION', `${binding}: there is no option ${stranger}; known are ${list}`)
  }
  if (!ACTIONS.includes(options.onMismatch)) {
    throw new SessionError(
      'ERR_OPTION',
      `${binding}.onMismatch: expected 'report', 'reauthenticate' or 'revoke', but got ${JSON.stringify(options.onMismatch)}`,
    )
  }
}
