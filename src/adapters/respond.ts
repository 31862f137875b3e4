/** What the adapters for Node's responses have in common. @module */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Effects } from '../core/effects.ts'
import type { MaybePromise } from '../core/engine.ts'
import { SessionError } from '../core/errors.ts'
import { isLater } from '../core/later.ts'
import type { RequestContext } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import { commitDirectly, type Sessions } from '../core/sessions.ts'
import { type Answer, answerTo, INTERNAL_ERROR, prepareAnswer } from './answer.ts'
import { headerOf } from './context.ts'
import { deferResponse, type Outcome } from './defer.ts'
import { applyEffects, headersOf } from './effects.ts'
import { Notes } from './notes.ts'

/** What an application can say of errors that the adapter answers. */
export interface ErrorOptions {
  /**
   * Makes the answer to a request that was refused, or whose commit failed. In the former case `sessions.current()` works
   * in it, and so does its `csrfToken()`.
   * @defaultValue JSON or one line of text, with the error's code and message
   */
  readonly onError?: (error: SessionError, req: IncomingMessage) => MaybePromise<Answer>
}

/** Errors whose answer has left already, in the place of the response that now fails with them. */
export const answered: WeakSet<object> = new WeakSet()

/** What is still to be asked of a session when its response begins. What it throws takes the place of the response. */
export const beforeCommit: Notes<() => void> = new Notes()

/** Has a response wait for its session's commit; where that fails, another response leaves in its place. */
export function commitFirst<Data extends object>(
  sessions: Sessions<Data>,
  session: Session<Data>,
  context: RequestContext,
  res: ServerResponse,
  answer: (error: unknown) => Promise<Answer>,
): void {
  const committed = (effects: Effects): Outcome => ({ effects, instead: null })
  async function failed(error: unknown): Promise<Outcome> {
    if (error instanceof Error) answered.add(error)
    return { effects: sessions.failed(context), instead: { answer: await answer(error), error } }
  }
  deferResponse(res, (status) => {
    try {
      beforeCommit.get(session)?.()
      const effects = commitDirectly(sessions, session, status)
      return isLater(effects) ? effects.then(committed, failed) : committed(effects)
    } catch (error) {
      return failed(error)
    }
  })
}

/**
 * Commits a session once, whoever is first: a framework at the end of a request, by what this returns, or whatever writes to
 * Node's response past it. In the latter case another response leaves where the commit fails, as of `commitFirst`.
 *
 * @param statusOf - what the status of a response written past the framework is worth
 * @returns what commits, and throws where that fails; nothing, once it was tried
 */
export function commitOnce<Data extends object>(
  sessions: Sessions<Data>,
  session: Session<Data>,
  context: RequestContext,
  res: ServerResponse,
  statusOf: (status: number) => number = (status) => status,
): (status: number) => MaybePromise<void> {
  let effects: Effects | null = null
  const commit = (status: number): MaybePromise<void> => {
    if (effects) return
    const made = commitDirectly(sessions, session, status)
    if (!isLater(made)) return keep(made)
    return made.then(keep, (error) => {
      effects = sessions.failed(context)
      throw error
    })
  }
  function keep(made: Effects): void {
    effects = made
  }
  const committed = (): Outcome => ({ effects: effects!, instead: null })
  deferResponse(res, (status) => {
    const committing = commit(statusOf(status))
    if (!committing) return committed()
    return committing.then(committed, async (error) => {
      return { effects: effects!, instead: { answer: await answerFor(error, res.req, {}), error } }
    })
  })
  return commit
}

/** Finds the answer to whatever went wrong. Never fails itself: what has no answer is a bare 500, and is logged. */
export async function answerFor(
  error: unknown,
  req: IncomingMessage,
  { onError }: ErrorOptions,
): Promise<Answer> {
  try {
    if (!(error instanceof SessionError)) throw error
    return (await onError?.(error, req)) ?? answerTo(error, { header: (name) => headerOf(req, name) })
  } catch (unexpected) {
    console.error('holdfast: a request failed', unexpected)
    return INTERNAL_ERROR
  }
}

/** Ends a response with an answer. */
export function sendAnswer(res: ServerResponse, answer: Answer, effects: Effects | null = null): void {
  prepareAnswer(res, answer)
  if (effects) applyEffects(effects, headersOf(res))
  res.writeHead(answer.status)
  res.end(answer.body)
}
