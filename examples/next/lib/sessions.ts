import { createSessions, type Sessions } from 'holdfast'
import { memory } from 'holdfast/memory'

interface Data {
  visits: number
}

// Next.js loads this file once for the proxy and once for the pages: the memory must be one.
const kept = globalThis as { sessions?: Sessions<Data> }

export const sessions = (kept.sessions ??= createSessions<Data>({ engine: memory() }))
