import { createSessions, type Session } from 'holdfast'
import { memory } from 'holdfast/memory'
import { createContext } from 'react-router'

interface Data {
  visits: number
}

// snippet: sessions
export const sessions = createSessions<Data>({ engine: memory() })
export const sessionContext = createContext<Session<Data>>()
// /snippet
