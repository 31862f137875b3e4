import type { IncomingMessage, ServerResponse } from 'node:http'
import { LINGER, type LiveEnd } from './end.ts'

/** Makes what ends a stream of server-sent events. */
export function endEventStream(res: ServerResponse<IncomingMessage>): (end: LiveEnd) => void {
  return (end) => {
    res.end(`event: session_end\ndata: ${JSON.stringify(end)}\n\n`)
    // The handler goes on writing until it learns of it; to Node that is an error, which would end the process.
    res.write = () => false
    res.end = () => res
    setTimeout(() => res.destroy(), LINGER).unref()
  }
}
