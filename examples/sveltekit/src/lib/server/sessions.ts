import { createSessions } from 'holdfast'
import { memory } from 'holdfast/memory'

export interface Data {
  visits: number
}

export const sessions = createSessions<Data>({ engine: memory() })
