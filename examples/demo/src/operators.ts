/** Who may see everything, and where. @module */

import type { Audit } from 'holdfast/audit'
import { type Console, createConsole } from 'holdfast/console'
import type { DemoSessions } from './parts.ts'

const OPERATORS = new Set<string | null>(['ada'])

export function isOperator(userId: string | null): boolean {
  return OPERATORS.has(userId)
}

/** @param audit - where its history comes from */
export function openConsole(sessions: DemoSessions, audit?: Audit): Console {
  return createConsole(sessions, {
    guard: ({ userId }) => isOperator(userId),
    loginUrl: '/login',
    reauthenticateUrl: '/reauthenticate',
    ...(audit && { audit }),
  })
}
