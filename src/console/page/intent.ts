/** What an operator wants to end, in words. @module */

import type { ConsoleSession, Me } from '../api.ts'
import { count } from './words.ts'

/** Only what the dialog shows of a session. */
export type Named = Pick<ConsoleSession, 'id' | 'userId' | 'device' | 'ip' | 'isOwn'>

export type Intent =
  | { readonly kind: 'sessions'; readonly sessions: readonly Named[] }
  | { readonly kind: 'user'; readonly userId: string; readonly except: string | null }
  | { readonly kind: 'everybody' }

export function toSessions(sessions: readonly ConsoleSession[]): Intent {
  const named = sessions.map(({ id, userId, device, ip, isOwn }) => ({ id, userId, device, ip, isOwn }))
  return { kind: 'sessions', sessions: named }
}

export interface Words {
  readonly title: string
  readonly consequence: string
  readonly button: string
}

export function inWords(intent: Intent, me: Me): Words {
  if (intent.kind === 'everybody') {
    return {
      title: 'End everybody’s sessions?',
      consequence:
        'Every session of every user ends, yours too. Whoever is logged in has to log in again, at the next request, on every server. It cannot be undone.',
      button: 'End everybody’s sessions',
    }
  }
  if (intent.kind === 'user') {
    const { userId, except } = intent
    const own =
      userId === me.userId && except === null ? ' These are your own: this page ends with them.' : ''
    return {
      title: except === null ? `End all sessions of ${userId}?` : `End the other sessions of ${userId}?`,
      consequence: `${except === null ? 'All of them end' : 'All but the one shown end'}, at the next request, on every server. ${userId} has to log in again there.${own}`,
      button: except === null ? `End all of ${userId}` : 'End the others',
    }
  }
  const { sessions } = intent
  const users = new Set(sessions.map(({ userId }) => userId))
  const what = count(sessions.length, 'session')
  const whose = users.size === 1 ? ` of ${sessions[0]!.userId}` : ` of ${count(users.size, 'user')}`
  const own = sessions.some(({ isOwn }) => isOwn) ? ' Your own is among them: this page ends with it.' : ''
  const they = sessions.length === 1 ? 'It ends at its' : 'They end at their'
  return {
    title: `End ${sessions.length === 1 ? 'this session' : what}${whose}?`,
    consequence: `${they} next request, on every server; whoever uses ${sessions.length === 1 ? 'it' : 'them'} has to log in again. Other sessions of the same users go on.${own}`,
    button: `End ${what}`,
  }
}
