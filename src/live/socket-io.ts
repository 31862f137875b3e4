import type { IncomingMessage } from 'node:http'
import { nodeContext } from '../adapters/context.ts'
import { SessionError } from '../core/errors.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import type { Sessions } from '../core/sessions.ts'
import { trustProxies } from '../proxy.ts'
import type { LiveEnd } from './end.ts'

/** What is used of a socket of Socket.IO. */
export interface SocketIoSocket {
  readonly request: IncomingMessage
  // biome-ignore lint/suspicious/noExplicitAny: as Socket.IO has it
  data: any
  on(event: 'disconnect', listener: () => void): unknown
  onAny(listener: () => void): unknown
  emit(event: string, end: LiveEnd): unknown
  disconnect(close: boolean): unknown
}

/** What is used of a server, or a namespace, of Socket.IO. */
export interface SocketIo {
  use(middleware: (socket: SocketIoSocket, next: (error?: Error) => void) => void): unknown
  on(event: 'connection', listener: (socket: SocketIoSocket) => void): unknown
}

type Attach = (socket: SocketIoSocket, session: Session, end: (end: LiveEnd) => void) => void

/** The sessions of handshakes, which all namespaces of a connection have in common. */
export type Judged = WeakMap<IncomingMessage, Session>

/** Judges each handshake, once, and has what it opens held. */
export function serveSocketIo(io: SocketIo, sessions: Sessions, judged: Judged, attach: Attach): void {
  const trust = trustProxies(sessions.policy.proxy)
  const admitted = new WeakMap<object, Session>()

  async function admit(socket: SocketIoSocket): Promise<void> {
    const { request } = socket
    const known = judged.get(request)
    const session = known ?? (await judge(request))
    if (known) await checkStanding(known)
    judged.set(request, session)
    admitted.set(socket, session)
    socket.data.session = session
  }

  async function judge(request: IncomingMessage): Promise<Session> {
    const session = await sessions.open(asUpgrade(nodeContext(request, trust)))
    if (session.refusal) throw session.refusal
    session.require()
    await session.commit()
    return session
  }

  /** A namespace may be joined hours after the handshake, whose token, renewed since, would pass for a replayed one. */
  async function checkStanding({ id, authenticatedAt }: Session): Promise<void> {
    const info = await sessions.find(id!)
    if (!info)
      throw new SessionError(
        'ERR_NOT_AUTHENTICATED',
        'The session of this connection has ended: log in again.',
      )
    if (info.authenticatedAt !== authenticatedAt)
      throw new SessionError('ERR_SESSION_CHANGED', 'The session was authenticated anew: connect again.')
  }

  io.use((socket: SocketIoSocket, next) => {
    admit(socket).then(
      () => next(),
      (error) => next(toIo(error)),
    )
  })
  io.on('connection', (socket: SocketIoSocket) => {
    const end = (why: LiveEnd) => {
      socket.emit('session_end', why)
      socket.disconnect(true)
    }
    const session = admitted.get(socket)
    if (session) attach(socket, session, end)
    // A recovered connection skips middleware, unless told otherwise.
    else end({ code: 4409, reason: 'superseded' })
  })
}

/** Whatever carries it, a socket is opened: the poll that begins it is a GET, by which any page could do so. */
function asUpgrade(context: RequestContext): RequestContext {
  return { ...context, header: (name) => (name === 'upgrade' ? 'websocket' : context.header(name)) }
}

/** What the client gets as `connect_error`: Socket.IO sends an error's message and its `data`. */
function toIo(error: unknown): Error {
  if (error instanceof SessionError) {
    const { code, status, required } = error
    return Object.assign(new Error(error.message), { data: { code, status, ...(required && { required }) } })
  }
  console.error('holdfast: a handshake failed', error)
  return new Error('Internal Server Error')
}
