import type { Request, Response } from 'express'
import { type DemoSession, field, localPath } from './parts.ts'
import { ACCOUNTS } from './users.ts'
import { whatEnded } from './words.ts'

/** Shows the login form: at first, and again with a word of why. What was typed stays, but for the password. */
export function showLogin(
  request: Request,
  response: Response,
  session: DemoSession,
  problem: { status: number; text: string; code?: string } | null = null,
): void {
  const next = localPath(field(request.body, 'next') || request.query.next, '')
  response.status(problem?.status ?? 200).render('login', {
    user: null,
    ended: whatEnded(session),
    left: request.query.left === '1',
    problem,
    next,
    username: field(request.body, 'username'),
    remember: wants(request.body, 'remember'),
    accounts: ACCOUNTS,
  })
}

/** Whether a box was ticked. */
export function wants(body: unknown, name: string): boolean {
  return ['1', 'on', 'true', 'yes'].includes(field(body, name))
}
