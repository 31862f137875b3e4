/** The scenarios' neutral handler, for frameworks that turn a `Request` into a `Response`. */

import { Readable } from 'node:stream'
import type { AnySession, Handler } from '../flow/harness.ts'

export function answerFlow(handler: Handler): (request: Request, session: AnySession) => Promise<Response> {
  return async (request, session) => {
    const { pathname: path, searchParams: query } = new URL(request.url)
    const text = () => request.text()
    const { status = 200, headers = [], body } = await handler({ session, method: request.method, path, query, text })
    const stream = body instanceof Readable ? (Readable.toWeb(body) as ReadableStream) : body
    return new Response(stream ?? null, { status, headers: headers.map(([name, value]) => [name, value]) })
  }
}
