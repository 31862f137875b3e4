/** `{% csrf_token %}` for Nunjucks, as in Django. @module */

import { type CsrfSources, csrfField } from './html.ts'

/** A Nunjucks extension, as far as Nunjucks and we must know it: the library itself stays optional. */
export interface CsrfExtension {
  readonly tags: string[]
  /** Nunjucks escapes what an extension returns unless told not to, whatever the environment's `autoescape`. */
  readonly autoescape: false
  // biome-ignore lint/suspicious/noExplicitAny: Nunjucks publishes no types for its parser, and its own say `any`
  parse(parser: any, nodes: any): unknown
  run(): string
}

/**
 * Adds the tag `{% csrf_token %}`: the hidden field of a form, for the session of the request that is being answered.
 *
 * @example environment.addExtension('csrf', csrfExtension(sessions))
 *
 * @param sessions - what `createSessions` returned; rendering outside of a request throws `ERR_NO_SESSION`
 */
export function csrfExtension(sessions: CsrfSources): CsrfExtension {
  return {
    tags: ['csrf_token'],
    autoescape: false,
    parse(parser, nodes) {
      const tag = parser.nextToken()
      parser.advanceAfterBlockEnd(tag.value)
      return new nodes.CallExtension(this, 'run', new nodes.NodeList(tag.lineno, tag.colno))
    },
    run: () => csrfField(sessions.current()),
  }
}
