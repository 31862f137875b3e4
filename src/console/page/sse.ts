/** Reads server-sent events from a fetch, which can carry a header that an EventSource can't. @module */

export interface Message {
  readonly event: string
  readonly data: string
}

/**
 * @param chunks text, cut anywhere
 * @param onChunk hears of every chunk, and so of heartbeats, which are comments
 */
export async function* readMessages(
  chunks: AsyncIterable<string>,
  onChunk: () => void = () => {},
): AsyncGenerator<Message> {
  let rest = ''
  for await (const chunk of chunks) {
    onChunk()
    const blocks = (rest + chunk).split(/\r?\n\r?\n/)
    rest = blocks.pop()!
    for (const block of blocks) {
      const message = parse(block)
      if (message.data !== '') yield message
    }
  }
}

function parse(block: string): Message {
  let event = 'message'
  const data: string[] = []
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^(event|data): ?(.*)$/.exec(line) ?? []
    if (field === 'event') event = value!
    if (field === 'data') data.push(value!)
  }
  return { event, data: data.join('\n') }
}
