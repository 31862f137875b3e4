/** Sessions for React Router in framework mode. @module */

import type { MiddlewareFunction, RouterContext, RouterContextProvider } from 'react-router'
import { SessionError } from '../core/errors.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import { answerTo, headerIn, problemOf, toResponse } from './answer.ts'
import { headerOf, nodeClient } from './context.ts'
import { type FetchErrorOptions, fetchClient, fetchContext, serveFetch } from './fetch.ts'
import { exchangeOf, watchRequests } from './node-exchange.ts'

export interface ReactRouterOptions<Data extends object> extends FetchErrorOptions {
  /** Where loaders and actions find the session: what `createContext<Session<Data>>()` made. */
  readonly context: RouterContext<Session<Data>>
}

type Next = () => Promise<Response>

/**
 * The root route's middleware: gives each request its session, as `context.get(sessionContext)` and `sessions.current()`.
 * Documents, data and resource routes leave when the session has been committed, streamed ones too, and an error takes their
 * place where that fails.
 *
 * What `require` and `verifyCsrf` throw reaches an `ErrorBoundary` as an error response of React Router's, with its status;
 * from a resource route it is answered as the other adapters do.
 *
 * @example export const middleware = [protect(sessions, { context: sessionContext })]
 */
export function protect<Data extends object>(
  sessions: Sessions<Data>,
  { context: key, onError }: ReactRouterOptions<Data>,
): MiddlewareFunction<Response> {
  // Servers of React Router keep the address at the other end to themselves.
  watchRequests()
  const trust = trustProxies(sessions.policy.proxy)
  const serve = serveFetch<Data, [context: Readonly<RouterContextProvider>, next: Next]>(
    sessions,
    async (request, session, context, next) => {
      const failure = translateErrors(session)
      context.set(key, session)
      const response = await next()
      const error = failure()
      if (!error || isPage(response)) return response
      return toResponse(answerTo(error, headerIn(request)), response.headers)
    },
    {
      describe(request) {
        const req = exchangeOf(request.headers)?.req
        if (!req) return fetchContext(request, fetchClient(request, null, trust))
        // React Router leaves out headers that are empty.
        return { ...fetchContext(request, nodeClient(req, trust)), header: (name) => headerOf(req, name) }
      },
      ...(onError && { onError }),
    },
  )
  return ({ request, context }, next) => serve(request, context, next)
}

/** By these React Router tells an error response from a defect, whose words nobody may see. */
function asErrorResponse(error: SessionError): SessionError {
  return Object.assign(error, { statusText: error.code, internal: false, data: problemOf(error) })
}

/** @returns what tells the last error that the application got from the session */
function translateErrors<Data extends object>(session: Session<Data>): () => SessionError | null {
  let last: SessionError | null = null
  for (const name of ['require', 'verifyCsrf'] as const) {
    const method = session[name].bind(session) as (argument: never) => never
    const translating = (argument: never) => {
      try {
        return method(argument)
      } catch (error) {
        if (!(error instanceof SessionError)) throw error
        last = asErrorResponse(error)
        throw last
      }
    }
    Object.defineProperty(session, name, { value: translating })
  }
  return () => last
}

/** A document, or the data of one. */
function isPage({ status, headers }: Response): boolean {
  return status < 400 || /^text\/(?:html|x-script)\b/i.test(headers.get('content-type') ?? '')
}
