/**
 * Loads the real core for the checker, with symbolic cryptography in place of `#crypto`, and, on request, with one rule
 * broken. Every load of another mutant is a module graph of its own.
 * @module
 */

import { type LoadHookContext, registerHooks } from 'node:module'

/** One rule broken: a text of a source file and what stands there instead. */
export interface Mutation {
  readonly name: string
  /** Below `src/core`. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** What the checker needs of the core. */
export interface Core {
  readonly Sessions: typeof import('../../src/core/sessions.ts').Sessions
  readonly stateOf: typeof import('../../src/core/session.ts').stateOf
  readonly judge: typeof import('../../src/core/judge.ts').judge
  readonly isLive: typeof import('../../src/core/judge.ts').isLive
  readonly touchEvery: typeof import('../../src/core/policy.ts').touchEvery
}

const SOURCE = new URL('../../src/', import.meta.url).href
const CRYPTO = new URL('./crypto.ts', import.meta.url).href
const mutations: Mutation[] = []

registerHooks({
  resolve(specifier, context, next) {
    const mutant = context.parentURL?.startsWith(SOURCE) ? new URL(context.parentURL).search : ''
    if (specifier === '#crypto') return { url: CRYPTO, shortCircuit: true }
    const resolved = next(specifier, context)
    return resolved.url.startsWith(SOURCE) && !resolved.url.includes('?')
      ? { ...resolved, url: resolved.url + mutant }
      : resolved
  },
  load(url, context, next) {
    const loaded = next(url, context as LoadHookContext)
    const mutation =
      url.startsWith(SOURCE) && mutations[Number(new URL(url).searchParams.get('mutant') ?? -1)]
    if (!mutation || !url.startsWith(`${SOURCE}core/${mutation.file}?`)) return loaded
    const source = String(loaded.source)
    if (source.split(mutation.from).length !== 2) {
      throw new Error(`mutant ${mutation.name}: ${mutation.file} doesn't hold exactly once: ${mutation.from}`)
    }
    return { ...loaded, source: source.replace(mutation.from, () => mutation.to) }
  },
})

/** @param mutation - the rule to break; null for the core as it is */
export async function loadCore(mutation: Mutation | null): Promise<Core> {
  const query = mutation ? `?mutant=${mutations.push(mutation) - 1}` : '?model'
  const load = (file: string) => import(`${SOURCE}core/${file}.ts${query}`)
  const [sessions, session, judge, policy] = await Promise.all(
    ['sessions', 'session', 'judge', 'policy'].map(load),
  )
  const { Sessions } = sessions
  return {
    Sessions,
    stateOf: session.stateOf,
    judge: judge.judge,
    isLive: judge.isLive,
    touchEvery: policy.touchEvery,
  }
}
