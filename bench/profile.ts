/** Where a request's time goes: a sampling profile of the server process, summed up by parts. @module */

import { type Profiler, Session } from 'node:inspector/promises'

/** Microseconds of processor time, by part. */
export type Parts = Record<string, number>

/** The parts of Holdfast, in the order in which a request meets them, and the files that do their work. */
const PARTS: Record<string, RegExp> = {
  'the request: client, origin, headers': /\/adapters\/context\.|\/proxy\.|\/address\.|\/ipaddr\.js\//,
  'cookie, token, cryptography': /\/core\/(?:transport|token|keys|csrf)\.|\/runtime\//,
  'guard, judge, plan, bindings': /\/core\/(?:guard|judge|plan|policy|memo|request)\.|\/bindings\//,
  'the engine, its deadline': /\/engines\/|\/core\/(?:deadline|records)\./,
  "the session's data, as JSON": /\/core\/(?:data|session|schema)\./,
  'open, commit, the queue': /\/core\//,
  '`sessions.current()`: AsyncLocalStorage': /async_local_storage|async_context_frame/,
  'the response, held back until its commit': /\/adapters\//,
}
const REST = "the framework's own, and the handler"
const GARBAGE = 'garbage collection'
export const PART_NAMES: readonly string[] = [...Object.keys(PARTS), GARBAGE, REST]

/** Profiles this process from now on. @returns what ends it */
export async function startProfile(): Promise<() => Promise<Parts>> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 200 })
  await session.post('Profiler.start')
  return async () => {
    const { profile } = await session.post('Profiler.stop')
    session.disconnect()
    return sum(profile)
  }
}

function sum({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Parts {
  const parts: Parts = Object.fromEntries(PART_NAMES.map((name) => [name, 0]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const partOf = (id: number): string | null => {
    const { functionName } = byId.get(id)!.callFrame
    if (functionName === '(idle)') return null
    if (functionName === '(garbage collector)') return GARBAGE
    // A built-in function's time is its caller's, but for the HTTP server, whom we wake when the commit is done.
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { url } = byId.get(at)!.callFrame
      if (/^node:(?:_http|net$|internal\/stream)|\/bench\/systems\//.test(url)) return REST
      const part = Object.keys(PARTS).find((name) => PARTS[name]!.test(url))
      if (part) return part
    }
    return REST
  }
  const known = new Map(nodes.map(({ id }) => [id, partOf(id)]))
  for (const [index, id] of samples.entries()) {
    const part = known.get(id)
    if (part) parts[part]! += timeDeltas[index + 1] ?? 0
  }
  return parts
}
