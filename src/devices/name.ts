import { LONGEST_NAME } from '../core/queries.ts'

/** Control and format characters: of these only the joiner is of use, in emoji; others can turn a line around. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu
const JOINER = '\u200d'

/**
 * Makes a session's name of what a user has typed.
 *
 * @returns null for no name; undefined where it is too long
 */
export function readName(text: string): string | null | undefined {
  const visible = text
    .toWellFormed()
    .replace(/\s+/g, ' ')
    .replace(HIDDEN, (character) => (character === JOINER ? character : ''))
    .normalize('NFC')
    .trim()
  if (visible.length > LONGEST_NAME) return undefined
  return visible.replaceAll(JOINER, '') === '' ? null : visible
}
