import type { SessionEvent } from '../../src/core/events.ts'

export const KEY = 'AUDt0pXv3QmZ8r1nYkH5cJ7wEeLsUbGfKdTiOxRaVqM'

export function eventOf(fields: Partial<SessionEvent> = {}): SessionEvent {
  return {
    id: 'process.1',
    name: 'session_created',
    at: Date.UTC(2026, 0, 2, 3, 4, 5),
    sessionId: 'AAAAAAAAAAAAAAAAAAAAAA',
    actor: null,
    userId: 'ada',
    ip: '192.0.2.1',
    userAgent: 'UA',
    method: 'POST',
    path: '/login',
    reason: null,
    code: null,
    ...fields,
  }
}
