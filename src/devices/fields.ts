import { readText } from '../adapters/mount.ts'

/** More than any honest form or JSON of ours has. */
const LONGEST = 8 * 1024

/** The text fields of a body; what is no text, or there twice, is not there. */
export type Fields = ReadonlyMap<string, string>

/**
 * Reads a form or a JSON object.
 *
 * @returns the status of the refusal where it is neither, or too long
 */
export async function readFields(request: Request): Promise<Fields | 400 | 413 | 415> {
  const [type = ''] = (request.headers.get('content-type') ?? '').toLowerCase().split(';')
  const form = type.trim() === 'application/x-www-form-urlencoded'
  if (!form && type.trim() !== 'application/json') return 415
  const text = await readText(request, LONGEST)
  if (text === null) return 413
  const pairs = form ? [...new URLSearchParams(text)] : readJson(text)
  if (pairs === null) return 400
  const names = pairs.map(([name]) => name)
  return new Map(
    pairs.flatMap(([name, value]) => {
      const once = names.indexOf(name) === names.lastIndexOf(name)
      return once && typeof value === 'string' ? [[name, value] as const] : []
    }),
  )
}

function readJson(text: string): [string, unknown][] | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : null
  } catch {
    return null
  }
}
