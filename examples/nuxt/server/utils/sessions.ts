import { createSessions, type Session } from 'holdfast'
import { memory } from 'holdfast/memory'

interface Data {
  visits: number
}

export const sessions = createSessions<Data>({ engine: memory() })

// snippet: types
declare module 'h3' {
  interface H3EventContext {
    session: Session<Data>
  }
}
// /snippet
