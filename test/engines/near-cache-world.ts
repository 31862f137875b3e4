/**
 * Every order of a few reads and writes, each of which begins, happens in the store and is answered at moments of their
 * own, while the store tells of changes when it likes. After each step the near cache must not know less than it has been
 * told, and when everything has been told it must know what the store knows, or nothing.
 */

import assert from 'node:assert/strict'
import type { Engine, SessionRecord } from '../../src/core/engine.ts'
import type { ChangeListener } from '../../src/engines/change-channel.ts'
import { memory } from '../../src/engines/memory.ts'
import { nearCache } from '../../src/engines/near-cache.ts'

type Step = (world: World) => void
/** What happens one after the other, while the rest happens in between. */
export type Thread = readonly Step[]

class World {
  readonly store = memory()
  listener!: ChangeListener
  /** What the near cache has begun and the store hasn't done, by the verb's name. */
  readonly begun: Record<string, { happen: () => void; answer: () => void }[]> = {
    load: [],
    replace: [],
    touch: [],
  }
  /** The least that a read from memory may show from now on. */
  known = { version: 1, seenAt: 0 }
  #peeking = false

  readonly near = nearCache(
    {
      ...this.store,
      load: (id) => this.#defer('load', () => this.store.load(id)),
      replace: (next, version) => this.#defer('replace', () => this.store.replace(next, version)),
      touch: (...args) => this.#defer('touch', () => this.store.touch(...args)),
    },
    {
      channel: {
        name: 'hand',
        listen: (listener) => {
          this.listener = listener
        },
        barrier: () => Promise.resolve(),
        close: () => {},
      },
      maxAge: '30s',
    },
  )

  get stored(): SessionRecord {
    return this.store.load('a') as SessionRecord
  }

  #defer<T>(verb: string, run: () => T): Promise<Awaited<T>> {
    if (this.#peeking) throw new Error('not from memory')
    return new Promise((resolve) => {
      let result: T
      this.begun[verb]!.push({
        happen: () => {
          result = run()
        },
        answer: () => resolve(result as Awaited<T>),
      })
    })
  }

  /** @returns what a read shows without asking the store; undefined when it would ask */
  peek(): SessionRecord | undefined {
    this.#peeking = true
    try {
      return this.near.load('a') as SessionRecord | undefined
    } catch {
      return undefined
    } finally {
      this.#peeking = false
    }
  }
}

interface Seen {
  readonly version: number
  readonly seenAt: number
}

/** From now on no read from memory may show less. */
function learn({ known }: World, { version, seenAt }: Seen): void {
  if (version > known.version) known.seenAt = 0
  if (version >= known.version) known.seenAt = Math.max(known.seenAt, seenAt)
  known.version = Math.max(known.version, version)
}

/**
 * Steps of one verb of the near cache: begun, done by the store, answered. From its answer on it is known which version the
 * store held then, and a time that we moved ourselves; what others moved is for them to tell.
 */
function verb(name: string, begin: (near: Engine, old: SessionRecord) => unknown, later = 0): Thread {
  let call: { happen: () => void; answer: () => void } | undefined
  let old: Seen | undefined
  let then: Seen | undefined
  return [
    ({ near, begun, stored }) => {
      old = stored
      void Promise.resolve(begin(near, stored))
      // A read that found the record in memory asked for nothing.
      call = begun[name]!.pop()
    },
    (world) => {
      call?.happen()
      then = world.stored
    },
    (world) => {
      call?.answer()
      const moved = then!.version === old!.version && later > 0 ? old!.seenAt + later : 0
      if (call) learn(world, { version: then!.version, seenAt: moved })
    },
  ]
}

export const read = () => verb('load', (near) => near.load('a'))
export const freshRead = () => verb('load', (near) => near.load('a', { fresh: true }))
export const replaced = () =>
  verb('replace', (near, old) =>
    near.replace({ ...old, version: old.version + 1, data: '{"b":1}' }, old.version),
  )
export const touched = () => verb('touch', (near, old) => near.touch('a', old.version, old.seenAt + 5, 98), 5)

/** Somebody else writes, and some time later the store tells of it. */
function elsewhere(write: (engine: Engine, old: SessionRecord) => unknown): Thread {
  let then: Seen | undefined
  return [
    ({ store, stored }) => {
      write(store, stored)
      then = store.load('a') as SessionRecord
    },
    (world) => {
      world.listener.changed('a')
      learn(world, then!)
    },
  ]
}

export const revokedElsewhere = () =>
  elsewhere((store, old) =>
    store.replace({ ...old, version: old.version + 1, ended: { reason: 'revoked', at: 2 } }, old.version),
  )
export const touchedElsewhere = () =>
  elsewhere((store, old) => store.touch('a', old.version, old.seenAt + 10, 99))

/** Plays every order of the threads' steps. @returns how many there were */
export async function playAll(threads: () => readonly Thread[]): Promise<number> {
  let orders = 0
  for (const order of interleavings(threads().map(({ length }) => length))) {
    await play(threads(), order)
    orders++
  }
  return orders
}

async function play(threads: readonly Thread[], order: readonly number[]): Promise<void> {
  const world = new World()
  world.store.create(first())
  world.near.stats()
  await settled()
  assert.ok(world.near.stats().up)
  const at = threads.map(() => 0)
  for (const thread of order) {
    threads[thread]![at[thread]!++]!(world)
    await settled()
    const shown = world.peek()
    if (!shown) continue
    const told = () => `${order.join('')} at ${at}: ${JSON.stringify(shown)}`
    assert.ok(shown.version >= world.known.version, told())
    if (shown.version === world.known.version) assert.ok(shown.seenAt >= world.known.seenAt, told())
    assert.ok(shown.version <= world.stored.version, told())
  }
  const shown = world.peek()
  if (shown) assert.deepEqual(shown, world.stored, order.join(''))
}

/** Long enough for an answer to reach the near cache. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await null
}

function* interleavings(lengths: readonly number[], left = [...lengths]): Generator<number[]> {
  if (left.every((count) => count === 0)) yield []
  for (let thread = 0; thread < left.length; thread++) {
    if (left[thread] === 0) continue
    left[thread]!--
    for (const rest of interleavings(lengths, left)) yield [thread, ...rest]
    left[thread]!++
  }
}

function first(): SessionRecord {
  return {
    id: 'a',
    version: 1,
    userId: 'ada',
    era: 1,
    secrets: { current: 'c', parent: null },
    createdAt: 1,
    renewedAt: 1,
    seenAt: 1,
    authenticatedAt: 1,
    methods: ['pwd'],
    remembered: false,
    expiresAt: 60,
    ended: null,
    client: {},
    bound: {},
    data: '{}',
  }
}
