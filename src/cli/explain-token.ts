/** What the server makes of a token, step by step, in the order in which it looks. Says nothing that proves anything. @module */

import type { Millis } from '../core/duration.ts'
import type { MaybePromise, SessionRecord } from '../core/engine.ts'
import { isLive, judge, judgeSecret, type Verdict } from '../core/judge.ts'
import { deadlines, type Policy } from '../core/policy.ts'
import type { RequestContext } from '../core/request.ts'
import { formOf, parseToken, parseVisitor, type Token } from '../core/token.ts'
import { formatMoment } from './output.ts'

export interface Explanation {
  readonly steps: readonly { readonly step: string; readonly result: string }[]
  /** The last word: one of the verdicts, or what kept it from one. */
  readonly verdict: Verdict['kind'] | 'forged' | 'ambiguous' | 'visitor'
  /** Whether a request with it acts as the session's user. */
  readonly served: boolean
  /** What the server does, in words. */
  readonly outcome: string
}

/** What is known of the request; null where it isn't. */
export interface AskedWith {
  readonly ip: string | null
  readonly userAgent: string | null
  readonly now: Millis
}

const OUTCOMES: Record<Explanation['verdict'], string> = {
  none: "No token: a visitor's request.",
  ambiguous:
    "A visitor's request, and an event session_token_ambiguous: a browser holds one cookie of this name, so somebody smuggled another one in.",
  forged:
    "A visitor's request, without a look into the store, and an event session_token_forged. Was the token cut off or changed on its way, made for another cookie or application, or signed by a key that was dropped?",
  visitor:
    "A visitor's request: this is a pre-session, which protects forms before a login, and is never looked up.",
  unknown:
    "A visitor's request, and an event session_unknown: the session is long past, or the store was rolled back or is another one.",
  superseded:
    "A visitor's request, and an event session_superseded: the client was given a newer token. An honest one sends that next; nothing is ended.",
  replayed:
    'The session is ended (unless onReplay is report), and an event authn_token_reuse says so: no honest client holds this token any more, so somebody kept a copy.',
  expired: "A visitor's request, and an event session_expired: the user must log in again.",
  ended:
    "A visitor's request, and an event session_use_after_expire. The login page can tell what ended the session.",
  mismatch:
    'The request does not come from where the session belongs: an event session_binding_mismatch, and',
  current: "The request is the session's.",
  offer: "The request is the session's, and its token becomes the current one (session_renewed).",
  sibling:
    "The request is the session's: of several tokens that were offered at once, this is as good as the current one.",
  retired:
    "The request is the session's: the token was renewed a moment ago, and requests under way may still carry it.",
}

/**
 * @param load - reads the record from the primary
 * @param notBefore - what everybody authenticated by then has ended
 */
export async function explainToken(
  text: string,
  asked: AskedWith,
  policy: Policy,
  load: (id: string) => MaybePromise<SessionRecord | undefined>,
  notBefore: Millis = 0,
): Promise<Explanation> {
  const steps: { step: string; result: string }[] = []
  const note = (step: string, result: string) => steps.push({ step, result })
  const end = (verdict: Explanation['verdict'], served = false, more = ''): Explanation => {
    return { steps, verdict, served, outcome: `${OUTCOMES[verdict]}${more}` }
  }

  const context = contextOf(asked, text, policy)
  const { name } = policy.transport
  const values = policy.transport.read(context)
  note('token', values.length === 1 ? `in ${name}` : `${values.length} in ${name}`)
  if (values.length > 1 && name.startsWith('__Host-')) return end('ambiguous')
  const visitors = policy.visitorTransport
  const value = values[0] ?? visitors?.read(context)[0]
  if (value === undefined) return end('none')

  const form = formOf(value)
  note(
    'form',
    form === null ? 'no token of ours' : form === 'session' ? "a session's token" : "a visitor's token",
  )
  if (form === 'visitor' && parseVisitor(policy.keys, visitors?.name ?? '', value)) {
    note('tag', 'genuine')
    return end('visitor')
  }
  const token = form === 'session' ? parseToken(policy.keys, name, value) : null
  if (form !== null) note('tag', describeTag(token))
  if (!token) return end('forged')
  note('session', `${token.id}, issued ${formatMoment(token.issued)}`)

  const record = (await load(token.id)) ?? null
  note('record', describeRecord(record))
  const { known, unknown } = bindingsFor(policy, asked)
  const verdict = judge(record, token, context, { ...policy, bindings: known }, notBefore)
  if (!record) return end(verdict.kind)
  note('ended', verdict.kind === 'ended' ? `yes, ${formatMoment(verdict.at)}: ${verdict.reason}` : 'no')
  if (verdict.kind === 'ended') return end(verdict.kind)
  const { idle, absolute } = deadlines(record, policy)
  const limits = `idle until ${formatMoment(Math.min(idle, absolute))}, absolute until ${formatMoment(absolute)}`
  note('limits', verdict.kind === 'expired' ? `the ${verdict.reason} one has passed: ${limits}` : limits)
  if (verdict.kind === 'expired') return end(verdict.kind)
  note('era', describeEra(token, record))
  note('secret', judgeSecret(record, token, asked.now, policy))
  if (verdict.kind === 'mismatch') {
    note('bindings', `${verdict.reason} has changed`)
    const what =
      verdict.action === 'revoke'
        ? 'the session is ended.'
        : 'the session is suspended until its user logs in again.'
    return end(verdict.kind, false, ` ${what}`)
  }
  if (!isLive(verdict)) return end(verdict.kind)
  note(
    'bindings',
    describeBindings(
      known.map((each) => each.name),
      unknown,
      verdict.drifted,
    ),
  )
  return end(
    verdict.kind,
    true,
    ' It may still be refused for where it comes from: that leaves an event of its own.',
  )
}

/** @param text - a Cookie or Authorization header, one `name=value`, or a value alone */
function contextOf({ ip, userAgent, now }: AskedWith, text: string, { transport }: Policy): RequestContext {
  const bare = text.replace(/^(?:cookie:|authorization:|bearer)\s*/i, '').replace(/^bearer\s+/i, '')
  const cookies = /^[^.\s]+=/.test(bare) ? bare : `${transport.name}=${bare}`
  const headers: Record<string, string | null> = {
    cookie: cookies,
    authorization: `Bearer ${bare}`,
    'user-agent': userAgent,
  }
  const header = (name: string) => headers[name] ?? null
  return { method: 'GET', origin: '', path: '/', search: '', ip, now, header, field: () => null }
}

function bindingsFor({ bindings }: Policy, { ip, userAgent }: AskedWith) {
  const given = new Set([...(ip === null ? [] : ['ip']), ...(userAgent === null ? [] : ['userAgent'])])
  const known = bindings.filter(({ name }) => given.has(name))
  return { known, unknown: bindings.filter(({ name }) => !given.has(name)).map(({ name }) => name) }
}

function describeTag(token: Token | null): string {
  if (!token) return 'not ours: no key in force made it for a cookie of this name'
  return token.oldKey ? 'genuine, by an older key: renewal is due' : 'genuine, by the newest key'
}

function describeRecord(record: SessionRecord | null): string {
  if (!record) return 'none'
  const whose = record.userId === null ? "a visitor's" : `of ${record.userId}`
  return `${whose}, created ${formatMoment(record.createdAt)}, used ${formatMoment(record.seenAt)}`
}

function describeEra(token: Token, record: SessionRecord): string {
  if (token.era === record.era) return `${token.era}, the record's own`
  return `${token.era}; the record is in ${record.era}, for its user authenticated since`
}

function describeBindings(
  known: readonly string[],
  unknown: readonly string[],
  drifted: readonly string[],
): string {
  const parts = [
    ...known.map((name) =>
      drifted.includes(name) ? `${name} has changed, and is only reported` : `${name} matches`,
    ),
    ...(unknown.length > 0 ? [`not checked: ${unknown.join(', ')}`] : []),
  ]
  return parts.join('; ') || 'none'
}
