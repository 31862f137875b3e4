import { LINGER, type LiveEnd } from './end.ts'

/** What is used of a `WebSocket` of `ws`, which is Fastify's as well. */
export interface WebSocketLike {
  readonly readyState: number
  close(code: number, reason: string): void
  terminate(): void
  on(event: 'message' | 'close', listener: () => void): unknown
  emit(event: string | symbol, ...args: never[]): boolean
}

/** Makes what ends a WebSocket. */
export function endWebSocket(ws: WebSocketLike): (end: LiveEnd) => void {
  return ({ code, reason }) => {
    ws.close(code, reason)
    // Until its client has answered, `ws` goes on delivering what he sends.
    const { emit } = ws
    ws.emit = function (event, ...args) {
      return event !== 'message' && emit.call(this, event, ...args)
    }
    setTimeout(() => ws.terminate(), LINGER).unref()
  }
}
