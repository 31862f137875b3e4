/** The application behind the sessions: what it does with each request, and how requests and responses look. @module */

import type { Effects } from '../../src/core/effects.ts'
import type { RequestContext } from '../../src/core/request.ts'
import type { Session } from '../../src/core/session.ts'

const COOKIE = '__Host-Http-session'
const SAFE: ReadonlySet<Task> = new Set(['read'])

/** What a request asks for. */
export type Task =
  | 'read'
  | 'write'
  | 'shop'
  | 'login'
  | 'login as bob'
  | 'reauthenticate'
  | 'renew'
  | 'logout'
  | 'revoke'

/** What a session holds: the names of the requests that wrote to it. */
export interface Data {
  marks: string[]
}

/** What a write leaves behind: its request's name. */
export function markOf(request: number): string {
  return `#${request}#`
}

/** What the application does with a request. */
export function handle(session: Session<Data>, task: Task, request: number): void {
  if (task === 'login') session.authenticate('ada')
  else if (task === 'login as bob') session.authenticate('bob')
  else if (task === 'logout') session.terminate()
  else if (task === 'reauthenticate' && session.userId !== null) session.reauthenticate()
  else if (task === 'renew' && session.userId !== null) session.renew()
  else if (task === 'shop' || (task === 'write' && session.id !== null)) {
    session.update('marks', (marks = []) => [...marks, markOf(request)])
  } else session.has('marks')
}

export function contextOf(task: Task, cookie: string | null, now: number): RequestContext {
  return {
    method: SAFE.has(task) ? 'GET' : 'POST',
    origin: 'https://example.com',
    path: '/',
    search: '',
    ip: null,
    now,
    header(name) {
      if (name === 'cookie') return cookie && `${COOKIE}=${cookie}`
      return name === 'sec-fetch-site' ? 'same-origin' : null
    },
    field: () => null,
  }
}

export function tokenIn({ headers }: Effects): string | null {
  const header = headers.find(([name, value]) => name === 'Set-Cookie' && value.startsWith(COOKIE))
  return header ? header[1].slice(COOKIE.length + 1, header[1].indexOf(';')) : null
}
