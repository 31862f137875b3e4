/** What a response must carry. Pure. @module */

import { isSecure } from './guard.ts'
import type { Policy } from './policy.ts'
import type { Header, RequestContext } from './request.ts'
import type { SessionState } from './session.ts'
import { formatVisitor } from './token.ts'

/** What a response must carry. */
export interface Effects {
  /** To be added; none replaces another. */
  readonly headers: readonly Header[]
  /** To be added to `Vary`; null when the response doesn't depend on the session. */
  readonly vary: string | null
  /**
   * `always`: `Cache-Control: no-store, private`, over whatever the application set, since no shared cache may hold a
   * token (CVE-2025-48947). `unless-set`: the same, where the application set nothing. null: not ours to say.
   */
  readonly noStore: 'always' | 'unless-set' | null
}

/** What the response of a committed request carries. */
export function effectsOf(state: SessionState): Effects {
  const { context, policy, sessionHeader, clearSiteData } = state
  const visitor = visitorHeader(state)
  const tokens = [sessionHeader, visitor].filter((header) => header !== null)
  return {
    headers: [
      ...hsts(context, policy),
      // What goes over plain HTTP can be read on the way: not even a visitor's token goes there.
      ...(isSecure(context, policy) ? tokens : []),
      ...(clearSiteData.length > 0 ? [clearSiteDataHeader(clearSiteData)] : []),
    ],
    vary: state.accessed || tokens.length > 0 ? policy.transport.vary : null,
    noStore: tokens.length > 0 ? 'always' : state.accessed && state.opened.record ? 'unless-set' : null,
  }
}

/** What a response carries that says that the commit failed, or the store: nothing of any session. */
export function effectsOfFailure(context: RequestContext, policy: Policy): Effects {
  return { headers: hsts(context, policy), vary: null, noStore: 'always' }
}

/** A visitor's token, if one was drawn; after authentication, the end of the one that was shown. */
function visitorHeader(state: SessionState): Header | null {
  const { context, policy, sessionHeader, opened, visitor, refusal } = state
  const transport = policy.visitorTransport
  // SameSite has kept the client's own from a request that another site forged: the answer must not replace it.
  if (!transport || refusal?.code === 'ERR_CROSS_ORIGIN') return null
  if (sessionHeader && opened.record && opened.record.userId !== null) {
    return transport.read(context).length > 0 ? transport.clear() : null
  }
  return visitor?.drawn
    ? transport.write(formatVisitor(policy.keys, transport.name, visitor.token), null)
    : null
}

function hsts({ origin }: RequestContext, { hsts }: Policy): Header[] {
  return hsts !== null && origin.startsWith('https://') ? [['Strict-Transport-Security', hsts]] : []
}

function clearSiteDataHeader(kinds: readonly string[]): Header {
  return ['Clear-Site-Data', kinds.map((kind) => `"${kind}"`).join(', ')]
}
