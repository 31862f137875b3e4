/** The store below the engines: two maps, and the contract in as few words as it takes. @module */

import type { Millis } from '../../src/core/duration.ts'
import type { Engine, SessionRecord, UserLedger } from '../../src/core/engine.ts'
import type { Facts } from './remember.ts'
import type { Call, Verb } from './server.ts'
import type { Mutant, State } from './state.ts'

type Store = Pick<State, 'records' | 'ledgers'>

interface Performed extends Store {
  readonly value: unknown
  readonly write: Facts['write']
}

/** What a verb promises to return, so that the compiler tells when the contract changes. */
type Value<V extends Verb> = Awaited<ReturnType<Engine[V]>>

/** Performs an engine call at once. */
export function perform(store: Store, { verb, args }: Call, mutant: Mutant | null): Performed {
  const { records, ledgers } = store
  const broken = mutant?.kind === 'engine' ? mutant.name : null
  const unchanged = <V extends Verb>(value: Value<V>): Performed => ({ ...store, value, write: null })
  const put = <V extends Verb>(after: SessionRecord, value: Value<V>): Performed => ({
    records: new Map(records).set(after.id, after),
    ledgers,
    value,
    write: { verb, before: records.get(after.id), after },
  })
  switch (verb) {
    case 'load':
      return unchanged<'load'>(records.get(args[0] as string))
    case 'create': {
      const record = args[0] as SessionRecord
      return records.has(record.id) ? unchanged<'create'>(false) : put<'create'>(record, true)
    }
    case 'replace': {
      const [next, version] = args as [SessionRecord, number]
      const before = records.get(next.id)
      const matches = before
        ? broken === 'swap ignored' || before.version === version
        : broken === 'replace inserts'
      return matches ? put<'replace'>(forward(next, before), true) : unchanged<'replace'>(false)
    }
    case 'touch': {
      const [id, version, seenAt, expiresAt] = args as [string, number, Millis, Millis]
      const before = records.get(id)
      if (before?.version !== version) return unchanged<'touch'>(false)
      return put<'touch'>(forward({ ...before, seenAt, expiresAt }, before), true)
    }
    case 'loadUser':
      return unchanged<'loadUser'>(ledgers.get(args[0] as string))
    case 'replaceUser': {
      const [next, version] = args as [UserLedger, number]
      const holds = (ledgers.get(next.userId)?.version ?? 0) === version || broken === 'swap ignored'
      if (!holds) return unchanged<'replaceUser'>(false)
      return { ...unchanged<'replaceUser'>(true), ledgers: new Map(ledgers).set(next.userId, next) }
    }
  }
}

/** The two times that never move back. */
function forward(next: SessionRecord, before: SessionRecord | undefined): SessionRecord {
  if (!before || (next.seenAt >= before.seenAt && next.expiresAt >= before.expiresAt)) return next
  const seenAt = Math.max(next.seenAt, before.seenAt)
  return { ...next, seenAt, expiresAt: Math.max(next.expiresAt, before.expiresAt) }
}

/** Forgets what is past its time, as an engine may. */
export function sweep({ records, ledgers, now }: State): Store {
  const keep = <T extends { readonly expiresAt: Millis }>(all: ReadonlyMap<string, T>) =>
    new Map([...all].filter(([, { expiresAt }]) => expiresAt > now))
  return { records: keep(records), ledgers: keep(ledgers) }
}

/** Whether there is anything to forget. */
export function sweepable({ records, ledgers, now }: State): boolean {
  return [...records.values(), ...ledgers.values()].some(({ expiresAt }) => expiresAt <= now)
}
