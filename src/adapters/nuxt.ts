/** Sessions for Nuxt 4, and whatever else runs on Nitro 2, on Node. @module */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { type ProxyTrust, trustProxies } from '../proxy.ts'
import { anonymousContext, headerOf, nodeContext } from './context.ts'
import { mayBringToken } from './form.ts'
import { exchangeOf, watchRequests } from './node-exchange.ts'
import { answerFor, commitFirst, type ErrorOptions, sendAnswer } from './respond.ts'

export type { Answer } from './answer.ts'
export type { ErrorOptions } from './respond.ts'

/** What we need of an event of h3 1. */
export interface NuxtEvent {
  readonly node: { readonly req: IncomingMessage; readonly res: ServerResponse }
  /** Gets `session`: to be declared in h3's `H3EventContext`. */
  readonly context: object
}

/** What we need of what Nitro hands to its plugins. */
export interface NitroApp {
  // biome-ignore lint/suspicious/noExplicitAny: h3's event, of which we need less than its handlers
  readonly h3App: { handler: (event: any) => MaybePromise<unknown> }
}

/**
 * A plugin of Nitro that gives each request its session: `event.context.session`, and `sessions.current()` anywhere below.
 * Pages, API routes and middleware leave when the session has been committed; an error takes their place where that fails.
 * What a page asks of the application itself, by `useFetch` or `event.$fetch`, is part of its request, and has its session.
 *
 * A CSRF token is looked for in the header `X-CSRF-Token`, and as `csrf_token` in an urlencoded form of up to 64 KiB; for
 * multipart forms name the path in `csrf.verifiedByHandler` and call `session.verifyCsrf`.
 *
 * @example export default protect(sessions)
 */
export function protect<Data extends object>(
  sessions: Sessions<Data>,
  options: ErrorOptions = {},
): (nitro: NitroApp) => void {
  watchRequests()
  const trust = trustProxies(sessions.policy.proxy)

  async function serve(event: NuxtEvent, handle: () => MaybePromise<unknown>): Promise<unknown> {
    const { req, res } = event.node
    Object.defineProperty(event.context, 'session', { configurable: true, get: () => sessions.current() })
    const exchange = exchangeOf({ get: (name) => headerOf(req, name) })
    if (exchange?.res !== res) {
      // No client has sent this: the application asks itself, in the name of a request, or of nobody.
      const session = await exchange?.opened.get(sessions)
      return session ? sessions.run(session as Session<Data>, handle) : handle()
    }
    const answer = (error: unknown) => answerFor(error, req, options)
    let context: RequestContext | undefined
    try {
      context = await describe(req, trust)
      const session = await sessions.open(context)
      commitFirst(sessions, session, context, res, answer)
      exchange.opened.set(sessions, Promise.resolve(session as Session<never>))
      return await sessions.run(session, async () => {
        if (session.refusal) return sendAnswer(res, await answer(session.refusal))
        return await handle()
      })
    } catch (error) {
      // Others are Nuxt's to show.
      if (!(error instanceof SessionError) || res.headersSent) throw error
      const opened = exchange.opened.has(sessions)
      sendAnswer(res, await answer(error), opened ? null : sessions.failed(context ?? anonymousContext(req)))
      return undefined
    }
  }

  return ({ h3App }) => {
    const { handler } = h3App
    h3App.handler = (event: NuxtEvent) => serve(event, () => handler(event))
  }
}

async function describe(req: IncomingMessage, trust: ProxyTrust): Promise<RequestContext> {
  const context = nodeContext(req, trust)
  const form = mayBringToken(context) ? await readForm(req) : null
  return { ...context, field: (name) => form?.get(name) ?? null }
}

/** Reads a form, and leaves it where h3 looks for a body that was read already. */
async function readForm(req: IncomingMessage): Promise<URLSearchParams | null> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of req) chunks.push(chunk)
  } catch {
    // The client went away.
    return null
  }
  const rawBody = Buffer.concat(chunks)
  Object.assign(req, { rawBody })
  return new URLSearchParams(rawBody.toString())
}
