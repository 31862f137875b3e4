/** Sessions for servers of `node:http` and `node:https`. @module */

import { type IncomingMessage, type RequestListener, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { MaybePromise } from '../core/engine.ts'
import { isLater } from '../core/later.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import type { Answer } from './answer.ts'
import { anonymousContext, nodeContext } from './context.ts'
import { answered, answerFor, commitFirst, type ErrorOptions, sendAnswer } from './respond.ts'

export type { Answer } from './answer.ts'
export { nodeContext } from './context.ts'
export { toListener } from './mount.ts'
export type { ErrorOptions } from './respond.ts'

/**
 * Gives each request its session. The response leaves when the session has been committed, whichever way it is written:
 * `end`, `write`, `writeHead`, a pipeline. Where the commit fails, an error takes its place: status, headers and body.
 *
 * A request that is refused never reaches the handler. What the handler throws is answered: a `SessionError` with its
 * status and code, anything else with a bare 500, and logged. `sessions.current()` finds the session anywhere below.
 *
 * A CSRF token is looked for in the header `X-CSRF-Token`, and in `req.body`, where something before this has parsed a form:
 * else name the path in `csrf.verifiedByHandler` and call `session.verifyCsrf`.
 *
 * @example createServer(protect(sessions, (req, res, session) => res.end(`Hello ${session.userId}`)))
 */
export function protect<Data extends object>(
  sessions: Sessions<Data>,
  handler: (req: IncomingMessage, res: ServerResponse, session: Session<Data>) => MaybePromise<unknown>,
  options: ErrorOptions = {},
): RequestListener {
  const trust = trustProxies(sessions.policy.proxy)

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const answer = (error: unknown): Promise<Answer> => answerFor(error, req, options)
    let context: RequestContext | undefined
    try {
      context = nodeContext(req, trust)
      const session = await sessions.open(context)
      commitFirst(sessions, session, context, res, answer)
      const handling = sessions.run(session, () => handle(req, res, session, answer))
      if (handling) await handling
    } catch (error) {
      sendAnswer(res, await answer(error), sessions.failed(context ?? anonymousContext(req)))
    }
  }

  /** @returns undefined when it is done: a handler that answers at once costs no promise */
  function handle(
    req: IncomingMessage,
    res: ServerResponse,
    session: Session<Data>,
    answer: (error: unknown) => Promise<Answer>,
  ): Promise<void> | undefined {
    const failed = async (error: unknown) => {
      if (!res.headersSent) return sendAnswer(res, await answer(error))
      if (error instanceof Error && answered.has(error)) return
      // The client must not take what it got for the whole.
      console.error('holdfast: a request failed after its response had begun', error)
      res.destroy()
    }
    try {
      if (session.refusal) throw session.refusal
      const handling = handler(req, res, session)
      return isLater(handling) ? Promise.resolve(handling).then(() => {}, failed) : undefined
    } catch (error) {
      return failed(error)
    }
  }

  return (req, res) => void serve(req, res)
}

/**
 * Gives each upgrade, such as to a WebSocket, the session of its request. Browsers let any page open a WebSocket anywhere,
 * with the cookies of its host, and its messages pass no other check: so whatever is cross-origin is refused (ASVS 4.4.2).
 *
 * The upgrade counts as a use of the session. Its response can't carry a cookie: a login belongs elsewhere. To store
 * something later call `session.commit()`. What the listener throws, before it has answered, is the answer: so
 * `session.require()` there is a 401. `holdfast/live` closes what it opens when the session ends.
 *
 * @example server.on('upgrade', upgrade(sessions, (req, socket, head, session) => wss.handleUpgrade(...)))
 */
export function upgrade<Data extends object>(
  sessions: Sessions<Data>,
  listener: (
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    session: Session<Data>,
  ) => MaybePromise<unknown>,
): (req: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const trust = trustProxies(sessions.policy.proxy)

  async function serve(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    let context: RequestContext | undefined
    // Node hands the socket over bare: whoever goes away while we read must not end the process.
    const ignore = () => {}
    socket.on('error', ignore)
    const written = bytesWritten(socket)
    try {
      context = nodeContext(req, trust)
      const session = await sessions.open(context)
      if (session.refusal) throw session.refusal
      await session.commit()
      if (socket.destroyed) return
      await sessions.run(session, () => listener(req, socket, head, session))
      socket.off('error', ignore)
    } catch (error) {
      const answer = await answerFor(error, req, {})
      if (bytesWritten(socket) !== written) return void socket.destroy()
      socket.end(formatAnswer(answer, sessions.failed(context ?? anonymousContext(req)).headers), () =>
        socket.destroy(),
      )
    }
  }

  return (req, socket, head) => void serve(req, socket, head)
}

function bytesWritten(socket: Duplex): unknown {
  return 'bytesWritten' in socket ? socket.bytesWritten : undefined
}

function formatAnswer({ status, headers, body }: Answer, more: Answer['headers']): string {
  const length = ['Content-Length', String(Buffer.byteLength(body))]
  const lines = [...headers, ...more, length, ['Connection', 'close']].map(
    ([name, value]) => `${name}: ${value}`,
  )
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n')
}
