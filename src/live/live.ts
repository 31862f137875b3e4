/**
 * Sockets that end with their session: WebSockets, Socket.IO, server-sent events.
 * @see ASVS 4.4.3, 4.4.4, 7.4.1
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Sessions } from '../core/sessions.ts'
import type { LiveEnd } from './end.ts'
import { endEventStream } from './event-stream.ts'
import { type Hold, type HoldableSession, Keeper, type LiveStats } from './keeper.ts'
import { type LiveOptions, readOptions } from './options.ts'
import { type Judged, type SocketIo, serveSocketIo } from './socket-io.ts'
import { endWebSocket, type WebSocketLike } from './web-socket.ts'

export type { LiveEnd, LiveEndReason } from './end.ts'
export type { Hold, HoldableSession, LiveStats } from './keeper.ts'
export type { LiveOptions } from './options.ts'
export type { SocketIo, SocketIoSocket } from './socket-io.ts'
export type { WebSocketLike } from './web-socket.ts'

/**
 * Ends sockets when their sessions end: in this process at once, and within a second on every server.
 *
 * @example
 * const live = createLive(sessions, { channel: redisChannel(client) })
 * @throws {SessionError} `ERR_OPTION`
 */
export function createLive<Data extends object>(sessions: Sessions<Data>, options: LiveOptions = {}): Live {
  return new Live(sessions as unknown as Sessions, options)
}

/** A WebSocket's last state. */
const CLOSED = 3

/** The sockets of this process. */
export class Live {
  readonly #sessions: Sessions
  readonly #keeper: Keeper
  readonly #messagesUse: boolean
  readonly #judged: Judged = new WeakMap()

  /** @throws {SessionError} `ERR_OPTION` */
  constructor(sessions: Sessions, options: LiveOptions) {
    const settings = readOptions(options)
    this.#sessions = sessions
    this.#keeper = new Keeper(sessions, settings)
    this.#messagesUse = settings.messagesUse
  }

  /**
   * Holds a session open, for whatever sockets there are besides these.
   *
   * @param end - called once, when the session is over, and not after `release`; at once, if it is no user's
   */
  hold(session: HoldableSession, end: (end: LiveEnd) => void): Hold {
    return this.#keeper.hold(session, end)
  }

  /**
   * Ends a WebSocket of `ws` with its session, by a close code of 4401, 4409 or 4503 and a reason. From then on the
   * handler's messages go nowhere, and the client's reach no handler. A visitor's is closed at once: to answer him by a
   * 401 call `session.require()` before the upgrade.
   */
  webSocket(ws: WebSocketLike, session: HoldableSession): Hold {
    const hold = this.hold(session, endWebSocket(ws))
    if (this.#messagesUse) ws.on('message', () => hold.touch())
    ws.on('close', () => hold.release())
    // Its client has gone already, and nothing will tell.
    if (ws.readyState === CLOSED) hold.release()
    return hold
  }

  /**
   * Gives each socket of a Socket.IO server, or of a namespace, the session of its handshake, which must be a user's and
   * not cross-origin: `socket.data.session`. To be called before the application's own `io.on('connection')`. When the
   * session is over the client gets the event `session_end`, with code and reason, and is disconnected.
   */
  socketIo(io: SocketIo): void {
    serveSocketIo(io, this.#sessions, this.#judged, (socket, session, end) => {
      const hold = this.hold(session, end)
      if (this.#messagesUse) socket.onAny(() => hold.touch())
      socket.on('disconnect', () => hold.release())
    })
  }

  /**
   * Begins a stream of server-sent events that ends with the session, by a last event `session_end` with code and reason.
   *
   * @throws {SessionError} `ERR_NOT_AUTHENTICATED`, `ERR_SESSION_SUSPENDED` for a visitor, before anything is written
   */
  eventStream(res: ServerResponse<IncomingMessage>, session: HoldableSession): Hold {
    session.require()
    if (!res.headersSent)
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    res.flushHeaders()
    const hold = this.hold(session, endEventStream(res))
    res.on('close', () => hold.release())
    if (res.closed) hold.release()
    return hold
  }

  stats(): LiveStats {
    return this.#keeper.stats()
  }

  /** Ends every socket, as `unavailable`, and closes the channel. To be called before `sessions.close()`. */
  async close(): Promise<void> {
    await this.#keeper.close()
  }
}
