import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SessionError } from './errors.ts'
import { isLater } from './later.ts'

/** A validator that speaks Standard Schema, whose output is the session's data. */
export type SessionSchema<Data extends object> = StandardSchemaV1<unknown, Data>

/**
 * Checks the `schema` option: it must be synchronous, and accept `{}`, which is what a new session holds.
 *
 * @throws {SessionError} `ERR_OPTION`
 */
export function parseSchema<Data extends object>(schema: SessionSchema<Data>): SessionSchema<Data> {
  if (typeof schema?.['~standard']?.validate !== 'function') {
    throw new SessionError('ERR_OPTION', 'schema: expected a Standard Schema, such as z.object({ ... })')
  }
  try {
    validate(schema, {})
  } catch (cause) {
    const message =
      'schema: must accept {}, which a new session holds: give each field a default, or make it optional'
    throw new SessionError('ERR_OPTION', `${message}. ${(cause as Error).message}`, { cause })
  }
  return schema
}

/**
 * Validates session data, filling in defaults.
 *
 * @throws {SessionError} `ERR_SESSION_DATA`, naming the paths that are wrong and never their values
 */
export function validate<Data extends object>(schema: SessionSchema<Data>, value: unknown): Data {
  const result = schema['~standard'].validate(value)
  if (isLater(result)) throw new SessionError('ERR_SESSION_DATA', 'The schema must validate synchronously')
  if (!result.issues) return result.value
  const where = result.issues.map(({ path = [] }) =>
    path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
  )
  throw new SessionError(
    'ERR_SESSION_DATA',
    `Session data don't fit the schema: ${where.join(', ') || 'as a whole'}`,
  )
}
