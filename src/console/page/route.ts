/** Where in the page one is: the part of the address behind `#`. @module */

export type View = 'overview' | 'sessions' | 'session' | 'events'

export interface Route {
  readonly view: View
  /** Of the one session. */
  readonly id: string
  readonly query: Readonly<Record<string, string>>
}

export function parseRoute(hash: string): Route {
  const [path = '', text = ''] = hash.replace(/^#?\/?/, '').split('?')
  const [first = '', id = ''] = path.split('/')
  const query = Object.fromEntries(new URLSearchParams(text))
  if (first === 'session' && id !== '') return { view: 'session', id: decode(id), query }
  if (first === 'sessions' || first === 'events') return { view: first, id: '', query }
  return { view: 'overview', id: '', query }
}

export function linkTo(view: View, query: Readonly<Record<string, string>> = {}, id = ''): string {
  const given = Object.entries(query).filter(([, value]) => value !== '')
  const path = view === 'overview' ? '' : view === 'session' ? `session/${encodeURIComponent(id)}` : view
  return `#/${path}${given.length === 0 ? '' : `?${new URLSearchParams(given)}`}`
}

export function linkToSession(id: string): string {
  return linkTo('session', {}, id)
}

/** An address that somebody typed may be cut off in the middle of a character. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
